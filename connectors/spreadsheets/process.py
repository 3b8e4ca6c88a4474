"""Rows of a spreadsheet from the process that reads it (`connectors.spreadsheets.workbook`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from connectors.spreadsheets.errors import DAMAGED, NoSheet, UnreadableSpreadsheet

_PROGRAM = (
    "import json, sys; order = json.loads(sys.argv[1]); sys.path[:] = order['path']; "
    "from connectors.spreadsheets.workbook import main; main(order['sheet'])"
)
_KILLED = (
    "it takes more memory or time than a sheet of its size should: is there something in a cell far down or far to the "
    "right? Delete the rows and columns that are not needed, or save it as CSV"
)


@contextmanager
def sheet_rows(stream: BinaryIO, sheet: str | None) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Give the rows of a sheet, by default of the first that is not hidden, each with its number as a spreadsheet
    counts them, all equally wide. The place in `stream` is lost. Raises `OSError`, and `UnreadableSpreadsheet` while
    rows are taken."""
    order = json.dumps({"sheet": sheet, "path": sys.path})
    with subprocess.Popen(  # noqa: S603 - our own program; what comes from outside is data to it
        [sys.executable, "-c", _PROGRAM, order],
        stdin=stream,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as child:
        try:
            yield _rows(child)
        finally:
            child.kill()


def _rows(child: subprocess.Popen[str]) -> Iterator[tuple[int, list[str]]]:
    assert child.stdout is not None, "it is a pipe"  # noqa: S101
    for line in child.stdout:
        if not line.endswith("\n"):
            break  # it was killed while it wrote
        page = json.loads(line)
        if page == "end":
            return
        if isinstance(page, dict):
            raise NoSheet(page["sheet"]) if "sheet" in page else UnreadableSpreadsheet(page["refused"])
        first, rows = page
        yield from enumerate(rows, first)
    raise UnreadableSpreadsheet(_KILLED if child.wait() < 0 else DAMAGED)
