"""A database of the version that kept campaigns as notes in `meta`: the new one goes on with them, and a process of the
old one that still runs may store tasks beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.store import callbacks, campaigns, schema
from bridge.store.callbacks import CallbackFilter, CallbackState, key_of
from bridge.store.campaigns import Campaign
from bridge.store.database import Database
from tests.store.made import at_revision

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
INSERT = text(
    "INSERT INTO callbacks (source, origin, task_key, task_id, number, state, gate, next_at, task, created_at, "
    "updated_at, seen_at) VALUES "
    "(:source, :origin, :key, :task_id, '+34600111222', :state, :gate, :next_at, '{}', :now, :now, :now)"
)


def stored(database: Database, task_id: str, state: str = "waiting", gate: str = "", source: str = "web") -> None:
    """As the old version stores a task."""
    now = NOW if database.postgresql else NOW.replace(tzinfo=None).isoformat(" ")
    values = {"source": source, "origin": f"name:{source}", "key": key_of(task_id), "task_id": task_id}
    values |= {"state": state, "gate": gate}
    with database.write() as connection:
        connection.execute(INSERT, {**values, "now": now, "next_at": None if gate == "campaign" else now})


def noted(database: Database, name: str, *, paused: bool = False, cancelled_at: str = "") -> None:
    """As the old version notes a campaign."""
    note = {
        "name": name, "source": "web", "file": f"{name}.csv", "started_at": "2026-11-23T12:00:00+01:00", "rows": 2,
        "bad": 0, "paused": paused, "cancelled_at": cancelled_at,
    }  # fmt: skip
    with database.write() as connection:
        insert = text("INSERT INTO meta (name, value) VALUES (:name, :value)")
        connection.execute(insert, {"name": f"campaign:{name}", "value": json.dumps(note)})


@pytest.fixture
def old(empty_database_url: str, tmp_path: Path) -> Iterator[Database]:
    database = at_revision("0003", empty_database_url, tmp_path)
    yield database
    database.close()


def counted(database: Database, name: str) -> list[tuple[CallbackState, str, int]]:
    with database.read() as connection:
        return sorted(campaigns.counts(connection, name))


def test_campaigns_that_run_are_paused_or_are_over_go_on_as_they_were(old: Database) -> None:
    noted(old, "spring")
    noted(old, "autumn", paused=True)
    noted(old, "winter", cancelled_at="2026-11-23T13:00:00+01:00")
    noted(old, "done")
    for name, *rows in (
        ("spring", ("waiting", ""), ("answered", "")),
        ("autumn", ("waiting", "campaign"), ("waiting", "campaign"), ("busy", "")),
        ("winter", ("cancelled", "")),
        ("done", ("no_answer", "")),
    ):
        for number, (state, gate) in enumerate(rows):
            stored(old, f"{name}/{number}", state, gate)
    schema.upgrade(old)
    with old.read() as connection:
        assert campaigns.every(connection) == [
            Campaign("autumn", "web", "autumn.csv", NOW, paused=True),
            Campaign("done", "web", "done.csv", NOW),
            Campaign("spring", "web", "spring.csv", NOW),
            Campaign("winter", "web", "winter.csv", NOW, cancelled_at=NOW.replace(hour=12)),
        ]
        assert [one.name for one in campaigns.halted(connection, ["spring", "autumn", "winter"])] == [
            "autumn",
            "winter",
        ]
        assert connection.execute(text("SELECT count(*) FROM meta WHERE name LIKE 'campaign:%'")).scalar() == 0
    waiting = CallbackState.WAITING
    assert counted(old, "spring") == [(CallbackState.ANSWERED, "", 1), (waiting, "", 1)]
    assert counted(old, "autumn") == [(CallbackState.BUSY, "", 1), (waiting, "campaign", 2)]
    assert counted(old, "winter") == [(CallbackState.CANCELLED, "", 1)]
    with old.write() as connection:
        assert campaigns.release(connection, "autumn", "campaign", NOW) == 2
        assert [row.task_id for row in campaigns.each(connection, "spring", 0, 10)] == ["spring/0", "spring/1"]


def test_rows_of_others_whose_ids_look_alike_stay_theirs(old: Database) -> None:
    noted(old, "spring")
    stored(old, "spring/1")
    for task_id, source in (("Spring/1", "web"), ("spring", "web"), ("spring.2/1", "web"), ("spring/2", "other")):
        stored(old, task_id, source=source)
    schema.upgrade(old)
    assert counted(old, "spring") == [(CallbackState.WAITING, "", 1)]


def test_the_old_version_beside_it_stores_tasks_as_before(old: Database) -> None:
    schema.upgrade(old)
    stored(old, "T1")
    with old.read() as connection:
        assert [(one.task_id, one.campaign) for one in callbacks.find(connection, CallbackFilter())] == [("T1", "")]


def test_a_campaign_of_any_size_is_taken_over_in_its_own_time(old: Database) -> None:
    if not old.postgresql:
        pytest.skip("SQLite ends no statement that takes long")
    hurried = """
        CREATE FUNCTION hurried() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('statement_timeout') <> '0' THEN RAISE EXCEPTION 'this may take too long'; END IF;
            RETURN NEW;
        END $$
    """
    with old.write() as connection:
        connection.execute(text(hurried))
        connection.execute(
            text("CREATE TRIGGER hurried BEFORE UPDATE ON callbacks FOR EACH ROW EXECUTE FUNCTION hurried()")
        )
    noted(old, "spring")
    stored(old, "spring/1")
    schema.upgrade(old)
    assert counted(old, "spring") == [(CallbackState.WAITING, "", 1)]
