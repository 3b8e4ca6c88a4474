"""A connector that is put together of parts, one for each thing that it can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from connectors.base import (
    Activity,
    Connector,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    NewRecord,
    Record,
    Task,
    TaskOutcome,
    WriteResult,
)


class RecordFinder(Protocol):
    """Finds the records of one kind."""

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]: ...


class RecordKeeper(Protocol):
    """Saves the records of one kind."""

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult: ...


class ActivityLog(Protocol):
    """Logs calls."""

    def log(self, activity: Activity, deadline: Deadline) -> WriteResult: ...


class TaskSource(Protocol):
    """Lists the tasks that ask for a call, and tells the CRM what became of them."""

    def list(self, deadline: Deadline) -> Iterable[Task]: ...

    def read(self, task: Task, deadline: Deadline) -> Task | None: ...

    def update(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult: ...


class ComposedConnector(Connector):
    """Hands each question on to the part that answers it; what there is no part for is refused as `Connector` does.

    Attributes:
        finders: Who finds records, by their kind.
        keepers: Who saves records, by their kind.
        activity_log: Who logs calls, if anybody does.
        task_source: Who lists tasks, if anybody does.
    """

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.finders: Mapping[str, RecordFinder] = {}
        self.keepers: Mapping[str, RecordKeeper] = {}
        self.activity_log: ActivityLog | None = None
        self.task_source: TaskSource | None = None

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        finder = self.finders.get(query.kind)
        return finder.find(query, deadline) if finder is not None else super().find(query, deadline)

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        keeper = self.keepers.get(record.kind)
        return keeper.save(record, deadline) if keeper is not None else super().save(record, deadline)

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        log = self.activity_log
        return log.log(activity, deadline) if log is not None else super().log_activity(activity, deadline)

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        source = self.task_source
        return source.list(deadline) if source is not None else super().tasks(deadline)

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        source = self.task_source
        return source.read(task, deadline) if source is not None else super().read_task(task, deadline)

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        source = self.task_source
        return (
            source.update(task, outcome, deadline)
            if source is not None
            else super().update_task(task, outcome, deadline)
        )
