from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.callbacks.tasks import Rules, of_source, restored, stored
from bridge.config.model import Configuration
from connectors.base import Task
from connectors.phone import parse

MADRID = ZoneInfo("Europe/Madrid")
NOW = datetime(2026, 11, 20, 21, 30, tzinfo=MADRID)
HOURS = {
    "reception": {"open": {"days": "mon-fri", "from": "09:00", "to": "14:00"}, "closed": ["2026-11-23"]},
    "night": {"open": {"days": "mon-sun", "from": "22:00", "to": "06:00"}},
}


def rules(*, now: datetime = NOW, **more: Any) -> Rules:
    given = {"name": "web", "token": "0" * 24, "line": "912345678", "rule_group": "g", **more}
    configuration = Configuration.model_validate(
        {"lines": [{"number": "912345678", "password": "3956"}], "callbacks": [given], "hours": HOURS}
    )
    return of_source(configuration, configuration.callbacks[0], configuration.lines[0], lambda: now)


@pytest.mark.parametrize(
    ("due", "read"),
    [
        (None, None),
        ("", None),
        ("2026-11-24T10:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24 10:00:30", datetime(2026, 11, 24, 9, 0, 30, tzinfo=UTC)),
        ("2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("24/11/2026 10:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("21/11/2026", datetime(2026, 11, 23, 8, tzinfo=UTC)),  # a Saturday
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


@pytest.mark.parametrize("due", ["tomorrow", "31/11/2026", "2026-13-01", 17, ["2026-11-24"]])
def test_a_time_that_cannot_be_read_is_no_reason_to_call_now(due: object) -> None:
    wish = rules().wish(Task("T1", {"phone": "600111222", "due": due}))
    assert wish.fault is not None
    assert "time" in str(wish.fault)


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


def test_a_source_may_name_a_calendar_and_keeps_its_own_holidays_and_zone_besides() -> None:
    named = rules(hours="reception", of="line")
    due = {"2026-11-23": "2026-11-24", "2026-11-28": "2026-11-30", "2026-12-08": "2026-12-09"}  # closed, a Saturday, ES
    for asked, opening in due.items():
        wish = named.wish(Task("T1", {"phone": "911234567", "due": asked}))
        assert wish.due == datetime.fromisoformat(f"{opening}T08:00+00:00")
    kept = rules(hours="reception", of="line", holidays="none")
    wish = kept.wish(Task("T1", {"phone": "911234567", "due": "2026-12-08"}))
    assert wish.due == datetime(2026, 12, 8, 8, tzinfo=UTC)
    assert rules(hours="reception").zones(parse("600111222", "ES")) != named.zones(parse("600111222", "ES"))
    assert rules(hours="night", of="line").calendar.is_open(
        datetime(2026, 11, 20, 23, tzinfo=MADRID), ("Europe/Madrid",)
    )


def test_what_a_task_says_may_depend_on_the_time() -> None:
    said = {"HOY": "{{ now | date('%d/%m') }}", "CITA": "{{ task.cita | spoken }}"}
    source: dict[str, Any] = {
        "when": "{{ not hours.reception.open }}",
        "at": "{{ hours.reception.opens_at }}",
        "variables": said,
    }
    task = Task("T1", {"phone": "911234567", "cita": "24/11/2026 10:30"})
    evening, later = rules(**source), rules(**source, now=datetime(2026, 11, 23, 18, tzinfo=MADRID))
    assert evening.takes(task)
    assert not rules(**source, now=datetime(2026, 11, 20, 10, tzinfo=MADRID)).takes(task)
    assert evening.data(task).variables == {"HOY": "20/11", "CITA": "el martes a las diez y media"}
    assert later.data(task).variables == {"HOY": "23/11", "CITA": "mañana a las diez y media"}
    assert evening.wish(task).due == datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_that_time_passes_is_no_change_of_a_task() -> None:
    source: dict[str, Any] = {
        "at": "{{ hours.night.opens_at }}",
        "variables": {"CUANDO": "{{ task.cita | spoken }} {{ task.name }}"},
    }
    task = Task("T1", {"phone": "911234567", "cita": "24/11/2026 10:30", "name": "Ana"})
    now, later = rules(**source), rules(**source, now=datetime(2026, 11, 23, 18, tzinfo=MADRID))
    assert now.wish(task).digest == later.wish(task).digest
    assert now.wish(task).due != later.wish(task).due
    other = Task("T1", {"phone": "911234567", "cita": "24/11/2026 10:30", "name": "Eva"})
    assert now.wish(other).digest != now.wish(task).digest
