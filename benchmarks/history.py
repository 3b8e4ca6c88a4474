"""How long does a look into the bridge's own calls take, with few calls kept and with many?

`python -m benchmarks.history` (5,000,000 calls: an hour and 15 GB, most of it to fill two databases);
`python -m benchmarks.history --calls 500000` (a few minutes). On SQLite and, where there is one, on the PostgreSQL
server at 127.0.0.1:5432. Every twentieth question is about one number that has a hundredth of all calls.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from benchmarks.databases import at_rest, empty_databases, timed
from benchmarks.load import machine
from bridge.lookups.history import HistoryGateway
from bridge.store.calls import Call, CallState, _values
from bridge.store.database import Database, unprepared
from bridge.store.folded import FoldedCall
from bridge.store.schema import connect
from bridge.store.tables import calls as table
from connectors.base import Context, Deadline, LookupQuery
from connectors.phone import Phone

LINE, BUSY = "912345678", "+34699000000"
QUESTIONS, PIECE = 2_000, 5_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def number(n: int) -> str:
    """One of the numbers, of which each calls about ten times; the busy one calls much more often."""
    return BUSY if n % 100 == 0 else f"+346{(n * 7919) % 10_000_019:08}"


def rows(calls: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """So many calls."""
    many = max(1, calls // 10)
    for n in range(first, calls):
        start = START + timedelta(seconds=n)
        answered, e164 = n % 3 == 0, BUSY if n % 100 == 0 else number(n % many or 1)
        folded = FoldedCall(
            id=str(n), line=LINE, direction="received", caller=e164[3:], called=LINE, e164=e164, start=start,
            end=start + timedelta(seconds=60), seconds=60, over=True, answered=answered,
            answered_by="101" if answered else "", vars={"NOMBRE": "Ana Ruiz", "CAMPANA": "primavera"},
            heard=("fin", "inicio"),
        )  # fmt: skip
        call = Call(LINE, str(n), CallState.OVER, folded, e164, "received", "", start, folded.end, 60)
        yield _values(call) | {"updated_at": start, "version": 1}


def fill(database: Database, calls: int) -> None:
    """Store them."""
    piece: list[dict[str, Any]] = []
    with database.read() as connection:
        first = connection.execute(text("SELECT count(*) FROM calls")).scalar_one()
    for row in rows(calls, first):
        piece.append(row)
        if len(piece) == PIECE:
            with database.write() as connection:
                connection.execute(insert(table), piece)
            piece = []
    if piece:
        with database.write() as connection:
            connection.execute(insert(table), piece)
    at_rest(database)


def migrated(database: Database) -> float:
    """Seconds that an upgrade takes to make the index."""
    index = next(index for index in table.indexes if index.name == "ix_calls_history")
    with database.write() as connection:
        if database.postgresql:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        index.drop(connection)
        began = time.monotonic()
        index.create(connection)
        return time.monotonic() - began


def asked(database: Database, calls: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each question: about people, and about the busy number."""
    chance, many = random.Random(1), max(1, calls // 10)
    people: list[float] = []
    busy: list[float] = []
    with closing(HistoryGateway(database, Context(Path()))) as gateway:
        for n in range(-100, QUESTIONS):  # the first ones warm it
            about = BUSY if n % 20 == 0 else number(chance.randrange(1, many))
            query = LookupQuery(("last", "answered", "missed")[n % 3], phone=Phone(about, about, "ES"))
            took = timed(1, partial(_look, gateway, query))
            if n >= 0:
                (busy if about == BUSY else people).extend(took)
    return people, busy


def _look(gateway: HistoryGateway, query: LookupQuery) -> None:
    gateway.find(gateway.wanted(query, {}), Deadline.after(60), None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5_000_000, help="how many calls are kept at most")
    most = parser.parse_args().calls
    print(machine())
    print(
        "\n| database | calls kept | the index made, s | p50 ms | p99 ms | the busy number's calls | p50 ms | p99 ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind, url in empty_databases("history"):
        for calls in sorted({500, most}):
            database = connect(url, patience=60.0)
            fill(database, calls)
            took = migrated(database)
            database.close()
            people, busy = asked(unprepared(url), calls)
            print(
                f"| {kind} | {calls:,} | {took:.1f} | {_times(people)} | {calls // 100:,} | {_times(busy)} |",
                flush=True,
            )


def _times(milliseconds: list[float]) -> str:
    hundredths = statistics.quantiles(milliseconds, n=100)
    return f"{statistics.median(milliseconds):.2f} | {hundredths[98]:.2f}"


if __name__ == "__main__":
    main()
