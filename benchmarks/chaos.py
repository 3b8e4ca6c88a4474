"""What is left of the promises when everything goes wrong: `python -m benchmarks.chaos` (about three minutes;
`--seconds 20` for less, `--database postgresql://…` for an empty PostgreSQL database).

A bridge serves while the platform sends events and Queries that save, and a site asks for callbacks: new ones, the same
few ones again and again with changing numbers, some cancelled at once. One emission in ten is answered with a broken
answer. Meanwhile its processes are killed with -9, whoever holds the database is cut off or keeps it locked, its disk
is full, its clock jumps. In the end all that was acknowledged must be there, once. Exit code 1 where something is lost,
is there twice, rang twice, or where a line is held.

As root the files are on a small file system, which is filled; with a C compiler the bridge's clock jumps. What can't be
played is said. The power of the machine is not cut: what a kill leaves in the system's memory is still written.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import requests
from sqlalchemy import func, select, text

from benchmarks.load import free_port, machine
from bridge.callbacks import Callback, CallbackFilter, CallbackService, CallbackState
from bridge.config.load import load
from bridge.errors import StoreUnavailable
from bridge.queue import queue_for
from bridge.simulator.calls import Platform, SimulatedCall, Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.ledger import Entry
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.simulator.script import PlannedFault, Reaction
from bridge.store import callbacks, deliveries
from bridge.store.database import Database
from bridge.store.emissions import Mode
from bridge.store.schema import connect
from bridge.store.tables import events
from tests.acceptance.processes import ready, tree
from tests.clock import Clock

LINE, PASSWORD, TOKEN = "912345678", "3956", "0123456789abcdefghijklmnop"
SENDERS = 6
FEW = 20
"""Tasks that are asked for again and again."""
BROKEN = (
    PlannedFault.RESET_AFTER,
    PlannedFault.CLOSED,
    PlannedFault.TRUNCATED,
    PlannedFault.GARBAGE,
    PlannedFault.ERROR_500,
    PlannedFault.HANG,
)
JUMPS = (7200, -7200, 93_600, -3600)
"""Seconds by which the clock goes beyond the right time."""
DISK = 64
"""MiB."""
CONFIG = """
server: {{port: {port}, workers: 2, threads: 32}}
database: "{database}"
lines:
  - number: "{line}"
    password: "{password}"
    dial: {{per_day: 1000000}}
    emission: {{url: "{url}", per_minute: 2400, at_once: 1000, timeout: 3s}}
connectors:
  agenda:
    type: csv
    tables: {{survey: {{file: survey.csv}}}}
    activities: {{file: calls.csv}}
queries:
  SAVE: {{save: {{in: agenda, table: survey, fields: {{name: "{{{{ vars.NAME }}}}"}}}}, answer: {{SAVED: "1"}}}}
activities: [{{in: agenda, find: {{}}, close_after: 3s}}]
callbacks:
  - name: web
    token: {token}
    line: "{line}"
    rule_group: callbacks
    hours: always
    per_address: 1000000/m
    asked_per_number: 1000000/m
    variables: {{TASK: "{{{{ task.id }}}}"}}
"""


class Service:
    """A bridge that is started again whenever it ends, as systemd does it."""

    def __init__(self, config: Path, environment: dict[str, str]) -> None:
        self._command = [sys.executable, "-m", "bridge", "serve", "--config", str(config)]
        self._environment = {**os.environ, **environment}
        self.log = Path(tempfile.gettempdir()) / f"chaos-{os.getpid()}.log"
        self.starts = 0
        self._stopping = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                self._process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            if not self._stopping.wait(0.5):
                self._process = self._start()

    def kill(self, whom: str) -> bool:
        """kill -9 one web process, the working one, the parent, or all; false where it is not there."""
        pids = tree(self._process.pid)
        working = [pid for pid in pids if b"bridge.server.background" in _command_line(pid)]
        web = [pid for pid in pids[1:] if pid not in working]
        chosen = {"work": working, "web": web[:1], "parent": pids[:1], "all": pids[::-1]}[whom]
        for pid in chosen:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return bool(chosen)

    def stop(self) -> None:
        """SIGTERM, and kill -9 what is still there after a while."""
        self._stopping.set()
        self._thread.join()
        pids = tree(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@dataclass
class Acknowledged:
    """What the bridge said that it has: events as (call, event), saved names, ids of tasks."""

    events: set[tuple[str, str]] = field(default_factory=set)
    saves: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    refused: int = 0
    cancelled: int = 0


class Load:
    """Everybody who talks to the bridge, until `stop`."""

    def __init__(self, port: int, desk: CallbackService, seed: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._desk = desk
        self._numbers = itertools.count(600_000_000)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.got = Acknowledged()
        self._threads = [threading.Thread(target=self._send, args=(random.Random(seed + n),)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def number(self) -> int:
        """A phone number that nobody had before."""
        with self._lock:
            return next(self._numbers)

    def _send(self, chance: random.Random) -> None:
        with (
            Platform(Target(self._url, LINE, PASSWORD, timeout=10)) as platform,
            requests.Session() as session,
        ):
            while not self._stopping.wait(chance.random() * 0.06):
                what = chance.random()
                if what < 0.3:
                    self._call(platform)
                elif what < 0.5:
                    self._save(platform)
                elif what < 0.8:
                    self.ask(session, f"T{self.number()}", cancel=chance.random() < 0.1)
                else:
                    self.ask(session, f"R{chance.randrange(FEW)}", cancel=chance.random() < 0.1)

    def _call(self, platform: Platform) -> None:
        number = self.number()
        call = SimulatedCall(str(number), str(number), diverted="911000001")
        for event in ("inicio", "desvio_correcto", "fin"):
            good = platform.event(call, event).status == 200
            self._note(good, lambda event=event: self.got.events.add((call.sequence, event)))  # type: ignore[misc]

    def _save(self, platform: Platform) -> None:
        number = self.number()
        call = SimulatedCall(str(number), str(number), variables={"NAME": f"S{number}"})
        answer = platform.query(call, "SAVE")
        self._note(answer.status == 200 and answer.result == "0", lambda: self.got.saves.add(f"S{number}"))

    def ask(self, session: requests.Session, task: str, *, cancel: bool = False) -> bool:
        """Ask for a callback; whether it was acknowledged."""
        body = {"id": task, "phone": str(self.number())}
        try:
            answer = session.post(
                f"{self._url}/callbacks/web", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
            )
        except requests.RequestException:
            self._note(False, lambda: None)
            return False
        good = answer.status_code == 202
        self._note(good or answer.status_code == 409, lambda: self.got.tasks.add(task))
        if cancel and good:
            with suppress(StoreUnavailable):
                self.got.cancelled += self._desk.operator.cancel(answer.json()["id"])
        return good

    def _note(self, good: bool, add: Callable[[], object]) -> None:
        with self._lock:
            if good:
                add()
            else:
                self.got.refused += 1
        if not good:  # it may be starting
            self._stopping.wait(0.3)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own below this folder, that can be filled; whether there is one."""
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "chaos", str(folder)], check=False, capture_output=True
        ).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path, seconds: float) -> None:
    """Leave no room on the disk for a while."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            end, step = time.monotonic() + seconds, 1024**2
            while time.monotonic() < end:
                try:
                    file.write(bytes(step))
                except OSError:  # to the last byte
                    step = max(1, step // 2)
                    time.sleep(0.01)
    finally:
        filler.unlink()


def cut_off(database: Database, seconds: float) -> None:
    """SQLite: another program keeps it locked. PostgreSQL: every session is ended, again and again."""
    end = time.monotonic() + seconds
    if database.path is not None:
        with closing(sqlite3.connect(database.path, isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
        return
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    while time.monotonic() < end:
        with database.engine.connect() as connection:
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        time.sleep(1)


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came to be within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(StoreUnavailable):
            if condition():
                return True
        time.sleep(0.3)
    return False


def drained(database: Database) -> bool:
    """Whether nothing is left to be done."""
    undone = {CallbackState.WAITING, CallbackState.QUEUED, CallbackState.SENDING}
    with database.read() as connection:
        unfolded = connection.execute(select(func.count()).where(events.c.folded.is_(False))).scalar_one()
        left = deliveries.counts(connection)
        waiting = callbacks.find(connection, CallbackFilter(states=frozenset(undone)), 1)
    pending = any(state in (deliveries.State.PENDING, deliveries.State.RUNNING) and n for (_, state), n in left.items())
    return not unfolded and not pending and not waiting


def column(file: Path, name: str) -> Counter[str]:
    """How often each value is in a column of a CSV file."""
    if not file.exists():
        return Counter()
    with file.open(encoding="utf-8-sig", newline="") as rows:
        return Counter(row[name] for row in csv.DictReader(rows))


@dataclass
class Result:
    """What the run came to. `bad` is what must not be."""

    rows: list[tuple[str, object]] = field(default_factory=list)
    bad: int = 0

    def say(self, what: str, count: object) -> None:
        """Something to know."""
        self.rows.append((what, count))

    def fault(self, what: str, found: list[str]) -> None:
        """Something that must not be."""
        self.bad += len(found)
        self.say(what, f"{len(found)}{f': {sorted(found)[:5]}' if found else ''}")


def judge(result: Result, got: Acknowledged, folder: Path, database: Database, entries: list[Entry]) -> None:
    """Compare what was acknowledged with what is there."""
    with database.read() as connection:
        kept = {(row.call_sequence, row.event) for row in connection.execute(select(events))}
        stored: dict[str, Callback] = {}
        after = 0
        while found := callbacks.each(connection, CallbackFilter(), after):
            stored |= {one.task_id: one for one in found}
            after = found[-1].id
    saved, activities = column(folder / "survey.csv", "name"), column(folder / "calls.csv", "bridge_key")
    rung = Counter(entry.variables.get("TASK", "") for entry in entries if entry.rang)
    ended = {call for call, event in got.events if event == "fin"}
    by_call = {key.split(":")[1]: count for key, count in activities.items()}
    silent = {CallbackState.WAITING, CallbackState.REJECTED, CallbackState.CANCELLED, CallbackState.EXPIRED}
    result.say(
        "acknowledged: events, saved records, callbacks", f"{len(got.events)}, {len(got.saves)}, {len(got.tasks)}"
    )
    result.say("not acknowledged; callbacks cancelled", f"{got.refused}; {got.cancelled}")
    result.say("phones rung; may_have_rung", f"{sum(rung.values())}; {sum(unknown(one) for one in stored.values())}")
    result.fault("events lost", [f"{call} {event}" for call, event in got.events - kept])
    result.fault("activities lost", [call for call in ended if call not in by_call])
    result.fault("activities twice", [call for call, count in by_call.items() if count > 1])
    result.fault("saved records lost", list(got.saves - saved.keys()))
    result.fault("saved records twice", [name for name, count in saved.items() if count > 1])
    result.fault("callbacks lost", list(got.tasks - stored.keys()))
    result.fault("callbacks that still wait", [key for key, one in stored.items() if one.state in callbacks.OPEN
                                               and one.state is not CallbackState.ACCEPTED])  # fmt: skip
    result.fault("phones rung twice for one task", [task for task, count in rung.items() if count > 1])
    result.fault("rung, but shown as not rung", [
        task for task in rung if task in stored and stored[task].state in silent
    ])  # fmt: skip


def unknown(callback: Callback) -> bool:
    """Whether a person has to say whether it rang."""
    return callback.state is CallbackState.MAY_HAVE_RUNG


class Chaos:
    """A bridge, everybody who talks to it, and everything that goes wrong."""

    def __init__(self, stack: ExitStack, options: argparse.Namespace) -> None:
        self.options, self.chance, self.result = options, random.Random(options.seed), Result()
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.port = free_port()
        self.clock = Clock(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        self.small = stack.enter_context(small_disk(self.folder))
        target = Target(f"http://127.0.0.1:{self.port}", LINE, PASSWORD, timeout=5)
        outcomes = OutcomeSender({LINE: target}, lambda _entry: [CallOutcome(delay=1.0)])
        self.platform = stack.enter_context(EmissionPlatform({LINE: PASSWORD}, outcomes=outcomes))
        self.platform.script.always(Reaction(delay=0.05))
        config = self.folder / "config.yaml"
        values = {"port": self.port, "database": options.database, "line": LINE, "password": PASSWORD, "token": TOKEN}
        config.write_text(CONFIG.format(url=self.platform.url, **values), encoding="utf-8")
        self.database = connect(options.database, self.folder, patience=30)
        stack.callback(self.database.close)
        configuration = load(config).configuration
        self.desk = CallbackService(
            self.database, queue_for(self.database), lambda: configuration, lambda: datetime.now(UTC)
        )  # fmt: skip
        self.service = Service(config, self.clock.environment or {})
        stack.callback(self.service.stop)
        self.load: Load | None = None

    def play(self) -> None:
        """All of it."""
        seconds = self.options.seconds
        if not wait(lambda: ready(self.port), 120):
            raise RuntimeError(f"the bridge did not start: {self.service.log}")
        load = self.load = Load(self.port, self.desk, self.options.seed)
        try:
            self.kills(seconds * 0.6)
            for what, harm in self.storage():
                print(f"{what} …", flush=True)
                harm(seconds * 0.1)
                time.sleep(seconds * 0.1)
        finally:
            load.stop()
        began = time.monotonic()
        self.platform.script.always(Reaction(delay=0.05))
        wait(lambda: ready(self.port) and drained(self.database), self.options.drain)
        self.result.say("until all was done", f"{time.monotonic() - began:.0f} s")
        self.clocks(load)

    def kills(self, seconds: float) -> None:
        """kill -9, again and again."""
        print("kills and races …", flush=True)
        killed: Counter[str] = Counter()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.platform.script.next(Reaction(fault=self.chance.choice(BROKEN)))
            time.sleep(0.5 + self.chance.random() * 2)
            whom = self.chance.choice(["work", "work", "web", "web", "parent", "all"])
            killed[whom] += self.service.kill(whom)
        said = ", ".join(f"{count} {whom}" for whom, count in sorted(killed.items()))
        self.result.say("kill -9", f"{sum(killed.values())} ({said})")

    def storage(self) -> Iterator[tuple[str, Callable[[float], None]]]:
        """What goes wrong with the database and its disk."""
        yield "the database is cut off", lambda seconds: cut_off(self.database, seconds)
        if self.small:
            yield "the disk is full", lambda seconds: fill(self.folder, seconds)
        else:
            self.result.say("full disk", "not played: it takes root and a tmpfs")

    def clocks(self, load: Load) -> None:
        """The clock jumps; whoever asks for a call then is called at once."""
        if self.clock.environment is None:
            self.result.say("jumps of the clock", "not played: it takes a C compiler")
            return
        late: list[str] = []
        with requests.Session() as session:
            for number, ahead in enumerate(JUMPS):
                print(f"the clock is off by {ahead} s …", flush=True)
                self.clock.jump(ahead)
                asked = [f"C{number}-{n}" for n in range(10)]
                wait(lambda: all(load.ask(session, task) for task in asked), 30)  # noqa: B023 - asked here
                if not wait(lambda: set(asked) <= self.rung(), 30):  # noqa: B023
                    late += set(asked) - self.rung()
        self.result.say("jumps of the clock", f"{len(JUMPS)}, 10 callbacks each")
        self.result.fault("not rung within 30 s of a jump", late)

    def rung(self) -> set[str]:
        """The tasks whose phone was rung."""
        return {entry.variables.get("TASK", "") for entry in self.platform.ledger.rung}

    def judged(self) -> Result:
        """What it came to, once the bridge has ended."""
        self.service.stop()
        if self.load is not None:
            judge(self.result, self.load.got, self.folder, self.database, self.platform.ledger.entries)
        held = [str(one.blocked_reason) for one in self.desk.queries.lines() if one.mode is Mode.HELD]
        self.result.fault("lines held as if the database had been restored", held)
        self.result.say("starts of the bridge", self.service.starts)
        return self.result


def main() -> int:
    """Print the table; 1 where a promise was broken."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database", default="sqlite:///bridge.db", help="an empty one")
    arguments.add_argument("--seconds", type=int, default=60, help="how long things go wrong")
    arguments.add_argument("--drain", type=int, default=120, help="how long what is left may take at most")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    with ExitStack() as stack:
        chaos = Chaos(stack, options)
        chaos.play()
        result = chaos.judged()
    print(f"\n{machine()}; {options.database.partition(':')[0]}; seed {options.seed}\n\n| what | measured |\n|---|---|")
    for what, measured in result.rows:
        print(f"| {what} | {measured} |")
    if result.bad:
        print(f"\nbroken promises: {result.bad}; the bridge's log: {chaos.service.log}")
    else:
        chaos.service.log.unlink(missing_ok=True)
    return 1 if result.bad else 0


if __name__ == "__main__":
    sys.exit(main())
