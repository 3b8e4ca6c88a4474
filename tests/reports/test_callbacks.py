"""What a report says of missed calls that were called back, and of how callbacks ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.store import callbacktasks
from bridge.store.callbacks import CallbackState, key_of
from bridge.store.tables import MISSED_ORIGIN
from tests.config.files import LINES, loaded
from tests.fakes.exchange import LINE
from tests.reports.conftest import DAY, Switchboard, at, rows

MISSED = f"{LINES}callbacks: [{{from: missed_calls, line: '{LINE}', rule_group: callbacks}}]\n"


def task(switchboard: Switchboard, name: str, made: datetime, state: CallbackState, **more: Any) -> None:
    """A callback as it stands."""
    row = {
        "source": "missed_calls", "origin": MISSED_ORIGIN, "task_key": key_of(name), "task_id": name, "line": LINE,
        "state": state.value, "task": {}, "customer": name, "created_at": made, "updated_at": made, "seen_at": made,
        **more,
    }  # fmt: skip
    with switchboard.database.write() as connection:
        callbacktasks.add(switchboard.database, connection, [row])


def rang(after: float, made: datetime) -> dict[str, datetime]:
    """It rang so many minutes later, and that was that."""
    moment = made + timedelta(minutes=after)
    return {"rung_at": moment, "settled_at": moment + timedelta(minutes=2)}


def test_callers_who_were_missed_and_what_became_of_them(switchboard: Switchboard, tmp_path: Path) -> None:
    switchboard.configuration = loaded(tmp_path, MISSED).configuration
    made = at(9)
    task(switchboard, "a", made, CallbackState.ANSWERED, **rang(10, made))
    task(switchboard, "b", made, CallbackState.NO_ANSWER, **rang(90, made))
    task(switchboard, "c", made, CallbackState.ANSWERED, **rang(48 * 60, made))
    task(switchboard, "d", made, CallbackState.CANCELLED, gate="spoken_since", settled_at=at(10))
    task(switchboard, "e", made, CallbackState.CANCELLED, settled_at=at(10))
    task(switchboard, "f", made, CallbackState.EXPIRED, settled_at=at(11))
    task(switchboard, "g", made, CallbackState.WAITING)
    task(switchboard, "h", made, CallbackState.ACCEPTED, rung_at=made + timedelta(minutes=60))
    task(switchboard, "before", made - timedelta(days=1), CallbackState.WAITING)
    report = switchboard.report()
    assert rows(report, "called_back") == [
        ["To call back", 8, None],
        ["Called back", 4, 4 / 8],
        ["Called back and answered", 2, 2 / 8],
        ["Called back within an hour", 2, 2 / 8],
        ["Called back within a day", 3, 3 / 8],
        ["Spoken with before that", 1, 1 / 8],
        ["Still waiting", 1, 1 / 8],
        ["Not called back", 2, 2 / 8],
    ]
    assert "rung within 1:00:00" in str(report.table("called_back").note)
    assert rows(switchboard.report(DAY, line=LINE), "called_back")[0][1] == 8
    switchboard.configure()
    assert "called_back" not in {table.name for table in switchboard.report().tables}


def test_callbacks_by_source_and_campaign_as_they_ended(switchboard: Switchboard) -> None:
    made = at(9)
    other = {"source": "crm", "origin": "from:crm", "campaign": "spring"}
    for number in range(3):
        task(switchboard, f"a{number}", made, CallbackState.ANSWERED, **rang(10, made), **other)
    task(switchboard, "b", made, CallbackState.BUSY, **rang(10, made), **other)
    task(switchboard, "c", made, CallbackState.MAY_HAVE_RUNG, **rang(10, made), source="=evil", origin="from:evil")
    task(switchboard, "d", made, CallbackState.ANSWERED, **rang(48 * 60, made), **other)  # ended on another day
    task(switchboard, "e", made, CallbackState.WAITING, **other)
    table = switchboard.report().table("callbacks")
    assert [column.name for column in table.columns] == [
        "source",
        "campaign",
        "answered",
        "busy",
        "may_have_rung",
        "all",
    ]
    assert [list(row) for row in table.rows] == [["=evil", "", 0, 0, 1, 1], ["crm", "spring", 3, 1, 0, 4]]
    assert list(table.total or ())[1:] == ["", 3, 1, 1, 5]
