"""The promise of the event flow, kept by real processes that are killed with -9: what was acknowledged is there, each
call leaves exactly one activity."""

from __future__ import annotations

import csv
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.simulator.calls import Platform, SimulatedCall, Target
from bridge.store.schema import connect
from bridge.store.tables import events
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.ports import free_port
from tests.waiting import until

CALLS = 300
KILLS = 9
KEY = "unguessable-part-of-the-url"
CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 2, threads: 64}}
database: {database}
lines: [{{number: "912345678", password: "3956"}}]
connectors:
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, key: id, phones: [phone]}}}}
    activities: {{file: calls.csv}}
  moments:
    type: csv
    activities: {{file: moments.csv}}
activities:
  - {{in: agenda, close_after: 3s}}
  - {{in: moments, on: [inicio, desvio_correcto, fin], find: {{}}, subject: "{{{{ call.event }}}}"}}
"""


@dataclass
class Sender:
    """The platform: sends the events of many calls, again and again until each is acknowledged."""

    target: Target
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, call: SimulatedCall, order: Sequence[str]) -> None:
        with Platform(self.target) as platform:
            for event in order:
                until(lambda event=event: platform.event(call, event).status == 200, 60)  # type: ignore[misc]
                with self.lock:
                    self.acknowledged.add((call.sequence, event))


def calls(chance: random.Random) -> Iterator[tuple[SimulatedCall, list[str]]]:
    """Calls with the order in which their events are sent: most as they happen, some shuffled, some repeated, some
    without FIN."""
    for number in range(CALLS):
        order = ["inicio", "desvio_correcto"] + ["fin"] * (number % 10 != 9)
        if number % 3 == 0:
            chance.shuffle(order)
        if number % 2 == 0:
            order.insert(chance.randrange(len(order) + 1), chance.choice(order))
        yield SimulatedCall(f"6{number % 50:08}", str(5_000_000 + number), diverted="911000001"), order


def configured(folder: Path, database: str) -> tuple[Path, int]:
    port = free_port()
    people = "".join(f"C{n},6{n:08},Persona {n}\n" for n in range(40))
    (folder / "contacts.csv").write_text("id,phone,name\n" + people, encoding="utf-8")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(port=port, key=KEY, database=database), encoding="utf-8")
    return config, port


@contextmanager
def killed_again_and_again(bridges: Sequence[Bridge], sender: Sender, chance: random.Random) -> Iterator[None]:
    """Meanwhile, one of `bridges` dies by kill -9 and starts again, whenever a share of the events was acknowledged."""
    expected = CALLS * 3
    over = threading.Event()
    killed = []

    def kill() -> None:
        for number in range(KILLS):
            share = (number + chance.random()) / KILLS * expected * 0.9
            while len(sender.acknowledged) < share and not over.wait(0.005):
                pass
            bridge = bridges[number % len(bridges)]
            bridge.kill()
            killed.append(number)
            bridge.start()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
        thread.join(60)
    finally:
        over.set()
        thread.join(60)
    assert len(killed) == KILLS


def rows(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def check(folder: Path, database: str, sender: Sender) -> None:
    """Everything that was acknowledged is there; each call has one activity, and its moments in their order."""
    until(lambda: len(rows(folder / "calls.csv")) >= CALLS, 60)
    moments = len(sender.acknowledged)
    until(lambda: len(rows(folder / "moments.csv")) >= moments, 60)
    opened = connect(database, folder)
    try:
        with opened.read() as connection:
            kept = connection.execute(select(events)).all()
    finally:
        opened.close()
    assert sender.acknowledged <= {(row.call_sequence, row.event) for row in kept}
    arrived: dict[str, list[tuple[int, str]]] = {}
    for row in kept:
        arrived.setdefault(row.call_sequence, []).append((row.id, row.event))
    per_call = Counter(row["bridge_key"] for row in rows(folder / "calls.csv"))
    assert len(per_call) == CALLS
    assert set(per_call.values()) == {1}
    linked = [row for row in rows(folder / "calls.csv") if row["contact"]]
    assert len(linked) == sum(number % 50 < 40 for number in range(CALLS))
    per_moment = Counter(row["bridge_key"] for row in rows(folder / "moments.csv"))
    assert set(per_moment.values()) == {1}
    assert len(per_moment) == moments
    heard: dict[str, list[str]] = {}
    for moment in rows(folder / "moments.csv"):
        heard.setdefault(moment["bridge_key"].split(":")[1], []).append(moment["subject"])
    assert {call: [event for _, event in sorted(arrived[call])] for call in heard} == heard


def play(folder: Path, database: str, bridges: Sequence[Bridge], victims: Sequence[Bridge], port: int) -> None:
    chance = random.Random(20261123)
    sender = Sender(Target(f"http://127.0.0.1:{port}", "912345678", "3956", KEY, timeout=5))
    wait_until_ready(port, bridges)
    with killed_again_and_again(victims, sender, chance), ThreadPoolExecutor(12) as pool:
        for future in [pool.submit(sender.send, call, order) for call, order in calls(chance)]:
            future.result()
    check(folder, database, sender)


@pytest.mark.timeout(960)
def test_on_sqlite_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/bridge.db"
    config, port = configured(tmp_path, database)
    bridge = Bridge(config)
    bridge.start()
    try:
        play(tmp_path, database, [bridge], [bridge], port)
        assert bridge.stop() == 0
    finally:
        bridge.kill()


@pytest.mark.timeout(960)
def test_on_postgresql_with_two_workers_one_of_which_never_comes_back(tmp_path: Path, postgres_url: str) -> None:
    config, port = configured(tmp_path, postgres_url)
    web, lost, worker = Bridge(config, "--web"), Bridge(config, "--work"), Bridge(config, "--work")
    for bridge in (web, lost, worker):
        bridge.start()
    try:
        threading.Timer(3.0, lost.kill).start()
        play(tmp_path, postgres_url, [web, worker], [web, worker], port)
        assert web.stop() == 0
        assert worker.stop() == 0
    finally:
        for bridge in (web, lost, worker):
            bridge.kill()
