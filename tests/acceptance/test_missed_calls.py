"""The promise of missed calls, kept by real processes that are killed with -9: one task a number waits, each call
counts once, nobody is rung who was spoken to, and everybody else is."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence, wall_clock
from bridge.store import callbacks, overview
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.acceptance.platform import KEY, LINE, PASSWORD
from tests.acceptance.processes import Bridge, ready, wait_until_ready
from tests.acceptance.test_calls_once import entries, platform
from tests.ports import free_port
from tests.waiting import until

CALLERS = 300
AFTER = 45
"""Seconds after which somebody is called back: enough for all to be told of, with a bridge that is killed meanwhile."""
CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 1, threads: 32}}
database: {database}
lines:
  - number: "{line}"
    password: "{password}"
    emission: {{url: "{platform}", per_minute: 6000, at_once: 1000, timeout: 3s}}
callbacks:
  - {{from: missed_calls, line: "{line}", rule_group: missed, hours: always, after: {after}s, per_number: 100/d}}
"""
WAITS = (CallbackState.WAITING, CallbackState.QUEUED)
ENDED = {CallbackState.ANSWERED, CallbackState.ACCEPTED, CallbackState.CANCELLED, CallbackState.MAY_HAVE_RUNG}


@dataclass
class Crowd:
    """All who call. `missed`: how often each number was told of, `spoken`: when somebody answered it at last."""

    target: Target
    missed: Counter[str] = field(default_factory=Counter)
    spoken: dict[str, datetime] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, n: int) -> None:
        """One person calls, perhaps again and again, some until they are answered."""
        hidden, times, answered = n % 10 == 0, 1 + (n % 5 == 1) + (n % 5 == 2) * 2, n % 4 == 3
        number = "X" if hidden else f"6{n:08}"
        with Platform(self.target) as platform:
            for _ in range(times):
                self._tell(platform, number, answered=False)
                with self.lock:
                    self.missed[number] += 1
            if answered:
                self._tell(platform, number, answered=True)
                with self.lock:
                    self.spoken[f"+34{number}"] = datetime.now(UTC)

    @staticmethod
    def _tell(platform: Platform, number: str, *, answered: bool) -> None:
        """Each event again and again until it is acknowledged; FIN twice, as when the platform corrects it."""
        start = wall_clock(ago=timedelta(seconds=30))
        call = SimulatedCall(number, new_sequence(), diverted="101", answered=answered, seconds=30, start=start)
        told = ("inicio", "desvio_correcto" if answered else "desvio_fallido", "fin", "fin")
        for event in told:
            until(lambda event=event: platform.event(call, event).status == 200, 90)  # type: ignore[misc]


@contextmanager
def killing(
    bridges: Sequence[Bridge], port: int, database: Database, chance: random.Random
) -> Iterator[list[datetime]]:
    """kill -9 one after the other, as long as the block runs, and start each again, none before the one that answers at
    this port is there, nor before somebody has begun the background work since the last; when that was."""
    stop, killed = threading.Event(), list[datetime]()

    def kill() -> None:
        while not stop.wait(3 + chance.random() * 4):
            if not ready(port) or not worked(database, killed[-1] if killed else None):
                continue
            bridge = bridges[len(killed) % len(bridges)]
            bridge.kill()
            killed.append(datetime.now(UTC))
            bridge.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()


@contextmanager
def watched(database: Database) -> Iterator[list[str]]:
    """Gathers the numbers of which two tasks wait at the same time, as long as the block runs."""
    stop, twice = threading.Event(), list[str]()

    def look() -> None:
        while not stop.wait(0.5):
            waiting = Counter(task.customer for task in tasks(database) if task.state in WAITS)
            twice.extend(number for number, count in waiting.items() if count > 1)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield twice
    finally:
        stop.set()
        watcher.join()


def worked(database: Database, since: datetime | None) -> bool:
    """Whether a process has done background work since then."""
    with database.read() as connection:
        noted = overview.noted(connection, overview.WORKED)
    return noted is not None and (since is None or datetime.fromisoformat(noted) > since)


def tasks(database: Database) -> list[Callback]:
    with database.read() as connection:
        return callbacks.find(connection, CallbackFilter(source="missed_calls"), CALLERS * 3)


def figures(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    except requests.RequestException:
        return ""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_everybody_who_was_missed_is_called_back_once_and_nobody_who_was_spoken_to(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/bridge.db"
    port, chance = free_port(), random.Random(7)
    with platform(tmp_path, port) as emission:
        config = tmp_path / "config.yaml"
        config.write_text(
            CONFIG.format(
                port=port, key=KEY, database=url, line=LINE, password=PASSWORD, platform=emission, after=AFTER
            )
        )
        bridges = [Bridge(config), *([Bridge(config, "--work")] if kind == "postgresql" else [])]
        database = connect(url)
        try:
            for bridge in bridges:
                bridge.start()
            wait_until_ready(port, bridges)
            crowd = Crowd(Target(f"http://127.0.0.1:{port}", LINE, PASSWORD, KEY, timeout=10))
            with watched(database) as twice:
                with killing(bridges, port, database, chance) as killed:
                    with ThreadPoolExecutor(24) as pool:
                        for future in [pool.submit(crowd.call, n) for n in range(CALLERS)]:
                            future.result()
                    until(lambda: len([entry for entry in entries(tmp_path) if entry.rang]) > CALLERS / 3, 120)
                assert len(killed) > 2
                wait_until_ready(port, bridges)
                assert "infocaller_missed_calls{" in figures(port)
                called = {f"+34{number}" for number in crowd.missed if number != "X"}
                until(lambda: all(task.state in ENDED for task in tasks(database)), 120)
                until(lambda: called <= {task.customer for task in tasks(database)} | crowd.spoken.keys(), 60)
                time.sleep(2)
            assert [bridge.stop() for bridge in bridges] == [0] * len(bridges)
            check(tmp_path, tasks(database), crowd, called)
            assert twice == []
        finally:
            for bridge in bridges:
                bridge.kill()
            database.close()


def check(folder: Path, made: Sequence[Callback], crowd: Crowd, called: set[str]) -> None:
    rung = [entry for entry in entries(folder) if entry.rang]
    per_number = Counter(entry.number for entry in rung)
    assert not [number for number, times in per_number.items() if times > 1]
    assert not [entry.number for entry in rung if entry.at > crowd.spoken.get(entry.number, entry.at)]
    assert per_number.keys() <= called
    # one that was answered at once may never have had a task
    assert called - crowd.spoken.keys() <= {task.customer for task in made}
    assert not [number for number, count in Counter(task.customer for task in made).items() if count > 1]
    for task in made:
        if task.customer not in crowd.spoken:
            assert task.task["count"] == crowd.missed[task.customer.removeprefix("+34")]
            assert per_number[task.customer] == 1 or task.state is CallbackState.MAY_HAVE_RUNG
    cancelled = [task for task in made if task.state is CallbackState.CANCELLED]
    assert {task.gate for task in cancelled} == {"spoken_since"}
    assert {task.customer for task in cancelled} <= crowd.spoken.keys()
