"""What the configuration says of CSV files and spreadsheets."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from connectors.base import Capabilities, ConnectorOptions, Problem
from connectors.csv import address as addresses
from connectors.csv import faults
from connectors.csv.source import FileForm, is_spreadsheet
from connectors.options import OwnLink
from connectors.spelling import plain_name
from connectors.taskdates import Dates
from connectors.units import Duration, as_written
from connectors.urltemplate import LinkTemplate

OWN = frozenset({"bridge_key", "revision"})
"""The columns by which the bridge knows its rows."""


def _encoding(value: str) -> str:
    try:
        "".encode(value)
        codecs.lookup(value)
    except LookupError:
        raise ValueError("write an encoding such as utf-8, cp1252, iso-8859-1 or utf-16") from None
    return value


def _delimiter(value: str) -> str:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(value, value)
    if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum():
        raise ValueError('write one character, such as ";" or ",", or tab')
    return delimiter


def _named(value: dict[str, str]) -> dict[str, str]:
    """Names of columns as they look in a header; each column has one."""
    stripped = {name.strip(): plain_name(column) for name, column in value.items()}
    if not all(stripped) or not all(stripped.values()):
        raise ValueError("write NAME: COLUMN, neither of them empty")
    own = sorted(OWN & {*stripped, *stripped.values()})
    if own:
        raise ValueError(f"{own[0]} is the bridge's own column")
    names: dict[str, str] = {}
    for name, column in stripped.items():
        if names.setdefault(column, name) != name:
            raise ValueError(f"the column {column} has two names, {names[column]} and {name}; write one")
    return stripped


def _every(value: Duration) -> Duration:
    if value < _SHORTEST:
        raise ValueError(f"write {_SHORTEST} or more")
    return value


_SHORTEST = Duration(10)
EVERY = Duration(300)
"""Seconds after which a table at an address is asked for again, unless the configuration says otherwise."""
Text = Annotated[str, BeforeValidator(as_written)]
Column = Annotated[Text, AfterValidator(plain_name)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Delimiter = Annotated[str, AfterValidator(_delimiter)]
Names = Annotated[dict[Text, Text], AfterValidator(_named)]


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
    columns: Names = Field(
        {}, description="Names of yours for columns of the file, such as `name: Nombre`; the file's own names work, too"
    )

    def path(self, folder: Path) -> Path:
        return folder / self.file

    @property
    def remote(self) -> bool:
        """Whether it is an address on the web."""
        return addresses.is_address(self.file)

    @property
    def shown(self) -> str:
        """What of its name anybody may see."""
        return addresses.shown(self.file) if self.remote else self.file


class ReadFile(CsvFile):
    """A CSV file, or a spreadsheet: .xlsx, .xlsm, .xls, .ods."""

    sheet: Text | None = Field(
        None, description="The sheet of a spreadsheet, by its name; default: the first that is not hidden"
    )

    @property
    def form(self) -> FileForm:
        """How the file is read."""
        return FileForm(self.encoding, self.delimiter, self.sheet)


class TableOptions(ReadFile):
    """A table of records in a CSV file or a spreadsheet, here or at an address on the web."""

    file: Text = Field(
        description="The file; a relative path starts at the configuration's folder; an address, https://…, is fetched "
        "again and again",
        min_length=1,
    )
    every: Annotated[Duration, AfterValidator(_every)] | None = Field(
        None, description=f"How often it is fetched from an address; default: {EVERY}", examples=["5m"]
    )
    redirects: list[Text] = Field(
        [], description="Hosts that the address may lead on to, such as *.example.com; those of Google Sheets are known"
    )
    key: Column | None = Field(None, description="The column by whose text a record is looked up")
    phones: list[Column] = Field([], description="The columns that hold phone numbers, by which a record is looked up")
    date: Column | None = Field(
        None,
        description="The column with its date (2026-12-24 10:00, 24/12/2026): many: newest and many: next go by it",
        examples=["fecha"],
    )
    newest: Column | None = Field(None, description="The same; it may also hold a number that grows")
    link: OwnLink = None

    @model_validator(mode="after")
    def _one_date(self) -> TableOptions:
        if self.date and self.newest:
            raise ValueError("date: and newest: mean the same: keep date:")
        return self

    @property
    def dated(self) -> str | None:
        """The column with the date."""
        return self.date or self.newest

    @property
    def read(self) -> bool:
        """Whether records are looked up in it; else it is only written."""
        return bool(self.key or self.phones)

    @property
    def needed(self) -> faults.Needed:
        """The columns that must be there, each with its place in the options."""
        single = (("key", self.key), ("date", self.date), ("newest", self.newest))
        return (
            *(((name,), column) for name, column in single if column),
            *((("phones", place), column) for place, column in enumerate(self.phones)),
            *((("columns", name), name) for name in self.columns),
        )


class Tasks(ReadFile):
    """A list of people to call, one a row, with the columns id and phone, and due and others as you like."""

    results: Text | None = Field(
        None, description="Where to add what became of them; default: beside the file, as NAME.results.csv"
    )
    dates: Dates | None = Field(
        None, description="How times are written; default: 2026-11-23, 2026-11-23 16:30 or 23/11/2026 16:30"
    )
    write_back: dict[Text, Text] = Field(
        {}, description="Has no effect since the list is never changed: the results file says what became of a task"
    )

    def results_path(self, folder: Path) -> Path:
        """Return the file that outcomes are added to."""
        path = self.path(folder)
        return folder / self.results if self.results else path.with_name(f"{path.stem}.results.csv")

    @property
    def needed(self) -> faults.Needed:
        """The columns that must be there, each with its place in the options."""
        return ((("file",), "id"), *((("columns", name), name) for name in self.columns))


class CsvOptions(ConnectorOptions):
    """CSV files as a CRM: tables to look people and orders up in, and files that calls and outcomes are added to. What
    is only read may be a spreadsheet."""

    type: Literal["csv"] = Field("csv", description="CSV files and spreadsheets")
    tables: dict[Text, TableOptions] = Field({}, description="The tables, by the name that find: and save: use")
    activities: CsvFile | None = Field(None, description="The file that calls are added to, one a row")
    tasks: Tasks | None = Field(None, description="The file that lists people to call")
    ca_file: Text | None = Field(
        None, description="A private CA's certificates (PEM), trusted instead of the public, for tables at an address"
    )

    _headers: dict[str, frozenset[str]] = PrivateAttr(default_factory=dict)
    _task_header: frozenset[str] | None = PrivateAttr(None)

    def abilities(self) -> Capabilities:
        """Return what can be asked of it. The field names of a table are known once `problems` has read its header."""
        saved = frozenset(
            name for name, table in self.tables.items() if not table.remote and not is_spreadsheet(Path(table.file))
        )
        return Capabilities(
            by_phone=frozenset(name for name, table in self.tables.items() if table.phones),
            by_key=frozenset(name for name, table in self.tables.items() if table.key),
            saves=saved,
            updates=saved,
            activities=self.activities is not None,
            updates_activities=self.activities is not None,
            tasks=self.tasks is not None,
            fields={name: columns | {"id"} for name, columns in self._headers.items()},
            task_fields=self._task_header,
            texts=True,
            fields_seen=True,
            dated=frozenset(name for name, table in self.tables.items() if table.dated),
        )

    def own_links(self) -> Mapping[tuple[str, str], LinkTemplate]:
        """Return those of single tables."""
        return {("tables", name): table.link for name, table in self.tables.items() if table.link is not None}

    def problems(self, folder: Path) -> Iterator[Problem]:
        """Yield files and columns that are not there. Reads no more of a CSV file than its start."""
        for name, table in self.tables.items():
            if table.remote:
                yield from _remote(("tables", name), table)
            else:
                yield from self._table(name, ("tables", name), table, folder)
        if self.ca_file is not None and not (folder / self.ca_file).is_file():
            yield Problem(("ca_file",), f"there is no file {folder / self.ca_file}")
        if self.activities:
            yield from _output(("activities", "file"), self.activities, folder)
        if self.tasks:
            yield from self._list(self.tasks, folder)
        yield from self._twice(folder)

    def _table(self, name: str, place: faults.Place, table: TableOptions, folder: Path) -> Iterator[Problem]:
        path = table.path(folder)
        for key in ("every", "redirects"):
            if getattr(table, key):
                yield Problem((*place, key), f"{path.name} is a file here, which is not fetched; delete this key")
        yield from faults.of_form(place, path, table.form)
        if not table.read and (is_spreadsheet(path) or not path.exists()):
            yield from faults.of_output((*place, "file"), path)
            return
        needed = table.needed if table.read else ()
        names = yield from faults.of_header(place, path, table.form, needed, table.columns)
        if names is not None and table.read:
            self._headers[name] = names

    def _list(self, tasks: Tasks, folder: Path) -> Iterator[Problem]:
        if tasks.remote:
            text = "people to call are read from a file here; have the address fetched into one, such as by cron"
            yield Problem(("tasks", "file"), text)
            return
        path, results = tasks.path(folder), tasks.results_path(folder)
        yield from faults.of_form(("tasks",), path, tasks.form)
        self._task_header = yield from faults.of_header(("tasks",), path, tasks.form, tasks.needed, tasks.columns)
        yield from self._without_effect(tasks, path)
        if tasks.results and addresses.is_address(tasks.results):
            yield _only_files(("tasks", "results"))
        else:
            yield from faults.of_output(("tasks", "results" if tasks.results else "file"), results)
        if tasks.write_back:
            text = (
                f"the bridge no longer writes into {path.name}: what became of each task is in {results.name}; "
                "delete this key"
            )
            yield Problem(("tasks", "write_back"), text, warning=True)

    def _without_effect(self, tasks: Tasks, path: Path) -> Iterator[Problem]:
        """Yield each column of times that the list does not have."""
        if tasks.dates is None or self._task_header is None:
            return
        written = "fields" in tasks.dates.model_fields_set
        for number, name in enumerate(tasks.dates.fields):
            if name not in self._task_header:
                place = ("tasks", "dates", "fields", number) if written else ("tasks", "dates")
                text = f"{path.name} has no column {name}, so dates: reads no time in it: name the columns in fields:"
                yield Problem(place, text, warning=True)

    def _twice(self, folder: Path) -> Iterator[Problem]:
        """One file may be two tables to look in, but not two things to write."""
        written = {
            os.path.realpath(table.path(folder)): ("tables", name)
            for name, table in self.tables.items()
            if not table.remote
        }
        outputs = []
        if self.activities and not self.activities.remote:
            outputs.append((("activities", "file"), self.activities.path(folder)))
        if self.tasks and not self.tasks.remote:
            written[os.path.realpath(self.tasks.path(folder))] = ("tasks", "file")
            outputs.append((("tasks", "results"), self.tasks.results_path(folder)))
        for place, path in outputs:
            other = written.setdefault(os.path.realpath(path), place)
            if other is not place:
                yield Problem(place, f"{path.name} is {'.'.join(other)} already; write to a file of its own")


def _remote(place: faults.Place, table: TableOptions) -> Iterator[Problem]:
    """Yield what is wrong with a table at an address, without asking there."""
    wrong = addresses.fault(table.file)
    if wrong:
        yield Problem((*place, "file"), wrong)
    for number, host in enumerate(table.redirects):
        if wrong := addresses.host_fault(host):
            yield Problem((*place, "redirects", number), wrong)
    if not table.read:
        yield Problem((*place, "file"), "what lies at an address is only read: write phones: or key: below this table")


def _only_files(place: faults.Place) -> Problem:
    return Problem(place, "the bridge writes to files here alone; write a file's name, such as data/calls.csv")


def _output(place: faults.Place, output: CsvFile, folder: Path) -> Iterator[Problem]:
    if output.remote:
        yield _only_files(place)
        return
    path = output.path(folder)
    yield from faults.of_output(place, path)
    if path.is_file() and path.stat().st_size and not is_spreadsheet(path):
        yield from faults.of_header(place[:-1], path, FileForm(output.encoding, output.delimiter), (), {})
