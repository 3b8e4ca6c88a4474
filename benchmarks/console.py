"""How long do the console's pages take with a million calls, and what do they do to Queries meanwhile?

`python -m benchmarks.console` (most of an hour, nearly all of it to fill the databases); `--calls 100000` takes some
minutes. On SQLite and, where there is one, on the PostgreSQL server at 127.0.0.1:5432; `--database URL` takes that one
instead, fills it if it is empty and leaves it as it is, for the next run. One number in it has a fiftieth of all calls.

First each page is asked for, one after another, by one browser. Then Queries from a CSV file come at a fixed rate,
in turns with nobody at the console and with several browsers that open pages as fast as they are answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from multiprocessing import Queue, get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psycopg
import requests
from sqlalchemy import JSON, Connection, Table, func, select

from benchmarks.databases import at_rest, empty_databases, timed
from benchmarks.load import Load, free_port, machine, open_loop, process_seconds, processor_seconds, running
from benchmarks.query import CONFIG, LINE, PASSWORD, contacts, query_requests
from bridge.infocaller.messages import Format
from bridge.reports.counting import difference, figures_of
from bridge.store import callfigures, tables
from bridge.store.callfigures import Figures, Uncounted
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.folded import Diversion, FoldedCall
from bridge.store.schema import connect

BUSY, EXTENSIONS, DAYS, PIECE, TIMES = "+34699000000", 30, 90, 5_000, 20
CONSOLE = """
database: {database}
console: {{users: [{{name: ana, password: ana-secret-1, role: admin}}]}}
"""
PAGES = {
    "Today": "",
    "Live": "live",
    "Calls": "calls",
    "Calls, 30 days back": "calls?until={back}",
    "Calls, the missed ones": "calls?result=missed",
    "Calls of a number (10)": "calls?number={number}",
    "Calls of the busy number (a fiftieth of all)": "calls?number={busy}",
    "the same, the missed ones": "calls?number={busy}&result=missed",
    "Calls, a name that many have": "calls?name=ruiz",
    "Calls, a name that nobody has": "calls?name=nadie",
    "Calls, an extension": "calls?extension=105",
    "Calls, an extension that nobody has": "calls?extension=999",
    "A call": "calls/{call}",
    "Missed, 3 days": "missed",
    "Missed, 30 days": "missed?days=30",
    "Work": "work",
    "Callbacks": "callbacks",
    "Report of last month": "reports?period=last-month",
    "Report of 90 days": "reports?from={first}&to={last}",
    "Connect": "connect",
}
OPENED = ("", "live", "calls", "calls?name=ruiz", "calls?number={number}", "missed", "reports?period=last-month")
"""What people open in the second part, over and over."""
RATE, SECONDS, ROUNDS = 100.0, 10.0, 5
CROWDS = {"nobody": (0, 0.0), "five people, a page every 3 s each": (5, 3.0), "four that never pause": (4, 0.0)}
"""How many are at the console, and how many seconds each waits between two pages."""


def number_of(n: int, calls: int) -> str:
    """Whom the n-th call is with: people who call about ten times each, and one who calls much more often."""
    return BUSY if n % 50 == 0 else f"+346{n * 7919 % max(1, calls // 10):08}"


@dataclass(slots=True)
class Filled:
    """Some calls with all that stands beside them: rows of the tables, and what they add to the reports."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    figures: list[tuple[Figures, Figures]] = field(default_factory=list)


def made(first: int, end: int, calls: int, until: datetime) -> Filled:
    """The calls from the first on, of so many in 90 days until then. What was said in them is the same for many."""
    chance, filled = random.Random(first), Filled()
    for n in range(first, end):
        start, wait = until - timedelta(days=DAYS) * (1 - n / calls), chance.randrange(60)
        received, answered, extension = chance.random() < 0.8, chance.random() < 0.8, 101 + chance.randrange(EXTENSIONS)
        over, e164, sequence, seconds = start + timedelta(seconds=90), number_of(n, calls), f"98{n:08}", 90
        folded, document = happened(received, answered, str(extension))
        row = {"line": LINE, "call_sequence": sequence, "e164": e164}
        filled.calls.append(
            {**row, "state": "over", "call": document, "direction": folded.direction, "started_at": start,
             "ended_at": over, "seconds": seconds, "cost": folded.cost, "version": 1, "counted_version": 1,
             "updated_at": over}
        )  # fmt: skip
        moments = {"inicio": start, "fin": over}
        if answered:
            moments["desvio_correcto"] = start + timedelta(seconds=wait)
        filled.events += [
            {**row, "event": event, "digest": sequence, "received_at": at, "raw": "{}", "document": "{}",
             "panel": "{}", "folded": True}
            for event, at in moments.items()
        ]  # fmt: skip
        name = f"{('Ana', 'Luis', 'Marta')[n % 3]} {('Ruiz', 'Gil', 'Soto', 'Peña')[n % 7 % 4]}"
        filled.queries.append(
            {"at": start, "line": LINE, "call_sequence": sequence, "query": "DESVIO", "direction": folded.direction,
             "caller": e164, "called": LINE, "outcome": "found", "answer": {"DESTINO": str(extension)},
             "connector": "agenda", "record_kind": "contact", "record_id": str(n), "record_name": name,
             "ms": 4.0 + n % 9, "trail": [["contact", "agenda", "found", 1.0, ""]]}
        )  # fmt: skip
        call = Call(LINE, sequence, CallState.OVER, folded, e164, folded.direction, "", start, over, seconds)
        answered_at = moments.get("desvio_correcto")
        filled.figures.append(({}, figures_of(Uncounted(call, start, answered_at, {}), "Europe/Madrid")))
    return filled


@cache
def happened(received: bool, answered: bool, extension: str) -> tuple[FoldedCall, str]:
    """A call, and the document that is kept of it."""
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    folded = FoldedCall(
        id="98", line=LINE, direction="received" if received else "emitted", caller="600111222", called=LINE,
        e164="+34600111222", start=start, end=start + timedelta(seconds=90), seconds=90, cost=Decimal("0.046500"),
        over=True, answered=answered, answered_by=extension if answered else "",
        diversions=(Diversion(extension, answered, start),), vars={"NOMBRE": "Ana Ruiz"},
        heard=("desvio_correcto", "fin", "inicio"),
    )  # fmt: skip
    return folded, json.dumps(folded.to_json())


def add(database: Database, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Store rows as fast as the database takes them; their JSON columns hold text already."""
    names, dialect = list(rows[0]), database.engine.dialect
    fits = [None if isinstance(column.type, JSON) else column.type.dialect_impl(dialect).bind_processor(dialect)
            for column in (table.c[name] for name in names)]  # fmt: skip
    values = [
        tuple([value if fit is None else fit(value) for fit, value in zip(fits, row.values(), strict=True)])
        for row in rows
    ]
    columns = ", ".join(names)
    if not database.postgresql:
        connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))})", values)
        return
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)


def fill(database: Database, calls: int) -> None:
    """Store so many calls of the last 90 days, if there are none."""
    with database.read() as connection:
        if connection.execute(select(tables.calls.c.id).limit(1)).first() is not None:
            return
    until = datetime.now(UTC)
    for first in range(0, calls, PIECE):
        filled = made(first, min(calls, first + PIECE), calls, until)
        with database.write() as connection:
            add(database, connection, tables.calls, filled.calls)
            add(database, connection, tables.events, filled.events)
            add(database, connection, tables.queries, filled.queries)
            callfigures.count(database, connection, [], difference(filled.figures))
    at_rest(database)


class Visitor:
    """Somebody who is signed in to the console."""

    def __init__(self, base: str) -> None:
        self._base, self._session = f"{base}/console/", requests.Session()
        self._session.trust_env = False
        token = re.search(r'name="csrf" value="([^"]+)"', self.open("login"))
        assert token is not None
        form = {"name": "ana", "password": "ana-secret-1", "csrf": token[1]}
        self._session.post(f"{self._base}login", data=form, timeout=60).raise_for_status()

    def open(self, path: str) -> str:
        """Return a page."""
        answer = self._session.get(self._base + path, timeout=120)
        answer.raise_for_status()
        return answer.text


def places(database: Database, calls: int) -> dict[str, str]:
    """What the pages' addresses name."""
    with database.read() as connection:
        last = connection.execute(select(func.max(tables.calls.c.started_at))).scalar_one()
        call = connection.execute(select(func.max(tables.calls.c.id))).scalar_one() - calls // 3
    return {
        "back": f"{last - timedelta(days=30):%Y-%m-%dT%H:%M}", "number": number_of(calls // 3 * 2 + 1, calls)[3:],
        "busy": BUSY[3:], "call": str(call), "first": f"{last - timedelta(days=DAYS):%Y-%m-%d}",
        "last": f"{last:%Y-%m-%d}",
    }  # fmt: skip


@contextmanager
def served(folder: Path, database: str, processes: int) -> Iterator[tuple[str, int, subprocess.Popen[bytes]]]:
    """A bridge on this database: its address, its port, its process."""
    port = free_port()
    text = CONFIG.format(port=port, processes=processes, line=LINE, password=PASSWORD)
    (folder / "config.yaml").write_text(text + CONSOLE.format(database=database), encoding="utf-8")
    with running([sys.executable, "-m", "bridge", "serve", "-c", str(folder / "config.yaml")], port) as process:
        yield f"http://127.0.0.1:{port}", port, process


def pages(
    folder: Path, database: str, named: Mapping[str, str]
) -> Iterator[tuple[str, list[float], tuple[float, float]]]:
    """Yield each page with the milliseconds of its requests, and for one those of the processor: of the bridge, of
    PostgreSQL."""
    with served(folder, database, 1) as (base, _, process):
        visitor = Visitor(base)
        for what, path in PAGES.items():
            ask = partial(visitor.open, path.format(**named))
            timed(3, ask)
            before, of_database = processor_seconds(process), database_seconds(database)
            times = timed(TIMES, ask)
            ours, theirs = processor_seconds(process) - before, database_seconds(database) - of_database
            yield what, times, (ours / TIMES * 1000, theirs / TIMES * 1000)


def database_seconds(url: str) -> float:
    """Seconds of the processor that PostgreSQL's processes for this database have used so far; 0 of SQLite, which has
    none of its own."""
    if not url.startswith("postgresql"):
        return 0.0
    with psycopg.connect(url) as server:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return sum(process_seconds(pid) for (pid,) in server.execute(others))


def browse(base: str, people: int, pause: float, named: Mapping[str, str], stop: Event, opened: Queue[int]) -> None:
    """Open pages until the end; a process of its own, so that it does not hold up who measures."""

    def one(first: int) -> int:
        visitor, number = Visitor(base), first
        while not stop.wait(pause):
            visitor.open(OPENED[number % len(OPENED)].format(**named))
            number += 1
        return number - first

    with ThreadPoolExecutor(people) as pool:
        opened.put(sum(pool.map(one, range(people))))


@contextmanager
def crowd(base: str, people: int, pause: float, named: Mapping[str, str], opened: list[int]) -> Iterator[None]:
    """So many people at the console; `opened` gets how many pages they saw."""
    if not people:
        yield
        return
    context = get_context("spawn")
    stop, queue = context.Event(), context.Queue()
    process = context.Process(target=browse, args=(base, people, pause, dict(named), stop, queue))
    process.start()
    time.sleep(4)  # they sign in
    try:
        yield
    finally:
        stop.set()
        opened.append(queue.get(timeout=180))
        process.join()


def queries(folder: Path, database: str, named: Mapping[str, str]) -> dict[str, tuple[list[Load], list[int]]]:
    """The Queries beside each crowd, in turns, and how many pages the crowd saw."""
    numbers = contacts(folder)
    measured: dict[str, tuple[list[Load], list[int]]] = {name: ([], []) for name in CROWDS}
    with served(folder, database, os.cpu_count() or 1) as (base, port, _):
        asked = query_requests(numbers, Format.JSON, "/infocaller/query")
        asyncio.run(open_loop(port, asked, RATE, 3.0))  # warm
        for _ in range(ROUNDS):
            for name, (people, pause) in CROWDS.items():
                loads, opened = measured[name]
                with crowd(base, people, pause, named, opened):
                    loads.append(asyncio.run(open_loop(port, asked, RATE, SECONDS)))
    return measured


def measure(kind: str, url: str, calls: int, only: str) -> None:
    """Print the tables of one database."""
    database = connect(url, patience=60.0)
    fill(database, calls)
    with tempfile.TemporaryDirectory() as name:
        folder, named = Path(name), places(database, calls)
        database.close()
        contacts(folder)
        if only != "queries":
            print(f"\n| {kind}, {calls:,} calls | median ms | most | processor of the bridge | of PostgreSQL |")
            print("|---|---|---|---|---|")
            for what, times, (ours, theirs) in pages(folder, url, named):
                print(
                    f"| {what} | {statistics.median(times):.0f} | {max(times):.0f} | {ours:.0f} | {theirs:.0f} |",
                    flush=True,
                )
        if only != "pages":
            _print(kind, queries(folder, url, named))


def _print(kind: str, measured: Mapping[str, tuple[list[Load], list[int]]]) -> None:
    """The median round of each crowd, and the median ratio to the same round with nobody."""
    print(f"\n{RATE:g} Queries a second, {ROUNDS} rounds of {SECONDS:g} s each in turns, the median one\n")
    print(
        f"| {kind}: at the console | p50 ms | p99 ms | failed | p50, of nobody's | p99, of nobody's | pages a second |"
    )
    print("|---|---|---|---|---|---|---|")
    base, _ = measured["nobody"]
    for name, (loads, opened) in measured.items():
        middle = [statistics.median(load.at(share) for load in loads) for share in (0.5, 0.99)]
        ratios = [
            statistics.median(load.at(share) / other.at(share) for load, other in zip(loads, base, strict=True))
            for share in (0.5, 0.99)
        ]
        seen = sum(opened) / (len(loads) * SECONDS)
        failed = sum(load.failed for load in loads)
        print(
            f"| {name} | {middle[0]:.1f} | {middle[1]:.1f} | {failed} | {ratios[0]:.2f} | {ratios[1]:.2f} "
            f"| {seen:.1f} |",
            flush=True,
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000, help="how many calls are kept")
    parser.add_argument("--database", help="this one alone: filled if it is empty, and kept")
    parser.add_argument("--only", choices=["pages", "queries"], default="", help="one of the two parts")
    asked = parser.parse_args()
    print(machine())
    if asked.database:
        kind = "PostgreSQL" if asked.database.startswith("postgresql") else "SQLite"
        measure(kind, asked.database, asked.calls, asked.only)
        return
    for kind, url in empty_databases("console"):
        measure(kind, url, asked.calls, asked.only)


if __name__ == "__main__":
    main()
