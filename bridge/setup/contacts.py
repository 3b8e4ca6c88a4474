"""A file of contacts, as it is found: read by the connector's own readers, its columns guessed, whatever is wrong said
in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bridge.errors import BridgeError
from bridge.setup.columns import (
    LONGEST_NAME,
    Choice,
    guess,
    is_extension,
    is_number,
    looks_like_header,
    nameless,
)
from bridge.texts import Text, said
from connectors.csv import reading
from connectors.csv.columns import Columns
from connectors.csv.source import FileForm, is_spreadsheet, table_rows
from connectors.phonebulk import Numbers
from connectors.spreadsheets import errors as sheet_errors

_SAMPLE = 1000
_TITLES = 20  # rows among which a header may stand
_WIDE = 50  # columns of a CSV file among which a header is looked for
_MOST_EXTENSIONS = 300
_MOST_CANDIDATES = 20

_REASONS = {
    sheet_errors.PASSWORD: Text("it has a password; save it without one"),
    sheet_errors.DAMAGED: Text("it is damaged, or not copied whole"),
    sheet_errors.UNREADABLE: Text("it is damaged, or not copied whole"),
    "it is empty": Text("it is empty"),
    "it is empty, without even a header": Text("it is empty"),
    "the sheet is empty, without even a header": Text("its first sheet is empty"),
    "the first row is empty; it must name the columns": Text("its first row is empty; it has to name the columns"),
    "it is a pipe or a device, where a file is needed": Text("it is no file but a pipe or a device"),
}


class NoContacts(BridgeError):
    """A file of contacts can't be used; `reason` says why, for people."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass
class ContactsFile:
    """A file as it was found: its columns, some rows, those that were guessed, and the letters of those that hold phone
    numbers without having a name."""

    path: Path
    header: tuple[str, ...]
    sample: list[list[str]]
    guessed: Choice
    nameless: tuple[str, ...] = ()


@dataclass
class Contents:
    """What is in the columns that were chosen: how many rows there are, the extensions, how many cells of the column
    for transfers can't be dialled, and numbers to try it with, each with its name and its transfer."""

    rows: int = 0
    extensions: list[str] = field(default_factory=list)
    undialable: int = 0
    candidates: list[tuple[str, str, str]] = field(default_factory=list)


def look(path: Path, country: str) -> ContactsFile:
    """Return what a file is like. Raises `NoContacts`."""
    with ExitStack() as stack:
        header, rows = stack.enter_context(_opened(path, country))
        sample = [cells for _, cells in islice(rows, _SAMPLE)]
    if not is_spreadsheet(path) and not looks_like_header(header, country):
        below = _header_below(path, country)
        if below is not None:
            raise NoContacts(
                Text("its columns are named in row {row}; delete the rows above it and save it", row=below)
            )
    names = [name for name in header if name]
    if not any(len(name) <= LONGEST_NAME for name in names):
        raise NoContacts(Text("it names no columns"))
    return ContactsFile(path, header, sample, guess(header, sample, country), nameless(header, sample, country))


def _header_below(path: Path, country: str) -> int | None:
    """The row of a CSV file that names its columns, where that is not the first: there may be a title above it, which a
    spreadsheet may have, too, but no CSV file."""
    with reading.opened(path) as stream:
        encoding = reading.characters(stream).encoding
        for delimiter in reading.DELIMITERS:
            wide = reading.Layout(encoding, delimiter, ("",) * _WIDE)
            lines = reading.text(stream, encoding)
            numbered = islice(reading.rows(lines, wide, reading.Oddities()), _TITLES)
            row = next((number for number, cells in numbered if looks_like_header(cells, country)), None)
            lines.detach()
            if row is not None:
                return row
    return None


def contents(path: Path, choice: Choice, country: str) -> Contents:
    """Return what is in the columns that were chosen, from the first row to the last. Raises `NoContacts`."""
    seen, extensions = Contents(), Counter[str]()
    numbers = Numbers(country)
    with ExitStack() as stack:
        header, rows = stack.enter_context(_opened(path, country, choice))
        places = {name: header.index(name) for name in (*choice.phones, choice.name, choice.transfer) if name}
        for _, cells in rows:
            seen.rows += 1
            transfer = cells[places[choice.transfer]].strip() if choice.transfer else ""
            if transfer and is_extension(transfer, country):
                extensions[transfer] += 1
            elif transfer and not any(map(is_number, numbers.phones(transfer))):
                seen.undialable += 1
            if len(seen.candidates) < _MOST_CANDIDATES:
                _take(seen, cells, places, choice, numbers, transfer)
    if len(extensions) > _MOST_EXTENSIONS:
        raise NoContacts(
            Text("the column {column} holds {count} different extensions: is it the right one?",
                 column=choice.transfer, count=len(extensions))
        )  # fmt: skip
    seen.extensions = sorted(extensions, key=lambda extension: (len(extension), extension))
    return seen


def _take(
    seen: Contents, cells: list[str], places: dict[str, int], choice: Choice, numbers: Numbers, transfer: str
) -> None:
    """Keep the first number of a row to try it with."""
    phones = [phone for column in choice.phones for phone in numbers.phones(cells[places[column]]) if is_number(phone)]
    if phones:
        name = cells[places[choice.name]].strip() if choice.name else ""
        seen.candidates.append((phones[0].e164, name, transfer))


class _opened:  # noqa: N801 - used as a function is
    """Gives the header and the rows of a file; every fault in it is `NoContacts`, also while rows are taken."""

    def __init__(self, path: Path, country: str, choice: Choice | None = None) -> None:
        self._path, self._country, self._stack = path, country, ExitStack()
        names = [name for name in (*choice.phones, choice.name, choice.transfer) if name] if choice else []
        self._columns = Columns(needed=tuple(names))
        self._is_header: Callable[..., bool] | None = None
        if choice is None:
            self._is_header = lambda cells: looks_like_header(cells, country)

    def __enter__(self) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
        try:
            stream = self._stack.enter_context(reading.opened(self._path))
            table = self._stack.enter_context(
                table_rows(stream, self._path, FileForm(), self._columns, reading.Oddities(), self._is_header)
            )
        except BaseException as error:
            self._stack.close()
            self._refuse(error)
            raise
        return table.header, table.rows

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._stack.close()
        if error is not None:
            self._refuse(error)

    def _refuse(self, error: BaseException) -> None:
        """Raise `NoContacts` for whatever is the file's fault."""
        if isinstance(error, IsADirectoryError):
            raise NoContacts(Text("it is a folder; name the file in it")) from None
        if isinstance(error, FileNotFoundError):
            raise NoContacts(Text("there is no such file")) from None
        if isinstance(error, PermissionError):
            raise NoContacts(Text("you may not read it")) from None
        if isinstance(error, reading.Damaged):
            raise NoContacts(self._damage(str(error))) from None
        if isinstance(error, (OSError, ValueError)):
            raise NoContacts(Text("it can't be read: {error}", error=said(error))) from None

    def _damage(self, message: str) -> Text:
        if message in _REASONS:
            return _REASONS[message]
        if "more than once" in message:
            return Text("two of its columns have the same name; give each a name of its own ({detail})", detail=message)
        if not is_spreadsheet(self._path) and "not text" in message:
            return Text("it is no list that can be read: save it as CSV, or as .xlsx or .ods with that ending")
        return Text("it can't be read: {error}", error=message)
