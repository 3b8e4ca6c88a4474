"""A hundred thousand contacts in a spreadsheet beside the same in a CSV file: how much CPU time and memory it takes to
read them.

    python -m benchmarks.spreadsheets [ROWS]
"""

from __future__ import annotations

import csv
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from openpyxl import Workbook

from connectors.csv.build import build
from connectors.csv.index import Spec

COLUMNS = ("code", "name", "phone", "mobile", "since", "agent", "city", "notes", "balance", "active")


def main() -> None:
    """Run on as many rows as the command line says."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(folder / "contacts.csv", rows)
        write_xlsx(folder / "contacts.xlsx", rows)
        for file in (folder / "contacts.csv", folder / "contacts.xlsx"):
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(file,))
            process.start()
            process.join()


def contacts(rows: int) -> Iterator[tuple[object, ...]]:
    """The header and the rows."""
    yield COLUMNS
    for n in range(rows):
        since = date(2024, 1, 1) + timedelta(days=n % 300)
        yield (
            f"{n:05}",
            f"Persona Número {n}",
            600_000_000 + n,
            f"9{n:08}",
            since,
            101,
            "Madrid",
            "una nota",
            n * 1.25,
            True,
        )


def write_csv(file: Path, rows: int) -> None:
    """As a CSV file."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(contacts(rows))


def write_xlsx(file: Path, rows: int) -> None:
    """As a spreadsheet."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Contactos")
    for row in contacts(rows):
        sheet.append(list(row))
    book.save(file)


def measure(file: Path) -> None:
    """Read it into an index, in a process of its own, and show what that took."""
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    built = build(file, Spec("code", ("phone", "mobile"), None, None, None, "ES"), file.with_suffix(".index"))
    own, reader = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = own.ru_utime + own.ru_stime - begun + reader.ru_utime + reader.ru_stime
    memory = max(own.ru_maxrss, reader.ru_maxrss) // 1024
    size = file.stat().st_size / 1e6
    print(f"{file.name}: {built.rows:,} rows in {size:.1f} MB, {seconds:.1f} s of CPU, at most {memory} MB of memory")


if __name__ == "__main__":
    main()
