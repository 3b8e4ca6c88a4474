from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bridge.queue.procrastinate import Heartbeat, ProcrastinateQueue
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.fakes.proxy import Proxy
from tests.store.children import child, first_line
from tests.waiting import until

QUICK = Heartbeat(every=0.3, dead_after=2.0, reap_every=0.3)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = connect(postgres_url)
    yield database
    database.close()


def _wake(database: Database, queue: ProcrastinateQueue, *keys: str) -> None:
    with database.write() as connection:
        for key in keys:
            queue.wake(connection, "work", key)


def test_of_two_workers_one_is_killed_and_the_other_does_everything(database: Database, postgres_url: str) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    answered: Counter[str] = Counter()
    runner = queue.runner({"work": lambda key: answered.update([key])}, {"": 4}, lambda: None)
    with child(postgres_url, "600", module="tests.queue.child") as doomed:
        assert first_line(doomed) == "ready"
        _wake(database, queue, "a", "b", "c", "d")
        for _ in range(4):
            assert first_line(doomed).startswith("begin")
        runner.start()
        try:
            until(lambda: runner.working)
            _wake(database, queue, "e")
            until(lambda: answered["e"])
            doomed.kill()
            until(lambda: set(answered) == set("abcde"))
        finally:
            assert runner.stop(60)
    assert set(answered.values()) == {1}


@pytest.mark.parametrize("off", [timedelta(hours=2), timedelta(hours=-2)])
def test_what_is_due_is_due_though_this_machine_s_clock_is_hours_off(database: Database, off: timedelta) -> None:
    queue = ProcrastinateQueue(database, QUICK, lambda: datetime.now(UTC) + off)
    answered: Counter[str] = Counter()
    runner = queue.runner({"work": lambda key: answered.update([key])}, {"": 2}, lambda: None)
    runner.start()
    try:
        _wake(database, queue, "now")
        with database.write() as connection:
            queue.wake(connection, "work", "soon", datetime.now(UTC) + off + timedelta(seconds=1))
            queue.wake(connection, "work", "late", datetime.now(UTC) + off + timedelta(hours=1))
        until(lambda: set(answered) == {"now", "soon"})
    finally:
        assert runner.stop(60)


def test_a_worker_that_is_slow_but_alive_keeps_its_jobs(database: Database, postgres_url: str) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    begun, ended, twice = threading.Event(), threading.Event(), threading.Event()

    def slow(_: str) -> None:
        begun.set()
        time.sleep(2 * QUICK.dead_after)
        (twice if ended.is_set() else ended).set()

    runner = queue.runner({"work": slow}, {"": 2}, lambda: None)
    runner.start()
    try:
        until(lambda: runner.working)
        _wake(database, queue, "a")
        assert begun.wait(60)  # before there is another who could take it
        with child(postgres_url, module="tests.queue.child") as other:
            assert first_line(other) == "ready"
            assert ended.wait(60)
            with psycopg.connect(postgres_url) as server:
                until(lambda: server.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,))
            other.kill()
            assert other.stdout
            assert other.stdout.read() == ""
    finally:
        assert runner.stop(60)
    assert not twice.is_set()


@pytest.mark.acceptance
def test_it_goes_on_when_the_server_was_away(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    answered: list[str] = []
    with caplog.at_level(logging.CRITICAL), Proxy("127.0.0.1", 5432) as proxy:
        database = connect(postgres_url.replace(":5432", f":{proxy.port}"))
        queue = ProcrastinateQueue(database, QUICK)
        runner = queue.runner({"work": answered.append}, {"": 2}, lambda: None)
        runner.start()
        until(lambda: runner.working)
        proxy.away()
        until(lambda: not runner.working, 60)
        proxy.back()
        _wake(database, queue, "after")
        until(lambda: answered == ["after"], 60)
        assert runner.stop(30)
        database.close()


def test_it_can_be_stopped_while_the_server_is_away(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL), Proxy("127.0.0.1", 5432) as proxy:
        database = connect(postgres_url.replace(":5432", f":{proxy.port}"))
        proxy.away()
        runner = ProcrastinateQueue(database, QUICK).runner({}, {"": 2}, lambda: None)
        runner.start()
        assert runner.stop(30)
        database.close()


def test_what_nobody_serves_any_more_is_dropped_after_a_day(database: Database, postgres_url: str) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    with database.write() as connection:
        queue.wake(connection, "work", "old", lane="gone")
        queue.wake(connection, "work", "new", lane="gone")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = now() - interval '2 days' WHERE args->>'key' = 'old'"
        )
        runner = queue.runner({}, {"": 1}, lambda: None)
        runner.start()
        until(lambda: server.execute("SELECT args->>'key' FROM procrastinate_jobs").fetchall() == [("new",)])
    assert runner.stop(30)
