"""The part of `python -m benchmarks.events` that goes over HTTP: FIN after FIN at 64 connections, each of another call.

The server is the one that serves, in processes of its own without the background work. Against it stands the same with
an inbox that acknowledges everything at once and stores nothing. `python -m benchmarks.events_http CONFIG stored|not`
starts either; both write down how often they commit.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.load import Load, closed_loop, free_port, machine, request, running
from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.intake import keeper as keeping
from bridge.intake.inbox import Inbox, Kept
from bridge.server.serving import serve
from bridge.store.database import Database
from bridge.store.events import Arrival
from connectors.steps import Steps

SQLITE = "sqlite:///bridge.db"
LINE, PASSWORD, CONNECTIONS, ROUNDS = "912345678", "3956", 64, 3
PROCESSES = os.cpu_count() or 1
_WARM, _PER_SECOND = 2000, 12_000  # events that are made: for a start, and for each second; none comes twice
CONFIG = """
database: "{database}"
server: {{port: {port}, workers: {processes}}}
lines: [{{number: "{line}", password: "{password}"}}]
connectors: {{calls: {{type: csv, activities: {{file: calls.csv}}}}}}
activities: [{{in: calls, on: [fin]}}]
"""


class Counting(Inbox):
    """Writes the number of its process's commits to a file of its own, `commits-PID` in the current folder."""

    def __init__(self, database: Database, *given: Any, **more: Any) -> None:
        commits, path = 0, Path(f"commits-{os.getpid()}")

        def count() -> None:
            nonlocal commits
            commits += 1
            path.write_text(str(commits))

        database.after_commit(count)
        super().__init__(database, *given, **more)


class Forgetful(Inbox):
    """Acknowledges each event, and stores none."""

    def keep_steps(self, arrival: Arrival) -> Steps[Kept]:  # noqa: ARG002 - that is the point
        """Forget it."""
        return Kept(True, None)
        yield


def _fin(sequence: int) -> bytes:
    at = datetime(2026, 11, 23, 10, 0, 0)
    happened = (
        StatusEvent(14, at, "Inicio", ("", "", "", "", "")),
        StatusEvent(6, at, "Menú", ("1", "", "", "", "")),
        StatusEvent(2, at, "911000001", ("", "", "70", "0.12", "")),
        StatusEvent(7, at, "Fin", ("", "", "", "", "")),
    )
    document = Document(
        Format.JSON, LINE, str(sequence), call_type="R", caller_number=f"6{sequence % 10**8:08}", inbound_number=LINE,
        variables={"PEDIDO": "12345", "NOMBRE": "Ana"}, seconds=75, start=at, end=at, cost_rx=Decimal("0.12"),
        cost_tx=Decimal(0), status=happened,
    )  # fmt: skip
    body, content_type = write_request(document, Format.JSON, form_variable="apilinfocaller", password=PASSWORD)
    return request(
        f"/infocaller/event/fin?caller={document.caller_number}&num={LINE}&id={sequence}", body, content_type
    )


def _measure(database: str, what: str, requests: list[bytes], seconds: float) -> tuple[Load, float]:
    """The load and the events of each commit."""
    with ExitStack() as stack:
        folder, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), free_port()
        settings = {"database": database, "port": port, "processes": PROCESSES, "line": LINE, "password": PASSWORD}
        (folder / "config.yaml").write_text(CONFIG.format(**settings))
        command = [sys.executable, "-m", "benchmarks.events_http", str(folder / "config.yaml"), what]
        root = Path(__file__).parent.parent
        stack.enter_context(running(["env", "-C", str(folder), f"PYTHONPATH={root}", *command], port))
        asyncio.run(closed_loop(port, requests[:_WARM], CONNECTIONS, 0.3))
        before = _commits(folder)
        load = asyncio.run(closed_loop(port, requests[_WARM:], CONNECTIONS, seconds))
        return load, len(load.seconds) / max(1, _commits(folder) - before)


def _commits(folder: Path) -> int:
    return sum(int(path.read_text() or 0) for path in folder.glob("commits-*"))


def compare(databases: dict[str, str], seconds: float) -> None:
    """Print a table: each database (its name and its URL) against the same handler without storing, in turns."""
    count = _WARM + int(_PER_SECOND * seconds)
    print(f"\n{machine()}\nOver HTTP: {PROCESSES} processes, {CONNECTIONS} connections, median of {ROUNDS} rounds\n")
    print("| what | per second | p50 ms | p99 ms | failed | events a commit | of the same without storing |")
    print("|---|---|---|---|---|---|---|")
    kinds = {"nothing stored": (SQLITE, "not")} | {name: (url, "stored") for name, url in databases.items()}
    found: dict[str, list[tuple[Load, float]]] = {name: [] for name in kinds}
    for number in range(ROUNDS):
        requests = [_fin(10_000_000 + number * count + each) for each in range(count)]
        for name, (url, what) in kinds.items():
            found[name].append(_measure(url, what, requests, seconds))
    for name, rounds in found.items():
        _print(name, rounds, [load.rate for load, _ in found["nothing stored"]])


def _print(name: str, rounds: list[tuple[Load, float]], base: list[float]) -> None:
    load, each = sorted(rounds, key=lambda measured: measured[0].rate)[len(rounds) // 2]
    share = sorted(load.rate / other for (load, _), other in zip(rounds, base, strict=True))[len(rounds) // 2]
    failed = sum(load.failed for load, _ in rounds)
    per_commit = f"{each:.0f}" if name != "nothing stored" else ""
    times = f"{load.at(0.5):.1f} | {load.at(0.99):.1f}"
    print(f"| {name} | {load.rate:,.0f} | {times} | {failed} | {per_commit} | {share:.2f} |", flush=True)


def main() -> None:
    """Serve, with an inbox that counts its commits or forgets what it is given."""
    config, what = sys.argv[1:]
    setattr(keeping, "Inbox", Counting if what == "stored" else Forgetful)  # noqa: B010 - this benchmark's own hook
    sys.exit(serve(Path(config), work=False))


if __name__ == "__main__":
    main()
