"""What some CRMs need beside the usual: details of tasks, candidates that are read one by one, a last step, times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.base import Deadline, Misconfigured, Unavailable
from connectors.expression import ExpressionError, Template
from connectors.testing import activity
from tests.connectors.rest_case import GENEROUS, opened, section
from tests.connectors.test_rest_writing import log
from tests.fakes.rest_crm import RestCrm, customer, order, task

WHEN = datetime(2026, 7, 1, 22, 30, 5, 250_000, tzinfo=UTC)


def tasks(**changed: Any) -> dict[str, Any]:
    return {**section("http://x")["tasks"], **changed}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ at | time('%Y-%m-%d %H:%M:%S') }}", "2026-07-01 22:30:05"),
        ("{{ at | time('%d/%m/%Y %H:%M', 'Europe/Madrid') }}", "02/07/2026 00:30"),
        ("{{ at | epoch }}", 1782945005),
        ("{{ at | epoch_ms }}", 1782945005250),
        ("{{ none_at | time('%Y') }}", None),
        ("{{ none_at | epoch }}", None),
        ("{{ text | epoch_ms }}", None),
        ("{{ text | uuid }}", "6d97964f-7013-595f-8e7c-c67980da0ae3"),
    ],
)
def test_times_and_ids_are_written_as_a_crm_wants_them(expression: str, value: object) -> None:
    assert Template(expression).value({"at": WHEN, "none_at": None, "text": "912345678:77:log"}) == value


def test_a_time_zone_that_is_none_is_said() -> None:
    with pytest.raises(ExpressionError, match="Nowhere"):
        Template("{{ at | time('%H', 'Europe/Nowhere') }}").value({"at": WHEN})


def asking(crm: RestCrm) -> dict[str, Any]:
    """Tasks whose number is that of an order: of one, of none, and of one that is gone."""
    crm.store.orders = [{**order(7, "00077", "Enviado"), "phone": "600 11 22 33"}]
    crm.store.tasks = [{**task(n, ""), "order": number} for n, number in ((1, "00077"), (2, None), (3, "gone"))]
    details = [{"name": "ordered", "path": "/order/{{ task.order }}"}]
    return tasks(details=details, fields={"id": "id", "order": "order", "phone": "ordered.phone"})


def test_a_task_takes_its_number_from_other_records(crm: RestCrm) -> None:
    with opened(crm, tasks=asking(crm)) as one:
        listed = list(one.connector.tasks(Deadline.after(GENEROUS)))
        assert [(each.id, each.fields["phone"]) for each in listed] == [("1", "600 11 22 33"), ("2", None), ("3", None)]
        crm.store.orders[0]["phone"] = "600 99 99 99"
        now = one.connector.read_task(listed[0], Deadline.after(GENEROUS))
        assert now is not None
        assert now.fields["phone"] == "600 99 99 99"
        assert [path for path in crm.paths() if path.startswith("GET /order/")] == [
            "GET /order/00077", "GET /order/gone", "GET /order/00077",
        ]  # fmt: skip


def test_details_that_fail_are_no_missing_number(crm: RestCrm) -> None:
    options = asking(crm)
    crm.faults.add("error", "/order/")
    with opened(crm, tasks=options) as one, pytest.raises(Unavailable):
        list(one.connector.tasks(Deadline.after(2)))


def test_each_candidate_of_a_step_is_followed_when_told_so(crm: RestCrm) -> None:
    chain = [
        {
            "name": "ref",
            "path": "/customers",
            "params": {"q": "{{ phone.national }}"},
            "items": "data[].{called: full_name}",
        },
        {"path": "/customers", "params": {"q": "{{ ref.called }}"}, "items": "data"},
    ]
    crm.store.customers = [customer(1, "Near 1001", "+33600112233"), customer(2, "Ana 1002", "600 11 22 33"),
                           customer(3, "Luis 1003", "+34600112233")]  # fmt: skip
    contact = {"phones": ["phone", "mobile"], "fields": {"id": "id", "name": "full_name"}}
    with opened(crm, records={"contact": {**contact, "search": chain}}) as one:
        assert one.names() == []  # only the first is
    with opened(crm, records={"contact": {**contact, "search": [{**chain[0], "each": True}, chain[1]]}}) as one:
        assert one.names() == ["Ana 1002", "Luis 1003"]


def test_what_comes_after_a_create_is_done_again_when_it_was_lost(crm: RestCrm) -> None:
    made = section("http://x")["activity"]
    then = {"method": "PATCH", "path": "/calls/{{ found.id }}", "json": {"subject": "closed"}}
    with opened(crm, activity={**made, "create": {**made["create"], "then": then}}) as one:
        crm.faults.add("error", "/calls/", times=1)
        with pytest.raises(Unavailable):
            log(one)
        assert [row["subject"] for row in crm.store.calls] != ["closed"]
        log(one, attempt=2)
        assert [row["subject"] for row in crm.store.calls] == ["closed"]


def test_null_is_left_out_of_a_body_where_a_crm_does_not_take_it(crm: RestCrm) -> None:
    made = section("http://x")["activity"]
    with opened(crm, activity={**made, "create": {**made["create"], "omit_null": True}}) as one:
        log(one, contact=None, seconds=None, cost=None)
    sent = crm.requests[-1].values
    assert {"key", "subject", "note"} <= set(sent)
    assert not {"customer", "seconds", "cost"} & set(sent)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"details": [{"path": "/x"}]}, "name"),
        ({"details": [{"name": "a", "path": "/x"}, {"name": "a", "path": "/y"}]}, "two steps"),
    ],
)
def test_details_need_names_of_their_own(crm: RestCrm, changed: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text), opened(crm, tasks=tasks(**changed)):
        raise Misconfigured("it was taken")


def test_requests_see_the_moment_on_the_lines_clock(crm: RestCrm) -> None:
    crm.store.tasks = [task(1, "600112233", status="2026-12-24")]
    zone = ZoneInfo("Europe/Madrid")
    context = {"now": lambda: datetime(2026, 12, 24, 0, 30, tzinfo=zone), "language": "en"}
    tasks = {"list": {"path": "/tasks", "params": {"status": "{{ now | date('%Y-%m-%d') }}"}}, "items": "data"}
    with opened(crm, tasks=tasks, context=context) as one:
        assert [found.id for found in one.connector.tasks(Deadline.after(30))] == ["1"]
        [said] = [text for text in one.seen if "GET" in text][:1]
        assert "2026-12-24" in said


def test_an_activitys_requests_see_when_its_call_began(crm: RestCrm) -> None:
    create = {"path": "/calls", "json": {"key": "{{ activity.key }}", "subject": "{{ now | date('%A %H:%M') }}"}}
    with opened(crm, activity={"create": {**create, "already": 409}}, context={"language": "en"}) as one:
        began = datetime(2026, 12, 24, 21, 30, tzinfo=ZoneInfo("Europe/Madrid"))
        one.connector.log_activity(activity(start=began), Deadline.after(30))
    assert [call["subject"] for call in crm.store.calls] == ["Thursday 21:30"]
