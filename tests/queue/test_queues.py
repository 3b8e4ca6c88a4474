"""What `bridge.queue.base` promises, on both databases."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bridge.errors import StoreUnavailable
from bridge.queue.base import Queue, Runner, Wakeup, call_key, pause, split_call_key
from bridge.store.database import Database
from tests.queue.child import quick
from tests.store.children import child, first_line
from tests.waiting import until

LANES = {"": 4, "crm": 2}


@pytest.fixture
def queue(database: Database) -> Queue:
    return quick(database)


@contextmanager
def _running(queue: Queue, run: Callable[[str], None], lanes: Mapping[str, int] = LANES) -> Iterator[Runner]:
    runner = queue.runner({"work": run}, lanes, lambda: None)
    runner.start()
    try:
        until(lambda: runner.working)
        yield runner
    finally:
        assert runner.stop(30)


def _wake(database: Database, queue: Queue, *keys: str, due: datetime | None = None, lane: str = "") -> None:
    with database.write() as connection:
        queue.wake_all(connection, [Wakeup("work", key, due, lane) for key in keys])


def _left(database: Database) -> int:
    table = "procrastinate_jobs" if database.postgresql else "pokes"
    with database.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_every_wakeup_is_answered_and_nothing_is_left_of_it(database: Database, queue: Queue) -> None:
    answered: Counter[str] = Counter()
    keys = [str(number) for number in range(50)]
    _wake(database, queue, *keys[:25])
    with _running(queue, lambda key: answered.update([key])):
        _wake(database, queue, *keys[25:])
        until(lambda: len(answered) == 50)
        until(lambda: _left(database) == 0)
    assert set(answered) == set(keys)


def test_a_wakeup_holds_only_if_its_transaction_commits(database: Database, queue: Queue) -> None:
    answered: list[str] = []
    with _running(queue, answered.append):
        with suppress(ZeroDivisionError), database.write() as connection:
            queue.wake(connection, "work", "undone")
            raise ZeroDivisionError
        _wake(database, queue, "done")
        until(lambda: "done" in answered)
        until(lambda: _left(database) == 0)
    assert answered == ["done"]


def test_a_key_never_runs_twice_at_a_time_and_a_wakeup_during_its_run_is_answered_after_it(
    database: Database, queue: Queue
) -> None:
    at_once: Counter[str] = Counter()
    most: Counter[str] = Counter()
    begun: list[str] = []
    counting, go_on = threading.Lock(), threading.Event()

    def run(key: str) -> None:
        with counting:
            at_once[key] += 1
            most[key] = max(most[key], at_once[key])
            begun.append(key)
        go_on.wait(30)
        with counting:
            at_once[key] -= 1

    with _running(queue, run):
        _wake(database, queue, "a")
        until(lambda: begun == ["a"])
        _wake(database, queue, "a", "a", "b")
        until(lambda: "b" in begun)
        assert begun.count("a") == 1
        go_on.set()
        until(lambda: begun.count("a") >= 2)
        until(lambda: _left(database) == 0)
    assert most == {"a": 1, "b": 1}


def test_a_delayed_wakeup_waits_and_holds_up_no_other_of_its_key(database: Database, queue: Queue) -> None:
    answered: list[tuple[str, float]] = []
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    with _running(queue, lambda key: answered.append((key, time.time()))):
        _wake(database, queue, "far", due=datetime.now(UTC) + timedelta(hours=6))
        _wake(database, queue, "far")
        _wake(database, queue, "near", due=due)
        until(lambda: {key for key, _ in answered} == {"far", "near"})
    assert dict(answered)["near"] >= due.timestamp() - 0.1
    assert [key for key, _ in answered].count("far") == 1
    assert _left(database) == 1


def test_a_delayed_wakeup_made_by_the_run_of_its_own_key_is_not_lost(database: Database, queue: Queue) -> None:
    answered: list[str] = []

    def run(key: str) -> None:
        answered.append(key)
        if len(answered) == 1:
            _wake(database, queue, key, due=datetime.now(UTC) + timedelta(seconds=0.7))

    with _running(queue, run):
        _wake(database, queue, "a")
        until(lambda: len(answered) == 2)
        until(lambda: _left(database) == 0)


def test_a_lane_that_hangs_holds_up_no_other(database: Database, queue: Queue) -> None:
    hanging, answered = threading.Event(), []
    begun: list[str] = []

    def run(key: str) -> None:
        if key.startswith("crm"):
            begun.append(key)
            hanging.wait(60)
        else:
            answered.append(key)

    try:
        with _running(queue, run):
            _wake(database, queue, *[f"crm-{number}" for number in range(20)], lane="crm")
            until(lambda: len(begun) == LANES["crm"])
            _wake(database, queue, "other", lane="nobody's")
            _wake(database, queue, *[f"free-{number}" for number in range(10)])
            until(lambda: len([key for key in answered if key.startswith("free")]) == 10)
            assert len(begun) == LANES["crm"]
            hanging.set()
            until(lambda: len(begun) == 20)
    finally:
        hanging.set()


def test_a_handler_that_raises_is_run_again(database: Database, queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    tried: Counter[str] = Counter()

    def run(key: str) -> None:
        tried[key] += 1
        if tried[key] == 1:
            raise StoreUnavailable("away") if key == "store" else ValueError("a fault")

    with caplog.at_level(logging.CRITICAL), _running(queue, run):
        _wake(database, queue, "store", "fault", "x")
        until(lambda: tried["store"] == 2 and tried["fault"] == 2 and tried["x"] == 2)
        until(lambda: _left(database) == 0)


def test_wake_if_idle_adds_nothing_where_a_wakeup_is_due(database: Database, queue: Queue) -> None:
    _wake(database, queue, "due")
    _wake(database, queue, "later", due=datetime.now(UTC) + timedelta(hours=1))
    with database.write() as connection:
        assert queue.wake_if_idle(connection, [Wakeup("work", key) for key in ("due", "later", "new")]) == 2
    with database.write() as connection:
        assert queue.wake_if_idle(connection, [Wakeup("work", key) for key in ("due", "later", "new")]) == 0
    assert _left(database) == 4


def test_stopping_waits_for_what_runs_and_leaves_the_rest(database: Database, queue: Queue) -> None:
    begun: list[str] = []
    ended: list[str] = []

    def run(key: str) -> None:
        begun.append(key)
        time.sleep(0.5)
        ended.append(key)

    keys = [str(number) for number in range(100)]  # more than a busy machine does before it is told to stop
    runner = queue.runner({"work": run}, {"": 1}, lambda: None)
    runner.start()
    _wake(database, queue, *keys)
    until(lambda: begun)
    assert runner.stop(30)
    assert begun == ended
    assert _left(database) == len(keys) - len(ended) > 0


def test_stopping_does_not_wait_for_ever(database: Database, queue: Queue) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def run(_: str) -> None:
        begun.set()
        go_on.wait(60)

    runner = queue.runner({"work": run}, {"": 1}, lambda: None)
    runner.start()
    _wake(database, queue, "a")
    assert begun.wait(30)
    assert not runner.stop(0.2)
    go_on.set()
    until(lambda: runner.stop(1))


def test_a_runner_that_never_worked_can_be_stopped(queue: Queue) -> None:
    runner = queue.runner({}, {"": 1}, lambda: None)
    runner.start()
    assert runner.stop(30)


def test_what_a_killed_process_had_begun_is_done_by_another(
    database: Database, queue: Queue, database_url: str
) -> None:
    answered: list[str] = []
    with child(database_url, "600", module="tests.queue.child") as process:
        while first_line(process) != "ready":
            pass
        _wake(database, queue, "a", "b", "c", "d", "e")
        for _ in range(4):
            assert first_line(process).startswith("begin")
        process.kill()
    with _running(queue, answered.append):
        until(lambda: set(answered) == set("abcde"))
        until(lambda: _left(database) == 0)
    assert len(answered) == 5


def test_wakeups_of_another_process_are_noticed(database: Database, queue: Queue, database_url: str) -> None:
    with child(database_url, module="tests.queue.child") as process:
        while first_line(process) != "ready":
            pass
        _wake(database, queue, "a")
        assert first_line(process) == "begin a"


def test_a_calls_key_can_be_taken_apart() -> None:
    assert split_call_key(call_key("912345678", "98:5656")) == ("912345678", "98:5656")


def test_pauses_grow_to_a_minute() -> None:
    assert [pause(number) for number in (1, 2, 5, 6, 100)] == [2, 4, 32, 60, 60]
