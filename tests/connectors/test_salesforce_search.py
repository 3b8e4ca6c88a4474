"""Finding in Salesforce: by phone in the order of objects, by key, and nothing that a value can break or widen."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.base import (
    Connector,
    Context,
    Deadline,
    LookupQuery,
    Misconfigured,
    Record,
    Rejected,
    TimedOut,
    Unavailable,
)
from connectors.phone import Phone, parse
from connectors.salesforce.soql import escape_term, like_digits, quoted, spellings, where_fault
from connectors.testing import eventually
from tests.connectors.salesforce_harness import RECORDS, by_key, by_phone, opened
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.salesforce.api import Answer, answer
from tests.fakes.salesforce.org import Org
from tests.fakes.salesforce.server import FakeSalesforce as Server

HOSTILE = ("O'Brien", "\\", "%", "{}", "?", "*", "' OR Id != '", "x') OR (Id != '", "_", '"', "} RETURNING User(Id)",
           "{0}", "{{ key }}", "a\\' OR Name LIKE \\'%", "\u2028", "😀", "a" * 10_000, "'" * 10_000)  # fmt: skip


def contact_options(**changed: Any) -> dict[str, Any]:
    return {"records": {"contact": {**RECORDS["contact"], **changed}}}


# by phone


def test_fields_come_by_path_from_whichever_object_has_them(fake: FakeSalesforce, tmp_path: Path) -> None:
    agent = fake.org.add("User", Name="Agent", Phone="911 000 001", IsActive=True)
    firm = fake.org.add("Account", Name="Acme SL")
    fake.org.add("Contact", LastName="Ana", Phone="600 11 12 22", OwnerId=agent, AccountId=firm)
    fake.org.add("Lead", LastName="Luis", Company="Luis & Co", Phone="600 33 44 55", OwnerId=agent)
    with opened(fake, tmp_path) as connector:
        [ana] = by_phone(connector, "600111222")
        [luis] = by_phone(connector, "600334455")
    assert (ana.fields["name"], ana.fields["agent_phone"], ana.fields["company"]) == ("Ana", "911 000 001", "Acme SL")
    assert (luis.fields["object"], luis.fields["agent_phone"], luis.fields["company"]) == (
        "Lead",
        "911 000 001",
        "Luis & Co",
    )


def test_a_record_is_opened_in_its_org_unless_another_link_is_configured(fake: FakeSalesforce, tmp_path: Path) -> None:
    ana = fake.org.add("Contact", LastName="Ana", Phone="600 11 12 22")
    with opened(fake, tmp_path) as connector:
        unknown = Record("sf", "contact", ana, {})
        assert connector.link(unknown) is None, "where the org is, the sign-in says"
        [record] = by_phone(connector, "600111222")
        assert connector.link(record) == f"{fake.url}/{ana}"
    with opened(fake, tmp_path, link="https://one.example.com/r/{{ record.object }}/{{ record.id }}") as connector:
        [record] = by_phone(connector, "600111222")
        assert connector.link(record) == f"https://one.example.com/r/Contact/{ana}"


def test_a_queue_as_owner_has_no_phone_and_is_no_error(fake: FakeSalesforce, tmp_path: Path) -> None:
    queue = fake.org.add("Group", Name="Sales")
    fake.org.add("Lead", LastName="Luis", Company="x", Phone="600334455", OwnerId=queue)
    with opened(fake, tmp_path) as connector:
        assert by_phone(connector, "600334455")[0].fields["agent_phone"] is None


@pytest.mark.parametrize("search", ["sosl", "soql"])
def test_the_first_object_in_order_wins(fake: FakeSalesforce, tmp_path: Path, search: str) -> None:
    fake.org.add("Account", Name="Acme", Phone="600111222")
    fake.org.add("Lead", LastName="Lead", Company="x", Phone="600111222")
    with opened(fake, tmp_path, search=search) as connector:
        assert [one.fields["object"] for one in by_phone(connector, "600111222")] == ["Lead"]
    with opened(fake, tmp_path, search=search, **contact_options(objects=["Account", "Lead"])) as connector:
        assert [one.fields["object"] for one in by_phone(connector, "600111222")] == ["Account"]


def test_one_request_asks_for_every_spelling_and_every_object(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "+44 7600 111222")
        counted = len(fake.requests("/services/data/v64.0/(search|query)"))
    assert counted == 1
    [one] = fake.requests("search")
    assert "7600111222+OR+447600111222+OR+00447600111222+OR+07600111222" in one.line


@pytest.mark.parametrize("search", ["sosl", "soql"])
def test_a_converted_lead_is_not_found(fake: FakeSalesforce, tmp_path: Path, search: str) -> None:
    fake.org.add("Lead", LastName="Old", Company="x", Phone="600111222", IsConverted=True)
    with opened(fake, tmp_path, search=search) as connector:
        assert by_phone(connector, "600111222") == []


@pytest.mark.parametrize("search", ["sosl", "soql"])
def test_where_narrows_and_can_not_let_other_conditions_go(fake: FakeSalesforce, tmp_path: Path, search: str) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600111222", Email="ana@acme.example")
    fake.org.add("Contact", LastName="Eva", Phone="600111222", Email="eva@acme.example")
    fake.org.add("Contact", LastName="Luis", Phone="600999888", Email="luis@acme.example")
    where = {"contact": "Email LIKE 'ana%' OR Email LIKE 'luis%'"}
    with opened(fake, tmp_path, search=search, **contact_options(where=where)) as connector:
        assert [one.fields["name"] for one in by_phone(connector, "600111222")] == ["Ana"]


def test_person_accounts_are_found_once_with_the_contact_behind_them(tmp_path: Path) -> None:
    org = Org(person_accounts=True)
    account = org.add("Account", Name="Ana García", IsPersonAccount=True, PersonMobilePhone="600 111 222")
    person = org.add("Contact", LastName="García", MobilePhone="600 111 222", AccountId=account, IsPersonAccount=True)
    org.rows[account[:15]]["PersonContactId"] = person
    server = Server(tmp_path, org)
    with opened(server, tmp_path) as connector:
        assert [one.id for one in by_phone(connector, "600111222")] == [person]
    with opened(server, tmp_path, **contact_options(objects=["Account", "Contact"])) as connector:
        [found] = by_phone(connector, "600111222")
    assert (found.id, found.fields["person_contact_id"]) == (account, person)
    server.close()


def test_sosl_lags_and_soql_sees_at_once(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = fake.org.add("Contact", LastName="New", Phone="600111222")
    fake.org.unindexed.add(made)
    with opened(fake, tmp_path) as connector:
        assert by_phone(connector, "600111222") == []
        fake.org.reindex()
        assert len(by_phone(connector, "600111222")) == 1
        fake.org.unindexed.add(made)
    with opened(fake, tmp_path, search="soql") as connector:
        assert len(by_phone(connector, "600111222")) == 1


def test_phones_that_the_admin_names_are_the_ones_compared(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Contact", LastName="Assistant's", AssistantPhone="600111222")
    fake.org.add("Contact", LastName="Own", MobilePhone="600111222")
    fake.org.add("Contact", LastName="Fax", Fax="600111222")
    with opened(fake, tmp_path, **contact_options(phones=["MobilePhone"])) as connector:
        assert [one.fields["name"] for one in by_phone(connector, "600111222")] == ["Own"]
    with opened(fake, tmp_path) as connector:
        assert {one.fields["name"] for one in by_phone(connector, "600111222")} == {"Own", "Assistant's"}


def test_a_phone_in_a_text_field_is_searched_in_all_fields(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Task", Campaign__c="600 11 12 22", Subject="Notes")
    records = {"note": {"object": "Task", "phones": ["Campaign__c"], "fields": {"name": "Subject"}}}
    with opened(fake, tmp_path, records=records) as connector:
        assert [one.fields["name"] for one in by_phone(connector, "600111222", "note")] == ["Notes"]


@pytest.mark.parametrize("phone", [Phone("X", hidden=True), Phone("nonsense"), Phone("")])
def test_what_is_no_number_is_not_found_and_nobody_is_asked(fake: FakeSalesforce, tmp_path: Path, phone: Phone) -> None:
    with opened(fake, tmp_path) as connector:
        assert connector.find(LookupQuery("contact", phone=phone), Deadline.after(30)) == []
    assert fake.seen == []


# by key


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_neither_breaks_nor_widens_the_query(fake: FakeSalesforce, tmp_path: Path, key: str) -> None:
    fake.org.add("Order", OrderNumber="1", Status="Draft")
    fake.org.add("Order", OrderNumber=None, Status="Nothing")
    with opened(fake, tmp_path) as connector:
        assert by_key(connector, key) == []


@pytest.mark.parametrize("key", [key for key in HOSTILE if len(key) <= 30])
def test_a_hostile_key_that_is_there_finds_itself_alone(fake: FakeSalesforce, tmp_path: Path, key: str) -> None:
    fake.org.add("Order", OrderNumber=key, Status="Mine")
    fake.org.add("Order", OrderNumber="other", Status="Other")
    with opened(fake, tmp_path) as connector:
        found = [one.fields["status"] for one in by_key(connector, key)]
    assert found == (["Mine"] if key.strip() else [])


@pytest.mark.parametrize("key", ["", "  ", "\0", "\ud800", "9" * 31, "a" * 10_000])
def test_a_key_that_can_not_be_there_is_not_asked_for(fake: FakeSalesforce, tmp_path: Path, key: str) -> None:
    fake.org.add("Order", OrderNumber=None, Status="Nothing")
    with opened(fake, tmp_path) as connector:
        assert by_key(connector, key) == []
    assert fake.requests("query") == []


@pytest.mark.parametrize(
    ("field", "key", "asked"),
    [("Weight__c", "12.5", True), ("Weight__c", "1 OR 1", False), ("Id", "abc", False), ("Weight__c", "1e9", False)],
)
def test_a_key_is_written_as_its_fields_type_wants_it(
    fake: FakeSalesforce, tmp_path: Path, field: str, key: str, *, asked: bool
) -> None:
    fake.org.add("Case", CaseNumber="1", Weight__c=12.5, Status="Mine")
    records = {"case": {"object": "Case", "key": field, "fields": {"status": "Status"}}}
    with opened(fake, tmp_path, records=records) as connector:
        assert len(by_key(connector, key, "case")) == asked
    assert bool(fake.requests("query")) is asked


def test_an_id_finds_its_record_by_15_and_18_characters(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = fake.org.add("Case", CaseNumber="7", Status="Mine")
    records = {"case": {"object": "Case", "key": "Id", "fields": {"number": "CaseNumber"}}}
    with opened(fake, tmp_path, records=records) as connector:
        assert [one.fields["number"] for key in (made, made[:15]) for one in by_key(connector, key, "case")] == [
            "7"
        ] * 2


def test_the_newest_comes_first(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Order", OrderNumber="7", Status="old", CreatedDate="2024-01-01T00:00:00.000+0000")
    fake.org.add("Order", OrderNumber="7", Status="new", CreatedDate="2025-01-01T00:00:00.000+0000")
    with opened(fake, tmp_path) as connector:
        assert [one.fields["status"] for one in by_key(connector, "7")] == ["new", "old"]


def test_a_record_that_has_not_the_key_is_not_taken(fake: FakeSalesforce, tmp_path: Path) -> None:
    stranger = {"attributes": {"type": "Order"}, "Id": "8018d0000000009AAA", "OrderNumber": "70", "Status": "Other's"}
    fake.say(answer(200, {"done": True, "records": [stranger]}), "query")
    with opened(fake, tmp_path) as connector:
        assert by_key(connector, "7") == []


# what is wrong, and what passes


def test_a_field_that_does_not_exist_is_said_with_what_was_meant(fake: FakeSalesforce, tmp_path: Path) -> None:
    fields = {"name": "Nmae"}
    with (
        opened(fake, tmp_path, **contact_options(fields=fields)) as connector,
        pytest.raises(Misconfigured, match=r"records.contact.fields.name: .* no Nmae.*did you mean Name\?"),
    ):
        by_phone(connector, "600111222")


def test_a_persons_own_field_through_a_polymorphic_path_is_said(fake: FakeSalesforce, tmp_path: Path) -> None:
    records = {"contact": {"object": "Lead", "fields": {"mobile": "Owner.MobilePhone"}}}
    with (
        opened(fake, tmp_path, records=records) as connector,
        pytest.raises(Misconfigured, match=r"Owner\.MobilePhone"),
    ):
        by_phone(connector, "600111222")


def test_a_field_taken_away_while_running_is_said_with_its_name(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "600111222")
        fake.org.objects["contact"].hide("AssistantPhone")
        with pytest.raises(Misconfigured, match=r"INVALID_FIELD.*AssistantPhone.*this user can't see it"):
            by_phone(connector, "600111222")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", Unavailable), (400, "UNABLE_TO_LOCK_ROW", Unavailable),
        (503, "SERVER_UNAVAILABLE", Unavailable), (400, "QUERY_TIMEOUT", Unavailable),
        (500, "UNKNOWN_EXCEPTION", Unavailable), (429, "", Unavailable), (400, "INVALID_FIELD", Misconfigured),
        (400, "MALFORMED_QUERY", Misconfigured), (400, "REQUIRED_FIELD_MISSING", Misconfigured),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", Misconfigured), (403, "API_DISABLED_FOR_ORG", Misconfigured),
        (410, "UNSUPPORTED_API_VERSION", Misconfigured), (400, "STRING_TOO_LONG", Rejected),
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", Rejected), (404, "NOT_FOUND", Rejected),
    ],
)  # fmt: skip
def test_the_error_code_decides_what_an_error_means(
    fake: FakeSalesforce, tmp_path: Path, status: int, code: str, kind: type[Exception]
) -> None:
    fake.fail(status, code, "about Phone", match="search", fields=("Phone",))
    with opened(fake, tmp_path) as connector, pytest.raises(kind, match="field Phone") as raised:
        by_phone(connector, "600111222")
    assert type(raised.value) is kind
    assert "search" in getattr(raised.value, "exchange", "")


@pytest.mark.parametrize(
    "instead",
    [Answer(503, b"<html>down</html>"), Answer(200, b"<html>Log in</html>"), Answer(200, b"{}"), Answer(200, b"[]"),
     Answer(200, b'{"searchRecords": {"a": 1}}'), Answer(200, b"")],
    ids=["503", "html", "empty", "list", "object", "nothing"],
)  # fmt: skip
def test_an_answer_that_is_not_salesforces_is_an_outage(fake: FakeSalesforce, tmp_path: Path, instead: Answer) -> None:
    fake.say(instead, "search")
    with opened(fake, tmp_path) as connector, pytest.raises(Unavailable):
        by_phone(connector, "600111222")


def test_a_connection_that_breaks_is_asked_again_at_once(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600111222")
    fake.lose("search")
    with opened(fake, tmp_path) as connector:
        assert len(by_phone(connector, "600111222")) == 1


def test_no_phone_is_in_an_error(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.fail(400, "INVALID_SEARCH", "no good: 600111222", match="search")
    with opened(fake, tmp_path) as connector, pytest.raises(Misconfigured) as raised:
        by_phone(connector, "600111222")
    fake.fail(400, "MALFORMED_QUERY", "LIKE '%6%0%0%1%1%1%2%2%2%'", match="query")
    with opened(fake, tmp_path, search="soql") as connector, pytest.raises(Misconfigured) as also:
        by_phone(connector, "600111222")
    for error in (raised.value, also.value):
        assert "111222" not in str(error) + error.exchange
        assert "1%2%2%2" not in str(error) + error.exchange


# descriptions


def test_objects_are_described_once_and_remembered_on_disk(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        for _ in range(3):
            by_phone(connector, "600111222")
        described = len(fake.requests("describe"))
        assert len({one.line for one in fake.requests("describe")}) == described
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "600111222")
    assert len(fake.requests("describe")) == described


def test_a_cache_that_is_damaged_is_no_fault(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600111222")
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "600111222")
    kept = sorted(tmp_path.glob("salesforce-*contact.json"))
    assert kept
    for text in ("", "{", "[]", json.dumps({"at": 9e99, "fields": [{}]}), "\0\0"):
        for file in kept:
            file.write_text(text)
        with opened(fake, tmp_path) as connector:
            assert len(by_phone(connector, "600111222")) == 1


def test_a_slow_description_outlasts_the_first_callers_deadline(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600111222")
    free = threading.Event()

    def slowly(request: Any) -> None:
        if "describe" in request.path:
            free.wait(30)

    fake.before = slowly
    with opened(fake, tmp_path) as connector:
        with pytest.raises(TimedOut):
            by_phone(connector, "600111222", seconds=0.2)
        free.set()
        eventually(lambda: list(tmp_path.glob("salesforce-*contact.json")), "the description")
        assert len(by_phone(connector, "600111222")) == 1
    assert len(fake.requests("Contact/describe")) == 1


# the day's requests


def test_the_days_requests_are_counted_and_a_reserve_is_kept_for_calls(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.api.allowed = 100
    with opened(fake, tmp_path, reserve="20%") as connector:
        by_phone(connector, "600111222")
        assert connector.usage is not None
        assert (connector.usage.used, connector.usage.allowed) == (fake.api.used, 100)
        assert connector.requests == fake.api.used
        fake.api.used = 80
        by_phone(connector, "600111222")  # a call's lookup goes on
        with pytest.raises(Unavailable, match="81 of the day's 100 API requests") as raised:
            list(connector.tasks(Deadline.after(30)))
        assert raised.value.retry_after
        by_phone(connector, "600111222")
    with opened(fake, tmp_path, {"background": True, "cache": None}, reserve="20%") as connector:
        by_phone(connector, "600111222")  # only an answer tells how much is used
        with pytest.raises(Unavailable, match="API requests"):
            by_phone(connector, "600111222")


def test_what_one_process_hears_of_the_days_requests_the_others_know(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.api.used, fake.api.allowed = 90, 100
    with opened(fake, tmp_path, reserve="20%") as in_calls:
        by_phone(in_calls, "600111222")
    asked = fake.api.used
    with opened(fake, tmp_path, {"background": True}, reserve="20%") as connector:
        assert connector.usage is not None
        assert connector.usage.allowed == 100
        with pytest.raises(Unavailable, match="API requests"):
            by_phone(connector, "600111222")
    assert fake.api.used == asked


def test_figures_that_nobody_can_read_are_none(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "600111222")
    [file] = tmp_path.glob("salesforce-usage-*.json")
    for broken in (b"", b"[1, 2", b"{}", b"[1]", b'["a", "b", "c"]', b"\xff"):
        file.write_bytes(broken)
        with opened(fake, tmp_path) as connector:
            assert connector.usage is None, broken


def test_the_days_limit_itself_passes(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.api.allowed = 0
    with opened(fake, tmp_path) as connector, pytest.raises(Unavailable, match="REQUEST_LIMIT_EXCEEDED"):
        by_phone(connector, "600111222")


# statements


def test_values_are_quoted_and_names_are_not_format_strings() -> None:
    assert quoted("O'Brien {} \\ %") == "'O\\'Brien {} \\\\ %'"
    assert like_digits("600") == "'%6%0%0%'"
    assert escape_term("a-b*{c}") == "a\\-b\\*\\{c\\}"


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("+34600111222", "ES", ["600111222", "34600111222", "0034600111222"]),
        ("+442079460000", "ES", ["2079460000", "442079460000", "00442079460000", "02079460000"]),
        ("+12125550100", "US", ["2125550100", "12125550100", "0012125550100"]),
    ],
)
def test_a_number_is_looked_for_as_people_write_it(number: str, country: str, expected: list[str]) -> None:
    assert spellings(parse(number, country), country) == expected


@pytest.mark.parametrize(
    "where", ["", "Name = 'a", "(Name = 'a'", "Name = 'a') OR (Id != null", "Name = 'a' LIMIT 1", "Name = '{{ x }}'"
              .replace("'", ""), "Name = 'a' ORDER BY Name"]
)  # fmt: skip
def test_a_where_that_is_more_than_conditions_is_a_fault(where: str) -> None:
    assert where_fault(where)


@pytest.mark.parametrize(
    "where",
    ["Name = 'a'", "(A = 1 OR B = 2) AND C = 'x ) LIMIT'", "Name = 'O\\'Brien'",
     "AccountId IN (SELECT Id FROM Account WHERE Name = 'x')"],
)  # fmt: skip
def test_a_where_of_conditions_is_fine(where: str) -> None:
    assert where_fault(where) is None


def test_the_context_may_have_no_cache_folder(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600111222")
    with opened(fake, tmp_path, {"cache": None}) as connector:
        assert len(by_phone(connector, "600111222")) == 1
    assert Context(folder=tmp_path).cache is None


# what is to come


def to_come(connector: Connector, since: datetime, **by: Any) -> list[object]:
    query = LookupQuery(upcoming=True, since=since, **by)
    return [record.fields["status"] for record in connector.find(query, Deadline.after(30))]


def test_what_is_to_come_by_key_is_asked_for_in_order(fake: FakeSalesforce, tmp_path: Path) -> None:
    for day in ("2026-03-06", "2026-03-03", "2026-03-04", "2026-03-05"):
        fake.org.add("Order", OrderNumber="7", Status=day, EffectiveDate=day)
    order = {"object": "Order", "key": "OrderNumber", "fields": {"status": "Status"}, "date": "EffectiveDate"}
    with opened(fake, tmp_path, records={"order": order}) as connector:
        since = datetime(2026, 3, 4, tzinfo=ZoneInfo("Europe/Madrid"))
        assert to_come(connector, since, kind="order", key="7") == ["2026-03-04", "2026-03-05", "2026-03-06"]


@pytest.mark.parametrize("search", ["sosl", "soql"])
def test_what_is_to_come_by_phone_and_by_the_minute(fake: FakeSalesforce, tmp_path: Path, search: str) -> None:
    for name, day in (("later", "06"), ("over", "02"), ("today", "04")):
        fake.org.add("Lead", LastName=name, Phone="600112233", CreatedDate=f"2026-03-{day}T09:30:00.000+0000")
    cita = {"object": "Lead", "fields": {"status": "LastName"}, "date": "CreatedDate"}
    with opened(fake, tmp_path, records={"cita": cita}, search=search) as connector:
        since = datetime(2026, 3, 4, tzinfo=ZoneInfo("Europe/Madrid"))
        phone = parse("600112233", "ES")
        assert to_come(connector, since, kind="cita", phone=phone) == ["today", "later"]
        query = LookupQuery("cita", phone=phone, upcoming=True, since=since)
        [first, _] = connector.find(query, Deadline.after(30))
        assert first.dated == datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


def test_a_date_that_no_object_has_is_said(fake: FakeSalesforce, tmp_path: Path) -> None:
    order = {"object": "Order", "key": "OrderNumber", "fields": {"status": "Status"}, "date": "EfectiveDate"}
    with (
        opened(fake, tmp_path, records={"order": order}) as connector,
        pytest.raises(Misconfigured, match=r"records.order.date: .* no EfectiveDate.*did you mean EffectiveDate"),
    ):
        to_come(connector, datetime(2026, 3, 4, tzinfo=UTC), kind="order", key="7")
