"""CSV files as a CRM: people and orders are looked up in tables, calls and answers are added to files.

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
from typing import ClassVar
from zoneinfo import ZoneInfo

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
    nobody_told,
    nothing_seen,
)
from connectors.csv.build import Spec
from connectors.csv.index import Content, Row
from connectors.csv.options import CsvFile, CsvOptions
from connectors.csv.options import Table as TableOptions
from connectors.csv.output import KEY, Output
from connectors.csv.table import Place, Table
from connectors.csv.tasks import FOLLOW, TaskList
from connectors.masking import Mask
from connectors.phone import Phone, mask, mentions
from connectors.phonebulk import Numbers

_LOOK_EVERY = 0.5  # seconds between looks at whether a file changed


@dataclass(frozen=True)
class _Looked:
    """A table that is looked up, with its options."""

    options: TableOptions
    table: Table


class CsvConnector(Connector):
    """CSV files. Finds from memory, follows files that change, appends what is to be kept."""

    Options: ClassVar[type[ConnectorOptions]] = CsvOptions
    immediate = True

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        if not isinstance(options, CsvOptions):
            raise TypeError(f"options of type csv are CsvOptions, not {type(options).__name__}")
        self._zone = ZoneInfo(context.timezone)
        self._read = Numbers(context.country).phones
        self._own_cache = None if context.cache else Path(tempfile.mkdtemp(prefix="csvindex-"))
        self._tables = {
            table: _Looked(said, self._table(table, said, Spec(
                said.key, tuple(said.phones), said.newest, said.encoding, said.delimiter, context.country
            )))
            for table, said in options.tables.items() if said.read
        }  # fmt: skip
        self._saves = {table: self._output(said) for table, said in options.tables.items()}
        self._keys = {table: said.key for table, said in options.tables.items()}
        self._columns = {table: [column for _, column in said.columns] for table, said in options.tables.items()}
        self._activities = self._output(options.activities, last="revision") if options.activities else None
        self._tasks = self._task_list(options) if options.tasks else None
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"csv-{name}", daemon=True)
        self._watcher.start()

    def _table(self, name: str, said: CsvFile, spec: Spec) -> Table:
        cache = self._own_cache or self.context.cache
        assert cache is not None, "one of the two is there"  # noqa: S101
        place = Place(f"{_plain(self.name)}-{_plain(name)}", said.path(self.context.folder), cache)
        told = self.context.told
        return Table(place, spec, self.context.log, None if told is nobody_told else partial(told, name))

    def _output(self, said: CsvFile, last: str = "") -> Output:
        return Output(said.path(self.context.folder), said.encoding, said.delimiter, self.context.log, last=last)

    def _task_list(self, options: CsvOptions) -> TaskList:
        said = options.tasks
        assert said is not None, "only called where there are tasks"  # noqa: S101
        spec = Spec("id", (), None, said.encoding, said.delimiter, self.context.country)
        results = Output(said.results_path(self.context.folder), None, None, self.context.log, follow=FOLLOW)
        table, own = self._table("tasks", said, spec), self._output(said)
        mine = (self.context.installation, self.context.others)
        return TaskList(table, results, self._zone, self.context.log, own, said.write_back, *mine)

    def _watch(self) -> None:
        """The thread that follows the files."""
        tables = [looked.table for looked in self._tables.values()] + ([self._tasks.table] if self._tasks else [])
        while not self._closing.wait(_LOOK_EVERY):
            for table in tables:
                try:
                    table.look()
                except Exception as error:  # noqa: BLE001 - one table's surprise must not stop the others from being followed
                    self.context.log.error("%s: a table could not be followed: %s", self.name, type(error).__name__)

    # looking up

    def find(self, wanted: LookupQuery, deadline: Deadline) -> Sequence[Record]:  # noqa: ARG002 - there is nothing to wait for
        """The rows that match: the newest first where the table has `newest:`, else in the file's order; with
        `wanted.newest` and no such column, the last of the file first. Raises `Unavailable` until the file is there
        and whole."""
        looked = self._tables.get(wanted.kind)
        if looked is None:
            raise Misconfigured(f"connector {self.name} looks nothing up in {wanted.kind}: give it a key or phones")
        content = looked.table.content
        last = wanted.newest and looked.options.newest is None
        limit = max(1, wanted.limit)
        if wanted.strict and wanted.phone is not None and content.rows and not content.numbers:
            columns = ", ".join(looked.options.phones)
            raise Misconfigured(f"no row of {looked.options.file} has a number in phones: {columns}: is it right?")
        if wanted.phone is not None:
            found = content.by_phone(int(wanted.phone.digits), limit, last=last) if wanted.phone else []
        elif looked.options.key is not None:
            column = content.columns.index(looked.options.key)
            key = (wanted.key or "").strip()
            found = content.by_key(key, column, limit, last=last) if key else []
        else:
            raise Misconfigured(f"table {wanted.kind} of connector {self.name} has no key")
        if self.context.see is not nothing_seen:
            self.context.see(_shown(looked, content, wanted, len(found)))
        return [self._record(wanted.kind, looked.options, content, row) for row in found]

    def stale(self, kind: str) -> str:
        """Since when the table's file can't be taken up, and why."""
        looked = self._tables.get(kind)
        return looked.table.stale if looked is not None else ""

    def _record(self, kind: str, said: TableOptions, content: Content, row: Row) -> Record:
        number, cells = row
        fields = dict(zip(content.columns, cells, strict=True))
        fields.pop("", None)
        phones = tuple(phone for column in said.phones if fields[column] for phone in self._read(fields[column]))
        key = fields[said.key].strip() if said.key else ""
        return Record(self.name, kind, key or str(number), fields, phones)

    # writing

    def save(self, saved: NewRecord, deadline: Deadline) -> WriteResult:
        """Add a row to the table's file, on disk when this returns."""
        output = self._saves.get(saved.kind)
        if output is None:
            raise Misconfigured(f"connector {self.name} has no table {saved.kind}")
        if KEY in saved.fields:
            raise Rejected(f"{KEY} is the bridge's own column; give the field another name")
        values: dict[str, object] = dict.fromkeys(self._columns[saved.kind], "")
        values |= {name.strip(): value for name, value in saved.fields.items()}
        created = output.append(saved.key, values, deadline)
        key = self._keys[saved.kind]
        return self._written(output, str(values.get(key or "") or saved.key), created=created)

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
        """The rows that nothing has become of yet."""
        return self._listed().waiting(deadline)

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        """The row as the file holds it at this moment; None when it is gone or its results say that it is done."""
        return self._listed().read(task, deadline)

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Add a row to the results' file; the list itself is changed only where `write_back` says so."""
        return self._listed().told(task, outcome, deadline)

    def _listed(self) -> TaskList:
        if self._tasks is None:
            raise Misconfigured(f"connector {self.name} has no tasks: give it tasks: {{file: …}}")
        return self._tasks

    # manners

    def probe(self, deadline: Deadline) -> Iterator[ProbeResult]:
        """Each table with what it holds, and a number of its own looked up."""
        for name, looked in self._tables.items():
            try:
                content = looked.table.content
            except ConnectorError as error:
                yield ProbeResult(f"table {name}", False, str(error))
                continue
            if looked.table.stale:
                yield ProbeResult(f"table {name}", False, f"{_rows(content.rows)} {looked.table.stale}")
                continue
            yield ProbeResult(
                f"table {name}", True, f"{_rows(content.rows)} with {', '.join(filter(None, content.columns))}"
            )
            if looked.options.phones:
                yield self._tried(name, looked, content, deadline)

    def _tried(self, name: str, looked: _Looked, content: Content, deadline: Deadline) -> ProbeResult:
        records = (self._record(name, looked.options, content, row) for row in islice(content.all(), 1000))
        some = next((record.phones[0] for record in records if record.phones), None)
        if some is None:
            return ProbeResult(f"lookup in {name}", not content.rows, "none of the first 1,000 rows has a phone number")
        found = len(self.find(LookupQuery(name, phone=some), deadline))
        return ProbeResult(f"lookup in {name}", found > 0, f"{found} found by {mask(some.e164)}")

    def close(self) -> None:
        """End the thread, let go of the files; a temporary folder is removed."""
        self._closing.set()
        for looked in self._tables.values():
            looked.table.close()
        if self._tasks:
            self._tasks.table.close()
        self._watcher.join()
        if self._own_cache:
            with suppress(OSError):
                shutil.rmtree(self._own_cache)


def _shown(looked: _Looked, content: Content, wanted: LookupQuery, found: int) -> str:
    """A lookup as a person may see it."""
    said = looked.options
    by_phone = wanted.phone is not None
    what = mask(wanted.phone.e164) if wanted.phone is not None else Mask().text(wanted.key or "")
    where = ", ".join(said.phones) if by_phone else said.key
    return f"{said.file}, {_rows(content.rows)}: {what} looked for in {where}\n→ {found} found"


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _plain(name: str) -> str:
    """A name as part of a file's: letters and digits stay."""
    return "".join(character if character.isalnum() else "_" for character in name)[:60]
