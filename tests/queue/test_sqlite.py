from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.queue.sqlite import SqliteQueue
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.store.children import child, first_line
from tests.waiting import until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
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
            queue.poke(connection, "work", "before")
        until(lambda: answered == ["before"])
        with child("foreign", str(database.path)) as other:
            assert first_line(other) == "held"
            other.kill()
            other.wait(30)
        with database.write() as connection:
            queue.poke(connection, "work", "after")
        until(lambda: answered == ["before", "after"])
        assert runner.stop(30)


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
