"""A CRM's answers are kept, and played where there is no CRM: whatever a connector makes of them, it makes again."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorError, Deadline, LookupQuery, Misconfigured, Unavailable
from connectors.http.cassette_file import Answers, CassetteFault, Recorder
from tests.connectors.rest_case import Opened, opened, section
from tests.connectors.salesforce_harness import by_phone
from tests.connectors.salesforce_harness import opened as salesforce
from tests.connectors.test_rest_signin import ways
from tests.fakes.rest_crm import RestCrm, customer
from tests.fakes.rest_crm.signin import CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, TOKEN
from tests.fakes.salesforce import FakeSalesforce

DAY = date(2024, 5, 2)
NOWHERE = "http://127.0.0.1:9"
SECRETS = (TOKEN, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, "issued-token")


def kept(recorder: Recorder, folder: Path) -> tuple[Path, str]:
    file = folder / "answers" / "ana.yaml"
    recorder.write(file, DAY)
    return file, file.read_text(encoding="utf-8")


def playing(file: Path, crm: RestCrm, url: str = NOWHERE, **more: Any) -> Opened:
    """The connector on a cassette: its CRM is not there."""
    return Opened(crm, section(url, **more), cassette=Answers.read(file).cassette("crm"))


@pytest.mark.parametrize(
    "way",
    ["none", "basic", "bearer", "header", "param", "client_credentials", "client_credentials_basic", "refresh_token",
     "password", "session", "cookie", "jsonrpc"],
)  # fmt: skip
def test_what_was_found_is_found_again_without_a_crm_or_a_secret(way: str, crm: RestCrm, tmp_path: Path) -> None:
    crm.auth, auth = ways(crm)[way]
    recorder = Recorder()
    with opened(crm, auth=auth, context={"cassette": recorder.cassette("crm")}) as recorded:
        found = [*recorded.contacts(), *recorded.orders("00077")]
    file, text = kept(recorder, tmp_path)
    assert [secret for secret in SECRETS if secret in text] == []
    count = len(crm.requests)
    played = playing(file, crm, url=crm.url, auth=auth)
    assert [*played.contacts(), *played.orders("00077")] == found
    played.connector.close()
    assert len(found) == 2
    assert len(crm.requests) == count, "the CRM was asked"


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        ("/customers/next", {"next": "next"}),
        ("/customers/cursor", {"cursor": "paging.after", "param": "after"}),
        ("/customers/link", {"link": "next"}),
        ("/customers/number", {"param": "page", "size_param": "limit", "size": 10}),
    ],
)
def test_pages_are_played_in_their_order(path: str, pages: dict[str, Any], crm: RestCrm, tmp_path: Path) -> None:
    crm.store.customers = [customer(n, f"Near {n}", f"911{n:02}2233") for n in range(25)]
    crm.store.customers.append(customer(99, "Ana", "600112233"))
    search = {"path": path, "params": {"q": "{{ phone.national }}"}, "pages": pages}
    records = {"contact": {"search": search, "items": "data", "fields": {"name": "full_name"}}}
    recorder = Recorder()
    with opened(crm, records=records, context={"cassette": recorder.cassette("crm")}) as recorded:
        assert recorded.names() == ["Ana"]
    file, _ = kept(recorder, tmp_path)
    assert recorder.counts() == {"crm": 3}
    played = playing(file, crm, url=crm.url, records=records)
    assert played.names() == ["Ana"]
    played.connector.close()


@pytest.mark.parametrize("fault", ["error", "down", "login_page", "invalid_json", "wrong_type", "too_many", "reset"])
def test_errors_are_played_too(fault: str, crm: RestCrm, tmp_path: Path) -> None:
    crm.faults.add(fault, seconds=3600)
    recorder = Recorder()
    with (
        opened(crm, context={"cassette": recorder.cassette("crm")}) as recorded,
        pytest.raises(ConnectorError) as first,
    ):
        recorded.contacts(seconds=0.3)
    file, _ = kept(recorder, tmp_path)
    played = playing(file, crm)
    with pytest.raises(ConnectorError) as again:
        played.contacts(seconds=0.3)
    assert isinstance(first.value, Unavailable)
    assert isinstance(again.value, Unavailable)
    played.connector.close()


def test_numbers_and_foreign_letters_come_back_as_the_crm_wrote_them(crm: RestCrm, tmp_path: Path) -> None:
    told = {"total": 12.5, "ref": "00077", "big": 2**60, "tiny": 1e-07, "huge": 1.5e300}
    crm.store.customers = [customer(1, "Peña: 100 % «no»", "600112233") | told]
    crm.faults.add("latin1")
    fields = {"name": "full_name", "on": "changed"} | {name: name for name in told}
    records = {"contact": {"search": {"path": "/customers", "params": {"q": "1"}}, "items": "data", "fields": fields}}
    recorder = Recorder()
    with opened(crm, records=records, context={"cassette": recorder.cassette("crm")}) as recorded:
        found = recorded.contacts()
    file, text = kept(recorder, tmp_path)
    assert "Peña" in text
    by_hand = text.replace("total: 12.5", "total: 12.500").replace("'2024-01-01'", "2024-01-01")
    file.write_text(by_hand, encoding="utf-8")
    played = playing(file, crm, records=records)
    again = played.contacts()
    played.connector.close()
    assert again == found
    assert {name: str(value) for name, value in again[0].fields.items() if name in fields} == {
        "name": "Peña: 100 % «no»", "on": "2024-01-01", "total": "12.5", "ref": "00077", "big": str(2**60),
        "tiny": "1e-07", "huge": "1.5e+300",
    }  # fmt: skip


def test_a_request_that_is_not_there_is_named_and_the_nearest_too(crm: RestCrm, tmp_path: Path) -> None:
    recorder = Recorder()
    token = {"type": "api_key", "param": "api_key", "value": TOKEN}
    with opened(crm, auth=token, context={"cassette": recorder.cassette("crm")}) as recorded:
        recorded.contacts()
    file, _ = kept(recorder, tmp_path)
    played = playing(file, crm, auth=token)
    with pytest.raises(Misconfigured) as raised:
        played.contacts("677888999")
    played.connector.close()
    said = str(raised.value)
    assert "ana.yaml (crm) keeps no answer to GET http://127.0.0.1:9/customers?q=••••••999" in said
    assert f"{crm.url}/customers?q=••••••233" in said
    assert TOKEN not in said
    other = Opened(crm, section(NOWHERE), cassette=Answers.read(file).cassette("other"))
    with pytest.raises(Misconfigured, match="nothing like it"):
        other.contacts()
    other.connector.close()


def test_of_several_answers_to_one_request_each_is_played_once_and_the_last_again(crm: RestCrm, tmp_path: Path) -> None:
    recorder = Recorder()
    with opened(crm, context={"cassette": recorder.cassette("crm")}) as recorded:
        before = recorded.names()
        crm.store.customers = [customer(1, "Eva", "600112233")]
        after = recorded.names()
    file, _ = kept(recorder, tmp_path)
    played = playing(file, crm)
    assert [played.names(), played.names(), played.names()] == [before, after, after]
    played.connector.close()


def test_what_an_admin_writes_into_the_file_is_played(crm: RestCrm, tmp_path: Path) -> None:
    file = tmp_path / "eva.yaml"
    file.write_text(
        "answers:\n  crm:\n    - request: GET https://shop.example.com/customers\n      params: {q: 600112233}\n"
        "      answer: {status: 200, json: {data: [{id: 7, full_name: Eva, phone: 600 11 22 33}]}}\n",
        encoding="utf-8",
    )
    played = playing(file, crm)
    assert played.names() == ["Eva"]
    assert "→ 200 OK" in played.seen[0]
    played.connector.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("answers: [", "line 1"),
        ("answer: {}", "answers: Field required"),
        ("- 1", "the file"),
        ("answers: {crm: [{request: nonsense, no_answer: away}]}", r"answers\.crm\[0\]\.request"),
        ("answers: {crm: [{request: GET http://x/y}]}", r"answers\.crm\[0\]: say what came back"),
        ("answers: {crm: [{request: GET http://x/y, answer: {status: 200, json: 1, text: a}}]}", "one body"),
        ("answers: {crm: [{request: GET http://x/y, answer: {status: 200, base64: a}}]}", "base64"),
        ("answers: {crm: [{request: GET http://x/y, answer: {status: 2}}]}", "status"),
        ("\xff", "UTF-8"),
    ],
)
def test_a_file_that_is_wrong_is_told_where(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(CassetteFault, match=said) as raised:
        Answers.read(file)
    assert "wrong.yaml" in str(raised.value)
    with pytest.raises(CassetteFault, match="does not exist"):
        Answers.read(tmp_path / "nothing.yaml")
    with pytest.raises(CassetteFault, match="can't be read"):
        Answers.read(tmp_path)


def test_a_cassette_of_salesforce_holds_no_secret_and_needs_nothing_learnt_before(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600 11 22 33")
    recorder = Recorder()
    with salesforce(fake, tmp_path, {"cache": None, "cassette": recorder.cassette("crm")}) as connector:
        found = by_phone(connector, "600112233")
        token = connector._client.signed(Deadline.after(30)).access.token
    file, text = kept(recorder, tmp_path)
    assert fake.signin.client_secret not in text
    assert token not in text
    fake.go_away()
    with salesforce(fake, tmp_path, {"cache": None, "cassette": Answers.read(file).cassette("crm")}) as connector:
        assert by_phone(connector, "600112233") == found
        with pytest.raises(Misconfigured, match="keeps no answer"):
            connector.find(LookupQuery("order", key="7"), Deadline.after(30))
    assert len(found) == 1
