"""One lookup by phone in each source: a CSV file, SQLite, PostgreSQL and MariaDB, with the same contacts in each.

    python -m benchmarks.sources [--rows 100000] [--threads 64] [--seconds 3] [--rate 200]
        [--postgresql postgresql://…] [--mariadb mariadb://…]

A server's database has to be there; a table `bridge_benchmark` is made in it and dropped again. First one thread asks.
Then as many as `--threads` says ask at once, each as fast as it can: the Python of one process is what then bounds them
all. Then the same threads, each with a connection of its own, ask `--rate` times a second all together, as callers do
who don't wait for one another: a lookup that begins late, because the one before is not over, counts from when it was
to begin. Meanwhile a process sleeps for a millisecond again and again: how late it wakes is what the machine adds.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.csv_million import percentile, show
from connectors.base import Connector, Context, Deadline, LookupQuery
from connectors.csv.connector import CsvConnector
from connectors.csv.options import CsvOptions
from connectors.phone import parse
from connectors.sql import urls
from connectors.sql.connector import SqlConnector
from connectors.sql.options import SqlOptions

TABLE = "bridge_benchmark"
SELECT = f"SELECT id, name, phone, agent FROM {TABLE} WHERE phone = :national"
BATCH = 10_000
PATIENCE = 30.0
SLEEPER = """
import select, sys, time
late = []
while not select.select([sys.stdin], [], [], 0)[0]:
    before = time.perf_counter()
    time.sleep(0.001)
    late.append(time.perf_counter() - before - 0.001)
print(*late)
"""


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--postgresql")
    parser.add_argument("--mariadb")
    arguments = parser.parse_args()
    show("contacts", f"{arguments.rows:,}")
    show("load of the machine before", load())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(of_csv(folder, arguments.rows)) as connector:
            measured("CSV file", connector, arguments)
        (folder / "erp.db").touch()
        for title, url in (
            ("SQLite", f"sqlite:///{folder}/erp.db"), ("PostgreSQL", arguments.postgresql),
            ("MariaDB", arguments.mariadb),
        ):  # fmt: skip
            if url:
                database(title, url, folder, arguments)


def contacts(rows: int) -> Iterator[tuple[int, str, str, str]]:
    """The same contacts each time, each with a number of its own."""
    for number in range(rows):
        yield number, f"Persona Número {number}", f"6{(number * 7919) % 10**8:08}", f"911{number % 1000:06}"


def of_csv(folder: Path, rows: int) -> Connector:
    """The connector of a CSV file with the contacts."""
    with (folder / "contacts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "name", "phone", "agent"))
        writer.writerows(contacts(rows))
    options = {"type": "csv", "tables": {"contact": {"file": "contacts.csv", "phones": ["phone"]}}}
    return CsvConnector("source", CsvOptions.model_validate(options), Context(folder=folder))


def database(title: str, url: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Measure a database; its table is dropped at the end."""
    engine = create_engine(urls.read(url))
    try:
        with engine.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
            columns = "id INTEGER PRIMARY KEY, name VARCHAR(80), phone VARCHAR(20), agent VARCHAR(20)"
            connection.execute(text(f"CREATE TABLE {TABLE} ({columns})"))
            rows = [dict(zip(("id", "name", "phone", "agent"), row, strict=True)) for row in contacts(arguments.rows)]
            insert = text(f"INSERT INTO {TABLE} (id, name, phone, agent) VALUES (:id, :name, :phone, :agent)")
            for first in range(0, len(rows), BATCH):
                connection.execute(insert, rows[first : first + BATCH])
            connection.execute(text(f"CREATE INDEX {TABLE}_phone ON {TABLE} (phone)"))
        section = {"type": "sql", "url": url, "timeout": "20s", "records": {"contact": {"select": SELECT}}}
        options = SqlOptions.model_validate(section)
        with closing(SqlConnector("source", options, Context(folder=folder))) as connector:
            measured(title, connector, arguments)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
        engine.dispose()


def measured(title: str, connector: Connector, arguments: argparse.Namespace) -> None:
    """Show how long a lookup takes with one thread, and with many at once."""
    numbers = [parse(row[2], "ES") for row in contacts(min(arguments.rows, 10_000))]
    queries = [LookupQuery("contact", phone=phone) for phone in random.Random(1).sample(numbers, len(numbers))]
    asked(connector, queries, 0.3)  # connections are made, caches filled
    show(title, timing(asked(connector, queries, arguments.seconds)))
    with ThreadPoolExecutor(arguments.threads) as pool:
        shares = [queries[number :: arguments.threads] for number in range(arguments.threads)]
        begun = time.perf_counter()
        took = [each for share in pool.map(lambda share: asked(connector, share, arguments.seconds), shares)
                for each in share]  # fmt: skip
        per_second = len(took) / (time.perf_counter() - begun)
        show(f"{title}, {arguments.threads} at once", f"{timing(took)}, {per_second:,.0f}/s")
        with sleeper() as late:
            took = paced(connector, shares, pool, arguments.rate, arguments.seconds)
    show(f"{title}, {arguments.threads} connections, {arguments.rate:g}/s", timing(took))
    show(
        "  the machine meanwhile",
        f"load {load()}; a sleep ended late by {timing(late)}, longest {max(late) * 1e3:.0f} ms",
    )


def paced(
    connector: Connector, shares: Sequence[Sequence[LookupQuery]], pool: ThreadPoolExecutor, rate: float, seconds: float
) -> list[float]:
    """Seconds of each lookup from when it was to begin; each thread has its turns, one after the other."""
    pause, start = len(shares) / rate, time.perf_counter() + 2.0  # the sleeper has started by then

    def ask(place: int) -> list[float]:
        took: list[float] = []
        for turn in range(max(1, int(seconds / pause))):
            due = start + place / rate + turn * pause
            time.sleep(max(0.0, due - time.perf_counter()))
            share = shares[place]
            connector.find(share[turn % len(share)], Deadline.after(PATIENCE))
            took.append(time.perf_counter() - due)
        return took

    return [each for share in pool.map(ask, range(len(shares))) for each in share]


@contextmanager
def sleeper() -> Iterator[list[float]]:
    """Gives a list that fills, inside of the block, with how late a process of its own wakes from a millisecond."""
    late: list[float] = []
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield late
        finally:
            output, _ = process.communicate()
            late.extend(map(float, output.split()))


def load() -> str:
    """The processes that want to run, on average over a minute, and the processors."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def asked(connector: Connector, queries: Sequence[LookupQuery], seconds: float) -> list[float]:
    """Seconds of each lookup, one after the other, for so long."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for query in queries:
            before = time.perf_counter()
            if len(connector.find(query, Deadline.after(PATIENCE))) != 1:
                raise SystemExit("a contact that is there was not found")
            took.append(time.perf_counter() - before)
            if time.perf_counter() >= end:
                break
    return took


def timing(took: Sequence[float]) -> str:
    """Seconds, for people."""
    median, late = (percentile(took, part) * 1e3 for part in (0.5, 0.99))
    return f"median {median:.3f} ms, p99 {late:.3f} ms of {len(took):,}"


if __name__ == "__main__":
    main()
