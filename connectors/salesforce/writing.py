"""Writing a call as a Task: once for its key, whatever is repeated or lost.

With an external id the write is simply sent again. Without one, CallObject is asked for by SOQL before anything is
created, always: a first try may have been cut off by a crash that left no trace here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from simple_salesforce.format import format_external_id

from connectors.base import Activity, Context, Deadline, Misconfigured, Unavailable, WriteResult
from connectors.salesforce.activity import Draft, draft, scope_of
from connectors.salesforce.client import SalesforceClient, SoqlRow
from connectors.salesforce.faults import Refusal
from connectors.salesforce.options import SalesforceActivityOptions
from connectors.salesforce.people import People, settling, written_id
from connectors.salesforce.schema import ObjectInfo, Schema
from connectors.salesforce.soql import Statement, quoted
from connectors.salesforce.values import Plain

_SPARED = (
    "INVALID_FIELD_FOR_INSERT_UPDATE",
    "INVALID_CROSS_REFERENCE_KEY",
    "FIELD_INTEGRITY_EXCEPTION",
    "ENTITY_IS_DELETED",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "OPERATION_WITH_INACTIVE_USER",
)
_LONGEST_KEYS = 8000  # bytes of one query's keys, as the URL spells them


@dataclass
class Job:
    """An activity on its way: `record` is the Task that is to be updated, None for a new one or an upsert; `place`
    where it stands among those given."""

    activity: Activity
    draft: Draft
    record: str | None = None
    place: int = 0


class Writing:
    """The Tasks that calls become."""

    def __init__(
        self,
        client: SalesforceClient,
        schema: Schema,
        people: People,
        options: SalesforceActivityOptions,
        context: Context,
    ) -> None:
        self._client = client
        self._schema = schema
        self._people = people
        self.options = options
        self._context = context

    def log(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """See `Connector.log_activity`. Raises `ConnectorError`, `Refusal`, `ExpressionError`."""
        if activity.revision > 1 and activity.written_id:
            return self._update(
                Job(activity, self.draft(activity, deadline).correction(), activity.written_id), deadline
            )
        if self.options.external_id:
            return self._upsert(activity, self.options.external_id, deadline)
        record = self.existing([activity], deadline).get(activity.key)
        if record and activity.revision == 1:
            return WriteResult(record, created=False)
        draft = self.draft(activity, deadline)
        if record:
            return self._update(Job(activity, draft.correction(), record), deadline)
        return self._create(Job(activity, draft), deadline)

    def draft(self, activity: Activity, deadline: Deadline) -> Draft:
        """Return the Task that a call becomes; makes its Lead where the rule says so."""
        scope = {**self._context.timed(activity.start), **scope_of(activity, self._people.name, self._context.country)}
        party = self._people.party(activity, scope, deadline)
        info = self._schema.object("Task", deadline)
        return draft(activity, self.options, party, info, scope, self._context.country, self._context.timezone)

    def existing(self, activities: Sequence[Activity], deadline: Deadline) -> dict[str, str]:
        """Return the Tasks that are there already: key to id."""
        if self._schema.object("Task", deadline).field("CallObject") is None:
            raise Misconfigured(
                "this user can't see Task.CallObject, which holds the call's key: give the permission, or write "
                "activity.external_id"
            )
        ids: dict[str, str] = {}
        for portion in _portions(sorted({activity.key for activity in activities})):
            where = [f"CallObject IN ({', '.join(quoted(key) for key in portion)})", *_since(activities)]
            statement = Statement(["Id", "CallObject"], "Task", where, "CreatedDate DESC")
            for row in self._client.query(statement.soql(), deadline):
                ids[str(row.get("CallObject"))] = str(row["Id"])  # the oldest is last, and stays
        return ids

    def _upsert(self, activity: Activity, external_id: str, deadline: Deadline) -> WriteResult:
        fitting_key(self._schema.object("Task", deadline), external_id, activity.key)
        path = f"sobjects/Task/{format_external_id(external_id, activity.key)}"
        job = Job(activity, self.draft(activity, deadline))
        answer = _spared(job, lambda body: self._client.write("PATCH", path, body, deadline))
        return WriteResult(written_id(answer), created=bool(answer.get("created", True)))

    def _create(self, job: Job, deadline: Deadline) -> WriteResult:
        try:
            answer = _spared(job, lambda body: self._client.write("POST", "sobjects/Task/", body, deadline))
        except Unavailable as error:
            raise settling(error) from error
        except Refusal as refusal:
            if refusal.uncertain:
                raise settling(refusal.error()) from refusal
            raise
        return WriteResult(written_id(answer))

    def _update(self, job: Job, deadline: Deadline) -> WriteResult:
        _spared(job, lambda body: self._client.write("PATCH", f"sobjects/Task/{job.record}", body, deadline))
        return WriteResult(job.record, created=False)


def _spared(job: Job, send: Callable[[Mapping[str, Plain]], SoqlRow]) -> SoqlRow:
    """Send, and again without a field of our own choice that the org refuses; nothing was written then."""
    while True:
        try:
            return send(job.draft.fields)
        except Refusal as refusal:
            spared = to_spare(refusal, job.draft)
            if spared is None:
                raise
            job.draft = job.draft.without(spared)


def to_spare(refusal: Refusal, draft: Draft) -> str | None:
    """Return the field that may be left out, None where the fault is about something else."""
    if not refusal.has(*_SPARED):
        return None
    spare = [name for name in draft.fields if name in draft.spare]
    if refusal.has("OPERATION_WITH_INACTIVE_USER") and "OwnerId" in spare:
        return "OwnerId"
    return next((name for name in spare if refusal.names(name)), None)


def fitting_key(info: ObjectInfo, external_id: str, key: str) -> None:
    """Raise `Misconfigured` where this is no external id that can hold the key."""
    field = info.field(external_id)
    if field is None or not field.external_id:
        raise Misconfigured(f"{external_id} is no External Id field of {info.name}, or this user can't see it")
    if field.length and len(key) > field.length:
        raise Misconfigured(f"{external_id} holds {field.length} characters, the key has {len(key)}: make it longer")


def _since(activities: Sequence[Activity]) -> list[str]:
    """No Task is older than its call: CreatedDate is indexed, CallObject is not."""
    starts = [activity.start for activity in activities]
    aware = [start if start.tzinfo else start.replace(tzinfo=UTC) for start in starts if start is not None]
    if not aware or len(aware) < len(starts):
        return []
    day: datetime = min(aware).astimezone(UTC) - timedelta(days=2)  # clocks and time zones may be wrong
    return [f"CreatedDate >= {day.strftime('%Y-%m-%dT%H:%M:%SZ')}"]


def _portions(keys: Sequence[str]) -> Iterator[list[str]]:
    """Keys in lists that fit into a URL each."""
    portion: list[str] = []
    size = 0
    for key in keys:
        length = len(quote(quoted(key), safe="")) + 6
        if portion and size + length > _LONGEST_KEYS:
            yield portion
            portion, size = [], 0
        portion.append(key)
        size += length
    if portion:
        yield portion
