"""A day of a large operator, and where the first limit is: `python -m benchmarks.day` (most of an hour and 20 GB; some
minutes with `--kept 10000 --hour 5 --steps 20,40`). Needs PostgreSQL's programs: the database cluster is this run's own
and is gone afterwards. `--database URL` takes a database on this machine instead, which is empty or was filled by an
earlier run, and leaves it there.

A database with `--kept` calls gets a bridge, and the bridge a day of `--per-day` calls as a Spanish firm has them: a
peak before noon, few at lunch, a lower peak in the afternoon. Calls come as many a second as on such a day, but each
hour lasts `--hour` seconds only. A call is INICIO, a Query, DESVIO and FIN, told within four seconds, and leaves one
activity in a CSV file; one FIN in twenty comes twice, one INICIO in twenty-five after its FIN. Then calls come faster
step by step, until callers notice. All activities have to be there in the end, each once; exit code 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlencode

import psycopg
from msgspec import structs

from benchmarks.chaos import column
from benchmarks.cluster import Cluster
from benchmarks.kept import fill
from benchmarks.load import Load, free_port, machine, open_loop, process_seconds, request, running
from benchmarks.query import LINE, PASSWORD, contacts
from benchmarks.soak import kilobytes, parts
from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format
from bridge.simulator.calls import SimulatedCall, wall_clock
from bridge.store.schema import connect
from connectors.csv.output import KEY
from tests.acceptance.processes import tree

SHARES = (2, 1, 1, 1, 1, 2, 5, 14, 50, 100, 120, 125, 115, 90, 45, 30, 70, 85, 75, 45, 15, 5, 2, 1)
"""Of a thousand calls, how many come in each hour of the day."""
TUNED = ("shared_buffers = '1GB'", "max_wal_size = '4GB'", "max_connections = 200")
IDLE = 10
"""Seconds for which nobody calls at first."""
PUT_THROUGH, OVER = 1.0, 3.0
"""Seconds from a call's INICIO to its DESVIO and its FIN."""
PATIENCE = 3600.0
"""Seconds that the work may take to catch up."""
# `raw_retention`: what was kept before is not packed meanwhile.
CONFIG = """
server: {{port: {port}, workers: {processes}}}
database: "{database}"
raw_retention: 90d
lines: [{{number: "{line}", password: "{password}"}}]
connectors:
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}, activities: {{file: calls.csv}}}}
queries:
  DESVIO:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "{{{{ contact.agent | dial }}}}", NOMBRE: "{{{{ contact.name }}}}"}}
    not_found: {{DESTINO: "910000000"}}
activities: [{{in: agenda}}]
"""
SLOW = 1000.0
"""Milliseconds at p99 beyond which callers notice, so that the steps end."""
_LEFT: LiteralString = """
SELECT (SELECT count(*) FROM events WHERE NOT folded)
     + (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'running'))
"""
_DONE: LiteralString = "SELECT count(*) FROM deliveries WHERE settled_at >= %s"
_DELAY: LiteralString = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds)
FROM (
    SELECT extract(epoch FROM deliveries.settled_at - min(events.received_at)) AS seconds
    FROM events JOIN calls USING (line, call_sequence) JOIN deliveries ON deliveries.call_id = calls.id
    WHERE events.id > %s AND events.id <= %s AND events.event = 'fin' GROUP BY deliveries.id
) AS delays
"""


@dataclass
class Span:
    """Some seconds of calls, as the platform sends them: an hour of the day, or a step of the ramp."""

    name: str
    rate: float
    seconds: float
    queries: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many."""
        return len(self.queries)


@dataclass
class Came:
    """What came of a span. `done`: activities written meanwhile; `left`: events and activities that were not done yet
    at its end; `memory`: kB by part; `stored`: the last event before it, and its last one."""

    span: Span
    queries: Load
    events: Load
    took: float
    done: int
    left: int
    memory: dict[str, float]
    connections: int
    stored: tuple[int, int]


class Caller:
    """Makes calls, each with a number of its own."""

    def __init__(self, numbers: Sequence[str]) -> None:
        self._numbers, self._made = numbers, 0
        self._prefix = str(int(time.time()))

    def span(self, name: str, rate: float, seconds: float, begins: datetime) -> Span:
        """Return the requests of so many calls a second."""
        span, told = Span(name, rate, seconds), []
        for n in range(max(1, round(rate * seconds))):
            at = n / rate
            call = self._call(begins + timedelta(seconds=at))
            question = structs.replace(call.document(LINE), query_name="DESVIO")
            span.queries.append(_written(question, "/infocaller/query", "apiInfocaller"))
            inicio, fin = _event(call, "inicio"), _event(call, "fin")
            told.append((at + (OVER + 1 if self._made % 25 == 1 else 0), inicio))
            told.append((at + PUT_THROUGH, _event(call, "desvio_correcto" if call.answered else "desvio_fallido")))
            told += [(at + OVER, fin)] * (2 if self._made % 20 == 0 else 1)
        span.events = [event for _, event in sorted(told, key=lambda pair: pair[0])]
        return span

    def _call(self, start: datetime) -> SimulatedCall:
        n = self._made = self._made + 1
        number = self._numbers[n % len(self._numbers)] if n % 2 else f"7{n:08}"
        extension = str(101 + n % 30)
        return SimulatedCall(
            number, f"{self._prefix}{n:08}", diverted=extension, answered=n % 5 != 0, start=start, queries=("DESVIO",)
        )


def _written(document: Document, path: str, variable: str = "apilinfocaller") -> bytes:
    body, content_type = write_request(document, Format.JSON, form_variable=variable, password=PASSWORD)
    return request(path, body, content_type)


def _event(call: SimulatedCall, event: str) -> bytes:
    panel = {"caller": call.caller, "num": LINE, "called": LINE, "id": call.sequence, "uuid": call.uuid}
    if event.startswith("desvio"):
        panel["desvio"] = call.diverted
    document = call.final(LINE) if event == "fin" else call.document(LINE)
    return _written(document, f"/infocaller/event/{event}?{urlencode(panel)}")


class Server:
    """PostgreSQL on this machine, looked at from outside the bridge."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        backend = Path(f"/proc/{self.ask('SELECT pg_backend_pid()')}/stat").read_text()
        self._parent = int(backend.rpartition(")")[2].split()[1])

    def ask(self, query: LiteralString, values: Sequence[object] = ()) -> Any:
        """Return the first column of the first row."""
        return self.row(query, values)[0]

    def row(self, query: LiteralString, values: Sequence[object] = ()) -> tuple[Any, ...]:
        """Return the first row."""
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return row

    def processor(self) -> float:
        """Seconds of the processor so far, those of sessions that are over included."""
        ended = Path(f"/proc/{self._parent}/stat").read_text().rpartition(")")[2].split()[13:15]
        return sum(map(process_seconds, tree(self._parent))) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """kB of all its processes, what they share counted once."""
        return sum(kilobytes(pid, "Pss:") for pid in tree(self._parent))

    def connections(self) -> int:
        """Sessions of others in this database."""
        return int(
            self.ask(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    def left(self) -> int:
        """Events and activities that are not done yet."""
        return int(self.ask(_LEFT))

    def written(self) -> tuple[int, int]:
        """Bytes of the database, and of its log so far."""
        return self.row("SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn")


class Day:
    """A bridge under calls, and what is seen of it."""

    def __init__(self, parent: int, port: int, server: Server) -> None:
        self._parent, self._port, self._server = parent, port, server

    def play(self, span: Span) -> Came:
        """Let its calls come."""
        server = self._server
        event = server.ask("SELECT coalesce(max(id), 0) FROM events")
        began, clock = server.ask("SELECT clock_timestamp()"), time.monotonic()
        queries, events = asyncio.run(self._sent(span))
        took, done = time.monotonic() - clock, server.ask(_DONE, [began])
        memory = {part: kilobytes(pid) for part, pid in parts(self._parent)} | {"PostgreSQL": server.memory()}
        return Came(
            span, queries, events, took, done, server.left(), memory, server.connections(),
            (event, server.ask("SELECT coalesce(max(id), 0) FROM events")),
        )  # fmt: skip

    def caught_up(self) -> float:
        """Seconds until nothing was left to do."""
        began = time.monotonic()
        while self._server.left():
            if time.monotonic() > began + PATIENCE:
                raise SystemExit(f"after {PATIENCE:g} s there are still {self._server.left()} things to do")
            time.sleep(0.5)
        return time.monotonic() - began

    def delay(self, came: Came) -> tuple[float, float]:
        """Seconds from a call's FIN until its activity was written, once it is: the median, and 99 of 100."""
        middle, most = self._server.row(_DELAY, came.stored)
        return float(middle or 0), float(most or 0)

    async def _sent(self, span: Span) -> tuple[Load, Load]:
        def evenly(requests: list[bytes], expect: bytes) -> Coroutine[Any, Any, Load]:
            return open_loop(self._port, requests, (len(requests) + 0.5) / span.seconds, span.seconds, expect)

        return await asyncio.gather(evenly(span.queries, b"DESTINO"), evenly(span.events, b""))

    def processor(self) -> dict[str, float]:
        """Seconds of the processor so far, by part."""
        seconds = {"web": 0.0, "work": 0.0, "PostgreSQL": self._server.processor()}
        for part, pid in parts(self._parent):
            kind = part.split()[0]
            seconds[kind] = seconds.get(kind, 0.0) + process_seconds(pid)
        return seconds


HEAD = ("calls a second", "Query p50, p99 ms", "event p50, p99 ms", "refused", "activity after FIN p50, p99 s",
        "activities a second", "left at its end")  # fmt: skip


def head(title: str, *columns: str) -> None:
    """Print what stands above the lines of a table."""
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def line(came: Came, delay: tuple[float, float], *more: str) -> None:
    """Print a line of it."""
    queries, events = came.queries, came.events
    cells = (
        came.span.name, f"{came.span.rate:.1f}", f"{queries.at(0.5):.0f}, {queries.at(0.99):.0f}",
        f"{events.at(0.5):.0f}, {events.at(0.99):.0f}", str(queries.failed + events.failed),
        f"{delay[0]:.1f}, {delay[1]:.1f}", f"{came.done / came.took:.1f}", str(came.left), *more,
    )  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)


def each(calls: int, before: dict[str, float], after: dict[str, float]) -> list[str]:
    """Milliseconds of the processor for a call, of those that serve, of the one that works, and of PostgreSQL."""
    return [f"{(after[part] - before[part]) / calls * 1000:.1f}" for part in ("web", "work", "PostgreSQL")]


def summary(came: Sequence[Came], spent: list[str], grown: tuple[int, int], file: Path) -> None:
    """Print what a call cost, and what there was at most."""
    calls = sum(hour.span.calls for hour in came)
    head(f"What each of {calls:,} calls cost", "what", "measured")
    for part, milliseconds in zip(("that serve", "that works", "of PostgreSQL"), spent, strict=True):
        print(f"| processor, processes {part} | {milliseconds} ms |")
    names = ("the database", "PostgreSQL's log", file.name)
    for name, size in zip(names, (*grown, file.stat().st_size), strict=True):
        print(f"| {name} | {size / calls / 1000:.1f} kB |")
    for part in came[0].memory:
        print(f"| memory, {part}, at most | {max(hour.memory.get(part, 0.0) for hour in came) / 1024:.0f} MB |")
    print(f"| connections to PostgreSQL, at most | {max(hour.connections for hour in came)} |", flush=True)


def wrong(calls: int, failed: int, file: Path) -> int:
    """Print whether each call has its activity, once; how many have not, or several."""
    keys = column(file, KEY)
    twice, missing = sum(count > 1 for count in keys.values()), max(0, calls - len(keys) - failed)
    print(f"\n{calls:,} calls, {failed} requests refused, {len(keys):,} activities, {missing} missing, {twice} twice")
    return missing + twice


def run(folder: Path, url: str, given: argparse.Namespace) -> int:
    """Fill the database, play the day, then go faster; how much is wrong."""
    began, database = time.monotonic(), connect(url, folder, patience=60.0)
    fill(database, given.kept)
    database.close()
    server, file = Server(url), folder / "calls.csv"
    kept, size = server.ask("SELECT count(*) FROM calls"), server.written()[0] / 1e9
    print(f"{machine()}\n{kept:,} calls kept in {size:.2f} GB, after {time.monotonic() - began:.0f} s", flush=True)
    port, caller = free_port(), Caller(contacts(folder))
    values = {"port": port, "processes": given.workers, "line": LINE, "password": PASSWORD, "database": url}
    (folder / "config.yaml").write_text(CONFIG.format(**values), encoding="utf-8")
    rate, begins = given.per_day / 3600, wall_clock()
    hours = [
        caller.span(f"{hour}:00", rate * share / 1000, given.hour, begins + timedelta(seconds=hour * given.hour))
        for hour, share in enumerate(SHARES)
    ]
    command = [sys.executable, "-m", "bridge", "serve", "--config", str(folder / "config.yaml")]
    with running(command, port, folder) as process:
        day = Day(process.pid, port, server)
        time.sleep(IDLE)
        idle = day.processor()
        time.sleep(IDLE)
        before, written = day.processor(), server.written()
        print(f"with nobody on the line, ms of the processor a second: {', '.join(each(IDLE, idle, before))}")
        came = []
        for hour in hours:
            came.append(day.play(hour))
            print(f"{hour.name}: {came[-1].left} left", file=sys.stderr, flush=True)
        empty, after = day.caught_up(), server.written()
        head(f"A day of {given.per_day:,} calls, each hour {given.hour:g} s long", "hour", *HEAD)
        for played in came:
            line(played, day.delay(played))
        print(f"\nall done {empty:.0f} s after the last hour")
        calls = sum(played.span.calls for played in came)
        grown = after[0] - written[0], int(after[1] - written[1])
        summary(came, each(calls, before, day.processor()), grown, file)
        head(
            f"Step by step, {given.step:g} s each", "step", *HEAD, "done after, s", "ms a call: web", "work", "database"
        )
        for rate in given.steps:
            before = day.processor()
            came.append(day.play(caller.span(f"{len(came) - 23}", rate, given.step, wall_clock())))
            empty = day.caught_up()
            spent = each(came[-1].span.calls, before, day.processor())
            line(came[-1], day.delay(came[-1]), f"{empty:.0f}", *spent)
            if came[-1].queries.failed or came[-1].queries.at(0.99) > SLOW:
                break
        failed = sum(played.queries.failed + played.events.failed for played in came)
        return wrong(sum(played.span.calls for played in came), failed, file)


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kept", type=int, default=5_000_000, help="calls in the database before")
    parser.add_argument("--per-day", type=int, default=2_000_000, help="calls of the day")
    parser.add_argument("--hour", type=float, default=30.0, help="seconds that an hour of it lasts")
    parser.add_argument("--steps", type=lambda text: [float(rate) for rate in text.split(",")],
                        default=[20.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0], help="calls a second")  # fmt: skip
    parser.add_argument("--step", type=float, default=20.0, help="seconds of each step")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that serve")
    parser.add_argument("--database", help="a PostgreSQL on this machine")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = given.database
        if url is None:
            cluster = stack.enter_context(Cluster(folder))
            url = cluster.url()
            with psycopg.connect(url, autocommit=True) as connection:
                for setting in TUNED:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
            cluster.restart()
        return 1 if run(folder, url, given) else 0


if __name__ == "__main__":
    sys.exit(main())
