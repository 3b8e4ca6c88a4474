from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.callbacks.tasks import Rules, of_source, restored, stored
from bridge.config.callbacks import CallbackSource
from bridge.config.model import Line
from connectors.base import Task

MADRID = ZoneInfo("Europe/Madrid")


def rules(**more: Any) -> Rules:
    line = Line.model_validate({"number": "912345678", "password": "3956"})
    given = {"name": "web", "token": "0" * 24, "line": "912345678", "rule_group": "g", **more}
    return of_source(CallbackSource.model_validate(given), line)


@pytest.mark.parametrize(
    ("due", "read"),
    [
        (None, None),
        ("", None),
        ("2026-11-24T10:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24 10:00:30", datetime(2026, 11, 24, 9, 0, 30, tzinfo=UTC)),
        ("2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (datetime(2026, 11, 24, 10, tzinfo=MADRID), datetime(2026, 11, 24, 9, tzinfo=UTC)),
        (date(2026, 11, 24), datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 23, 8, tzinfo=UTC)),  # a Saturday
        ("2026-12-08", datetime(2026, 12, 9, 8, tzinfo=UTC)),  # a holiday
        ("9999-12-31T23:59:59+00:00", datetime(2500, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+05:00", datetime(1900, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_however_a_crm_writes_it(due: object, read: datetime | None) -> None:
    wish = rules(of="line").wish(Task("T1", {"phone": "911234567", "due": due}))
    assert (wish.fault, wish.due) == (None, read)


@pytest.mark.parametrize("due", ["tomorrow", "24/11/2026", "2026-13-01", 17, ["2026-11-24"]])
def test_a_time_that_cannot_be_read_is_no_reason_to_call_now(due: object) -> None:
    wish = rules().wish(Task("T1", {"phone": "600111222", "due": due}))
    assert wish.fault is not None
    assert "time" in wish.fault.text("en")


@pytest.mark.parametrize(
    ("due", "better"),
    [("24/12/2026", "2026-12-24"), ("24/12/2026 9:30", "2026-12-24T09:30"), ("1-2-2027 10:30:00", "2027-02-01T10:30")],
)
def test_a_date_that_begins_with_the_day_is_told_how_to_be_written(due: str, better: str) -> None:
    fault = rules().wish(Task("T1", {"phone": "600111222", "due": due})).fault
    assert fault is not None
    assert f"write it as {better}" in fault.en
    assert f"escríbala como {better}" in fault.es


def test_only_what_matters_for_the_call_is_a_change() -> None:
    one = rules(variables={"NOMBRE": "{{ task.name }}"})
    before = one.wish(Task("T1", {"phone": "600111222", "name": "Begoña", "status": "open"})).digest
    assert one.wish(Task("T1", {"phone": "600111222", "name": "Begoña", "status": "claimed"})).digest == before
    assert one.wish(Task("T1", {"phone": "600111222", "name": "Juan", "status": "open"})).digest != before
    assert one.wish(Task("T1", {"phone": "600111223", "name": "Begoña", "status": "open"})).digest != before


def test_a_variable_that_is_null_is_left_out_and_one_that_is_missing_is_empty() -> None:
    one = rules(variables={"A": "{{ none }}", "B": "{{ task.nothing }}", "C": "x"})
    assert one.data(Task("T1", {})).variables == {"B": "", "C": "x"}


def test_a_task_comes_back_from_json_as_it_was() -> None:
    fields: dict[str, object] = {
        "at": datetime(2026, 11, 24, 10, tzinfo=MADRID), "on": date(2026, 11, 24), "list": [1, {"a": date(2026, 1, 1)}],
        "text": "ñ", "none": None, "yes": True,
    }  # fmt: skip
    assert restored("T1", json.loads(json.dumps(stored(fields)))) == Task("T1", fields)
    assert json.dumps(stored({"odd": float("nan"), "object": object()}), allow_nan=False)


@pytest.mark.parametrize("name", ["$at", "$on", "$$at", "$zone", "at"])
@pytest.mark.parametrize("value", ["garbage", 5, None, "2026-11-24T10:00:00+00:00"])
def test_a_field_named_like_the_mark_of_a_time_stays_what_its_sender_wrote(name: str, value: object) -> None:
    fields: dict[str, object] = {name: value, "x": {name: value, "zone": "../zone"}, "list": [{name: {name: value}}]}
    assert restored("T1", json.loads(json.dumps(stored(fields)))) == Task("T1", fields)
