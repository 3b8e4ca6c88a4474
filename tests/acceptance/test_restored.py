"""The restore drill of docs/deployment.md, done to a bridge that serves: nobody is rung twice."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence
from bridge.store import callbacks
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState
from bridge.store.schema import connect
from tests.acceptance.platform import KEY, LINE, PASSWORD, serving
from tests.acceptance.processes import Bridge, ready
from tests.ports import free_port
from tests.waiting import until

TASKS = 30
TOKEN = "0123456789abcdefghijklmnop"
CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 1, threads: 16}}
database: {database}
lines:
  - {{number: "{line}", password: "{password}", emission: {{url: "{platform}", per_minute: 60, at_once: 1000}}}}
connectors:
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
    activities: {{file: calls.csv}}
queries:
  WHO: {{find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}, answer: {{NAME: "{{{{ contact.name }}}}"}}}}
activities: [{{in: agenda}}]
callbacks:
  - {{name: web, token: {token}, line: "{line}", rule_group: callbacks, hours: always}}
"""


class Drill:
    """A bridge with its database and its backup."""

    def __init__(self, folder: Path, database: str, platform: str, port: int) -> None:
        self.folder, self.database, self.port = folder, database, port
        (folder / "contacts.csv").write_text("phone,name\n600999888,Ana\n", encoding="utf-8")
        self.config = folder / "config.yaml"
        text = CONFIG.format(
            port=port, key=KEY, database=database, line=LINE, password=PASSWORD, platform=platform, token=TOKEN
        )
        self.config.write_text(text, encoding="utf-8")
        self.bridge = Bridge(self.config)

    def start(self) -> None:
        self.bridge.start()
        until(lambda: ready(self.port), 120)

    def command(self, *words: str) -> str:
        """`infocaller-bridge` in a shell; what it prints. A PostgreSQL that serves every test may be full or
        slow for a moment: the command says so, and is given again, as a person would."""
        for attempt in range(10):
            arguments = [sys.executable, "-m", "bridge", *words, "--config", str(self.config)]
            done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=120)
            if done.returncode == 0 or "database" not in done.stderr:
                break
            time.sleep(attempt)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def line(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.command("lines", "list", "--json"))[0]
        return found

    def callbacks(self) -> dict[str, Callback]:
        """By task."""
        opened = connect(self.database, self.folder)
        try:
            with opened.read() as connection:
                return {one.task_id: one for one in callbacks.find(connection, CallbackFilter(), TASKS * 2)}
        finally:
            opened.close()

    def held(self) -> bool:
        """Whether it says in its log that it noticed."""
        return "every line is held" in self.bridge.log.read_text(encoding="utf-8")

    def ask_for_calls(self, tasks: range) -> None:
        for n in tasks:
            answer = requests.post(
                f"http://127.0.0.1:{self.port}/callbacks/web",
                json={"id": f"T{n}", "phone": f"6{n:08}"},
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=30,
            )
            assert answer.status_code == 202, answer.text

    def back_up(self) -> None:
        """While it serves."""
        if self.database.startswith("sqlite"):
            path = self.folder / "bridge.db"
            with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(self.folder / "copy.db")) as copy:
                database.backup(copy)
        else:
            dump = ["pg_dump", "--format=custom", f"--file={self.folder / 'copy.dump'}", self.database]
            subprocess.run(dump, check=True, timeout=60)

    def restore(self) -> None:
        """While it is stopped."""
        if self.database.startswith("sqlite"):
            for file in ("bridge.db", "bridge.db-wal", "bridge.db-shm"):
                (self.folder / file).unlink(missing_ok=True)
            (self.folder / "copy.db").rename(self.folder / "bridge.db")
        else:
            load = ["pg_restore", "--clean", "--if-exists", f"--dbname={self.database}", f"{self.folder}/copy.dump"]
            subprocess.run(load, check=True, timeout=60)

    def serves_the_platform(self) -> None:
        """Queries are answered, and events become activities."""
        target = Target(f"http://127.0.0.1:{self.port}", LINE, PASSWORD, KEY, timeout=30)
        call = SimulatedCall("600999888", new_sequence(), diverted="911000001")
        with Platform(target) as platform:
            assert platform.query(call, "WHO").variables == {"NAME": "Ana"}
            assert [one.status for one in platform.events(call)] == [200, 200]
        until(lambda: "+34600999888" in self.activities(), 60)

    def activities(self) -> list[str]:
        file = self.folder / "calls.csv"
        if not file.exists():
            return []
        with file.open(encoding="utf-8-sig", newline="") as text:
            return [row["caller"] for row in csv.DictReader(text)]


def unknown(callback: Callback) -> bool:
    return callback.state is CallbackState.MAY_HAVE_RUNG


def numbers(tasks: range) -> set[str]:
    return {f"+346{n:08}" for n in tasks}


@pytest.mark.timeout(1600)
def test_a_bridge_whose_database_was_restored_rings_nobody_twice(tmp_path: Path, database_url: str) -> None:
    if database_url.startswith("postgresql") and shutil.which("pg_dump") is None:
        pytest.skip("there is no pg_dump")
    port = free_port()
    with serving(tmp_path, port) as platform:
        drill = Drill(tmp_path, database_url, platform.url, port)
        try:
            drill.start()
            play(drill, lambda: Counter(entry.number for entry in platform.ledger.rung))
        finally:
            drill.bridge.kill()


def play(drill: Drill, rung: Callable[[], Counter[str]]) -> None:
    drill.ask_for_calls(range(TASKS))
    until(lambda: len(rung()) >= 5, 60)
    drill.back_up()
    saved = len(rung())
    until(lambda: len(rung()) >= saved + 8, 60)
    assert drill.bridge.stop() == 0
    before = rung()
    assert len(before) < TASKS, "some are still to be called"
    drill.restore()
    drill.start()

    until(drill.held, 60)
    line = drill.line()
    assert line["mode"] == "held"
    assert line["reason"].startswith("base de datos restaurada: le faltan emisiones hechas desde la copia")
    drill.serves_the_platform()
    drill.ask_for_calls(range(TASKS + 3))  # whoever was not answered asks again, others ask for the first time
    assert rung() == before, "nobody is called by a line that is held"
    unsettled = {one.number for one in drill.callbacks().values() if unknown(one) and one.settled_at is None}
    assert 8 <= len(unsettled) < TASKS

    said = drill.command("lines", "resume", LINE)
    assert "callbacks list --unsettled" in said
    until(lambda: rung().keys() == numbers(range(TASKS + 3)), 60)
    assert set(rung().values()) == {1}
    states = drill.callbacks()
    assert unsettled <= {one.number for one in states.values() if unknown(one)} <= before.keys()

    task = next(one for one in states.values() if one.number in unsettled)
    drill.command("callbacks", "confirm", str(task.id), "--rang", "yes")
    assert drill.callbacks()[task.task_id].state is CallbackState.NO_OUTCOME
    assert drill.line()["mode"] == "running"
    assert set(rung().values()) == {1}
    assert drill.bridge.stop() == 0
