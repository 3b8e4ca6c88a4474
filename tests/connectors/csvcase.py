"""A CSV connector on files of a test's own."""

from __future__ import annotations

import contextlib
import csv
import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.base import Context, Deadline, LookupQuery, NewRecord, Record, nothing_reported
from connectors.csv.connector import CsvConnector
from connectors.csv.options import CsvOptions
from connectors.csv.watch import Limits
from connectors.phone import parse

PEOPLE = {"contact": {"file": "contacts.csv", "phones": ["phone"]}}
KEPT: dict[str, Any] = {"tables": {"survey": {"file": "survey.csv"}}, "activities": {"file": "activities.csv"}}
SOON = 30.0
QUICK = Limits(look_every=0.03, settle=0.03, tick=0.1, in_process=150_000)
"""So that tests wait for little."""


def options(**said: Any) -> CsvOptions:
    return CsvOptions.model_validate({"type": "csv", **said})


@contextlib.contextmanager
def connector(
    folder: Path,
    country: str = "ES",
    installation: str = "",
    limits: Limits = QUICK,
    others: Callable[[], Collection[str]] = tuple,
    report: Callable[[str, str, bool | None], None] = nothing_reported,
    **said: Any,
) -> Iterator[CsvConnector]:
    """Open on the folder; `said` are the options, by default a table of contacts."""
    cache = folder / ".cache"
    cache.mkdir(exist_ok=True)
    context = Context(folder=folder, country=country, cache=cache, log=logging.getLogger("connectors.test"))
    context = replace(context, installation=installation, others=others, report=report)
    opened = CsvConnector("agenda", options(**(said or {"tables": PEOPLE})), context, limits)
    try:
        yield opened
    finally:
        opened.close()


def found(opened: CsvConnector, phone: str = "600112233", *, newest: bool = False) -> list[Record]:
    wanted = LookupQuery("contact", phone=parse(phone, "ES"), newest=newest)
    return list(opened.find(wanted, Deadline.after(SOON)))


def names(opened: CsvConnector, phone: str = "600112233", *, newest: bool = False) -> list[object]:
    return [record.fields["name"] for record in found(opened, phone, newest=newest)]


def save(opened: CsvConnector, key: str, kind: str = "survey", attempt: int = 1, **fields: object) -> bool:
    return opened.save(NewRecord(kind, key, fields, attempt), Deadline.after(SOON)).created


def table(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, str]]:
    """What a file holds, as any other program would read it."""
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))
