"""Reads one sheet and writes its rows to standard output: the process that `connectors.spreadsheets.process` starts.

The library holds a sheet whole in memory, and a small file can claim a sheet that no memory holds: so this process may
use no more than a sheet of the file's size needs, and dies alone. Nothing but the library is imported here.
"""

from __future__ import annotations

import difflib
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from connectors.spelling import plain_name
from connectors.spreadsheets.cells import text
from connectors.spreadsheets.errors import PASSWORD, UNREADABLE, NoSheet, UnreadableSpreadsheet
from connectors.spreadsheets.unpacked import TOO_LARGE, size

if TYPE_CHECKING:
    from python_calamine import SheetMetadata

MOST_ROWS = 1_048_576
MOST_COLUMNS = 1_000
FIRST_PAGE = 20
"""Rows that come first, in a line of their own: the header is among them."""
_PAGE = 500
_MEMORY = 256 * 1024 * 1024  # bytes, for the program and a small sheet
_FACTOR = 6  # by which a sheet in memory is larger than its XML, at most
_CPU = 120  # seconds


def main(sheet: str | None) -> None:
    """Read the workbook on standard input; write lines of JSON: pages, each `[number of its first row, rows]`, and
    `"end"`; or what keeps it from being read, `{"refused": text}` or `{"sheet": text}` (there is none of that name)."""
    for line in _lines(sys.stdin.buffer, sheet):
        sys.stdout.write(f"{json.dumps(line, separators=(',', ':'))}\n")
    sys.stdout.flush()


def _lines(stream: BinaryIO, sheet: str | None) -> Iterator[object]:
    try:
        _limit(stream)
        yield from _pages(stream, sheet)
        yield "end"
    except NoSheet as error:
        yield {"sheet": str(error)}
    except UnreadableSpreadsheet as error:
        yield {"refused": str(error)}
    except MemoryError:
        yield {"refused": TOO_LARGE}


def _limit(stream: BinaryIO) -> None:
    unpacked = size(stream)
    limits = {resource.RLIMIT_AS: _MEMORY + _FACTOR * unpacked, resource.RLIMIT_CPU: _CPU, resource.RLIMIT_CORE: 0}
    for limit, most in limits.items():
        with suppress(ValueError, OSError):  # a lower one is set already
            resource.setrlimit(limit, (most, most))


def _pages(stream: BinaryIO, name: str | None) -> Iterator[tuple[int, list[list[str]]]]:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415 - once the limits hold

    stream.seek(0)
    try:
        workbook = CalamineWorkbook.from_filelike(stream)
        sheet = workbook.get_sheet_by_name(_chosen(workbook.sheets_metadata, name))
    except PasswordError:
        raise UnreadableSpreadsheet(PASSWORD) from None
    except CalamineError:
        raise UnreadableSpreadsheet(UNREADABLE) from None
    if sheet.start is None or sheet.end is None:
        raise UnreadableSpreadsheet("the sheet is empty, without even a header")
    if sheet.end[0] >= MOST_ROWS or sheet.end[1] >= MOST_COLUMNS:
        raise UnreadableSpreadsheet(
            f"the sheet has {sheet.end[0] + 1:,} rows and {sheet.end[1] + 1:,} columns, more than {MOST_ROWS:,} or "
            f"{MOST_COLUMNS:,}: is there something in a cell far down or far to the right?"
        )
    rows, number, length = sheet.iter_rows(), sheet.start[0] + 1, FIRST_PAGE
    while page := [[text(cell) for cell in row] for row in islice(rows, length)]:
        yield number, page
        number, length = number + len(page), _PAGE


def _chosen(sheets: Sequence[SheetMetadata], name: str | None) -> str:
    """The sheet of that name, or the first that people see."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415 - as above

    visible = {sheet.name: sheet.visible == SheetVisibleEnum.Visible for sheet in sheets
               if sheet.typ == SheetTypeEnum.WorkSheet}  # fmt: skip
    if name is None:
        first = next((sheet for sheet, seen in visible.items() if seen), None)
        if first is None:
            raise NoSheet("all its sheets are hidden; name one with sheet:")
        return first
    if name in visible:
        return name
    alike = [sheet for sheet in visible if plain_name(sheet).casefold() == plain_name(name).casefold()]
    if len(alike) == 1:  # Excel makes no difference either
        return alike[0]
    near = difflib.get_close_matches(name, visible, 1)
    raise NoSheet(f"it has no sheet {name}; {f'did you mean {near[0]}?' if near else 'it has ' + ', '.join(visible)}")
