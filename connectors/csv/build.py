"""Reads a table's file into an index: here where it is small, else in a process of its own, since a million rows would
hold up everything else for seconds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from connectors.csv import reading as csvread
from connectors.csv.index import Spec, write_index
from connectors.csv.source import table_rows


@dataclass(frozen=True)
class Built:
    """What came of it: the content's digest, which the caller compares with what it expected, and what was odd."""

    digest: str
    rows: int
    oddities: str


def build(source: Path, spec: Spec, target: Path) -> Built:
    """Make the index of `source`; `target` is there whole and lasting, or not at all. Raises `Damaged` (also when the
    file changes meanwhile), `OSError`."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        built = _build(source, spec, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return built


def _build(source: Path, spec: Spec, target: Path) -> Built:
    with csvread.opened(source) as stream:
        before = os.fstat(stream.fileno())
        oddities = csvread.Oddities()
        with table_rows(stream, source, spec.form, spec.columns, oddities) as table:
            spec.columns.require(table.header)
            count = write_index(target, table.header, table.rows, spec, oddities.add)
        after = os.fstat(stream.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise csvread.Damaged("it was changed while it was read")
    return Built(table.digest, count, str(oddities))


def main(order: dict[str, str | int], answer: Callable[[str], object] = sys.stdout.write) -> None:
    """Build in a process of its own, behind others who need the CPU: `source`, `target`, `spec` (JSON); answers JSON,
    either a `Built` or `{"damaged" | "columns": text}`, or `{"system": errno, "file": path}`."""
    os.nice(int(order.get("nice", 0)))
    try:
        reply: dict[str, object] = asdict(
            build(Path(str(order["source"])), Spec.from_json(str(order["spec"])), Path(str(order["target"])))
        )
    except csvread.WrongColumns as error:
        reply = {"columns": str(error)}
    except csvread.Damaged as error:
        reply = {"damaged": str(error)}
    except OSError as error:
        reply = {"system": error.errno, "file": str(error.filename or order["target"])}
    answer(json.dumps(reply))
