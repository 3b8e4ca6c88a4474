"""Signing in: four ways, once for all threads, never again with a login that was refused."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Misconfigured, TimedOut, Unavailable
from connectors.phone import parse
from connectors.salesforce.options import Login
from connectors.salesforce.signin import audience
from connectors.testing import activity, eventually
from tests.connectors.salesforce_harness import by_key, by_phone, client_credentials, log, opened
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.salesforce.api import Answer, answer
from tests.fakes.salesforce.tls import jwt_pair

TOKEN = "/services/oauth2/token"


def one_contact(fake: FakeSalesforce) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600 11 12 22")


def jwt_login(fake: FakeSalesforce, folder: Path) -> dict[str, str]:
    key, fake.signin.certificate = jwt_pair(folder)
    return {"domain": fake.url, "client_id": fake.signin.client_id, "username": fake.signin.username,
            "private_key_file": key.name}  # fmt: skip


def soap_login(fake: FakeSalesforce) -> dict[str, str]:
    who = fake.signin
    return {
        "domain": fake.url,
        "username": who.username,
        "password": who.password,
        "security_token": who.security_token,
    }


def test_client_credentials_sign_in_and_find(fake: FakeSalesforce, tmp_path: Path) -> None:
    one_contact(fake)
    with opened(fake, tmp_path) as connector:
        assert [one.fields["name"] for one in by_phone(connector, "600111222")] == ["Ana"]
    assert fake.signin.count == 1


def test_a_jwt_signs_in_with_the_key_file_beside_the_configuration(fake: FakeSalesforce, tmp_path: Path) -> None:
    one_contact(fake)
    with opened(fake, tmp_path, login=jwt_login(fake, tmp_path)) as connector:
        assert len(by_phone(connector, "600111222")) == 1


def test_a_password_with_odd_characters_signs_in_by_soap(fake: FakeSalesforce, tmp_path: Path) -> None:
    one_contact(fake)
    with opened(fake, tmp_path, login=soap_login(fake), version="68.0") as connector:
        assert len(by_phone(connector, "600111222")) == 1
    assert [one.line for one in fake.requests("Soap")] == ["POST /services/Soap/u/64.0"]  # gone from 65.0 on


def test_a_session_from_elsewhere_is_used_as_it_is(fake: FakeSalesforce, tmp_path: Path) -> None:
    one_contact(fake)
    login = {"session_id": fake.signin.open(), "instance_url": fake.url}
    with opened(fake, tmp_path, login=login) as connector:
        assert len(by_phone(connector, "600111222")) == 1
        fake.signin.expire()
        with pytest.raises(Misconfigured, match="session_id has expired"):
            by_phone(connector, "600111222")
    assert fake.signin.count == 0


def test_opening_touches_no_network(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.go_away()
    with opened(fake, tmp_path):
        pass
    assert fake.seen == []


@pytest.mark.parametrize(
    ("login", "hint"),
    [
        ({"client_secret": "wrong-secret"}, "client_secret: is not the app's consumer secret"),
        ({"client_id": "wrong"}, "client_id: is not the app's consumer key"),
    ],
)
def test_a_refused_login_says_what_to_mend_and_is_never_tried_again(
    fake: FakeSalesforce, tmp_path: Path, login: dict[str, str], hint: str
) -> None:
    with opened(fake, tmp_path, login={**client_credentials(fake), **login}) as connector:
        with pytest.raises(Misconfigured, match=hint):
            by_phone(connector, "600111222")
        for _ in range(3):
            with pytest.raises(Misconfigured, match="not tried again before the configuration changes"):
                by_phone(connector, "600111222")
    assert fake.signin.count == 1


def test_a_wrong_password_is_tried_once_however_many_ask(fake: FakeSalesforce, tmp_path: Path) -> None:
    login = {**soap_login(fake), "password": "n0t-this"}

    def ask(_number: int) -> str:
        with pytest.raises(Misconfigured) as raised:
            by_phone(connector, "600111222")
        return str(raised.value)

    with opened(fake, tmp_path, login=login) as connector, ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(ask, range(60)))
    assert fake.signin.count == 1
    assert all("INVALID_LOGIN" in text and "n0t-this" not in text for text in texts)


def test_the_wrong_domain_for_client_credentials_is_said(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.signin.my_domain = False
    with opened(fake, tmp_path) as connector, pytest.raises(Misconfigured, match="must be your My Domain"):
        by_phone(connector, "600111222")


def test_the_wrong_certificate_for_a_jwt_is_said(fake: FakeSalesforce, tmp_path: Path) -> None:
    login = jwt_login(fake, tmp_path)
    _, fake.signin.certificate = jwt_pair(tmp_path, "other")
    with opened(fake, tmp_path, login=login) as connector, pytest.raises(Misconfigured, match="certificate uploaded"):
        by_phone(connector, "600111222")


def test_a_clock_that_is_wrong_is_said_and_not_held_against_the_login(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.signin.clock = 900
    with opened(fake, tmp_path, login=jwt_login(fake, tmp_path)) as connector:
        with pytest.raises(Misconfigured, match=r"clock is (899|900|901) s behind") as raised:
            by_phone(connector, "600111222")
        assert "not tried again" not in str(raised.value)
        with pytest.raises(Misconfigured, match="clock") as raised:
            by_phone(connector, "600111222")
        assert "not tried again" not in str(raised.value)
    assert fake.signin.count == 1


@pytest.mark.parametrize(
    "instead",
    [
        answer(503, {"error": "temporarily_unavailable", "error_description": "try later"}),
        answer(400, {"error": "invalid_grant", "error_description": "login rate exceeded"}),
        Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}),
        Answer(200, b"<html>Sign in to the Wi-Fi</html>", {"Content-Type": "text/html"}),
        Answer(200, b"[]", {"Content-Type": "application/json"}),
    ],
    ids=["unavailable", "rate", "gateway", "portal", "list"],
)
def test_an_outage_of_the_login_is_not_a_refusal(fake: FakeSalesforce, tmp_path: Path, instead: Answer) -> None:
    one_contact(fake)
    fake.say(instead, TOKEN)
    with opened(fake, tmp_path) as connector:
        with pytest.raises(Unavailable):
            by_phone(connector, "600111222")
        assert len(by_phone(connector, "600111222")) == 1


@pytest.mark.parametrize("instead", [Answer(503, b"down"), Answer(200, b"<html>", {})], ids=["503", "no XML"])
def test_an_outage_of_the_soap_login_is_not_a_refusal(fake: FakeSalesforce, tmp_path: Path, instead: Answer) -> None:
    one_contact(fake)
    fake.say(instead, "Soap")
    with opened(fake, tmp_path, login=soap_login(fake)) as connector:
        with pytest.raises(Unavailable):
            by_phone(connector, "600111222")
        assert len(by_phone(connector, "600111222")) == 1


def test_a_wrong_domain_without_salesforce_behind_it_is_the_admins(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.say(Answer(404, b"<html>nothing here</html>", {"Content-Type": "text/html"}), TOKEN)
    with opened(fake, tmp_path) as connector, pytest.raises(Misconfigured, match=r"is login\.domain right"):
        by_phone(connector, "600111222")


def test_a_session_expiring_amid_200_simultaneous_lookups_costs_one_sign_in(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    for number in range(20):
        fake.org.add("Contact", LastName=f"Person {number}", Phone=f"6001112{number:02}")
    start = threading.Barrier(200)

    def ask(number: int) -> str:
        start.wait(60)
        [record] = by_phone(connector, f"6001112{number % 20:02}", seconds=60)
        return str(record.fields["name"])

    with opened(fake, tmp_path, {"concurrency": 200}, timeout="60s") as connector:
        by_phone(connector, "600111200")
        assert fake.signin.count == 1
        fake.signin.expire()
        with ThreadPoolExecutor(200) as pool:
            names = list(pool.map(ask, range(200)))
    assert names == [f"Person {number % 20}" for number in range(200)]
    assert fake.signin.count == 2
    assert len(fake.requests("search")) >= 200 + 2  # the refused ones were asked again


def test_writes_survive_the_end_of_a_session_with_their_headers(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.assigned_to = fake.org.add("User", Name="Assigned", IsActive=True)
    with opened(fake, tmp_path, activity={"unknown_caller": "lead"}) as connector:
        log(connector, activity("one"))
        fake.fail(401, "INVALID_SESSION_ID", match="sobjects/Lead")
        log(connector, activity("two", caller=parse("600999888", "ES")))
    assert fake.signin.count == 2
    assert [row["OwnerId"] for row in fake.org.all("Lead")] == [fake.org.user] * 2  # not the assignment rules'


def test_a_session_refused_as_soon_as_it_was_given_is_not_asked_for_again_and_again(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    fake.fail(401, "INVALID_SESSION_ID", match="/services/data/", times=1000)
    with opened(fake, tmp_path) as connector:
        for _ in range(5):
            with pytest.raises(Misconfigured):
                by_phone(connector, "600111222")
    assert fake.signin.count <= 2


def test_a_401_that_is_no_json_is_an_expired_session_too(fake: FakeSalesforce, tmp_path: Path) -> None:
    one_contact(fake)
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "600111222")
        fake.say(Answer(401, b"<html>who are you?</html>", {"Content-Type": "text/html"}), "search")
        assert len(by_phone(connector, "600111222")) == 1
    assert fake.signin.count == 2


def test_a_sign_in_outlasts_the_first_callers_deadline(fake: FakeSalesforce, tmp_path: Path) -> None:
    one_contact(fake)
    free = threading.Event()
    fake.before = lambda request: None if TOKEN not in request.path else (free.wait(30), None)[1]
    with opened(fake, tmp_path) as connector:
        with pytest.raises(TimedOut):
            by_phone(connector, "600111222", seconds=0.2)
        free.set()
        eventually(lambda: fake.signin.sessions, "the session")
        assert len(by_phone(connector, "600111222")) == 1
    assert fake.signin.count == 1


def test_requests_end_at_the_deadline_even_while_signing_in(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.hang(TOKEN)
    begun = time.monotonic()
    with opened(fake, tmp_path, timeout="1s") as connector, pytest.raises(TimedOut):
        by_key(connector, "1", seconds=0.3)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("login", "text"),
    [
        ({"domain": "login", "client_id": "a", "client_secret": "bbbb"}, "client credentials need your My Domain"),
        ({"username": "a", "client_id": "b"}, "write one of"),
        ({"domain": "acme.my", "client_id": "a", "client_secret": "bbbb", "password": "cccc"}, "write one of"),
        ({"session_id": "aaaa", "instance_url": "http://acme.example"}, "instance_url"),
        ({"session_id": "aaaa", "instance_url": "https://acme.example/path"}, "instance_url"),
        ({"domain": "acme.my/?x", "client_id": "a", "client_secret": "bbbb"}, "domain"),
        ({}, "write one of"),
    ],
)
def test_a_login_that_is_none_of_the_four_is_a_fault(login: dict[str, str], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Login.model_validate(login)


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("acme.my", "https://acme.my.salesforce.com"),
        ("acme--dev.sandbox.my", "https://acme--dev.sandbox.my.salesforce.com"),
        ("acme.my.salesforce.com", "https://acme.my.salesforce.com"),
        ("https://gateway.example/", "https://gateway.example"),
    ],
)
def test_a_domain_becomes_its_address(domain: str, host: str) -> None:
    login = Login.model_validate({"domain": domain, "client_id": "a", "client_secret": "bbbb"})
    assert login.host == host


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "https://login.salesforce.com"),
        ({"domain": "test"}, "https://test.salesforce.com"),
        ({"domain": "acme--dev.sandbox.my"}, "https://test.salesforce.com"),
        ({"domain": "acme.my"}, "https://login.salesforce.com"),
        ({"audience": "https://site.example"}, "https://site.example"),
    ],
)
def test_a_jwt_names_the_login_it_is_for(changed: dict[str, Any], expected: str) -> None:
    jwt = {"username": "a", "client_id": "b", "private_key_file": "key.pem"}
    assert audience(Login.model_validate({**jwt, **changed})) == expected


def test_no_secret_is_in_what_a_login_prints(fake: FakeSalesforce) -> None:
    login = Login.model_validate(soap_login(fake))
    assert fake.signin.password not in repr(login) + str(login) + login.model_dump_json()
