"""Calls become Tasks, once each; unknown callers Leads, once for a number; saved records, once for a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.base import (
    Activity,
    ConnectorError,
    Deadline,
    Misconfigured,
    Record,
    Rejected,
    Unavailable,
    WriteResult,
)
from connectors.phone import HIDDEN, parse
from connectors.salesforce.values import CUT, cut, plain
from connectors.testing import activity
from tests.connectors.salesforce_harness import EXTERNAL, by_phone, log, opened, task
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.salesforce.api import Answer
from tests.fakes.salesforce.org import Org

WAYS = pytest.mark.parametrize("way", [EXTERNAL, {}], ids=["external id", "CallObject"])
TASKS = "^(POST|PATCH) .*sobjects/Task"


def log_all(connector: Any, calls: Sequence[Activity]) -> Sequence[WriteResult | ConnectorError]:
    made: Sequence[WriteResult | ConnectorError] = connector.log_activities(calls, Deadline.after(30))
    return made


# the Task


@WAYS
def test_a_call_becomes_a_task_with_the_fields_of_a_call(
    fake: FakeSalesforce, tmp_path: Path, way: dict[str, Any]
) -> None:
    ana = fake.org.add("Contact", LastName="Ana", Phone="600112233")
    order = fake.org.add("Order", OrderNumber="7")
    fields = {"Campaign__c": "{{ vars.CAMPANA }}", "Cost__c": "{{ activity.cost }}", "Phone__c": "{{ caller }}"}
    with opened(fake, tmp_path, activity={**way, "fields": fields}) as connector:
        [contact] = by_phone(connector, "600112233")
        found = {"contact": contact, "order": Record("crm", "order", order, {})}
        call = {"vars": {"CAMPANA": "Otoño"}}
        written = log(connector, activity(contact=contact, found=found, call=call, fields={"Priority": "High"}))
    row = task(fake)
    assert written == WriteResult(row["Id"])
    expected = {
        "Subject": "Llamada de Ana", "Description": "Recibida\nContestada", "Status": "Completed", "IsClosed": True,
        "TaskSubtype": "Call", "CallType": "Inbound", "CallDurationInSeconds": 35, "CallObject": "912345678:77:log",
        "CallDisposition": "Answered", "ActivityDate": "2024-05-02", "WhoId": ana, "WhatId": order,
        "OwnerId": fake.org.user, "Campaign__c": "Otoño", "Cost__c": 0.12, "Phone__c": "+34600112233",
        "Priority": "High", "Infocaller_Id__c": "912345678:77:log" if way else None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_the_day_of_a_task_is_that_of_its_time_zone(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        log(connector, activity(start=datetime(2024, 5, 1, 22, 30, tzinfo=UTC)))
    assert task(fake)["ActivityDate"] == "2024-05-02"  # in Madrid


def test_long_texts_are_cut_with_a_mark_at_their_fields_length(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path, activity={"fields": {"Campaign__c": "{{ activity.note }}"}}) as connector:
        log(connector, activity(subject="s" * 300, note="😀" * 20_000))
    row = task(fake)
    assert row["Subject"] == "s" * (255 - len(CUT)) + CUT
    assert row["Description"].endswith("😀" + CUT)
    assert len(row["Description"].encode("utf-16-le")) // 2 in (31_999, 32_000)
    assert len(row["Campaign__c"].encode("utf-16-le")) // 2 <= 50


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "abc"), ("a" * 40, 20, "a" * 16 + CUT), ("a\ud800b", 10, "a?b"), ("abc", 0, "abc")],
)
def test_cutting(text: str, length: int, expected: str) -> None:
    assert cut(text, length) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (parse("600112233", "ES"), "+34600112233"), (Decimal("12.50"), 12.5), (Decimal("12.00"), 12), (True, True),
        ("  ", None), (None, None), (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00.000+0000"),
        (datetime(2024, 1, 2).date(), "2024-01-02"), (Record("crm", "contact", "003X", {}), "003X"), (HIDDEN, None),
    ],
)  # fmt: skip
def test_values_as_salesforce_takes_them(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_a_value_that_is_no_single_one_is_refused() -> None:
    with pytest.raises(Rejected, match="single value"):
        plain({"a": 1})


@pytest.mark.parametrize(
    ("answered_by", "owner"), [("911000001", 0), ("+34 911 000 001", 0), ("205", 1), ("911000009", 2), ("", 2)]
)
def test_the_owner_is_who_answered_else_the_contacts(
    fake: FakeSalesforce, tmp_path: Path, answered_by: str, owner: int
) -> None:
    users = [fake.org.add("User", Name=name, IsActive=True) for name in ("One", "Two", "The contact's")]
    fake.org.add("Contact", LastName="Ana", Phone="600112233", OwnerId=users[2])
    owners = {911000001: users[0], "205": users[1]}
    with opened(fake, tmp_path, activity={"owners": owners}) as connector:
        [contact] = by_phone(connector, "600112233")
        log(connector, activity(contact=contact, answered_by=answered_by))
    assert task(fake)["OwnerId"] == users[owner]


def test_a_contacts_owner_who_has_left_does_not_keep_the_call_from_being_kept(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    gone = fake.org.add("User", Name="Gone", IsActive=False)
    fake.org.add("Contact", LastName="Ana", Phone="600112233", OwnerId=gone)
    with opened(fake, tmp_path) as connector:
        [contact] = by_phone(connector, "600112233")
        log(connector, activity(contact=contact))
        assert task(fake)["OwnerId"] == fake.org.user
    with (
        opened(fake, tmp_path, activity={"owners": {"101": gone}}) as connector,
        pytest.raises(Rejected, match="inactive user"),
    ):
        log(connector, activity("other", contact=contact))


def test_a_contact_deleted_meanwhile_does_not_keep_the_call_from_being_kept(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600112233")
    with opened(fake, tmp_path) as connector:
        [contact] = by_phone(connector, "600112233")
        fake.org.delete(str(contact.id))
        log(connector, activity(contact=contact))
    assert task(fake)["WhoId"] is None


def test_a_lead_and_a_thing_do_not_go_together(fake: FakeSalesforce, tmp_path: Path) -> None:
    lead = fake.org.add("Lead", LastName="Luis", Company="x", Phone="600112233")
    order = Record("crm", "order", fake.org.add("Order", OrderNumber="7"), {})
    fields = {"WhatId": "{{ order.id }}"}
    with opened(fake, tmp_path, activity={"fields": fields}) as connector:
        [contact] = by_phone(connector, "600112233")
        log(connector, activity(contact=contact, found={"contact": contact, "order": order}))
    assert (task(fake)["WhoId"], task(fake)["WhatId"]) == (lead, None)


def test_a_company_is_what_and_a_person_account_is_who(fake: FakeSalesforce, tmp_path: Path) -> None:
    company = fake.org.add("Account", Name="Acme", Phone="600112233")
    with opened(fake, tmp_path) as connector:
        [found] = by_phone(connector, "600112233")
        log(connector, activity(contact=found))
    assert (task(fake)["WhoId"], task(fake)["WhatId"]) == (None, company)


def test_a_person_accounts_task_hangs_on_the_contact_behind_it(tmp_path: Path) -> None:
    org = Org(person_accounts=True)
    account = org.add("Account", Name="Ana", IsPersonAccount=True, PersonMobilePhone="600112233")
    person = org.add("Contact", LastName="Ana", AccountId=account)
    org.rows[account[:15]]["PersonContactId"] = person
    fake = FakeSalesforce(tmp_path, org)
    with opened(fake, tmp_path) as connector:
        [found] = by_phone(connector, "600112233")
        log(connector, activity(contact=found))
        log(connector, activity("bare", contact=Record("crm", "contact", account, {})))
    assert [row["WhoId"] for row in org.all("Task")] == [person] * 2
    fake.close()


def test_ids_of_another_connector_are_not_written(fake: FakeSalesforce, tmp_path: Path) -> None:
    stranger = Record("agenda", "contact", "0038d0000000009AAA", {"name": "Ana"})
    fields = {"Campaign__c": "{{ contact.name }}/{{ contact.id }}/{{ contact }}", "WhoId": "{{ contact.id }}"}
    with opened(fake, tmp_path, activity={"fields": fields}) as connector:
        log(connector, activity(contact=stranger, found={"contact": stranger}))
    assert (task(fake)["WhoId"], task(fake)["Campaign__c"]) == (None, "Ana//")


def test_a_field_that_task_lacks_is_said_with_what_was_meant(fake: FakeSalesforce, tmp_path: Path) -> None:
    with (
        opened(fake, tmp_path, activity={"fields": {"Campain__c": "x"}}) as connector,
        pytest.raises(Misconfigured, match=r"activity.fields.Campain__c: .*did you mean Campaign__c\?"),
    ):
        log(connector, activity())
    assert fake.org.all("Task") == []


def test_a_required_field_is_the_admins_with_its_name(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.fail(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Region__c]", TASKS, fields=("Region__c",))
    with opened(fake, tmp_path) as connector, pytest.raises(Misconfigured, match="Region__c"):
        log(connector, activity())


def test_an_expression_that_fails_is_about_that_call_alone(fake: FakeSalesforce, tmp_path: Path) -> None:
    with (
        opened(fake, tmp_path, activity={"fields": {"Campaign__c": "{{ activity.seconds + 'x' }}"}}) as connector,
        pytest.raises(Rejected, match=r"activity\.seconds"),
    ):
        log(connector, activity())


# once


@WAYS
@pytest.mark.parametrize("key", ["O'Brien", "\\", "%", "{}", "?", "*", "a/b c&d=é", "#1"])
def test_a_hostile_key_is_kept_once_and_as_it_is(
    fake: FakeSalesforce, tmp_path: Path, way: dict[str, Any], key: str
) -> None:
    with opened(fake, tmp_path, activity=way) as connector:
        log(connector, activity("other"))
        assert log(connector, activity(key)).created
        assert not log(connector, activity(key, attempt=2)).created
    assert sorted(row["CallObject"] for row in fake.org.all("Task")) == sorted(["other", key])


def test_a_key_longer_than_its_field_is_the_admins(fake: FakeSalesforce, tmp_path: Path) -> None:
    with (
        opened(fake, tmp_path, activity=EXTERNAL) as connector,
        pytest.raises(Misconfigured, match="holds 80 characters, the key has 81"),
    ):
        log(connector, activity("k" * 81))


def test_a_subtype_that_can_not_be_updated_is_left_out(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.add("Task", Infocaller_Id__c="912345678:77:log", Subject="old")
    with opened(fake, tmp_path, activity=EXTERNAL) as connector:
        assert not log(connector, activity()).created
    assert (task(fake)["Subject"], task(fake)["TaskSubtype"]) == ("Llamada de Ana", None)


def test_an_external_id_that_several_have_is_said(fake: FakeSalesforce, tmp_path: Path) -> None:
    for _ in range(2):
        fake.org.add("Task", Infocaller_Id__c="912345678:77:log")
    with (
        opened(fake, tmp_path, activity=EXTERNAL) as connector,
        pytest.raises(Rejected, match="several records have this external id"),
    ):
        log(connector, activity())


def test_no_external_id_field_is_the_admins(fake: FakeSalesforce, tmp_path: Path) -> None:
    with (
        opened(fake, tmp_path, activity={"external_id": "Campaign__c"}) as connector,
        pytest.raises(Misconfigured, match="Campaign__c is no External Id field of Task"),
    ):
        log(connector, activity())


def test_the_search_before_creating_is_always_made_and_bounded_by_the_calls_date(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    with opened(fake, tmp_path, activity={}) as connector:
        log(connector, activity())
    [query] = fake.requests("/query")
    assert "CreatedDate+%3E%3D+2024-04-30T10%3A00%3A00Z" in query.line


def test_a_lost_answer_is_waited_for_before_it_is_looked_for(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.lose(TASKS)
    with opened(fake, tmp_path, activity={}) as connector:
        with pytest.raises(Unavailable) as raised:
            log(connector, activity())
        assert (raised.value.retry_after or 0) >= 30
        assert not log(connector, activity(attempt=2)).created
    assert len(fake.org.all("Task")) == 1


def test_a_gateway_that_gives_up_may_have_let_it_through(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.say(Answer(504, b"<html>Gateway time-out</html>", {"Content-Type": "text/html"}), TASKS)
    with opened(fake, tmp_path, activity={}) as connector, pytest.raises(Unavailable) as raised:
        log(connector, activity())
    assert (raised.value.retry_after or 0) >= 30


@WAYS
def test_a_correction_changes_what_the_call_was_and_not_what_people_did(
    fake: FakeSalesforce, tmp_path: Path, way: dict[str, Any]
) -> None:
    other = fake.org.add("User", Name="Other", IsActive=True)
    with opened(fake, tmp_path, activity=way) as connector:
        first = log(connector, activity())
        fake.org.rows[str(first.id)[:15]] |= {"OwnerId": other, "TaskSubtype": "Task"}
        late = activity(seconds=99, answered=False, revision=2, written_id=first.id)
        assert log(connector, late) == WriteResult(first.id, created=False)
    row = task(fake)
    assert (row["CallDurationInSeconds"], row["CallDisposition"], row["OwnerId"]) == (99, "Not answered", other)


def test_a_correction_whose_first_version_was_never_reported_finds_it(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path, activity={}) as connector:
        log(connector, activity())
        assert not log(connector, activity(seconds=99, revision=2)).created
    assert task(fake)["CallDurationInSeconds"] == 99


def test_a_task_deleted_by_a_person_is_not_made_again(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        first = log(connector, activity())
        fake.org.delete(str(first.id))
        with pytest.raises(Rejected):
            log(connector, activity(revision=2, written_id=first.id))
    assert fake.org.all("Task") == []


# many at once


@WAYS
def test_many_calls_take_few_requests(fake: FakeSalesforce, tmp_path: Path, way: dict[str, Any]) -> None:
    calls = [activity(f"912345678:{number}:log") for number in range(450)]
    with opened(fake, tmp_path, activity=way) as connector:
        made = log_all(connector, calls)
        again = log_all(connector, [replace(one, attempt=2) for one in calls])
    assert all(isinstance(one, WriteResult) and one.created for one in made)
    assert [one.id for one in again if isinstance(one, WriteResult) and not one.created] == [
        one.id for one in made if isinstance(one, WriteResult)
    ]
    assert len(fake.org.all("Task")) == 450
    assert len(fake.requests("composite")) == (9 if way else 3)  # those found are sent again without the subtype
    assert fake.requests("sobjects/Task/$") == []


@WAYS
def test_each_of_many_has_its_own_result(fake: FakeSalesforce, tmp_path: Path, way: dict[str, Any]) -> None:
    fields = {"Weird__c": "x"}
    fake.org.objects["task"].add(replace(fake.org.objects["task"].fields["priority"], name="Weird__c", restricted=True))
    calls = [activity("good"), activity("bad", fields=fields), activity("worse", fields={"Nothing__c": "x"}),
             activity("good", seconds=99, revision=2), activity("fine")]  # fmt: skip
    with opened(fake, tmp_path, activity=way) as connector:
        made = log_all(connector, calls)
    assert [type(one) for one in made] == [WriteResult, Misconfigured, Misconfigured, WriteResult, WriteResult]
    assert "Weird__c" in str(made[1])
    rows = {row["CallObject"]: row["CallDurationInSeconds"] for row in fake.org.all("Task")}
    assert rows == {"good": 99, "fine": 35}


@WAYS
def test_an_outage_is_each_ones_result(fake: FakeSalesforce, tmp_path: Path, way: dict[str, Any]) -> None:
    fake.lose("composite")
    calls = [activity(f"key {number}") for number in range(3)]
    with opened(fake, tmp_path, activity=way) as connector:
        assert [type(one).__name__ for one in log_all(connector, calls)] == ["Broken"] * 3 or way == {}
        log_all(connector, calls)
    assert len(fake.org.all("Task")) == 3


def test_the_limit_reached_is_each_ones_result(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        by_phone(connector, "600112233")
        fake.api.used = fake.api.allowed - 2
        by_phone(connector, "600112233")
        results = log_all(connector, [activity("a"), activity("b")])
    assert [type(one) for one in results] == [Unavailable] * 2
