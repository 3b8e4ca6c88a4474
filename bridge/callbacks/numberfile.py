"""The phone numbers of a file, in whatever form somebody keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from bridge.callbacks.rowfile import FileUnreadable
from bridge.texts import Language, Text
from connectors.csv.columns import Columns
from connectors.csv.reading import Damaged, Oddities
from connectors.csv.source import FileForm, NumberedRow, table_rows
from connectors.phonebulk import Numbers

_LOOKED_AT = 200
"""Rows by which the column of numbers is known."""
_NEAR = 0.9
"""A column with so many numbers, measured by the one with the most, may be meant as well."""
_SOME = 0.1
"""The same where no number may be left out."""
_ANY_FORM = FileForm()


@dataclass
class NumberFile:
    """The phone numbers of a file: a CSV file in whatever characters, a list without a header, or a spreadsheet.
    `column`: where they stand; None: the column in which there are most. `country`: of numbers without a country code.
    `all_of_row`: no number of a cell may be left out, nor a second column of them. `empty`: rows without a number.
    Iterating raises `FileUnreadable`."""

    path: Path
    country: str
    language: Language = "en"
    column: str | None = None
    form: FileForm = _ANY_FORM
    all_of_row: bool = False
    rows: int = 0
    empty: int = 0
    oddities: Oddities = field(default_factory=Oddities)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the rows, in E.164 without +, in their order."""
        self.rows = self.empty = 0
        try:
            if self.path.stat().st_size == 0:
                return
            with (
                self.path.open("rb") as stream,
                table_rows(stream, self.path, self.form, Columns(), self.oddities, self._is_header) as table,
            ):
                yield from self._numbers(table.header, table.rows)
        except Damaged as error:
            raise FileUnreadable(f"{self.path}: {error}") from error
        except OSError as error:
            raise FileUnreadable(f"{self.path}: {error.strerror or error}") from error

    def _numbers(self, header: tuple[str, ...], rows: Iterator[NumberedRow]) -> Iterator[int]:
        read = Numbers(self.country)
        start = list(islice(rows, _LOOKED_AT))
        column = self._column(header, [cells for _, cells in start], read)
        headless = bool(read(header[column]))
        for cells in chain([list(header)] if headless else [], (cells for _, cells in chain(start, rows))):
            self.rows += 1
            numbers = read(cells[column].strip())
            yield from numbers if self.all_of_row else numbers[:1]
            self.empty += not numbers

    def _is_header(self, cells: Sequence[str]) -> bool:
        return any(cells) if self.column is None else Columns().in_header(self.column, cells) is not None

    def _column(self, header: tuple[str, ...], start: Sequence[list[str]], read: Numbers) -> int:
        if self.column is not None:
            return Columns().place(self.column.strip(), header)
        counts = Counter(
            place for cells in [list(header), *start] for place, cell in enumerate(cells) if read(cell.strip())
        )
        if not counts:
            if not start:  # a header, and nobody below it
                return 0
            raise self._unreadable(Text("there are no phone numbers in the first {count} rows", count=len(start) + 1))
        (best, most), *others = counts.most_common()
        enough = most * (_SOME if self.all_of_row else _NEAR)
        rival = next((place for place, count in others if count >= enough), None)
        if rival is not None:
            raise self._unreadable(
                Text(
                    "the columns {one} and {other} both hold phone numbers: say which one by --column",
                    one=header[best] or str(best + 1), other=header[rival] or str(rival + 1),
                )
            )  # fmt: skip
        return best

    def _unreadable(self, what: Text) -> FileUnreadable:
        return FileUnreadable(f"{self.path}: {what.render(self.language)}")
