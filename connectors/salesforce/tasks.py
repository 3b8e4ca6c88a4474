"""Tasks that ask for a call: listed by the admin's `where`, claimed before the call, closed with its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from connectors.base import Context, Deadline, Misconfigured, Rejected, Task, TaskOutcome, WriteResult
from connectors.salesforce.client import SalesforceClient, SoqlRow
from connectors.salesforce.options import OPEN_STATUSES, SalesforceTaskOptions
from connectors.salesforce.schema import FieldInfo, ObjectInfo, Schema
from connectors.salesforce.search import value_at
from connectors.salesforce.soql import Statement, quoted
from connectors.salesforce.values import Plain, cut, fitted

_PEOPLE = ("Contact", "Lead")
_PHONES = ("MobilePhone", "Phone")
_DEFAULTS: Mapping[str, list[str]] = {
    "phone": [f"Who.{name}" for name in _PHONES], "due": ["ActivityDate"], "subject": ["Subject"],
    "name": ["Who.Name"], "contact_id": ["WhoId"], "description": ["Description"],
}  # fmt: skip


@dataclass(frozen=True)
class TaskReading:
    """How Tasks are read: the columns of the query, and for each name the paths that may have its value."""

    columns: tuple[str, ...]
    names: Mapping[str, tuple[tuple[tuple[str, ...], FieldInfo], ...]]


class SalesforceTasks:
    """The Tasks of one connector."""

    def __init__(
        self, client: SalesforceClient, schema: Schema, options: SalesforceTaskOptions, context: Context
    ) -> None:
        self._client = client
        self._schema = schema
        self._options = options
        self._context = context

    def all(self, deadline: Deadline) -> list[Task]:
        """Return those that ask for a call now, the oldest first. Raises `ConnectorError`, `Refusal`."""
        reading = self.reading(deadline)
        statement = self.statement(reading, f"({self._options.where})", "IsClosed = false", order="CreatedDate")
        return [self._task(reading, row) for row in self._client.query(statement.soql(), deadline)]

    def read(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the task as it is now; None where it is gone, closed, or no longer as `where` wants it. Our own claim
        is no such change."""
        reading = self.reading(deadline)
        claimed = self._options.status("claimed")
        still = f"(({self._options.where})" + (f" OR Status = {quoted(claimed)})" if claimed else ")")
        statement = self.statement(reading, f"Id = {_task_id(task.id)}", still, "IsClosed = false")
        rows = self._client.query(statement.soql(), deadline)
        return self._task(reading, rows[0]) if rows else None

    def update(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Write what became of it; told twice, it reads the same. Raises `ConnectorError`, `Refusal`."""
        if outcome.status not in self._options.on:
            return WriteResult(task.id, created=False)
        info = self._schema.object("Task", deadline)
        columns = [name for name in ("Id", "Status", "IsClosed", "Description") if info.field(name)]
        rows = self._client.query(Statement(columns, "Task", (f"Id = {_task_id(task.id)}",)).soql(), deadline)
        if not rows:
            raise Rejected("the task is no longer in Salesforce, or this user can't see it any more")
        line = _line(outcome, self._context.timezone)
        if outcome.status == "claimed":
            self._check_free(rows[0], line)
        body = self._body(task, outcome, rows[0], line, info)
        if body:
            self._client.write("PATCH", f"sobjects/Task/{rows[0]['Id']}", body, deadline)
        return WriteResult(str(rows[0]["Id"]), created=False)

    def _check_free(self, row: SoqlRow, line: str) -> None:
        """Raise where a person, or another bridge, has the task already. Our own claim holds our line."""
        if row.get("IsClosed"):
            raise Rejected("the task has been closed in Salesforce meanwhile")
        ours = self._options.update is not None or line in str(row.get("Description") or "")
        if row.get("Status") == self._options.status("claimed") and not ours:
            raise Rejected("somebody else has taken the task in Salesforce meanwhile")

    def _body(self, task: Task, outcome: TaskOutcome, row: SoqlRow, line: str, info: ObjectInfo) -> dict[str, Plain]:
        status = self._options.status(outcome.status)
        if self._options.update is not None:
            words = {"text": outcome.text, "status": status or outcome.status, "at": outcome.at,
                    "idcall": outcome.idcall, "result": outcome.result, "seconds": outcome.seconds}  # fmt: skip
            scope = {**self._context.timed(), "task": task, "outcome": words}
            values: dict[str, object] = {name: template.value(scope) for name, template in self._options.update.items()}
        else:
            values = {"Status": status, **self._default(outcome, row, line, info)}
        body: dict[str, Plain] = {}
        for name, value in values.items():
            field = info.field(name)
            if field is None:
                if self._options.update is None:
                    continue
                raise Misconfigured(f"tasks.update.{name}: Task has no such field, or this user can't see it"
                                    f"{info.meant(name)}")  # fmt: skip
            fit = fitted(field, value)
            if fit is not None and row.get(field.name) != fit:
                body[field.name] = fit
        return body

    def _default(self, outcome: TaskOutcome, row: SoqlRow, line: str, info: ObjectInfo) -> dict[str, object]:
        values: dict[str, object] = {}
        if outcome.status not in OPEN_STATUSES:
            values["CallDisposition"] = outcome.text
        field, text = info.field("Description"), str(row.get("Description") or "")
        if field and line not in text:
            room = max((field.length or 32_000) - len(line) - 1, 0)
            values["Description"] = f"{cut(text, room)}\n{line}" if text else line
        return values

    # reading

    def statement(self, reading: TaskReading, *where: str, order: str = "", limit: int | None = None) -> Statement:
        """Return a query for Tasks."""
        return Statement(reading.columns, "Task", where, order, limit)

    def reading(self, deadline: Deadline) -> TaskReading:
        """Return how this org's Tasks are read. Raises `Misconfigured` for a field that does not exist."""
        info = self._schema.object("Task", deadline)
        columns = dict.fromkeys(["Id"])
        branches: dict[str, dict[str, None]] = {name: {} for name in _PEOPLE if self._schema.maybe(name, deadline)}
        names = {}
        for name, paths in {**_DEFAULTS, **self._options.fields}.items():
            resolved = [place for path in paths if (place := self._resolve(info, path, branches, columns, deadline))]
            if not resolved and name in self._options.fields:
                raise Misconfigured(f"tasks.fields.{name}: Task has no {' or '.join(paths)}, or this user can't see it"
                                    f"{info.meant(paths[0])}")  # fmt: skip
            names[name] = tuple(resolved)
        whens = [f"WHEN {kind} THEN {', '.join(fields)}" for kind, fields in branches.items() if fields]
        typeof = [f"TYPEOF Who {' '.join(whens)} END"] if whens else []
        return TaskReading((*columns, *typeof), names)

    def _resolve(
        self, info: ObjectInfo, path: str, branches: dict[str, dict[str, None]], columns: dict[str, None],
        deadline: Deadline,
    ) -> tuple[tuple[str, ...], FieldInfo] | None:  # fmt: skip
        """A path, and its place in the query. The person's own fields take TYPEOF: a dotted path through Who knows only
        those of the object Name, where the phone is empty."""
        if path.lower().startswith("who.") and path.count(".") == 1 and info.link("Who"):
            last = path.partition(".")[2]
            place = None
            for kind, fields in branches.items():
                field = self._schema.object(kind, deadline).field(last)
                if field:
                    fields[field.name] = None
                    place = (("Who", field.name), field)
            return place
        resolved = self._schema.path(info, path, deadline)
        if resolved:
            columns[".".join(resolved[0])] = None
        return resolved

    def _task(self, reading: TaskReading, row: SoqlRow) -> Task:
        fields: dict[str, object] = {}
        for name, alternatives in reading.names.items():
            values = (_moment(value_at(row, path, field), field) for path, field in alternatives)
            fields[name] = next((value for value in values if value not in (None, "")), None)
        return Task(str(row["Id"]), fields)


def _task_id(text: str) -> str:
    """An id as a literal. Raises `Rejected` for what is none: it came from outside."""
    if not (text.isascii() and text.isalnum() and len(text) in (15, 18)):
        raise Rejected("this is no Id of a Salesforce record")
    return quoted(text)


def _moment(value: object, field: FieldInfo) -> object:
    """Dates and times as such."""
    if not isinstance(value, str) or field.type not in ("date", "datetime"):
        return value
    if field.type == "date":
        return date.fromisoformat(value)
    return datetime.fromisoformat(value.replace("Z", "+00:00").replace("+0000", "+00:00"))


def _line(outcome: TaskOutcome, timezone: str) -> str:
    """What is added to Description: the same for the same outcome, however often it is told."""
    at = outcome.at if outcome.at.tzinfo else outcome.at.replace(tzinfo=UTC)
    call = f" ({outcome.idcall})" if outcome.idcall else ""
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S} {cut(outcome.text, 1000)}{call}"
