"""Tasks: who is to be called, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from connectors.base import Deadline, Misconfigured, Task, TaskOutcome, WriteResult
from connectors.sql.database import Rows, SqlDatabase, Transaction, UnfitValue
from connectors.sql.finding import simple, text_of
from connectors.sql.options import SqlTaskOptions
from connectors.sql.parameters import Binder, Scope, of_outcome
from connectors.sql.statements import Parsed
from connectors.taskdates import NO_MOMENT, moment

_SHOWN = 40


class SqlTasks:
    """The tasks of a database."""

    def __init__(self, options: SqlTaskOptions, database: SqlDatabase, binder: Binder) -> None:
        backend = database.url.get_backend_name()
        self._options = options
        self._database = database
        self._binder = binder
        self._context = database.context
        self.select = options.select.parsed(backend)
        self.reading = options.read.parsed(backend) if options.read is not None else None
        self.updating = options.update.parsed(backend) if options.update is not None else None
        self._left_out = 0
        self._timeless: frozenset[tuple[str, str, str]] = frozenset()

    def list(self, deadline: Deadline) -> Iterator[Task]:
        """Yield the tasks that ask for a call now. Raises `ConnectorError`."""
        listed = set()
        for task in self._tasks(self._asked(self.select, {}, {}, "select", deadline)):
            listed.add(task.id)
            yield task
        self._timeless = frozenset(faulty for faulty in self._timeless if faulty[0] in listed)

    def read(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the task as it is now; None when it is gone, or asks for no call any more. Raises `ConnectorError`."""
        if self.reading is None:
            return next((listed for listed in self.list(deadline) if listed.id == task.id), None)
        try:
            rows = self._asked(self.reading, {"task": _seen(task)}, {"id": task.id}, "read", deadline)
        except UnfitValue:
            return None
        return next((read for read in self._tasks(rows) if read.id == task.id), None)

    def update(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Write what became of a task. Raises `ConnectorError`."""
        if self.updating is None or outcome.status not in self._options.on:
            return WriteResult(task.id, created=False)
        with self._database.transaction(deadline, writes=True) as transaction:
            rows = self.written(transaction, task, outcome)
        if rows.count == 0:
            self._context.log.info("tasks.update: there is no task %s any more, nothing was written", task.id)
        return WriteResult(task.id, created=False, exchange=f"tasks.update: {outcome.status}, {rows.count} rows")

    def written(self, transaction: Transaction, task: Task, outcome: TaskOutcome) -> Rows:
        """Return what the statement that updates a task comes to. Raises `ConnectorError`."""
        assert self.updating is not None, "only asked where tasks are updated"  # noqa: S101
        statuses: Mapping[str, object] = {str(status): word for status, word in self._options.statuses.items()}
        defaults = of_outcome(task, outcome, statuses.get(outcome.status, outcome.status))
        outcome_fields = {name: value for name, value in defaults.items() if name != "id"}
        scope = {**self._context.timed(), "task": _seen(task), "outcome": outcome_fields}
        values = self._binder.values(
            self.updating, self._options.parameters, scope, defaults, "tasks.update", writes=True
        )
        return transaction.execute(self.updating, values, "tasks.update")

    def _asked(
        self, parsed: Parsed, scope: Scope, defaults: Mapping[str, object], what: str, deadline: Deadline
    ) -> Rows:
        place = f"tasks.{what}"
        scope = {**self._context.timed(), **scope}
        values = self._binder.values(parsed, self._options.parameters, scope, defaults, place)
        with self._database.transaction(deadline, writes=False) as transaction:
            rows = transaction.execute(parsed, values, place)
        self._context.see(f"{parsed.bare}\n→ {len(rows.rows)} rows")
        if "id" not in rows.columns:
            raise Misconfigured(f"{place}: the statement returns no column id; it returns {', '.join(rows.columns)}")
        return rows

    def _tasks(self, rows: Rows) -> Iterator[Task]:
        without = 0
        for row in rows.mappings:
            id_ = (text_of(row["id"]) or "").strip()
            without += not id_
            if id_:
                fields = {name: simple(value) for name, value in row.items()}
                for name in self._options.dates.fields:
                    if name in fields:
                        fields[name] = self._moment(fields[name], name, id_)
                yield Task(id_, fields)
        if without and without != self._left_out:
            self._context.log.warning("tasks.select: %d rows without an id are left out", without)
        self._left_out = without

    def _moment(self, value: object, name: str, task: str) -> object:
        """A time as such; what can't be read stays as it is, so that whoever takes it for a time refuses it."""
        dates = self._options.dates
        if isinstance(value, datetime):
            zone = ZoneInfo(dates.timezone or self._context.timezone)
            return value if value.tzinfo is not None else value.replace(tzinfo=zone)
        if isinstance(value, date):
            return value
        try:
            return moment(value, dates, self._context.timezone)
        except NO_MOMENT:
            shape = re.sub(r"\d", "9", str(value)[:_SHOWN])
            if (task, name, shape) not in self._timeless:
                self._timeless |= {(task, name, shape)}
                self._context.log.warning("task %s: %s, written like %r, is no time as tasks.dates says it is written",
                                          task, name, shape)  # fmt: skip
            return value


def _seen(task: Task) -> dict[str, object]:
    """A task as expressions see it."""
    return {**task.fields, "id": task.id}
