"""How the REST connector writes: saved records, activities, outcomes of tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.base import (
    Deadline,
    Misconfigured,
    NewRecord,
    Record,
    Rejected,
    Task,
    TaskOutcome,
    TimedOut,
    Unavailable,
)
from connectors.taskdates import Dates, moment
from connectors.testing import activity
from tests.connectors.rest_case import GENEROUS, Opened, opened, section
from tests.fakes.rest_crm import RestCrm, task

ANA = Record("crm", "contact", "2", {"id": 2, "name": "Ana"})
SOON = Deadline.after(3600)


def activities(**changed: Any) -> dict[str, Any]:
    return {**section("http://x")["activity"], **changed}


def tasks(**changed: Any) -> dict[str, Any]:
    return {**section("http://x")["tasks"], **changed}


def outcome(status: str = "answered", **more: Any) -> TaskOutcome:
    return TaskOutcome(status, "Contestada", datetime(2024, 5, 2, 10, tzinfo=UTC), **more)


def log(crm_: Opened, **changed: Any) -> Any:
    return crm_.connector.log_activity(activity(**changed), Deadline.after(GENEROUS))


def test_json_keeps_types_and_what_was_not_found_is_null(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        log(crm_, contact=ANA)
        log(crm_, key="2", caller=None, start=None, cost=None)
    first, second = [asked.values for asked in crm.requests]
    assert (first["customer"], first["seconds"], first["cost"]) == (2, 35, 0.12)
    assert (first["caller"], first["at"]) == ("+34600112233", "2024-05-02T10:00:00+00:00")
    assert (second["customer"], second["caller"], second["at"], second["cost"]) == (None, None, None, None)


def test_an_activity_sees_the_call_and_what_its_rule_found(crm: RestCrm) -> None:
    values = {
        "key": "{{ activity.key }}", "order": "{{ order.status }}", "dialled": "{{ vars.PEDIDO }}",
        "id": "{{ call.id }}", "called": "{{ called.national }}", "extra": "{{ activity.campaign }}",
        "also": "{{ activity.fields.campaign }}", "who": "Call of {{ contact.name or caller }}",
    }  # fmt: skip
    order = Record("crm", "order", "7", {"status": "Enviado"})
    with opened(crm, activity={"create": {"path": "/calls", "json": values}}) as crm_:
        call = {"id": "98", "vars": {"PEDIDO": "00077"}}
        log(crm_, found={"order": order, "contact": None}, call=call, fields={"campaign": "X"})
    assert crm.requests[0].values == {
        "key": "912345678:77:log", "order": "Enviado", "dialled": "00077", "id": "98", "called": "912345678",
        "extra": "X", "also": "X", "who": "Call of +34600112233",
    }  # fmt: skip


def test_a_form_is_sent_where_the_crm_wants_one(crm: RestCrm) -> None:
    form = {
        "key": "{{ activity.key }}",
        "note": "{{ activity.note }}",
        "answered": "{{ activity.answered }}",
        "a[]": ["1", "2"],
    }
    with opened(crm, activity={"create": {"path": "/calls", "form": form}}) as crm_:
        log(crm_, note="ñ & €")
    [asked] = crm.requests
    assert asked.body == b"key=912345678%3A77%3Alog&note=%C3%B1+%26+%E2%82%AC&answered=true&a%5B%5D=1&a%5B%5D=2"


def test_it_is_looked_for_before_it_is_created_again_and_not_before(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        first = log(crm_)
        assert crm.paths() == ["POST /calls"]
        again = log(crm_, attempt=2)
        assert crm.paths() == ["POST /calls", "GET /calls"]
    assert (first.created, again.created, first.id) == (True, False, again.id)


def test_a_find_that_brings_others_has_not_found_it(crm: RestCrm) -> None:
    crm.store.calls.append({"id": 99, "key": "another"})
    find = {"path": "/calls", "items": "data", "key": "key"}
    with opened(crm, activity=activities(find=find)) as crm_:
        assert log(crm_, attempt=2).created
        assert not log(crm_, attempt=2).created
    assert len(crm.store.calls) == 2


def test_a_refused_key_means_that_it_is_there(crm: RestCrm) -> None:
    create = {**activities()["create"], "id": "id"}
    with opened(crm, activity={"create": create}) as crm_:
        first = log(crm_)
        again = log(crm_, attempt=2)
    assert (again.created, again.id) == (False, first.id)
    with opened(crm, activity={"create": {**create, "already": []}}) as crm_, pytest.raises(Rejected) as raised:
        log(crm_)
    assert "409 Conflict: there already" in str(raised.value)


def test_what_was_written_is_shown_masked(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        written = log(crm_)
    assert f"POST {crm.url}/calls" in written.exchange
    assert "→ 201 Created" in written.exchange
    assert "•••233" in written.exchange
    assert "600112233" not in written.exchange


@pytest.mark.parametrize(
    ("path", "error"),
    [("/calls/{{ contact.id }}", Rejected), ("/nowhere", Misconfigured), ("/nowhere/{{ activity.key }}", Rejected)],
)
def test_whose_fault_a_write_is_that_does_not_work(crm: RestCrm, path: str, error: type[Exception]) -> None:
    create = {"path": path, "json": {"a": 1}}
    with opened(crm, activity={"create": create}) as crm_, pytest.raises(error):
        log(crm_)
    assert len(crm.requests) == (0 if "contact" in path else 1)


def test_a_write_is_not_repeated_within_a_call(crm: RestCrm) -> None:
    for kind in ("error", "lose_answer"):
        crm.faults.add(kind, "/calls", times=1)
    with opened(crm) as crm_:
        for _ in range(2):
            with pytest.raises(Unavailable):
                log(crm_)
    assert len(crm.requests) == 2


@pytest.mark.parametrize("fault", ["hang", "given_up"])
def test_what_was_not_answered_in_time_is_not_written_again_at_once(crm: RestCrm, fault: str) -> None:
    """The CRM may still be at it, and nothing is there to be found under its key."""
    crm.faults.add(fault, "/calls", times=1)
    with opened(crm) as crm_, pytest.raises(TimedOut) as raised:
        crm_.connector.log_activity(activity(), Deadline.after(0.5))
    assert raised.value.retry_after is not None
    assert raised.value.retry_after >= 60


def test_a_write_that_is_declared_idempotent_is_repeated(crm: RestCrm) -> None:
    crm.faults.add("error", "/calls", times=1)
    create = {**activities()["create"], "idempotent": True}
    with opened(crm, activity=activities(create=create)) as crm_:
        assert log(crm_).created
    assert len(crm.requests) == 2


@pytest.mark.parametrize(("fault", "well"), [("empty", True), ("login_page", False), ("redirect", False)])
def test_an_empty_answer_to_a_write_is_good_and_a_web_page_is_none(crm: RestCrm, fault: str, well: bool) -> None:
    crm.faults.add(fault, "/calls")
    with opened(crm) as crm_:
        if well:
            assert log(crm_).created
        else:
            with pytest.raises(Unavailable):
                log(crm_)


def test_a_post_does_not_follow_a_redirect_as_a_get(crm: RestCrm) -> None:
    crm.faults.add("redirect", "/calls", to="/customers")
    with opened(crm) as crm_, pytest.raises(Misconfigured, match="write that address"):
        log(crm_)
    assert crm.paths() == ["POST /calls"]


def test_an_error_inside_the_answer_to_a_write_refuses_it(crm: RestCrm) -> None:
    rule = {"when": "key", "text": "'invalid owner'"}
    with opened(crm, activity=activities(), error=rule) as crm_, pytest.raises(Rejected, match="invalid owner"):
        log(crm_)


def test_a_correction_needs_no_search_where_the_id_is_known(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        first = log(crm_)
        crm.requests.clear()
        log(crm_, subject="New", revision=2, written_id=first.id)
        assert crm.paths() == ["PATCH /calls/1"]
        log(crm_, subject="Newer", revision=3)
        assert crm.paths() == ["PATCH /calls/1", "GET /calls", "PATCH /calls/1"]
        log(crm_, key="another", revision=2)  # of which no earlier one was written
    assert [row["subject"] for row in crm.store.calls] == ["Newer", "Llamada de Ana"]


def test_a_correction_that_is_not_described_is_refused(crm: RestCrm) -> None:
    with opened(crm, activity=activities(update=None)) as crm_:
        log(crm_)
        with pytest.raises(Rejected, match=r"no activity\.update"):
            log(crm_, revision=2, written_id="1")


def test_a_saved_record_reads_its_values_and_its_key(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        saved = NewRecord("survey", "call-1", {"phone": "+34600112233", "score": 9})
        assert crm_.connector.save(saved, SOON).created
        assert not crm_.connector.save(replace(saved, attempt=2), SOON).created
    assert crm.store.surveys == [{"key": "call-1", "phone": "+34600112233", "score": 9, "id": 1}]


def test_a_bare_id_is_an_answer(crm: RestCrm) -> None:
    records = {"survey": {"create": {"path": "/surveys", "json": {"key": "{{ key }}"}, "id": "id"}}}
    with opened(crm, records=records) as crm_:
        assert crm_.connector.save(NewRecord("survey", "k", {}), SOON).id == "1"


# tasks


def test_times_of_tasks_are_read_as_they_are_written(crm: RestCrm) -> None:
    crm.store.tasks = [task(1, "1", "2024-05-02T10:00:00Z"), task(2, "2", "2024-05-02"), task(3, "3"),
                       task(4, "4", "2024-05-02 10:00"), task(5, "5", "tomorrow")]  # fmt: skip
    with opened(crm) as crm_:
        due = [one.fields["due"] for one in crm_.connector.tasks(SOON)]
    assert due[0] == datetime(2024, 5, 2, 10, tzinfo=UTC)
    assert due[1:3] == [date(2024, 5, 2), None]
    assert due[3] == datetime(2024, 5, 2, 8, tzinfo=UTC)  # the line's zone
    assert due[4] == "tomorrow"  # whoever takes it for a time refuses it


@pytest.mark.parametrize(
    ("text", "dates", "expected"),
    [
        (
            "2024-05-02 10:00:00",
            {"format": "%Y-%m-%d %H:%M:%S", "timezone": "UTC"},
            datetime(2024, 5, 2, 10, tzinfo=UTC),
        ),
        ("02/05/2024", {"format": "%d/%m/%Y"}, date(2024, 5, 2)),
        (1714644000, {"format": "epoch"}, datetime(2024, 5, 2, 10, tzinfo=UTC)),
        ("1714644000000", {"format": "epoch_ms"}, datetime(2024, 5, 2, 10, tzinfo=UTC)),
        ("2024-05-02T10:00:00+02:00", {}, datetime(2024, 5, 2, 8, tzinfo=UTC)),
        ("", {}, None),
        (None, {"format": "epoch"}, None),
    ],
)
def test_a_time_is_a_moment(text: object, dates: dict[str, Any], expected: object) -> None:
    assert moment(text, Dates.model_validate(dates), "Europe/Madrid") == expected


def test_an_outcome_is_told_in_the_crms_words(crm: RestCrm) -> None:
    crm.store.tasks = [task(1, "600112233")]
    with opened(crm) as crm_:
        [one] = crm_.connector.tasks(SOON)
        crm_.connector.update_task(one, outcome("claimed"), SOON)
        crm_.connector.update_task(one, outcome("busy"), SOON)
    assert crm.store.tasks[0]["told"] == ["working", "busy"]
    assert crm.store.tasks[0]["note"] == "Contestada"


def test_an_update_that_keeps_colliding_comes_again_later(crm: RestCrm) -> None:
    crm.store.tasks = [task(1, "600112233")]
    update = [{"method": "PATCH", "path": "/tasks/{{ task.id }}", "headers": {"If-Match": "77"},
               "json": {"status": "{{ outcome.status }}"}, "again_on": 412}]  # fmt: skip
    with opened(crm, tasks=tasks(update=update)) as crm_, pytest.raises(Unavailable, match="kept changing"):
        crm_.connector.update_task(Task("1", {}), outcome(), SOON)
    assert len(crm.requests) == 5


def test_outcomes_that_are_not_asked_for_are_not_told(crm: RestCrm) -> None:
    with opened(crm, tasks=tasks(on=["answered"])) as crm_:
        assert not crm_.connector.update_task(Task("1", {}), outcome("claimed"), SOON).created
    assert crm.requests == []


def test_a_status_may_be_a_number(crm: RestCrm) -> None:
    crm.store.tasks = [task(1, "600112233")]
    with opened(crm, tasks=tasks(statuses={"answered": 5})) as crm_:
        crm_.connector.update_task(Task("1", {}), outcome(), SOON)
    assert crm.store.tasks[0]["status"] == 5


def test_the_bridges_own_claim_is_no_change_of_a_task_but_a_persons_is(crm: RestCrm) -> None:
    crm.store.tasks = [task(1, "600112233")]
    with opened(crm, tasks=tasks(when="status == 'open'")) as crm_:
        [before] = crm_.connector.tasks(SOON)
        crm_.connector.update_task(before, outcome("claimed"), SOON)
        assert crm_.connector.read_task(before, SOON) == before
        crm.store.tasks[0]["phone"] = "611222333"
        changed = crm_.connector.read_task(before, SOON)
        assert changed is not None
        assert changed.fields["phone"] == "611222333"
        crm.store.tasks[0]["status"] = "done"
        assert crm_.connector.read_task(before, SOON) is None
        crm.store.tasks.clear()
        assert crm_.connector.read_task(before, SOON) is None


@pytest.mark.parametrize(
    "when", ["status == 'open'", "status != 'done' && \"status\" != 'working'", "contains(['open'], status)"]
)
def test_a_claim_is_no_change_however_the_open_ones_are_told(crm: RestCrm, when: str) -> None:
    crm.store.tasks = [task(1, "600112233")]
    with opened(crm, tasks=tasks(when=when, fields={"phone": "phone"})) as crm_:
        [before] = crm_.connector.tasks(SOON)
        crm_.connector.update_task(before, outcome("claimed"), SOON)
        assert crm_.connector.read_task(before, SOON) == before
        assert list(crm_.connector.tasks(SOON)) == []


def test_without_read_a_task_is_what_it_was(crm: RestCrm) -> None:
    with opened(crm, tasks=tasks(read=None)) as crm_:
        one = Task("1", {"phone": "600112233"})
        assert crm_.connector.read_task(one, SOON) == one
    assert crm.requests == []


def test_a_list_of_tasks_that_fails_is_no_empty_list(crm: RestCrm) -> None:
    crm.faults.add("null", "/tasks")
    with opened(crm) as crm_, pytest.raises(Misconfigured):
        list(crm_.connector.tasks(SOON))
