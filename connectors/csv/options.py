"""What the configuration says of CSV files."""

from __future__ import annotations

import codecs
import difflib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from connectors.base import Capabilities, ConnectorOptions, Problem
from connectors.csv import reading as csvread


def _as_written(value: object) -> object:
    """A number without quotes where a text belongs: as it is spelled in the file."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(getattr(value, "text", value))
    return value


def _encoding(value: str) -> str:
    try:
        "".encode(value)
        codecs.lookup(value)
    except LookupError:
        raise ValueError("write an encoding such as utf-8, cp1252, iso-8859-1 or utf-16") from None
    return value


def _delimiter(value: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(value, value)
    if len(found) != 1 or found in '"\r\n\0' or found.isalnum():
        raise ValueError('write one character, such as ";" or ",", or tab')
    return found


Text = Annotated[str, BeforeValidator(_as_written)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Written = Literal["status", "text", "at", "idcall", "result", "seconds"]
"""What can be written into a list of tasks."""
Delimiter = Annotated[str, AfterValidator(_delimiter)]


class CsvFile(BaseModel):
    """A CSV file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Text = Field(description="The file; a relative path starts at the configuration's folder", min_length=1)
    encoding: Encoding | None = Field(
        None, description="Its characters, such as cp1252; default: found out, UTF-8 for a new file"
    )
    delimiter: Delimiter | None = Field(
        None, description='What stands between columns; default: found out among , ; tab |, "," for a new file'
    )

    def path(self, folder: Path) -> Path:
        """Where it is."""
        return folder / self.file


class Table(CsvFile):
    """A table of records in a CSV file."""

    key: Text | None = Field(None, description="The column by whose text a record is looked up")
    phones: list[Text] = Field([], description="The columns that hold phone numbers, by which a record is looked up")
    newest: Text | None = Field(
        None, description="The column that tells which record is newest: a date (2024-05-31, 31/05/2024) or a number"
    )

    @property
    def read(self) -> bool:
        """Whether records are looked up in it; else it is only written."""
        return bool(self.key or self.phones)

    @property
    def columns(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """The columns that must be there, each with its place in the options."""
        one = (("key", self.key), ("newest", self.newest))
        return (
            *(((name,), column) for name, column in one if column),
            *((("phones", place), column) for place, column in enumerate(self.phones)),
        )


class Tasks(CsvFile):
    """A list of people to call, one a row, with the columns id and phone, and due and others as you like."""

    results: Text | None = Field(
        None, description="Where to add what became of them; default: beside the file, as NAME.results.csv"
    )
    write_back: dict[Text, Written] = Field(
        {},
        description="Columns of the list itself that get what became of a task; default: the list is never changed",
        examples=[{"estado": "status", "nota": "text"}],
    )

    def results_path(self, folder: Path) -> Path:
        """The file that outcomes are added to."""
        path = self.path(folder)
        return folder / self.results if self.results else path.with_name(f"{path.stem}.results.csv")


class CsvOptions(ConnectorOptions):
    """CSV files as a CRM: tables to look people and orders up in, and files that calls and outcomes are added to."""

    type: Literal["csv"] = Field("csv", description="CSV files")
    tables: dict[Text, Table] = Field({}, description="The tables, by the name that find: and save: use")
    activities: CsvFile | None = Field(None, description="The file that calls are added to, one a row")
    tasks: Tasks | None = Field(None, description="The file that lists people to call")

    _headers: dict[str, frozenset[str]] = PrivateAttr(default_factory=dict)
    _task_header: frozenset[str] | None = PrivateAttr(None)

    def abilities(self) -> Capabilities:
        """What can be asked of it. The field names of a table are known once `problems` has read its header."""
        return Capabilities(
            by_phone=frozenset(name for name, table in self.tables.items() if table.phones),
            by_key=frozenset(name for name, table in self.tables.items() if table.key),
            saves=frozenset(self.tables),
            activities=self.activities is not None,
            updates_activities=self.activities is not None,
            tasks=self.tasks is not None,
            fields={name: columns | {"id"} for name, columns in self._headers.items()},
            task_fields=self._task_header,
            texts=True,
            fields_seen=True,
        )

    def problems(self, folder: Path) -> Iterator[Problem]:
        """Files and columns that are not there. Reads no more of a file than its start."""
        for name, table in self.tables.items():
            place = ("tables", name)
            if table.read or table.path(folder).exists():
                yield from self._table(name, place, table, folder)
            else:
                yield from _folder(place, table.path(folder))
        if self.activities:
            yield from _output(("activities", "file"), self.activities, folder)
        if self.tasks:
            found = yield from _header(("tasks",), self.tasks, folder, ((("file",), "id"),))
            self._task_header = frozenset(filter(None, found.header)) if found else None
            yield from _folder(("tasks", "results" if self.tasks.results else "file"), self.tasks.results_path(folder))
            yield from _written_back(self.tasks, folder)
        yield from self._twice(folder)

    def _table(self, name: str, place: tuple[str | int, ...], table: Table, folder: Path) -> Iterator[Problem]:
        found = yield from _header(place, table, folder, table.columns)
        if found and table.read:
            self._headers[name] = frozenset(column for column in found.header if column)

    def _twice(self, folder: Path) -> Iterator[Problem]:
        """One file may be two tables to look in, but not two things to write."""
        written = {os.path.realpath(table.path(folder)): ("tables", name) for name, table in self.tables.items()}
        outputs = [(("activities", "file"), self.activities.path(folder))] if self.activities else []
        if self.tasks:
            written[os.path.realpath(self.tasks.path(folder))] = ("tasks", "file")
            outputs.append((("tasks", "results"), self.tasks.results_path(folder)))
        for place, path in outputs:
            other = written.setdefault(os.path.realpath(path), place)
            if other is not place:
                yield Problem(place, f"{path.name} is {'.'.join(other)} already; write to a file of its own")


def _output(place: tuple[str | int, ...], output: CsvFile, folder: Path) -> Iterator[Problem]:
    path = output.path(folder)
    yield from _folder(place, path)
    if path.is_file() and path.stat().st_size:
        yield from _header(place[:-1], output, folder, ())


def _folder(place: tuple[str | int, ...], path: Path) -> Iterator[Problem]:
    """What keeps a file from being written there."""
    where = (*place, "file") if place[-1] not in ("file", "results") else place
    if path.is_dir():
        yield Problem(where, f"{path} is a folder; write a file name", outage=True)
    elif not path.parent.is_dir():
        yield Problem(where, f"there is no folder {path.parent}; create it", outage=True)
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        text = f"{path} can't be written; give the user that the bridge runs as the right to"
        yield Problem(where, text, outage=True)


def _written_back(tasks: Tasks, folder: Path) -> Iterator[Problem]:
    """What keeps a list from being changed."""
    if "id" in tasks.write_back:
        yield Problem(("tasks", "write_back", "id"), "the tasks are known by their id; name another column")
    path = tasks.path(folder)
    if tasks.write_back and path.is_file():
        yield from _folder(("tasks", "file"), path)
        if not os.access(path.parent, os.W_OK):
            yield Problem(
                ("tasks", "write_back"),
                f"{path.name} is replaced as a whole, for which the user that the bridge runs as needs the right to "
                f"write to {path.parent}",
                outage=True,
            )


def _header(
    place: tuple[str | int, ...],
    file: CsvFile,
    folder: Path,
    columns: tuple[tuple[tuple[str | int, ...], str], ...],
) -> Generator[Problem, None, csvread.Layout | None]:
    """What is wrong with the start of a file; returns its layout when it could be read."""
    path = file.path(folder)
    try:
        found = csvread.header(path, file.encoding, file.delimiter, [column for _, column in columns])
    except FileNotFoundError:
        yield Problem((*place, "file"), f"there is no file {_readable(path)}{_near(path)}", outage=True)
        return None
    except IsADirectoryError:
        yield Problem((*place, "file"), f"{path} is a folder; write a file name", outage=True)
        return None
    except OSError as error:
        yield Problem((*place, "file"), f"{path} can't be read: {error.strerror}", outage=True)
        return None
    except csvread.Damaged as error:
        yield Problem((*place, "file"), f"{path}: {error}", outage=True)
        return None
    for where, column in columns:
        if column not in found.header:
            text = f"{path.name} has no column {column}; {_meant(column, found.header)}"
            yield Problem((*place, *where), text, outage=True)
    return found


def _readable(path: Path) -> str:
    """A path as people can read it: in double quotes, `\\t` and the like of a Windows path are control characters."""
    text = str(path)
    if text.isprintable():
        return text
    return f"{text!r}: its \\ was taken for more than it is: use single quotes, as in 'C:\\data\\new.csv', or write /"


def _near(path: Path) -> str:
    """A file of nearly that name."""
    try:
        names = [
            entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")
        ]  # our locks are hidden
    except OSError:
        return f", nor a folder {path.parent}"
    near = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _meant(column: str, header: tuple[str, ...]) -> str:
    names = {name.casefold(): name for name in header if name}
    near = difflib.get_close_matches(column.casefold(), names, 1)
    return f"did you mean {names[near[0]]}?" if near else f"it has {', '.join(names.values())}"
