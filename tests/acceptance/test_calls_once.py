"""The promise of the callback flow, kept by real processes that are killed with -9: no phone rings twice for one task,
none is lost, and what may have rung was on its way at a kill."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.simulator.ledger import EmissionLedger, Entry
from bridge.store import callbacks
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.acceptance.platform import KEY, LINE, PASSWORD
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.ports import free_port
from tests.waiting import until

TASKS = 500
KILLS = 11
IN_FLIGHT = timedelta(seconds=20)  # on a loaded machine a request takes its time
"""A request takes no longer than this."""
CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 1, threads: 32}}
database: {database}
lines:
  - number: "{line}"
    password: "{password}"
    emission: {{url: "{platform}", per_minute: 2400, at_once: 1000, timeout: 15s}}
connectors:
  list:
    type: csv
    tasks: {{file: tasks.csv}}
callbacks:
  - {{from: list, line: "{line}", rule_group: callbacks, every: 2s, hours: always}}
"""


@contextmanager
def platform(folder: Path, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.acceptance.platform", str(folder), str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        until((folder / "platform.url").exists, 40)
        yield (folder / "platform.url").read_text(encoding="utf-8")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def configured(folder: Path, database: str, port: int, url: str, tasks: int = TASKS) -> Path:
    rows = "".join(f"T{n},6{n:08}\n" for n in range(tasks))
    (folder / "tasks.csv").write_text("id,phone\n" + rows, encoding="utf-8")
    config = folder / "config.yaml"
    text = CONFIG.format(port=port, key=KEY, database=database, platform=url, line=LINE, password=PASSWORD)
    config.write_text(text, encoding="utf-8")
    return config


def entries(folder: Path) -> list[Entry]:
    file = folder / "ledger.jsonl"
    if not file.exists():
        return []
    copy = folder / "ledger.copy"  # reading mends the last line, which is the platform's to write
    copy.write_bytes(file.read_bytes())
    ledger = EmissionLedger(copy)
    try:
        return ledger.entries
    finally:
        ledger.close()


def stored(database: Database) -> list[Callback]:
    with database.read() as connection:
        return callbacks.find(connection, CallbackFilter(), TASKS * 2)


def kill_again_and_again(bridges: Sequence[Bridge], folder: Path, chance: random.Random) -> list[datetime]:
    """kill -9 whenever another share of the numbers was rung; when that was."""
    killed = []
    for number in range(KILLS):
        share = (number + chance.random()) / KILLS * TASKS * 0.9
        end = time.monotonic() + 30
        while sum(entry.rang for entry in entries(folder)) < share and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.3)
        bridge = bridges[number % len(bridges)]
        bridge.kill()
        killed.append(datetime.now(UTC))
        bridge.start()
    return killed


def check(folder: Path, database: Database, killed: Sequence[datetime]) -> None:
    # the platform tells of each call once: what it told while no bridge ran was not heard
    ended = {CallbackState.ANSWERED, CallbackState.ACCEPTED, CallbackState.MAY_HAVE_RUNG}
    until(lambda: len(stored(database)) == TASKS and all(one.state in ended for one in stored(database)), 90)
    per_number = Counter(entry.number for entry in entries(folder) if entry.rang)
    assert not [number for number, times in per_number.items() if times > 1]
    states = {one.number: one for one in stored(database)}
    unknown = [one for one in states.values() if one.state is CallbackState.MAY_HAVE_RUNG]
    assert set(per_number) | {one.number for one in unknown} == {f"+346{n:08}" for n in range(TASKS)}
    assert len(states) - len(unknown) > TASKS / 2
    for one in unknown:
        assert one.rung_at is not None
        assert any(one.rung_at <= kill <= one.rung_at + IN_FLIGHT for kill in killed), one
    assert sum(one.state is CallbackState.ANSWERED for one in states.values()) > TASKS / 10
    print(f"{len(per_number)} rung, {len(unknown)} may have, {len(killed)} kills")  # noqa: T201 (with pytest -s)


def play(folder: Path, database: str, config: Path, bridges: Sequence[Bridge], port: int) -> None:
    wait_until_ready(port, bridges)
    opened = connect(database, folder)
    try:
        killed = kill_again_and_again(bridges, folder, random.Random(20261123))
        check(folder, opened, killed)
    finally:
        opened.close()


@pytest.mark.timeout(960)
def test_on_sqlite_no_phone_rings_twice_and_nobody_is_forgotten(tmp_path: Path) -> None:
    port, database = free_port(), f"sqlite:///{tmp_path}/bridge.db"
    with platform(tmp_path, port) as url:
        config = configured(tmp_path, database, port, url)
        bridge = Bridge(config)
        bridge.start()
        try:
            play(tmp_path, database, config, [bridge], port)
            assert bridge.stop() == 0
        finally:
            bridge.kill()


@pytest.mark.timeout(960)
def test_on_postgresql_with_two_workers_no_phone_rings_twice(tmp_path: Path, postgres_url: str) -> None:
    port = free_port()
    with platform(tmp_path, port) as url:
        config = configured(tmp_path, postgres_url, port, url)
        web, one, other = Bridge(config, "--web"), Bridge(config, "--work"), Bridge(config, "--work")
        for bridge in (web, one, other):
            bridge.start()
        try:
            wait_until_ready(port, [web])
            play(tmp_path, postgres_url, config, [one, other], port)
            assert one.stop() == 0
            assert other.stop() == 0
        finally:
            for bridge in (web, one, other):
                bridge.kill()
