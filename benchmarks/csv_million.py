"""A million contacts of two numbers in a CSV file: how long they take to load, what they cost in memory, how fast one
is found, and what callers notice while the file is read anew.

    python -m benchmarks.csv_million [ROWS]

The load is compared in the same run with one pass of `csv.reader` in which each number is parsed: by phonenumbers (on
every tenth row, times ten), and by `connectors.phonebulk`.
"""

from __future__ import annotations

import csv
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import phonenumbers

from connectors.base import Context, Deadline, LookupQuery
from connectors.csv.connector import CsvConnector
from connectors.csv.options import CsvOptions
from connectors.phone import Phone, parse
from connectors.phonebulk import Numbers

COLUMNS = ("id", "name", "email", "phone", "mobile", "agent_phone")
QUIET_SECONDS = 3.0


def main() -> None:
    """Run on as many rows as the command line says."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), rows)


def run(folder: Path, rows: int) -> None:
    """Measure and show one thing after the other."""
    file = folder / "contacts.csv"
    phones = write(file, rows)
    show("contacts of two numbers", f"{rows:,} in {file.stat().st_size / 1e6:.0f} MB")
    slow, fast = 10 * seconds(lambda: parse_pass(file, 10)), seconds(lambda: bulk_pass(file))
    show("csv.reader and phonenumbers", f"{slow:.1f} s (every tenth row, times ten)")
    show("csv.reader and phonebulk", f"{fast:.1f} s")
    cache = folder / "cache"
    took = seconds(lambda: opened(folder, cache).close())
    show("first load", f"{took:.1f} s = {took / slow:.2f} x the first, {took / fast:.1f} x the second")
    before = private_bytes()
    begun = time.perf_counter()
    connector = opened(folder, cache)
    show("load after a restart", f"{time.perf_counter() - begun:.2f} s")
    draw = random.Random(2)
    asked = [parse(phone, "ES") for phone in draw.sample(phones, 10_000)]
    try:
        quiet = finds(connector, asked, lambda spent: spent > QUIET_SECONDS)
        show("memory beyond the page cache", f"{(private_bytes() - before) / rows:.1f} bytes a contact")
        show("one lookup", timing(quiet))
        new = "+34799999999"
        with file.open("a") as stream:
            stream.write(f"new,New,,{new},,\n")
        wanted = LookupQuery("contact", phone=parse(new, "ES"))
        begun = time.perf_counter()
        busy = finds(connector, asked, lambda _: bool(connector.find(wanted, Deadline.never())))
        show("reload", f"{time.perf_counter() - begun:.1f} s until the new row is found")
        show("one lookup meanwhile", timing(busy))
        show("p99 meanwhile / quiet", f"{percentile(busy, 0.99) / percentile(quiet, 0.99):.2f}")
    finally:
        connector.close()


def write(file: Path, rows: int) -> list[str]:
    """The file; returns some of its numbers."""
    draw, kept = random.Random(1), []
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for number in range(rows):
            phone, mobile = f"9{draw.randrange(10**7, 9 * 10**7):08}", f"6{draw.randrange(10**8):08}"
            writer.writerow((number, f"Persona Número {number}", f"persona{number}@example.com", phone, mobile,
                             f"+34911{number % 1000:06}"))  # fmt: skip
            if number % 10 == 0:
                kept.append(phone)
    return kept


def parse_pass(file: Path, every: int) -> None:
    """Read the file as a simple program would, and every so many rows' numbers."""
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        next(reader)
        for number, row in enumerate(reader):
            if number % every == 0:
                for cell in row[3:5]:
                    phonenumbers.is_possible_number(phonenumbers.parse(cell, "ES"))


def bulk_pass(file: Path) -> None:
    """Read the file and all numbers the quick way."""
    numbers = Numbers("ES")
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        next(reader)
        for row in reader:
            numbers(row[3])
            numbers(row[4])


def opened(folder: Path, cache: Path) -> CsvConnector:
    """The connector, open and loaded."""
    table = {"file": "contacts.csv", "key": "id", "phones": ["phone", "mobile"]}
    options = CsvOptions.model_validate({"type": "csv", "tables": {"contact": table}})
    log = logging.getLogger("benchmark")
    return CsvConnector("agenda", options, Context(folder=folder, cache=cache, log=log))


def finds(connector: CsvConnector, asked: Sequence[Phone], done: Callable[[float], bool]) -> list[float]:
    """Seconds of one lookup after the other, until it is done."""
    took: list[float] = []
    wanted = [LookupQuery("contact", phone=phone) for phone in asked]
    never, begun, last = Deadline.never(), time.perf_counter(), 0.0
    while True:
        for one in wanted:
            before = time.perf_counter()
            if not connector.find(one, never):
                raise SystemExit("a contact that is there was not found")
            after = time.perf_counter()
            took.append(after - before)
            if after - last > 0.01:
                last = after
                if done(after - begun):
                    return took


def private_bytes() -> int:
    """This process's own memory: what it shares with the page cache (mapped files) does not count."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part of them is."""
    return sorted(values)[int(len(values) * part)]


def timing(values: Sequence[float]) -> str:
    """Seconds, for people."""
    at = [percentile(values, part) * 1e6 for part in (0.5, 0.99)]
    return f"median {at[0]:.1f} µs, p99 {at[1]:.1f} µs, longest {max(values) * 1e3:.1f} ms of {len(values):,}"


def show(what: str, value: str) -> None:
    """One line of the table."""
    print(f"{what:32} {value}", flush=True)


if __name__ == "__main__":
    main()
