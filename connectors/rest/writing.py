"""Writing: records that are saved, and activities. What may have been done is looked for before it is done again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base import Activity, Deadline, Misconfigured, NewRecord, Record, Rejected, WriteResult
from connectors.phone import Phone, parse
from connectors.rest.answers import Answer
from connectors.rest.checks import walk
from connectors.rest.client import Call, Client
from connectors.rest.finding import detail, id_of, items
from connectors.rest.options import ActivityOptions
from connectors.rest.requests import Create, Existing
from connectors.rest.values import Scope, Unfit

_NOBODY = Phone(text="")


class Writer:
    """Creates one kind of thing, once."""

    def __init__(self, create: Create, find: Existing | None, client: Client) -> None:
        self._client = client
        self._create = create
        self._find = find
        self._creating = Call(create, client, writes=True)
        self._finding = Call(find, client, writes=False) if find is not None else None
        self._before = [(request.name, Call(request, client, writes=False)) for request in create.before]
        self._then = [Call(request, client, writes=True) for request in create.then]

    def write(self, scope: Scope, key: str, attempt: int, deadline: Deadline) -> WriteResult:
        """Create it, unless an earlier attempt did. Raises `ConnectorError`."""
        if attempt > 1:
            found = self.found(scope, key, deadline)
            if found is not None:
                return self._finished(WriteResult(self.found_id(found), created=False), scope, deadline)
        for name, call in self._before:
            scope = {**scope, name: detail(self._client, call, scope, deadline)}
        answer = self._client.ask(self._creating, scope, deadline)
        written = WriteResult(self._id(answer), created=not answer.named, exchange=answer.describe())
        return self._finished(written, scope, deadline)

    def _finished(self, written: WriteResult, scope: Scope, deadline: Deadline) -> WriteResult:
        scope = {**scope, "found": {"id": written.id}}
        for call in self._then:
            if self._client.wanted(call, scope, deadline):
                self._client.ask(call, scope, deadline)
        return written

    def found(self, scope: Scope, key: str, deadline: Deadline) -> Any | None:
        """What is there under our key, None where nothing is, or nobody can say. Raises `ConnectorError`."""
        if self._finding is None or self._find is None:
            return None
        for item, answer in items(self._client, self._finding, self._find.items, scope, deadline):
            try:
                if self._find.key is None or str(self._find.key.search(item)) == key:
                    return item
            except Unfit as unfit:
                raise Misconfigured(f"{answer.place}: {unfit}", exchange=answer.describe()) from None
        return None

    def found_id(self, item: Any) -> str | None:
        """The id of what was found."""
        try:
            return id_of(item, self._find.id if self._find is not None else None)
        except Unfit as unfit:
            raise Misconfigured(f"find: id: {unfit}") from None

    def _id(self, answer: Answer) -> str | None:
        try:
            return id_of(answer.body, self._create.id) if answer.body is not None else None
        except Unfit:
            return None  # it is written; an answer that says it in another way must not have it written again


class Activities:
    """Keeps calls."""

    def __init__(self, options: ActivityOptions, client: Client) -> None:
        self._client = client
        self._writer = Writer(options.create, options.find, client)
        self._finds = options.find is not None
        self._updating = Call(options.update, client, writes=True) if options.update is not None else None
        self._needs_only_id = options.update is not None and _only_id(self._updating)

    def log(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Keep a call, or correct what was kept of it. Raises `ConnectorError`."""
        scope = scope_of(activity, self._client.context.country)
        if activity.revision > 1 and (activity.written_id is not None or self._finds):
            found = self._written(activity, scope, deadline)
            if found is not None:
                return self._corrected(activity, {**scope, "found": found}, found, deadline)
        return self._writer.write(scope, activity.key, activity.attempt, deadline)

    def _written(self, activity: Activity, scope: Scope, deadline: Deadline) -> Any | None:
        """What an earlier revision left in the CRM."""
        by_id = {"id": activity.written_id} if activity.written_id is not None else None
        if by_id is not None and (self._needs_only_id or not self._finds):
            return by_id
        found = self._writer.found(scope, activity.key, deadline)
        return found if found is not None else by_id

    def _corrected(self, activity: Activity, scope: Scope, found: Any, deadline: Deadline) -> WriteResult:
        if self._updating is None:
            raise Rejected("this connector has no activity.update: what is written can't be corrected")
        answer = self._client.ask(self._updating, scope, deadline)
        id_ = activity.written_id or self._writer.found_id(found)
        return WriteResult(id_, created=False, exchange=answer.describe())


def of_saved(saved: NewRecord) -> dict[str, object]:
    """The names that a record's `create` and `find` see."""
    return {"field": dict(saved.fields), "key": saved.key}


def scope_of(activity: Activity, country: str) -> dict[str, object]:
    """The names that the requests of `activity` see."""
    caller = activity.caller or _NOBODY
    known: dict[str, object] = {
        "key": activity.key,
        "subject": activity.subject,
        "note": activity.note,
        "direction": activity.direction,
        "caller": caller,
        "called": activity.called,
        "line": activity.line,
        "start": activity.start,
        "end": activity.end,
        "seconds": activity.seconds,
        "cost": activity.cost,
        "answered": activity.answered,
        "answered_by": activity.answered_by,
        "fields": dict(activity.fields),
        "attempt": activity.attempt,
        "revision": activity.revision,
        "written_id": activity.written_id,
    }
    found: Mapping[str, Record | None] = activity.found
    return {
        **found,
        "contact": activity.contact,
        "activity": {**activity.fields, **known},
        "call": activity.call,
        "vars": activity.call.get("vars", {}),
        "caller": caller,
        "called": parse(activity.called, country),
        "line": activity.line,
    }


def _only_id(call: Call | None) -> bool:
    """Whether an update needs nothing of what is found but its id."""
    if call is None:
        return False
    paths = {path for _, template in walk(call.request, ()) for path in template.paths if path[0] == "found"}
    return all(path == ("found", "id") for path in paths)
