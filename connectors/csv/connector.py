"""CSV files and spreadsheets as a CRM: people and orders are looked up in tables, calls and answers are added to CSV
files.

`find` answers from an index in memory that follows the file (`connectors.csv.table`); what is written is appended
(`connectors.csv.output`). Opening takes as long as reading the tables: nothing for what an earlier start or another
process has read, a few seconds for a million new rows.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from connectors import dates
from connectors.base import (
    Activity,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    Misconfigured,
    NewRecord,
    ProbeResult,
    Record,
    Rejected,
    Task,
    TaskOutcome,
    WriteResult,
    nothing_reported,
    nothing_seen,
)
from connectors.csv import address as addresses
from connectors.csv.columns import Columns
from connectors.csv.index import Content, Spec
from connectors.csv.options import EVERY, CsvFile, CsvOptions, ReadFile, TableOptions
from connectors.csv.output import KEY, Output
from connectors.csv.source import NumberedRow, is_spreadsheet
from connectors.csv.store import IndexPlace
from connectors.csv.table import Table
from connectors.csv.tasks import FOLLOW, ID, TaskList, TaskRows
from connectors.csv.watch import Limits
from connectors.masking import Mask
from connectors.phone import Phone, mask, mentions
from connectors.phonebulk import Numbers

if TYPE_CHECKING:
    from connectors.csv.fetching import RemoteFile


@dataclass(frozen=True)
class _Lookup:
    """A table that is looked up, with its options."""

    options: TableOptions
    table: Table


class CsvConnector(Connector):
    """CSV files. Finds from memory, follows files that change, appends what is to be kept."""

    Options: ClassVar[type[ConnectorOptions]] = CsvOptions
    immediate = True

    def __init__(self, name: str, options: ConnectorOptions, context: Context, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        super().__init__(name, options, context)
        self._limits = limits
        if not isinstance(options, CsvOptions):
            raise TypeError(f"options of type csv are CsvOptions, not {type(options).__name__}")
        self._zone = ZoneInfo(context.timezone)
        self._read = Numbers(context.country).phones
        self._own_cache = None if context.cache else Path(tempfile.mkdtemp(prefix="csvindex-"))
        self._remotes = self._fetched(options)
        self._tables = {
            table: _Lookup(section, self._table(table, section, self._looked_up(section)))
            for table, section in options.tables.items()
            if section.read
        }
        saves = options.abilities().saves
        self._saves = {table: self._output(section) for table, section in options.tables.items() if table in saves}
        self._keys = {table: section.key for table, section in options.tables.items()}
        self._columns = {table: Columns(named=section.columns) for table, section in options.tables.items()}
        self._needed = {table: [column for _, column in section.needed] for table, section in options.tables.items()}
        self._activities = self._output(options.activities, last="revision") if options.activities else None
        self._tasks = self._task_list(options) if options.tasks else None
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"csv-{name}", daemon=True)
        self._watcher.start()

    def _fetched(self, options: CsvOptions) -> dict[str, RemoteFile]:
        """The tables that lie at an address, with a copy that is there as far as it can be had soon."""
        remote = {table: section for table, section in options.tables.items() if section.remote and section.read}
        if not remote:
            return {}
        from connectors.csv.fetching import RemoteFile  # noqa: PLC0415 - HTTP takes a tenth of a command's time to load

        ca_file = self.context.folder / options.ca_file if options.ca_file else None
        remotes = {
            table: RemoteFile(
                self._part(table), addresses.to_fetch(section.file, section.sheet), self._cache, self.context,
                float(section.every or EVERY), self._limits, section.redirects, ca_file,
            )
            for table, section in remote.items()
        }  # fmt: skip
        for file in remotes.values():
            file.start()
        soon = Deadline.after(self._limits.first_fetch)
        for file in remotes.values():
            file.wait(soon)
        return remotes

    def _part(self, name: str) -> str:
        """How the files of a table in the cache begin."""
        return f"{_plain(self.name)}-{_plain(name)}"

    @property
    def _cache(self) -> Path:
        cache = self._own_cache or self.context.cache
        assert cache is not None, "one of the two is there"  # noqa: S101
        return cache

    def _looked_up(self, table: TableOptions) -> Spec:
        return self._spec(table, table.key, table.phones, table.dated)

    def _spec(self, file: ReadFile, key: str | None, phones: Sequence[str] = (), newest: str | None = None) -> Spec:
        """By what the index of a file is made."""
        named, country = tuple(file.columns.items()), self.context.country
        return Spec(key, tuple(phones), newest, file.encoding, file.delimiter, country, file.sheet, named)

    def _table(self, name: str, file: CsvFile, spec: Spec) -> Table:
        remote = self._remotes.get(name) if file.remote else None
        path, address = (remote.path, remote.shown) if remote else (file.path(self.context.folder), "")
        place = IndexPlace(self._part(name), path, self._cache, address)
        report = self.context.report
        about = None if report is nothing_reported else partial(report, name)
        return Table(place, spec, self.context.log, self._limits, about, remote)

    def _output(self, file: CsvFile, last: str = "") -> Output:
        path, columns = file.path(self.context.folder), Columns(named=file.columns)
        return Output(path, file.encoding, file.delimiter, self.context.log, last=last, columns=columns)

    def _task_list(self, options: CsvOptions) -> TaskList:
        file = options.tasks
        assert file is not None, "only called where there are tasks"  # noqa: S101
        context, spec = self.context, self._spec(file, ID)
        results = Output(file.results_path(context.folder), None, None, context.log, follow=FOLLOW)
        table, rows = (
            self._table("tasks", file, spec),
            TaskRows(spec.columns, file.dates, context.timezone, is_spreadsheet(file.path(context.folder))),
        )
        return TaskList(table, rows, results, self._zone, context.log, context.installation, context.others)

    def _watch(self) -> None:
        """The thread that follows the files."""
        tables = [lookup.table for lookup in self._tables.values()] + ([self._tasks.table] if self._tasks else [])
        while not self._closing.wait(self._limits.look_every):
            for table in tables:
                try:
                    table.look()
                except Exception as error:  # noqa: BLE001 - one table's surprise must not stop the others from being followed
                    self.context.log.error("%s: a table could not be followed: %s", self.name, type(error).__name__)

    # looking up

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:  # noqa: ARG002 - there is nothing to wait for
        """Return the rows that match: the newest first where the table has `date:`, else in the file's order; with
        `query.newest` and no such column, the last of the file first; with `query.upcoming` the soonest first. Raises
        `Unavailable` until the file is there and whole."""
        lookup = self._tables.get(query.kind)
        if lookup is None:
            raise Misconfigured(f"connector {self.name} looks nothing up in {query.kind}: give it a key or phones")
        content = lookup.table.content
        last = query.newest and lookup.options.dated is None
        since = query.since if query.upcoming else None
        limit = max(1, query.limit)
        if query.strict and query.phone is not None and content.rows and not content.numbers:
            columns = ", ".join(lookup.options.phones)
            raise Misconfigured(f"no row of {lookup.options.shown} has a number in phones: {columns}: is it right?")
        if query.phone is not None:
            rows = content.by_phone(int(query.phone.digits), limit, last=last, since=since) if query.phone else []
        elif lookup.options.key is not None:
            key = (query.key or "").strip()
            rows = content.by_key(key, limit, last=last, since=since) if key else []
        else:
            raise Misconfigured(f"table {query.kind} of connector {self.name} has no key")
        if self.context.see is not nothing_seen:
            self.context.see(_shown(lookup, content, query, len(rows)))
        return [self._record(query.kind, lookup.options, content, row) for row in rows]

    def stale(self, kind: str) -> str:
        """Since when the table's file can't be taken up, and why."""
        lookup = self._tables.get(kind)
        return lookup.table.stale if lookup is not None else ""

    def _record(self, kind: str, table: TableOptions, content: Content, row: NumberedRow) -> Record:
        number, cells = row
        fields = self._columns[kind].fields(content.columns, cells)
        phones: tuple[Phone, ...] = ()
        for column in table.phones:
            if text := fields[column]:
                phones += self._read(text)
        key, dated = table.key, table.dated
        id_ = (fields[key].strip() if key else "") or str(number)
        return Record(self.name, kind, id_, fields, phones, dates.read(fields[dated]) if dated else None)

    # writing

    def save(self, saved: NewRecord, deadline: Deadline) -> WriteResult:
        """Add a row to the table's file, or change it, on disk when this returns."""
        output = self._saves.get(saved.kind)
        if output is None:
            why = "spreadsheets and addresses are only read" if saved.kind in self._keys else "there is none"
            raise Misconfigured(f"connector {self.name} can't save in table {saved.kind}: {why}")
        if KEY in saved.fields:
            raise Rejected(f"{KEY} is the bridge's own column; give the field another name")
        ours = self._columns[saved.kind].ours
        values = ours(dict.fromkeys(self._needed[saved.kind], "")) if saved.revision == 1 else {}
        values |= ours({name.strip(): value for name, value in saved.fields.items()})
        write = output.correct if saved.revision > 1 else output.append
        created = write(saved.key, values, deadline)
        [key] = ours({self._keys[saved.kind] or "": None})
        return self._written(output, str(values.get(key) or saved.key), created=created)

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Add a call's row to the activities' file; a correction changes the row."""
        if self._activities is None:
            raise Misconfigured(f"connector {self.name} keeps no activities: give it activities: {{file: …}}")
        values = self._row(activity)
        write = self._activities.correct if activity.revision > 1 else self._activities.append
        return self._written(self._activities, activity.key, created=write(activity.key, values, deadline))

    def _written(self, output: Output, key: str, *, created: bool) -> WriteResult:
        exchange = f"{output.path}: {'a row was added' if created else 'the row is there'}"
        self.context.see(exchange)
        return WriteResult(key, created, exchange)

    def _row(self, activity: Activity) -> dict[str, object]:
        """The columns of docs/connectors/csv.md, in their order."""
        columns: dict[str, object] = {
            "start": self._local(activity.start),
            "end": self._local(activity.end),
            "direction": activity.direction,
            "line": activity.line,
            "called": activity.called,
            "caller": activity.caller,
            "contact": activity.contact.id if activity.contact else None,
            "subject": activity.subject,
            "note": activity.note,
            "seconds": activity.seconds,
            "cost": activity.cost,
            "answered": activity.answered,
            "answered_by": activity.answered_by,
        }
        if activity.outcome is not None:
            columns["outcome"] = activity.outcome
        own = {name.strip(): value for name, value in activity.fields.items() if name.strip() not in (KEY, "revision")}
        return columns | own | {"revision": activity.revision}

    def _local(self, moment: datetime | None) -> datetime | None:
        return moment.astimezone(self._zone) if moment else None

    def forget(self, phone: Phone) -> int | None:
        """Take a person's rows out of the files that the bridge writes; how many. Rows that people wrote stay."""
        if not phone:
            return 0
        outputs = [*self._saves.values(), *([self._activities] if self._activities else [])]
        deadline = Deadline.after(60.0)
        removed = sum(output.remove(lambda row: self._about(row, phone), deadline) for output in outputs)
        self.context.log.info("%s: %d rows of %s removed", self.name, removed, mask(phone.e164))
        return removed

    def _about(self, row: Mapping[str, str], phone: Phone) -> bool:
        """Whether the number stands anywhere in the row, in whatever spelling."""
        return any(mentions(text, phone, self.context.country) for name, text in row.items() if name != KEY)

    # tasks

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        """Return the rows that nothing has become of yet."""
        return self._listed().waiting(deadline)

    def task_fields(self) -> frozenset[str]:
        """Return the columns that the list has now, by all their names."""
        return self._listed().fields()

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the row as the file holds it at this moment; None when it is gone or its results say that it is
        done."""
        return self._listed().read(task, deadline)

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Add a row to the results' file; the list itself is never changed."""
        return self._listed().told(task, outcome, deadline)

    def _listed(self) -> TaskList:
        if self._tasks is None:
            raise Misconfigured(f"connector {self.name} has no tasks: give it tasks: {{file: …}}")
        return self._tasks

    # manners

    def probe(self, deadline: Deadline) -> Iterator[ProbeResult]:
        """Yield each table with what it holds, and a number of its own looked up; the list of people to call."""
        for name, lookup in self._tables.items():
            try:
                content = lookup.table.renewed(deadline)
            except ConnectorError as error:
                yield ProbeResult(f"table {name}", False, str(error))
                continue
            if lookup.table.stale:
                yield ProbeResult(f"table {name}", False, f"{_rows(content.rows)} {lookup.table.stale}")
                continue
            yield ProbeResult(
                f"table {name}", True, f"{_rows(content.rows)} with {', '.join(filter(None, content.columns))}"
            )
            if lookup.options.phones:
                yield self._tried(name, lookup, content, deadline)
        if self._tasks is not None:
            yield _listing(self._tasks)

    def _tried(self, name: str, lookup: _Lookup, content: Content, deadline: Deadline) -> ProbeResult:
        records = (self._record(name, lookup.options, content, row) for row in islice(content.all(), 1000))
        phone = next((record.phones[0] for record in records if record.phones), None)
        if phone is None:
            return ProbeResult(f"lookup in {name}", not content.rows, "none of the first 1,000 rows has a phone number")
        count = len(self.find(LookupQuery(name, phone=phone), deadline))
        return ProbeResult(f"lookup in {name}", count > 0, f"{count} found by {mask(phone.e164)}")

    def close(self) -> None:
        """End the thread, let go of the files; a temporary folder is removed."""
        self._closing.set()
        for remote in self._remotes.values():
            remote.close()
        for lookup in self._tables.values():
            lookup.table.close()
        if self._tasks:
            self._tasks.table.close()
        self._watcher.join()
        if self._own_cache:
            with suppress(OSError):
                shutil.rmtree(self._own_cache)


def _shown(lookup: _Lookup, content: Content, query: LookupQuery, count: int) -> str:
    """A lookup as a person may see it."""
    table = lookup.options
    by_phone = query.phone is not None
    shown = mask(query.phone.e164) if query.phone is not None else Mask().text(query.key or "")
    where = ", ".join(table.phones) if by_phone else table.key
    return f"{table.shown}, {_rows(content.rows)}: {shown} looked for in {where}\n→ {count} found"


def _listing(tasks: TaskList) -> ProbeResult:
    """What comes of reading the list as just before a call."""
    try:
        rows, timeless = tasks.listed()
    except ConnectorError as error:
        return ProbeResult("tasks", False, str(error))
    if timeless:
        why = f"{_rows(timeless)} of {rows} with a time that is not written as tasks.dates says"
        return ProbeResult("tasks", False, why)
    return ProbeResult("tasks", True, f"{_rows(rows)} listed")


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _plain(name: str) -> str:
    """A name as part of a file's: letters and digits stay."""
    return "".join(character if character.isalnum() else "_" for character in name)[:60]
