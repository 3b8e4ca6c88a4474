"""The bridge's own calls, looked up as any connector's records (`in: calls`): the last call with a number, the last one
answered, the last one missed since.

Answers are not kept: the same caller may call again at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.config.builtin import CALLS
from bridge.errors import StoreUnavailable
from bridge.hours.zones import start_of
from bridge.lookups.gateway import ConnectorGateway
from bridge.runtime.permit import ComputePermit
from bridge.store import history
from bridge.store.database import Database
from bridge.store.history import History, PastCall
from connectors.base import (
    Connector,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    ProbeResult,
    Record,
    TimedOut,
    Unavailable,
)
from connectors.dates import clock_of
from connectors.phone import Phone

_DAY = timedelta(days=1)
_AFTER = 0.05
"""Seconds after the deadline when a statement is cancelled: whoever asked has been told by then that it is late."""


@dataclass(frozen=True, slots=True)
class CallQuery(LookupQuery):
    """A question about calls: as of the moment `at`, on the clock of `timezone`, without the call `but` (its line and
    CallSequence), which asks."""

    at: datetime = datetime(9999, 1, 1, tzinfo=UTC)
    timezone: str = "UTC"
    but: tuple[str, str] = ("", "")


class CallHistory(Connector):
    """The calls that the bridge keeps in its own database, which is closed with it."""

    cooperative = True

    def __init__(self, database: Database, context: Context) -> None:
        super().__init__(CALLS, ConnectorOptions(type=CALLS), context)
        self._database = database

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        """Return the call that the table means, if there is one. Raises `Unavailable`, `TimedOut`."""
        if not isinstance(query, CallQuery) or query.phone is None:
            return []
        if deadline.passed:
            raise TimedOut("no time was left to ask")
        if self._database.path is not None and not self._database.path.exists():
            return []  # nothing was ever kept; looking would make the file
        midnight = start_of(query.at.astimezone(ZoneInfo(query.timezone)).date(), query.timezone)
        try:
            with self.context.waiting(), self._database.read_within(deadline.remaining + _AFTER) as connection:
                calls = history.of_number(connection, query.phone.e164, query.at, midnight, query.but)
        except StoreUnavailable as error:
            raise (TimedOut if deadline.passed else Unavailable)(str(error)) from error
        call: PastCall | None = getattr(calls, query.kind, None)
        return [] if call is None else [_record(query, query.phone, calls, call)]

    def probe(self, deadline: Deadline) -> Iterator[ProbeResult]:
        """Look for calls of nobody."""
        nobody = CallQuery("last", Phone("nobody", "nobody"))
        try:
            self.find(nobody, deadline)
        except Unavailable as error:
            yield ProbeResult("look up calls", False, str(error))
        else:
            yield ProbeResult("look up calls", True, "its own database answers")

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


class HistoryGateway(ConnectorGateway):
    """As any connector's, with nothing cached. `clock`: the time, aware, where a question brings no moment. That the
    database is away is reported by whoever writes to it."""

    caches = False

    def __init__(
        self,
        database: Database,
        context: Context,
        *,
        permit: ComputePermit | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        connector = CallHistory(database, context)
        super().__init__(connector, threads=context.concurrency, permit=permit)
        self._now = clock

    def wanted(self, query: LookupQuery, scope: Mapping[str, object]) -> LookupQuery:
        """Return the question as of the moment of whatever asks: of a Query now, of an activity the end of its call."""
        call, line = scope.get("call"), scope.get("line")
        seen: Mapping[str, object] = call if isinstance(call, Mapping) else {}
        end, clock = seen.get("end"), clock_of(scope)
        at = end if isinstance(end, datetime) else clock.now if clock is not None else self._now()
        timezone = getattr(line, "timezone", None) or "UTC"
        but = (str(getattr(line, "number", "")), str(seen.get("id") or ""))
        return CallQuery(query.kind, query.phone, query.key, at=at, timezone=timezone, but=but)


def _record(query: CallQuery, phone: Phone, calls: History, past: PastCall) -> Record:
    call, zone = past.call, ZoneInfo(query.timezone)
    start = (call.start or past.over_at).astimezone(zone)
    fields: dict[str, object] = {
        "id": call.id,
        "start": start,
        "days_ago": max((query.at - start) / _DAY, 0.0),
        "direction": call.direction,
        "seconds": call.seconds,
        "answered_by": call.answered_by,
        "line": past.line,
        "called": call.called,
        "count": calls.count,
        "today": calls.today,
    }
    return Record(CALLS, query.kind, call.id, fields, (phone,))
