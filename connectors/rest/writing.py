"""Writing: records that are saved, and activities. What may have been done is looked for before it is done again."""

from __future__ import annotations

from typing import Any

from connectors.base import Activity, Deadline, Misconfigured, NewRecord, Rejected, TimedOut, WriteResult
from connectors.rest.answers import RestAnswer
from connectors.rest.checks import walk
from connectors.rest.client import ReadyRequest, RestClient
from connectors.rest.finding import detail, id_of, items
from connectors.rest.options import RestActivityOptions
from connectors.rest.requests import Create, Existing, Request
from connectors.rest.values import Scope, Unfit
from connectors.scopes import of_activity, of_saved

_UNDER_WAY = 60.0
"""Seconds for which a CRM that gave no answer may still be at what it was to create, with nothing to be found yet."""


class Writer:
    """Creates one kind of thing, once."""

    def __init__(self, create: Create, find: Existing | None, client: RestClient) -> None:
        self._client = client
        self._create = create
        self._find = find
        self._creating = ReadyRequest(create, client, writes=True)
        self._finding = ReadyRequest(find, client, writes=False) if find is not None else None
        self._before = [(request.name, ReadyRequest(request, client, writes=False)) for request in create.before]
        self._then = [ReadyRequest(request, client, writes=True) for request in create.then]

    def write(self, scope: Scope, key: str, attempt: int, deadline: Deadline) -> WriteResult:
        """Create it, unless an earlier attempt did. Raises `ConnectorError`."""
        if attempt > 1:
            existing = self.existing(scope, key, deadline)
            if existing is not None:
                return self._finished(WriteResult(self.existing_id(existing), created=False), scope, deadline)
        for name, call in self._before:
            scope = {**scope, name: detail(self._client, call, scope, deadline)}
        try:
            answer = self._client.ask(self._creating, scope, deadline)
        except TimedOut as error:
            error.retry_after = max(error.retry_after or 0.0, _UNDER_WAY)
            raise
        written = WriteResult(self._id(answer), created=not answer.named, exchange=answer.describe())
        return self._finished(written, scope, deadline)

    def _finished(self, written: WriteResult, scope: Scope, deadline: Deadline) -> WriteResult:
        scope = {**scope, "found": {"id": written.id}}
        for call in self._then:
            if self._client.applies(call, scope, deadline):
                self._client.ask(call, scope, deadline)
        return written

    def existing(self, scope: Scope, key: str, deadline: Deadline) -> Any | None:
        """Return what is there under our key, None where nothing is, or nobody can say. Raises `ConnectorError`."""
        if self._finding is None or self._find is None:
            return None
        for item, answer in items(self._client, self._finding, self._find.items, scope, deadline):
            try:
                if self._find.key is None or str(self._find.key.search(item)) == key:
                    return item
            except Unfit as unfit:
                raise Misconfigured(f"{answer.place}: {unfit}", exchange=answer.describe()) from None
        return None

    def existing_id(self, item: Any) -> str | None:
        """Return the id of what was found."""
        try:
            return id_of(item, self._find.id if self._find is not None else None)
        except Unfit as unfit:
            raise Misconfigured(f"find: id: {unfit}") from None

    def _id(self, answer: RestAnswer) -> str | None:
        try:
            return id_of(answer.body, self._create.id) if answer.body is not None else None
        except Unfit:
            return None  # it is written; an answer that says it in another way must not have it written again


class ActivityWriter:
    """Keeps calls."""

    def __init__(self, options: RestActivityOptions, client: RestClient) -> None:
        self._client = client
        self._writer = Writer(options.create, options.find, client)
        self._finds = options.find is not None
        self._updating = ReadyRequest(options.update, client, writes=True) if options.update is not None else None
        self._needs_only_id = options.update is not None and _only_id(self._updating)

    def log(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Keep a call, or correct what was kept of it. Raises `ConnectorError`."""
        context = self._client.context
        scope = {**context.timed(activity.start), **of_activity(activity, context.country)}
        if activity.revision > 1 and (activity.written_id is not None or self._finds):
            existing = self._written(activity, scope, deadline)
            if existing is not None:
                return self._corrected(activity, {**scope, "found": existing}, existing, deadline)
        return self._writer.write(scope, activity.key, activity.attempt, deadline)

    def _written(self, activity: Activity, scope: Scope, deadline: Deadline) -> Any | None:
        """What an earlier revision left in the CRM."""
        by_id = {"id": activity.written_id} if activity.written_id is not None else None
        if by_id is not None and (self._needs_only_id or not self._finds):
            return by_id
        existing = self._writer.existing(scope, activity.key, deadline)
        return existing if existing is not None else by_id

    def _corrected(self, activity: Activity, scope: Scope, existing: Any, deadline: Deadline) -> WriteResult:
        if self._updating is None:
            raise Rejected("this connector has no activity.update: what is written can't be corrected")
        answer = self._client.ask(self._updating, scope, deadline)
        id_ = activity.written_id or self._writer.existing_id(existing)
        return WriteResult(id_, created=False, exchange=answer.describe())


class RecordWriter:
    """Keeps new records, and changes them where `update` says how."""

    def __init__(self, create: Create, find: Existing | None, update: Request | None, client: RestClient) -> None:
        self._client = client
        self._writer = Writer(create, find, client)
        self._updating = ReadyRequest(update, client, writes=True) if update is not None else None

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """Keep a record, or change what was kept of it. Raises `ConnectorError`."""
        scope = of_saved(record)
        if record.revision == 1:
            return self._writer.write(scope, record.key, record.attempt, deadline)
        if self._updating is None:
            raise Rejected(f"this connector has no records.{record.kind}.update: what is written can't be changed")
        existing = self._writer.existing(scope, record.key, deadline)
        if existing is None and record.written_id is not None:
            existing = {"id": record.written_id}
        if existing is None:
            raise Rejected("what was written can't be told from others: the CRM gave no id, and find: finds nothing")
        answer = self._client.ask(self._updating, {**scope, "found": existing}, deadline)
        id_ = record.written_id or self._writer.existing_id(existing)
        return WriteResult(id_, created=False, exchange=answer.describe())


def _only_id(call: ReadyRequest | None) -> bool:
    """Whether an update needs nothing of what is found but its id."""
    if call is None:
        return False
    paths = {path for _, template in walk(call.request, ()) for path in template.paths if path[0] == "found"}
    return all(path == ("found", "id") for path in paths)
