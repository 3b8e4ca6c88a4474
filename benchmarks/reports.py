"""How long does a month's report take, with many calls kept?

`python -m benchmarks.reports` (1,000,000 calls of the last 90 days, a third of them in the month: half an hour, most of
it to fill two databases and to add their calls up); `python -m benchmarks.reports --calls 100000`. On SQLite and,
where there is one, on the PostgreSQL server at 127.0.0.1:5432.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import insert, text

from benchmarks.databases import at_rest, empty_databases, timed
from benchmarks.load import machine
from bridge.config.model import Configuration
from bridge.reports.keeping import count_some
from bridge.reports.making import make
from bridge.reports.period import Period
from bridge.reports.sheets import workbook
from bridge.store import callfigures
from bridge.store.calls import Call, CallState, _values
from bridge.store.database import Database
from bridge.store.folded import Diversion, FoldedCall
from bridge.store.schema import connect
from bridge.store.tables import calls as table
from bridge.store.tables import events

SERVER, NAME = "postgresql://postgres@127.0.0.1:5432", "bridge_benchmark_reports"
LINES = ("912345678", "933000111")
END = datetime(2026, 11, 1, tzinfo=UTC)
MONTH = Period(date(2026, 10, 1), date(2026, 10, 31))
CONFIGURATION = Configuration.model_validate(
    {
        "lines": [{"number": number, "password": "-"} for number in LINES],
        "callbacks": [{"from": "missed_calls", "line": LINES[0], "rule_group": "callbacks"}],
    }
)
PIECE, TIMES = 5_000, 20


def rows(calls: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """So many calls of 90 days, with the events that say how long their callers waited."""
    chance = random.Random(1)
    for n in range(calls):
        start = END - timedelta(days=90) * (1 - n / calls)
        received, answered = chance.random() < 0.8, chance.random() < 0.8
        line, extension, wait = chance.choice(LINES), str(chance.randrange(101, 131)), chance.randrange(60)
        end, sequence = start + timedelta(seconds=wait + 90), str(n)
        folded = FoldedCall(
            id=sequence, line=line, direction="received" if received else "emitted", caller=f"6{n:08}", called=line,
            e164=f"+346{n:08}", start=start, end=end, seconds=wait + 90, cost=Decimal("0.046500"),
            cost_rx=Decimal("0.012000"), cost_tx=Decimal("0.034500"), over=True, answered=answered,
            answered_by=extension if answered else "", diversions=(Diversion(extension, answered, start),),
            vars={"NOMBRE": "Ana Ruiz", "CAMPANA": "primavera"}, heard=("desvio_correcto", "fin", "inicio"),
        )  # fmt: skip
        call = Call(line, sequence, CallState.OVER, folded, folded.e164, folded.direction, "", start, end, wait + 90,
                    folded.cost)  # fmt: skip
        moments = {"inicio": start, "desvio_correcto": start + timedelta(seconds=wait)} if answered else {}
        heard = [
            {"line": line, "call_sequence": sequence, "event": event, "digest": sequence, "received_at": at,
             "document": {}, "panel": {}, "folded": True}
            for event, at in moments.items()
        ]  # fmt: skip
        yield _values(call) | {"updated_at": end, "version": 1}, heard


def fill(database: Database, calls: int) -> None:
    """Store them."""
    made = rows(calls)
    for _ in range(0, calls, PIECE):
        piece = [pair for _, pair in zip(range(PIECE), made, strict=False)]
        with database.write() as connection:
            connection.execute(insert(table), [call for call, _ in piece])
            connection.execute(insert(events), [event for _, heard in piece for event in heard])
    at_rest(database)


def counted(database: Database) -> float:
    """Seconds that it takes to add them all up, without the pauses between two batches."""
    began = time.monotonic()
    while count_some(database, CONFIGURATION, 2000):
        pass
    return time.monotonic() - began


def asked(database: Database, period: Period) -> list[float]:
    """Milliseconds of a report, many times over."""
    return timed(TIMES, lambda: make(database, CONFIGURATION, period, END))


def _written(database: Database) -> None:
    workbook(make(database, CONFIGURATION, MONTH, END), "es")


def fresh(database: Database, many: int) -> None:
    """Have so many calls that are not added up yet."""
    with database.write() as connection:
        newest = "SELECT id FROM calls ORDER BY id DESC LIMIT :many"
        connection.execute(text(f"UPDATE calls SET version = version + 1 WHERE id IN ({newest})"), {"many": many})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000, help="how many calls are kept")
    calls = parser.parse_args().calls
    print(machine())
    print("\n| database | calls kept | added up in, s | sums | a month, median ms | most | a year | 300 new | xlsx |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, url in empty_databases("reports"):
        database = connect(url, patience=60.0)
        fill(database, calls)
        took = counted(database)
        with database.read() as connection:
            sums = connection.execute(text("SELECT count(*) FROM figures")).scalar_one()
        month, year = asked(database, MONTH), asked(database, Period(date(2026, 1, 1), date(2026, 12, 31)))
        (xlsx,) = timed(1, partial(_written, database))
        fresh(database, 300)
        with database.read() as connection:
            assert callfigures.left_to_count(connection) == min(300, calls)
        late = asked(database, MONTH)
        database.close()
        medians = " | ".join(f"{statistics.median(times):.0f}" for times in (year, late))
        print(
            f"| {kind} | {calls:,} | {took:.0f} | {sums:,} | {statistics.median(month):.0f} | "
            f"{max(month):.0f} | {medians} | {xlsx:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
