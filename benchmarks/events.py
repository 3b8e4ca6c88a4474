"""How many events a second are acknowledged durably: `python -m benchmarks.events [--seconds 3] [--threads 64]`.

Group commit against one commit for each event, in the same run, through the very `Inbox` that serves: on SQLite, on
PostgreSQL (`--postgresql URL`, a server where a database may be made), and on SQLite with a disk whose every commit
takes 3 ms longer (a hook of this benchmark's own, as an ordinary disk has it). Prints events per second, p50 and p99 in
milliseconds, and events per commit. Then the same over HTTP (`benchmarks/events_http.py`), against the same server
without storing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from benchmarks import events_http
from bridge.intake.inbox import Inbox
from bridge.queue import queue_for
from bridge.store.database import Database
from bridge.store.events import Arrival
from bridge.store.schema import connect

_DOCUMENT = {
    "CallSequence": "98565656", "CallerNumber": "600111222", "CallSeconds": 35, "CostRX": "0.12",
    "CustVars": {"PEDIDO": "12345", "NOMBRE": "Ana"},
    "Events": [{"EventType": 6, "EventName": "menú", "EventAddInfo1": str(number)} for number in range(8)],
}  # fmt: skip
_RAW = str(_DOCUMENT)


def _arrival(call: str) -> Arrival:
    digest = sha256(call.encode()).hexdigest()
    return Arrival("912345678", call, "fin", digest, datetime.now(UTC), _RAW, _DOCUMENT, e164="+34600111222")


def _load(inbox: Inbox, threads: int, seconds: float) -> list[float]:
    """Each event's time until it was acknowledged."""
    until = time.monotonic() + seconds
    taken: list[list[float]] = [[] for _ in range(threads)]

    def go(mine: list[float]) -> None:
        name = uuid4().hex
        while time.monotonic() < until:
            began = time.perf_counter()
            inbox.keep(_arrival(f"{name}-{len(mine)}"))
            mine.append(time.perf_counter() - began)

    running = [threading.Thread(target=go, args=(mine,)) for mine in taken]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return [each for mine in taken for each in mine]


def _measure(name: str, database: Database, threads: int, seconds: float, most: int) -> float:
    """Print one line; events per second."""
    commits = 0

    def count() -> None:
        nonlocal commits
        commits += 1

    end = database.after_commit(count)
    inbox = Inbox(database, queue_for(database), most=most, patience=60)
    inbox.keep(_arrival(uuid4().hex))
    commits, began = 0, time.monotonic()
    taken = _load(inbox, threads, seconds)
    rate = len(taken) / (time.monotonic() - began)
    inbox.close()
    end()
    taken.sort()
    p50, p99 = statistics.median(taken) * 1000, taken[int(len(taken) * 0.99)] * 1000
    print(
        f"{name:<44} {rate:>8.0f}/s  p50 {p50:>6.1f} ms  p99 {p99:>6.1f} ms  {len(taken) / commits:>5.1f} events/commit"
    )
    return rate


def _compare(name: str, database: Database, threads: int, seconds: float) -> None:
    single = _measure(f"{name}, one commit each", database, threads, seconds, 1)
    group = _measure(f"{name}, group commit", database, threads, seconds, 500)
    print(f"{'':<44} {group / single:>7.1f} times as many")


def _sqlite(change: Callable[[Database], None] | None, name: str, threads: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = connect("sqlite:///bridge.db", Path(folder), patience=60)
        if change:
            change(database)
        _compare(name, database, threads, seconds)
        database.close()


def _slow_disk(database: Database) -> None:
    event.listen(database.engine, "commit", lambda _connection: time.sleep(0.003))


@contextmanager
def _postgresql(server: str) -> Iterator[str | None]:
    """The URL of a database that is dropped afterwards; None where no server answers."""
    name = f"bridge_benchmark_{uuid4().hex[:8]}"
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        print(f"PostgreSQL: left out, none answers at {engine.url.render_as_string()}")
        yield None
        return
    try:
        yield engine.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=64, help="senders at once")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each measurement lasts")
    parser.add_argument("--postgresql", default="postgresql://postgres@127.0.0.1:5432/postgres", metavar="URL")
    given = parser.parse_args()
    _sqlite(None, "SQLite", given.threads, given.seconds)
    _sqlite(_slow_disk, "SQLite, each commit 3 ms slower", given.threads, given.seconds)
    with _postgresql(given.postgresql) as url:
        if url:
            database = connect(url, patience=60)
            _compare("PostgreSQL", database, given.threads, given.seconds)
            database.close()
    with _postgresql(given.postgresql) as url:
        stored = {"SQLite": events_http.SQLITE} | ({"PostgreSQL": url} if url else {})
        events_http.compare(stored, given.seconds)


if __name__ == "__main__":
    main()
