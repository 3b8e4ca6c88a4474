"""The connector `sql`: any SQL database, by statements that the admin writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from connectors.base import (
    ConnectorOptions,
    Context,
    Deadline,
    ProbeResult,
)
from connectors.composed import ComposedConnector
from connectors.sql.database import SqlDatabase
from connectors.sql.finding import SqlFinder
from connectors.sql.options import SqlOptions
from connectors.sql.parameters import Binder
from connectors.sql.probe import SqlProbe
from connectors.sql.tasks import SqlTasks
from connectors.sql.writing import SqlActivityWriter, SqlRecordWriter


class SqlConnector(ComposedConnector):
    """See docs/connectors/sql.md."""

    Options: ClassVar[type[ConnectorOptions]] = SqlOptions

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        assert isinstance(options, SqlOptions)  # noqa: S101 - the registry pairs them
        self._database = database = SqlDatabase(name, options, context)
        binder = Binder(database.family, context.timezone)
        self.finders = finders = {
            kind: SqlFinder(kind, options, database, binder)
            for kind, record in options.records.items()
            if record.select
        }
        self.keepers = keepers = {
            kind: SqlRecordWriter(record, kind, database, binder)
            for kind, record in options.records.items()
            if record.insert is not None
        }
        log = SqlActivityWriter(options.activity, database, binder) if options.activity is not None else None
        tasks = SqlTasks(options.tasks, database, binder) if options.tasks is not None else None
        self.activity_log, self.task_source = log, tasks
        self._probe = SqlProbe(options, database, finders, keepers, log, tasks)

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        """Sign in and try every statement; what is written is rolled back."""
        return self._probe.findings(deadline)

    def close(self) -> None:
        """Let go of the connections and end the threads."""
        self._database.close()
