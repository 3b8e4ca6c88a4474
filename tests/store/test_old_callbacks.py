"""A database of the version before callbacks had an origin: it is brought up to date with all that is in it, and a
process of that version may run on beside the new one for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bridge.store import callbacks, callbacktasks, schema
from bridge.store.callbacks import CallbackFilter, key_of
from bridge.store.database import Database
from tests.store.made import at_revision

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
INSERT = text(
    "INSERT INTO callbacks (source, task_key, task_id, number, state, task, created_at, updated_at, seen_at) "
    "VALUES (:source, :key, :task_id, '+34600111222', 'answered', '{}', :now, :now, :now)"
)


def stored(database: Database, *tasks: tuple[str, str]) -> None:
    """As the old version stores them: (source, id)."""
    now = NOW if database.postgresql else NOW.replace(tzinfo=None).isoformat(" ")
    with database.write() as connection:
        for source, task_id in tasks:
            connection.execute(INSERT, {"source": source, "key": key_of(task_id), "task_id": task_id, "now": now})


@pytest.fixture
def old(empty_database_url: str, tmp_path: Path) -> Iterator[Database]:
    database = at_revision("0002", empty_database_url, tmp_path)
    yield database
    database.close()


def test_everything_is_there_after_it_and_a_task_that_was_stored_twice_is_no_obstacle(old: Database) -> None:
    stored(old, ("agenda", "T1"), ("urgent", "T1"), ("agenda", "T2"))
    schema.upgrade(old)
    with old.read() as connection:
        found = callbacks.find(connection, CallbackFilter())
        assert [(one.id, one.source, one.task_id, one.origin) for one in found] == [
            (3, "agenda", "T2", ""), (2, "urgent", "T1", ""), (1, "agenda", "T1", ""),
        ]  # fmt: skip
        assert found[0].created_at == NOW
        assert {key: len(each) for key, each in callbacktasks.by_keys(connection, [key_of("T1")]).items()} == {
            key_of("T1"): 2
        }
    with old.write() as connection:
        assert callbacktasks.fill_in(connection, "agenda", "from:agenda", 100) == 2
        assert callbacktasks.fill_in(connection, "urgent", "from:agenda", 100) == 0
        assert [one.origin for one in callbacks.find(connection, CallbackFilter())] == [
            "from:agenda",
            "",
            "from:agenda",
        ]


def test_filling_in_goes_on_piece_by_piece(old: Database) -> None:
    stored(old, *(("agenda", f"T{n}") for n in range(5)))
    schema.upgrade(old)
    with old.write() as connection:
        numbers = [callbacktasks.fill_in(connection, "agenda", "from:agenda", 2) for _ in range(4)]
    assert numbers == [2, 2, 1, 0]


def test_the_old_version_beside_it_stores_a_task_once_too(old: Database) -> None:
    schema.upgrade(old)
    stored(old, ("agenda", "T1"), ("web", "T1"))
    with pytest.raises(IntegrityError):
        stored(old, ("agenda", "T1"))
