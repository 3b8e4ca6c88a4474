"""The connector `sql`: any SQL database, by statements that the admin writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from connectors.base import (
    Activity,
    Connector,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    NewRecord,
    ProbeResult,
    Record,
    Task,
    TaskOutcome,
    WriteResult,
)
from connectors.sql.database import SqlDatabase
from connectors.sql.finding import SqlFinder
from connectors.sql.options import SqlOptions
from connectors.sql.parameters import Binder
from connectors.sql.probe import SqlProbe
from connectors.sql.tasks import SqlTasks
from connectors.sql.writing import SqlActivityWriter, SqlRecordWriter


class SqlConnector(Connector):
    """See docs/connectors/sql.md."""

    Options: ClassVar[type[ConnectorOptions]] = SqlOptions

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        assert isinstance(options, SqlOptions)  # noqa: S101 - the registry pairs them
        self._options = options
        self._database = database = SqlDatabase(name, options, context)
        binder = Binder(database.family, context.timezone)
        self._finders = {
            kind: SqlFinder(kind, options, database, binder)
            for kind, record in options.records.items()
            if record.select
        }
        self._records = {
            kind: SqlRecordWriter(record, kind, database, binder)
            for kind, record in options.records.items()
            if record.insert is not None
        }
        self._activities = (
            SqlActivityWriter(options.activity, database, binder) if options.activity is not None else None
        )
        self._tasks = SqlTasks(options.tasks, database, binder) if options.tasks is not None else None

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        """Return the records that match. Raises `ConnectorError`."""
        finder = self._finders.get(query.kind)
        if finder is None:
            raise self._cannot(f"look up {query.kind}")
        return finder.find(query, deadline)

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """Save a new record. Raises `ConnectorError`."""
        writer = self._records.get(record.kind)
        if writer is None:
            raise self._cannot(f"save {record.kind}")
        return writer.save(record, deadline)

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Keep a call, or a correction of it. Raises `ConnectorError`."""
        if self._activities is None:
            raise self._cannot("keep activities")
        return self._activities.log(activity, deadline)

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        """Return the tasks that ask for a call now. Raises `ConnectorError`."""
        return self._asked_for().list(deadline)

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the task as it is now. Raises `ConnectorError`."""
        return self._asked_for().read(task, deadline)

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Write what became of a task. Raises `ConnectorError`."""
        return self._asked_for().update(task, outcome, deadline)

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        """Sign in and try every statement; what is written is rolled back."""
        probe = SqlProbe(self._options, self._database, self._finders, self._records, self._activities, self._tasks)
        return probe.findings(deadline)

    def close(self) -> None:
        """Let go of the connections and end the threads."""
        self._database.close()

    def _asked_for(self) -> SqlTasks:
        if self._tasks is None:
            raise self._cannot("list tasks")
        return self._tasks
