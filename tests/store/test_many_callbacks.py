"""Many callbacks at once are stored as one by one, whatever their tasks hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.store import callbacks, callbacktasks
from bridge.store.database import Database

NOW = datetime(2026, 11, 23, 11, 0, 0, 123456, tzinfo=UTC)


def row(number: int, text: str) -> dict[str, Any]:
    return {
        "source": "web", "task_key": callbacks.key_of(str(number)), "task_id": f"{text}{number}", "line": "912345678",
        "number": "+34600111222", "customer": "+34600111222", "state": "waiting", "digest": "d",
        "task": {"id": number, "note": text, "list": [1, None, {"a": True}], "sum": 1.5}, "due": None, "next_at": NOW,
        "expires_at": NOW + timedelta(days=7), "gate": "", "reason": "", "created_at": NOW, "updated_at": NOW,
        "seen_at": NOW, "settled_at": None,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["plain", "ñ € “x” 'y' \\ %s :a", "👋", "\\u0000", "tab\there\nand there"])
def test_what_is_stored_together_is_what_was_handed_in(database: Database, text: str) -> None:
    rows = [row(number, text) for number in range(60)]
    with database.write() as connection:
        first = callbacktasks.add(database, connection, rows[:1])
        added = callbacktasks.add(database, connection, rows)
        again = callbacktasks.add(database, connection, rows)
    assert set(added) | set(first) == {one["task_key"] for one in rows}
    assert (len(added), again) == (59, {})
    with database.read() as connection:
        found = {one.task_key: one for one in callbacks.find(connection, callbacks.CallbackFilter(), 100)}
    for wanted in rows:
        stored = found[wanted["task_key"]]
        assert {name: getattr(stored, name) for name in wanted} == wanted
    numbers = [found[one["task_key"]].id for one in rows]
    assert numbers == sorted(numbers), "in their order"


def test_what_no_database_takes_does_not_keep_its_neighbours_out(database: Database) -> None:
    rows = [row(number, "\0" if number == 7 else "x") for number in range(30)]
    for one in rows:
        one["task"] = {}
    with database.write() as connection:
        assert len(callbacktasks.add(database, connection, rows)) == 30
