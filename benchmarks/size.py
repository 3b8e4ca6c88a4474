"""What a call takes on disk before and after it is packed, and what packing and purging do to events meanwhile.

`python -m benchmarks.size` (some minutes; `--calls 100000` for more) on SQLite and, where there is one, on the
PostgreSQL server at 127.0.0.1:5432 (`--postgresql URL` for another; a database is made there and dropped again).

A bridge serves calls for `--seconds`, each with its Query, its events and its activity. Those that are done are copied,
each copy with a CallSequence and a number of its own, until a month has `--calls` of them. (From 20,000 on, the
database copies them by itself: a month of a million takes minutes then. Numbers have several calls in that case.) Then
a process packs them, and another one purges them, while events come from this one, up to 25 a second; how long each of
them waits for its commit stands beside those that come while nothing else is done. `--most SECONDS` ends packing and
purging after so long each: what they do to events shows before they are through.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Table, delete, func, insert, select, text

from benchmarks import soak
from benchmarks.load import machine
from bridge.intake.inbox import Inbox
from bridge.queue import queue_for
from bridge.store import packing, privacy
from bridge.store.database import Database
from bridge.store.events import Arrival
from bridge.store.pacing import Pause
from bridge.store.schema import connect
from bridge.store.tables import attempts, calls, deliveries, events, packs, queries

SERVER, NAME = "postgresql://postgres@127.0.0.1:5432", "bridge_benchmark_size"
DAYS, PIECE, ONCE, PAUSE, ALONE = 30, 500, 20_000, 0.04, 15.0
OURS = (calls, events, packs, deliveries, attempts, queries)
NOW = datetime.now(UTC)
BEGAN = NOW - timedelta(days=DAYS + 10)


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=45, help="how long calls are made of which copies are stored")
    parser.add_argument("--most", type=float, default=7200, help="seconds after which packing and purging end")
    parser.add_argument("--postgresql", default=SERVER, help="a server where a database may be made; empty: none")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soak.soak(folder, given.seconds, 5.0, "sqlite:///bridge.db")
        with closing(connect("sqlite:///bridge.db", folder)) as database:
            sample = list(done(database))
        print(f"{len(sample)} of those calls are copied until there are {given.calls:,}")
        measure("SQLite", "sqlite:///copies.db", folder, sample, given.calls, given.most)
        if given.postgresql:
            with postgresql(given.postgresql) as url:
                measure("PostgreSQL", url, folder, sample, given.calls, given.most)


def done(database: Database) -> Iterator[dict[Table, list[dict[str, Any]]]]:
    """The calls that are over and delivered, each with its rows by table."""
    with database.read() as connection:
        for call in connection.execute(select(calls).where(calls.c.state == "over", calls.c.idcall == "")).all():
            where = {
                events: (events.c.line == call.line) & (events.c.call_sequence == call.call_sequence),
                deliveries: (deliveries.c.call_id == call.id) & (deliveries.c.state == "done"),
                queries: (queries.c.line == call.line) & (queries.c.call_sequence == call.call_sequence),
            }
            rows = {table: [dict(row._mapping) for row in connection.execute(select(table).where(condition))]
                    for table, condition in where.items()}  # fmt: skip
            ids = [row["id"] for row in rows[deliveries]]
            tries = connection.execute(select(attempts).where(attempts.c.delivery_id.in_(ids)))
            if ids and all(row["folded"] for row in rows[events]):
                yield {calls: [dict(call._mapping)], **rows, attempts: [dict(row._mapping) for row in tries]}


def copied(rows: dict[Table, list[dict[str, Any]]], id_: int, at: datetime) -> dict[Table, list[dict[str, Any]]]:
    """The same call once more: another CallSequence, another number, another time, with this id."""
    call = rows[calls][0]
    number = call["e164"][3:]
    renamed = {call["call_sequence"]: f"{id_:018}", number: f"6{id_ * 7919 % 10**8:08}"}
    moved = at - call["started_at"]

    def value(name: str, before: Any) -> Any:
        if isinstance(before, datetime):
            return before + moved
        if name == "digest":
            return sha256(f"{before}{id_}".encode()).hexdigest()
        if not isinstance(before, str | dict | list):
            return before
        written = before if isinstance(before, str) else json.dumps(before)
        for old, new in renamed.items():
            written = written.replace(old, new)
        return written if isinstance(before, str) else json.loads(written)

    copy = {table: [{name: value(name, before) for name, before in row.items() if name != "id"} for row in of_table]
            for table, of_table in rows.items()}  # fmt: skip
    copy[calls][0] |= {"id": id_, "counted_version": call["version"]}
    for position, row in enumerate(copy[deliveries]):
        row |= {"id": id_ * 10 + position, "call_id": id_}
    by_id = {row["id"]: id_ * 10 + position for position, row in enumerate(rows[deliveries])}
    for row in copy[attempts]:
        row["delivery_id"] = by_id[row["delivery_id"]]
    return copy


def fill(database: Database, sample: list[dict[Table, list[dict[str, Any]]]], many: int) -> None:
    """Store so many copies, spread over the month."""
    made = min(many, ONCE)
    step = timedelta(days=DAYS) / made
    for first in range(1, made + 1, PIECE):
        pieces = [
            copied(sample[n % len(sample)], n, BEGAN + step * n) for n in range(first, min(made, first + PIECE - 1) + 1)
        ]
        with database.write() as connection:
            for table in (calls, events, deliveries, attempts, queries):
                connection.execute(insert(table), [row for piece in pieces for row in piece[table]])
    while made < many:
        copies = min(made, many - made)
        for table in (calls, events, deliveries, attempts, queries):
            with database.write() as connection:
                if database.postgresql:
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text(again(table, database)), {"last": copies, "moved": made})
        made += copies


def again(table: Table, database: Database) -> str:
    """The statement that has a table's rows of the calls up to `:last` once more, for the calls `:moved` later."""
    number = {deliveries: "call_id", attempts: "delivery_id / 10"}.get(table, "CAST(call_sequence AS bigint)")
    padded = "lpad(CAST({} AS text), 18, '0')" if database.postgresql else "printf('%018d', {})"
    old, new = padded.format(number), padded.format(f"{number} + :moved")
    tens = "{} + :moved * 10"
    moved = {"call_id": "{} + :moved", "delivery_id": tens, "id": tens if table is deliveries else "{} + :moved"}
    taken = {}
    for column in table.columns:
        name, kind = column.name, column.type.compile(database.engine.dialect)
        if name in moved and (name != "id" or table in (calls, deliveries)):
            taken[name] = moved[name].format(name)
        elif name != "id" and column.computed is None:
            worded = kind.startswith(("VARCHAR", "TEXT", "JSON"))
            replaced = f"replace(CAST({name} AS text), {old}, {new})"
            taken[name] = (f"CAST({replaced} AS {kind})" if database.postgresql else replaced) if worded else name
    names, values = ", ".join(taken), ", ".join(taken.values())
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {number} <= :last"


def measure(
    name: str, url: str, folder: Path, sample: list[dict[Table, list[dict[str, Any]]]], many: int, most: float
) -> None:
    """Print what there is to say of one database."""
    with closing(connect(url, folder, patience=60)) as database:
        fill(database, sample, many)
        database.write_back()
        os.sync()  # what filling it left to the disk would be counted as what packing and purging do
        before = sizes(database, many)
        alone = delays(database, ALONE)
        packed = beside(database, url, folder, pack, most)
        after = sizes(database, many)
        print(f"\n{name}, {many:,} calls: bytes a call, indexes included\n{'':12}{'as they came':>14}{'packed':>10}")
        for table in [*(table.name for table in OURS), "all"]:
            print(f"{table:12}{before[table]:14,.0f}{after[table]:10,.0f}")
        purged = beside(database, url, folder, purge, most)
        with database.read() as connection:
            left = connection.execute(select(func.count()).select_from(calls).where(calls.c.started_at < NOW)).scalar()
        print(f"left after the purge: {left:,} of {many:,} calls")
        head = f"{'a transaction: CPU ms, most':>29}{'events: median ms':>19}{'p99':>8}{'most':>8}"
        print(f"{'beside':10}{'s':>6}{'CPU s':>7}{head}")
        for what, each in {"nothing": Beside(alone, ALONE, [0.0]), "packing": packed, "purging": purged}.items():
            ms, cpu = sorted(1000 * wait for wait in each.waits), [1000 * seconds for seconds in each.transactions]
            print(f"{what:10}{each.took:6.0f}{sum(cpu) / 1000:7.1f}{statistics.median(cpu):20.1f}{max(cpu):9.1f}"
                  f"{statistics.median(ms):19.1f}{ms[int(len(ms) * 0.99)]:8.1f}{ms[-1]:8.1f}", flush=True)  # fmt: skip


def sizes(database: Database, many: int) -> dict[str, float]:
    """Bytes of each table with its indexes, by call. What is free for new rows does not count; of PostgreSQL, that is
    so after a VACUUM FULL."""
    if database.postgresql:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM FULL"))
            of = {table.name: _one(connection, f"SELECT pg_total_relation_size('{table.name}')") for table in OURS}
    else:
        with database.read() as connection:
            size = "SELECT sum(d.pgsize) FROM dbstat d JOIN sqlite_master m ON d.name = m.name WHERE m.tbl_name = '{}'"
            of = {table.name: _one(connection, size.format(table.name)) for table in OURS}
    by_call = {name: size / many for name, size in of.items()}
    return {**by_call, "all": sum(by_call.values())}


def _one(connection: Connection, query: str) -> int:
    return int(connection.execute(text(query)).scalar_one())


_number = count(1)


def delays(database: Database, seconds: float, until: Callable[[], bool] = lambda: False) -> list[float]:
    """Store events, one after another, for so long or `until` something is so; for how long each of them waited."""
    inbox, waits, end = Inbox(database, queue_for(database), patience=60), list[float](), time.monotonic() + seconds
    while time.monotonic() < end and not until():
        time.sleep(PAUSE)
        name = f"new-{next(_number)}"
        document = {"CallSequence": name, "Events": [{"EventType": 6, "EventName": str(n)} for n in range(8)]}
        arrival = Arrival(soak.LINE, name, "fin", sha256(name.encode()).hexdigest(), datetime.now(UTC) + timedelta(1),
                          str(document) * 2, document, e164="+34600111222")  # fmt: skip
        began = time.perf_counter()
        inbox.keep(arrival)
        waits.append(time.perf_counter() - began)
    inbox.close()
    return waits


@dataclass(frozen=True)
class Beside:
    """For how long events waited beside a work, how many seconds that took, and its processor's by transaction."""

    waits: list[float]
    took: float
    transactions: list[float]


def beside(
    database: Database, url: str, folder: Path, work: Callable[[str, Path, Any, float], None], most: float
) -> Beside:
    """Have a process work, for so many seconds at most, and store events meanwhile."""
    context = get_context("spawn")
    said: Any = context.SimpleQueue()
    process = context.Process(target=work, args=(url, folder, said, most))
    process.start()
    said.get()
    began = time.monotonic()
    waits = delays(database, 2 * most, lambda: not said.empty())
    took = time.monotonic() - began
    transactions = said.get()
    process.join()
    with database.write() as connection:  # they are none of the calls that are measured
        connection.execute(delete(events).where(events.c.call_sequence.startswith("new-")))
    return Beside(waits, took, transactions)


def pack(url: str, folder: Path, said: Any, most: float) -> None:
    """What the working process does with calls that are older than `raw_retention`."""
    _do(url, folder, said, most, lambda database, pause: packing.pack(database, NOW, pause))


def purge(url: str, folder: Path, said: Any, most: float) -> None:
    """What it does with those that are older than `retention`."""
    _do(url, folder, said, most, lambda database, pause: privacy.purge(database, NOW, NOW, pause))


def _do(url: str, folder: Path, said: Any, most: float, work: Callable[[Database, Pause], object]) -> None:
    transactions, before, end = list[float](), 0.0, 0.0

    def pause(seconds: float) -> bool:
        nonlocal before
        transactions.append(time.process_time() - before)
        time.sleep(seconds)
        before = time.process_time()
        return time.monotonic() > end

    with closing(connect(url, folder)) as database:
        said.put(None)
        before, end = time.process_time(), time.monotonic() + most
        work(database, pause)
        said.put(transactions)


@contextmanager
def postgresql(server: str) -> Iterator[str]:
    """An empty database on this server."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME}")
        connection.execute(f"CREATE DATABASE {NAME}")
    try:
        yield f"{server}/{NAME}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


if __name__ == "__main__":
    main()
