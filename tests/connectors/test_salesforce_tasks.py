"""Tasks that ask for a call: listed, claimed so that others see it, closed with the outcome."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Connector, Deadline, Misconfigured, Rejected, Task, TaskOutcome
from tests.connectors.salesforce_harness import opened
from tests.fakes.salesforce import FakeSalesforce

AT = datetime(2024, 5, 2, 8, 0, tzinfo=UTC)
WHERE = "Status = 'Not Started' AND Type = 'Callback'"
CLAIMED = TaskOutcome("claimed", "Bridge one is calling", AT)
ANSWERED = TaskOutcome("answered", "Contestada, 35 s", AT, idcall="9", seconds=35)


def add(fake: FakeSalesforce, **fields: Any) -> str:
    return fake.org.add("Task", **{"Type": "Callback", "Status": "Not Started", "Subject": "Llamar", **fields})


def listed(connector: Connector) -> list[Task]:
    return list(connector.tasks(Deadline.after(30)))


def read(connector: Connector, task: Task) -> Task | None:
    return connector.read_task(task, Deadline.after(30))


def tell(connector: Connector, task: Task, outcome: TaskOutcome) -> None:
    connector.update_task(task, outcome, Deadline.after(30))


def test_the_phone_is_the_mobile_of_the_person_else_the_phone(fake: FakeSalesforce, tmp_path: Path) -> None:
    both = fake.org.add("Contact", LastName="Ana", Phone="911 222 333", MobilePhone="600 11 22 33")
    lead = fake.org.add("Lead", LastName="Luis", Company="x", Phone="600 99 88 77")
    add(fake, WhoId=both, ActivityDate="2024-06-01")
    add(fake, WhoId=lead)
    add(fake)
    with opened(fake, tmp_path) as connector:
        tasks = listed(connector)
    assert [task.fields["phone"] for task in tasks] == ["600 11 22 33", "600 99 88 77", None]
    assert [task.fields["name"] for task in tasks] == ["Ana", "Luis", None]
    assert [task.fields["due"] for task in tasks] == [date(2024, 6, 1), None, None]
    assert tasks[0].fields["contact_id"] == both


def test_fields_may_be_the_tasks_own_and_of_whom_it_is_about(fake: FakeSalesforce, tmp_path: Path) -> None:
    firm = fake.org.add("Account", Name="Acme", Phone="911000000")
    person = fake.org.add("Contact", LastName="Ana", HomePhone="600112233")
    add(fake, WhoId=person, WhatId=firm, Phone__c="600999888", Wanted_At__c="2024-06-01T09:00:00.000+0000")
    fields = {"phone": "Phone__c", "due": "Wanted_At__c", "home": "Who.HomePhone", "firm": "What.Name"}
    with opened(fake, tmp_path, tasks={"where": WHERE, "fields": fields}) as connector:
        [task] = listed(connector)
    assert task.fields["phone"] == "600999888"
    assert task.fields["due"] == datetime(2024, 6, 1, 9, tzinfo=UTC)
    assert (task.fields["home"], task.fields["firm"]) == ("600112233", "Acme")


def test_every_page_is_read(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.api.page = 7
    made = [add(fake) for _ in range(20)]
    with opened(fake, tmp_path) as connector:
        assert [task.id for task in listed(connector)] == made
    assert len(fake.requests("query")) == 3


def test_a_page_that_is_no_longer_there_passes(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.api.page = 1
    for _ in range(2):
        add(fake)
    fake.fail(400, "INVALID_QUERY_LOCATOR", match="query/01g")
    with opened(fake, tmp_path) as connector:
        with pytest.raises(Exception, match="INVALID_QUERY_LOCATOR") as raised:
            listed(connector)
        assert type(raised.value).__name__ == "Unavailable"
        assert len(listed(connector)) == 2


def test_a_where_with_or_does_not_list_what_is_closed(fake: FakeSalesforce, tmp_path: Path) -> None:
    add(fake, Status="Completed")
    wanted = add(fake)
    where = "Type = 'Callback' OR Status = 'Completed'"
    with opened(fake, tmp_path, tasks={"where": where}) as connector:
        assert [task.id for task in listed(connector)] == [wanted]


def test_a_task_is_claimed_where_others_see_it_and_closed_with_its_outcome(
    fake: FakeSalesforce, tmp_path: Path
) -> None:
    made = add(fake, Description="Quiere saber el precio")
    with opened(fake, tmp_path) as connector:
        [task] = listed(connector)
        tell(connector, task, CLAIMED)
        row = fake.org.rows[made[:15]]
        assert row["Status"] == "In Progress"
        assert listed(connector) == []
        tell(connector, task, CLAIMED)
        assert read(connector, task) is not None  # our own claim is no change
        tell(connector, task, ANSWERED)
        tell(connector, task, ANSWERED)
    assert (row["Status"], row["CallDisposition"]) == ("Completed", "Contestada, 35 s")
    assert row["Description"] == (
        "Quiere saber el precio\n2024-05-02 10:00:00 Bridge one is calling\n2024-05-02 10:00:00 Contestada, 35 s (9)"
    )


@pytest.mark.parametrize("change", [{"Status": "Completed", "IsClosed": True}, {"IsDeleted": True},
                                    {"Status": "Waiting on someone else"}, {"Type": "Call"}])  # fmt: skip
def test_a_task_that_a_person_has_changed_no_longer_asks_for_a_call(
    fake: FakeSalesforce, tmp_path: Path, change: dict[str, Any]
) -> None:
    made = add(fake)
    with opened(fake, tmp_path) as connector:
        [task] = listed(connector)
        assert read(connector, task) == task
        fake.org.rows[made[:15]] |= change
        assert read(connector, task) is None


def test_a_second_bridge_can_not_claim_what_another_has(fake: FakeSalesforce, tmp_path: Path) -> None:
    add(fake)
    with opened(fake, tmp_path) as one, opened(fake, tmp_path) as two:
        [task] = listed(one)
        assert listed(two) == [task]
        tell(one, task, CLAIMED)
        with pytest.raises(Rejected, match="somebody else has taken"):
            tell(two, task, TaskOutcome("claimed", "Bridge two is calling", AT))


@pytest.mark.parametrize(
    ("change", "text"), [({"Status": "Completed", "IsClosed": True}, "closed"), ({"IsDeleted": True}, "no longer")]
)
def test_a_task_closed_or_deleted_meanwhile_can_not_be_claimed(
    fake: FakeSalesforce, tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    made = add(fake)
    with opened(fake, tmp_path) as connector:
        [task] = listed(connector)
        fake.org.rows[made[:15]] |= change
        with pytest.raises(Rejected, match=text):
            tell(connector, task, CLAIMED)


def test_the_orgs_own_words_are_used_and_none_leaves_the_status(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = add(fake)
    statuses = {"claimed": "Waiting on someone else", "closed": "Deferred", "busy": None}
    with opened(fake, tmp_path, tasks={"where": WHERE, "statuses": statuses}) as connector:
        [task] = listed(connector)
        row = fake.org.rows[made[:15]]
        seen = []
        for status in ("claimed", "busy", "no_answer"):
            tell(connector, task, TaskOutcome(status, status, AT))
            seen.append(row["Status"])
    assert seen == ["Waiting on someone else", "Waiting on someone else", "Deferred"]


def test_only_the_outcomes_under_on_are_written_back(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = add(fake)
    with opened(fake, tmp_path, tasks={"where": WHERE, "on": ["answered"]}) as connector:
        [task] = listed(connector)
        tell(connector, task, CLAIMED)
        assert fake.org.rows[made[:15]]["Status"] == "Not Started"
        tell(connector, task, ANSWERED)
        assert fake.org.rows[made[:15]]["Status"] == "Completed"


def test_what_is_written_may_be_the_admins_own(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = add(fake)
    update = {"Status": "{{ outcome.status }}", "Campaign__c": "{{ outcome.text }} {{ outcome.idcall }}",
              "CallDurationInSeconds": "{{ outcome.seconds }}"}  # fmt: skip
    with opened(fake, tmp_path, tasks={"where": WHERE, "update": update}) as connector:
        [task] = listed(connector)
        tell(connector, task, CLAIMED)
        tell(connector, task, ANSWERED)
    row = fake.org.rows[made[:15]]
    expected = ("Completed", "Contestada, 35 s 9", 35, None)
    assert (row["Status"], row["Campaign__c"], row["CallDurationInSeconds"], row["CallDisposition"]) == expected


def test_a_long_description_keeps_its_outcome(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = add(fake, Description="x" * 32_000)
    with opened(fake, tmp_path) as connector:
        [task] = listed(connector)
        tell(connector, task, ANSWERED)
        tell(connector, task, ANSWERED)
    text = fake.org.rows[made[:15]]["Description"]
    assert len(text) <= 32_000
    assert text.endswith("[…]\n2024-05-02 10:00:00 Contestada, 35 s (9)")


@pytest.mark.parametrize("hostile", ["' OR Id != '", "O'Brien", "", "00T" * 1000, "%", "{}"])
def test_an_id_from_outside_that_is_none_is_refused_unasked(fake: FakeSalesforce, tmp_path: Path, hostile: str) -> None:
    add(fake)
    with opened(fake, tmp_path) as connector:
        listed(connector)
        asked = len(fake.requests("query"))
        with pytest.raises(Rejected):
            read(connector, Task(hostile, {}))
        with pytest.raises(Rejected):
            tell(connector, Task(hostile, {}), ANSWERED)
        assert len(fake.requests("query")) == asked


def test_a_field_that_does_not_exist_is_said(fake: FakeSalesforce, tmp_path: Path) -> None:
    with (
        opened(fake, tmp_path, tasks={"where": WHERE, "fields": {"phone": "Phon__c"}}) as connector,
        pytest.raises(Misconfigured, match=r"tasks.fields.phone: .*did you mean Phone__c\?"),
    ):
        listed(connector)


def test_the_org_signed_in_to_is_known(fake: FakeSalesforce, tmp_path: Path) -> None:
    login = {"session_id": fake.signin.open(), "instance_url": fake.url}
    for changed, expected in (({}, fake.org.id), ({"login": login}, fake.org.id),
                              ({"organization_id": "00D8d0000000XyZ"}, "00D8d0000000XyZ")):  # fmt: skip
        with opened(fake, tmp_path, **changed) as connector:
            assert connector.organization_id(Deadline.after(30)) == expected
