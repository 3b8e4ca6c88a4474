"""Whether a bridge that serves for long grows: `python -m benchmarks.soak` (an hour; `--minutes 5` for less).

Calls come evenly, each with its Query, its events and its activity, and one in ten is asked for as a callback and
rings. Once a minute the memory that each process has for itself, its open files, its threads and the database's size
are noted. In the end stand the first and the last quarter of the time beside each other; what grows is told by so much
an hour. The first fifth of the time does not count: caches fill, threads start.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.load import free_port, machine, running
from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from tests.acceptance.processes import tree

LINE, PASSWORD, TOKEN, KEY = "912345678", "3956", "0123456789abcdefghijklmnop", "unguessable-part-of-the-url"
CONTACTS = 10_000
CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 2}}
database: "{database}"
lines:
  - {{number: "{line}", password: "{password}", dial: {{per_day: 1000000}},
     emission: {{url: "{url}", per_minute: 2400, at_once: 1000}}}}
connectors:
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}, activities: {{file: calls.csv}}}}
queries:
  WHO: {{find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}, answer: {{NAME: "{{{{ contact.name }}}}"}}}}
activities: [{{in: agenda}}]
callbacks:
  - {{name: web, token: {token}, line: "{line}", rule_group: callbacks, hours: always, per_address: 1000000/m,
     asked_per_number: 1000000/m}}
"""


@dataclass(frozen=True)
class Sample:
    """How things stood at a moment: bytes, files and threads of each process by its part, and the database's bytes."""

    at: float
    figures: dict[str, float]


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--calls", type=float, default=5.0, help="a second")
    parser.add_argument("--database", default="sqlite:///bridge.db")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        soak(Path(name), given.minutes * 60, given.calls, given.database)


def soak(folder: Path, seconds: float, per_second: float, database: str) -> None:
    """Let a bridge serve for so long, and print what grew."""
    port = free_port()
    target = Target(f"http://127.0.0.1:{port}", LINE, PASSWORD, KEY)
    outcomes = OutcomeSender({LINE: target}, lambda _entry: [CallOutcome("answered", seconds=64, delay=0.5)])
    with EmissionPlatform({LINE: PASSWORD}, outcomes=outcomes) as emissions:
        values = {"port": port, "key": KEY, "line": LINE, "password": PASSWORD, "token": TOKEN, "database": database}
        (folder / "config.yaml").write_text(CONFIG.format(url=emissions.url, **values), encoding="utf-8")
        rows = "".join(f"6{number:08},Persona {number}\n" for number in range(CONTACTS))
        (folder / "contacts.csv").write_text(f"phone,name\n{rows}", encoding="utf-8")
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(folder / "config.yaml")]
        with running(command, port, folder) as process:
            calls, samples = Calls(target, per_second), []
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(min(seconds / 20, 60.0))
                samples.append(Sample(time.monotonic(), dict(figures(process.pid, folder))))
            calls.stop()
    print(f"{calls.made:,} calls in {seconds / 60:.0f} minutes, {calls.failed} requests not answered as they should be")
    report(samples[len(samples) // 5 :])


class Calls:
    """Whoever calls, in a thread: so many calls a second, one after the other."""

    def __init__(self, target: Target, per_second: float) -> None:
        self.made = self.failed = 0
        self._target, self._pause = target, 1 / per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def stop(self) -> None:
        """Return when the last call is over."""
        self._over.set()
        self._thread.join()

    def _go(self) -> None:
        due = time.monotonic()
        with Platform(self._target) as platform, requests.Session() as session:
            session.trust_env = False
            while not self._over.wait(max(0.0, due - time.monotonic())):
                due += self._pause
                number = f"6{self.made % (2 * CONTACTS):08}"  # every other one is unknown
                call = SimulatedCall(number, new_sequence(), diverted="101", queries=("WHO",))
                exchanges = [platform.event(call, "inicio"), platform.query(call, "WHO"), *platform.events(call)]
                self.failed += sum(not exchange.good for exchange in exchanges)
                if self.made % 10 == 0:
                    self.failed += not self._asked(session, number)
                self.made += 1

    def _asked(self, session: requests.Session, number: str) -> bool:
        url, task = f"{self._target.base}/callbacks/web", {"id": f"T{self.made}", "phone": number}
        with session.post(url, json=task, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as answer:
            return answer.status_code == 202


def parts(parent: int) -> Iterator[tuple[str, int]]:
    """The processes of a bridge, by what they are for: `parent`, `work`, `web 1`, `web 2`."""
    serving = 0
    for pid in tree(parent):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if pid == parent:
            yield "parent", pid
        elif b"bridge.server.background" in words:
            yield "work", pid
        else:
            serving += 1
            yield f"web {serving}", pid


def kilobytes(pid: int, counted: str = "Private") -> float:
    """What a process has for itself, or another sum of `smaps_rollup`; 0 where it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return float(sum(int(line.split()[1]) for line in rollup if line.startswith(counted)))
    return 0.0


def figures(parent: int, folder: Path) -> Iterator[tuple[str, float]]:
    """What each process of the bridge has, and what is on the disk."""
    for part, pid in parts(parent):
        yield f"{part}: kB", kilobytes(pid)
        yield f"{part}: files", float(len(list(Path(f"/proc/{pid}/fd").iterdir())))
        yield f"{part}: threads", float(len(list(Path(f"/proc/{pid}/task").iterdir())))
    yield "database: kB", sum(file.stat().st_size for file in folder.glob("bridge.db*")) / 1024


def report(samples: list[Sample]) -> None:
    """Print the first and the last quarter of each figure, and by how much it grows an hour."""
    quarter = max(1, len(samples) // 4)
    hours = [(sample.at - samples[0].at) / 3600 for sample in samples]
    print(f"{'':20}{'first quarter':>16}{'last quarter':>16}{'an hour':>12}")
    for name in samples[0].figures:
        values = [sample.figures.get(name, float("nan")) for sample in samples]
        first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
        slope = statistics.linear_regression(hours, values).slope if len(samples) > 1 else 0.0
        print(f"{name:20}{first:16,.0f}{last:16,.0f}{slope:+12,.0f}")


if __name__ == "__main__":
    main()
