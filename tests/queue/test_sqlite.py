from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.queue.sqlite import SqliteQueue
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.databases import sqlite_with_tables
from tests.disk import fill, small_disk
from tests.store.children import child, first_line
from tests.waiting import until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    sqlite_with_tables(tmp_path / "bridge.db")
    database = connect(f"sqlite:///{tmp_path}/bridge.db", patience=0.3)
    yield database
    database.close()


def test_of_two_runners_on_one_file_only_one_works_until_it_dies(database: Database) -> None:
    alone = threading.Event()
    ours = SqliteQueue(database).runner({}, {"": 1}, alone.set)
    with child(f"sqlite:///{database.path}", module="tests.queue.child") as process:
        assert first_line(process) == "alone"
        assert first_line(process) == "ready"
        ours.start()
        assert not alone.wait(1)
        assert not ours.working
        process.kill()
        assert alone.wait(30)
    until(lambda: ours.working)
    assert ours.stop(30)


def test_it_goes_on_after_the_file_was_held_by_a_foreign_program(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    queue = SqliteQueue(database)
    answered: list[str] = []
    runner = queue.runner({"work": answered.append}, {"": 1}, lambda: None)
    with caplog.at_level(logging.CRITICAL):
        runner.start()
        until(lambda: runner.working)
        with database.write() as connection:
            queue.wake(connection, "work", "before")
        until(lambda: answered == ["before"])
        with child("foreign", str(database.path)) as other:
            assert first_line(other) == "held"
            other.kill()
            other.wait(30)
        with database.write() as connection:
            queue.wake(connection, "work", "after")
        until(lambda: answered == ["before", "after"])
        assert runner.stop(30)


def test_a_full_disk_is_told_once_and_its_end_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answered: list[str] = []
    with small_disk(tmp_path / "small", "1m") as disk, caplog.at_level(logging.INFO, "bridge.queue.sqlite"):
        database = connect(f"sqlite:///{disk}/bridge.db", patience=0.3)
        queue = SqliteQueue(database)
        runner = queue.runner({"work": answered.append}, {"": 1}, lambda: None)
        runner.start()
        until(lambda: runner.working)
        with database.write() as connection:
            for number in range(30):
                queue.wake(connection, "work", str(number), datetime.now(UTC) + timedelta(seconds=1))
        filling = fill(disk)
        until(lambda: "the work waits for the database" in caplog.text)
        time.sleep(2.5)  # in which it is tried twice more
        filling.unlink()
        until(lambda: "the work goes on" in caplog.text)
        until(lambda: len(answered) >= 30)
        assert runner.stop(30)
        database.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_the_lock_is_given_back_when_a_runner_stops(database: Database) -> None:
    for _ in range(2):
        runner = SqliteQueue(database).runner({}, {"": 1}, lambda: None)
        runner.start()
        until(lambda: runner.working)  # noqa: B023 (called at once)
        assert runner.stop(30)


def test_an_error_before_the_work_begins_is_tried_again(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    tries = iter([True, False])

    def alone() -> None:
        if next(tries):
            raise subprocess.SubprocessError("not yet")

    runner = SqliteQueue(database).runner({}, {"": 1}, alone)
    with caplog.at_level(logging.CRITICAL):
        runner.start()
        until(lambda: runner.working)
    assert runner.stop(30)
