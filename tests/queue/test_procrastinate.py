from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from procrastinate import App, PsycopgConnector
from sqlalchemy import text

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


def _left(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar_one())


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
    heartbeat = replace(QUICK, dead_after=8.0)  # longer than a busy machine holds one up
    queue = ProcrastinateQueue(database, heartbeat)
    begun, ended, twice = threading.Event(), threading.Event(), threading.Event()

    def slow(_: str) -> None:
        begun.set()
        time.sleep(1.25 * heartbeat.dead_after)
        (twice if ended.is_set() else ended).set()

    runner = queue.runner({"work": slow}, {"": 2}, lambda: None)
    runner.start()
    try:
        until(lambda: runner.working)
        _wake(database, queue, "a")
        assert begun.wait(60)  # before there is another who could take it
        with child(postgres_url, "0", str(heartbeat.dead_after), module="tests.queue.child") as other:
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


def test_wakeups_of_a_key_that_wait_together_are_answered_by_one_run(database: Database) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    answered: Counter[str] = Counter()
    _wake(database, queue, "a", "b", "a", "a")
    runner = queue.runner({"work": lambda key: answered.update([key])}, {"": 2}, lambda: None)
    runner.start()
    until(lambda: _left(database) == 0)
    assert runner.stop(30)
    assert answered == {"a": 1, "b": 1}


def test_keys_of_a_kind_that_wait_together_are_done_together_or_each_by_itself(database: Database) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    tried: list[Sequence[str]] = []
    alone: Counter[str] = Counter()

    def together(keys: Sequence[str]) -> None:
        tried.append(sorted(keys))
        if "faulty" in keys:
            raise ValueError("one of them")

    _wake(database, queue, "a", "b", "c")
    _wake(database, queue, "faulty", "d")
    handlers = {"work": lambda key: alone.update([key])}
    runner = queue.runner(handlers, {"": 3}, lambda: None, {"work": together})
    runner.start()
    until(lambda: _left(database) == 0)
    assert runner.stop(30)
    assert tried == [["a", "b", "c"], ["d", "faulty"]]
    assert alone == {"d": 1, "faulty": 1}


def test_a_worker_of_procrastinate_itself_shares_the_work(database: Database, postgres_url: str) -> None:
    """As the version before has them."""
    queue = ProcrastinateQueue(database, QUICK)
    answered: dict[str, list[str]] = {"ours": [], "theirs": []}
    at_once: Counter[str] = Counter()
    twice, counting = threading.Event(), threading.Lock()

    def run(who: str, key: str) -> None:
        with counting:
            answered[who].append(key)
            at_once[key] += 1
            if at_once[key] > 1:
                twice.set()
        time.sleep(0.02)
        with counting:
            at_once[key] -= 1

    app = App(connector=PsycopgConnector(conninfo=postgres_url))

    @app.task(name="infocaller-bridge")
    def theirs(kind: str, key: str) -> None:
        assert kind == "work"
        run("theirs", key)

    async def work() -> None:
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(
                    queues=["general"], concurrency=2, delete_jobs="always", install_signal_handlers=False
                )
            )
            await asyncio.to_thread(done.wait, 60)
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    done = threading.Event()
    other = threading.Thread(target=asyncio.run, args=[work()])
    other.start()
    runner = queue.runner({"work": lambda key: run("ours", key)}, {"": 2}, lambda: None)
    runner.start()
    keys = [str(number) for number in range(40)]

    def both_answer() -> bool:
        if not _left(database):
            _wake(database, queue, *keys)
        return all(answered.values())

    try:
        until(both_answer)  # either may begin long after the other
        for _ in range(5):
            _wake(database, queue, *keys)
        until(lambda: _left(database) == 0)
    finally:
        done.set()
        other.join(60)
        assert runner.stop(30)
    assert set(answered["ours"]) | set(answered["theirs"]) == set(keys)
    assert not twice.is_set()


def test_a_worker_that_was_taken_for_dead_goes_on(database: Database, postgres_url: str) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    with child(postgres_url, module="tests.queue.child") as frozen:
        assert first_line(frozen) == "ready"
        frozen.send_signal(signal.SIGSTOP)
        try:
            with psycopg.connect(postgres_url, autocommit=True) as server:
                until(lambda: server.execute("SELECT * FROM procrastinate_prune_stalled_workers_v1(2)").fetchone())
        finally:
            frozen.send_signal(signal.SIGCONT)
        _wake(database, queue, "after")
        assert first_line(frozen) == "begin after"


def test_what_runs_while_the_connection_breaks_is_not_run_again(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    answered: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def run(key: str) -> None:
        answered.append(key)
        begun.set()
        go_on.wait(60)

    with caplog.at_level(logging.CRITICAL), Proxy("127.0.0.1", 5432) as proxy:
        database = connect(postgres_url)
        through = connect(postgres_url.replace(":5432", f":{proxy.port}"))
        runner = ProcrastinateQueue(through, Heartbeat(0.3, 60.0, 0.3)).runner({"work": run}, {"": 2}, lambda: None)
        runner.start()
        _wake(database, ProcrastinateQueue(database, QUICK), "a")
        assert begun.wait(60)
        proxy.away()
        until(lambda: not runner.working, 60)
        proxy.back()
        until(lambda: runner.working, 60)
        go_on.set()
        until(lambda: _left(database) == 0)
        assert runner.stop(30)
        through.close()
        database.close()
    assert answered == ["a"]


def test_what_nobody_serves_any_more_is_dropped_after_a_day(database: Database, postgres_url: str) -> None:
    queue = ProcrastinateQueue(database, QUICK)
    with database.write() as connection:
        queue.wake(connection, "work", "old", lane="gone")
        queue.wake(connection, "work", "new", lane="gone")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("UPDATE procrastinate_jobs SET priority = priority + 2 * 86400 WHERE args->>'key' = 'old'")
        runner = queue.runner({}, {"": 1}, lambda: None)
        runner.start()
        until(lambda: server.execute("SELECT args->>'key' FROM procrastinate_jobs").fetchall() == [("new",)])
    assert runner.stop(30)
