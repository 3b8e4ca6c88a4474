"""The rows of a table's file with their header, be it text (`connectors.csv.reading`) or a spreadsheet
(`connectors.spreadsheets`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from connectors.csv import reading as csvread
from connectors.csv.columns import Columns
from connectors.csv.reading import Damaged, Oddities, WrongColumns
from connectors.spreadsheets.errors import NoSheet, UnreadableSpreadsheet
from connectors.spreadsheets.process import sheet_rows

NumberedRow = tuple[int, list[str]]
"""A row's number in the file, as a spreadsheet counts them, and its cells, one for each column."""
IsHeader = Callable[[Sequence[str]], bool]
"""Whether a row's cells are the names of the columns."""

COPY = ".fetched"
"""How the name ends of a copy of what lies elsewhere."""
_SPREADSHEETS = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
_BEGINNINGS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_LOOKED_AT = 20  # rows among which the header is, below a title


@dataclass(frozen=True)
class FileForm:
    """How a file is to be read, as far as somebody said so: the `encoding` and `delimiter` of text, the `sheet` of a
    spreadsheet."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class TableRows:
    """What a file holds. `header`: the columns' names, stripped, empty where a column has none; `rows` as wide as it,
    without those that are empty; `digest`: by which to know the content again."""

    header: tuple[str, ...]
    rows: Iterator[NumberedRow]
    digest: str


def is_spreadsheet(path: Path) -> bool:
    """Return whether the file's name says so; of a copy its first bytes do."""
    if path.suffix != COPY:
        return path.suffix.lower() in _SPREADSHEETS
    try:
        with csvread.opened(path) as stream:
            return stream.read(8).startswith(_BEGINNINGS)
    except (OSError, Damaged):
        return False


@contextmanager
def table_rows(
    stream: BinaryIO,
    path: Path,
    form: FileForm,
    columns: Columns,
    oddities: Oddities,
    is_header: IsHeader | None = None,
) -> Iterator[TableRows]:
    """Give the rows of a file that is open. A text's delimiter and a spreadsheet's header are known by the columns that
    must be there, the latter by `is_header` where that is given. Raises `Damaged`, also while rows are taken,
    and `OSError`."""
    if not is_spreadsheet(path):
        if form.sheet is not None:
            raise WrongColumns(f"this is no spreadsheet, it has no sheet {form.sheet}: delete sheet:")
        characters = csvread.characters(stream, form.encoding)
        layout = csvread.layout(stream, characters.encoding, form.delimiter, columns.hints())
        lines = csvread.text(stream, characters.encoding)
        try:
            yield TableRows(layout.header, csvread.rows(lines, layout, oddities), characters.digest)
        finally:
            lines.detach()
        return
    stream.seek(0)
    digest = csvread.digest(stream)
    with sheet_rows(stream, form.sheet) as numbered:
        header, rows = _below_header(_translated(numbered), is_header or columns.are_in, columns)
        yield TableRows(header, _data(rows, len(header), oddities), digest)


def header(path: Path, form: FileForm, columns: Columns) -> tuple[str, ...]:
    """Return a file's columns, from the start of a text alone, so that its end may hold surprises. Raises `Damaged`,
    `OSError`."""
    if not is_spreadsheet(path):
        return csvread.header(path, form.encoding, form.delimiter, columns.hints()).header
    with csvread.opened(path) as stream, table_rows(stream, path, form, columns, Oddities()) as table:
        return table.header


def _translated(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    try:
        yield from rows
    except NoSheet as error:
        raise WrongColumns(str(error)) from None
    except UnreadableSpreadsheet as error:
        raise Damaged(str(error)) from None


def _below_header(
    rows: Iterator[NumberedRow], is_header: IsHeader, columns: Columns
) -> tuple[tuple[str, ...], Iterator[NumberedRow]]:
    """The names of the columns, from the first row that has them, and the rows below it. Where none of those looked at
    has, the one that comes nearest."""
    start = list(islice(rows, _LOOKED_AT))
    names = [tuple(cell.strip().strip("\ufeff") for cell in cells) for _, cells in start]
    place = next((place for place, row in enumerate(names) if any(row) and is_header(row)), None)
    if place is None:
        nearness = [(-len(columns.missing(row)), sum(map(bool, row))) for row in names]
        place = nearness.index(max(nearness))
    width = max((number for number, name in enumerate(names[place], 1) if name), default=0)
    if not width:
        raise Damaged(f"the first {_LOOKED_AT} rows are empty; one of them must name the columns")
    twice = sorted(name for name, times in Counter(names[place]).items() if name and times > 1)
    if twice:
        raise WrongColumns(
            f"the header (row {start[place][0]}) has {', '.join(twice)} more than once; each column needs a name of "
            "its own"
        )
    return names[place][:width], chain(start[place + 1 :], rows)


def _data(rows: Iterator[NumberedRow], width: int, oddities: Oddities) -> Iterator[NumberedRow]:
    for number, cells in rows:
        if any(cells):
            if any(cells[width:]):
                oddities.add("rows with more columns than the header", number)
            yield number, cells[:width]
