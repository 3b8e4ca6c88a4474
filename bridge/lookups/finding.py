"""Looks something up over the connectors of a step, in order; found, not found, ambiguous, down or late; with its
trail."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from bridge.config.find import FindStep
from bridge.config.model import Cache
from bridge.lookups.gateway import ConnectorGateway
from connectors.base import ConnectorError, Deadline, LookupQuery, Misconfigured, Record, TimedOut, Unavailable
from connectors.dates import begins, clock_of, is_over
from connectors.phone import Phone, parse
from connectors.steps import Steps, complete

_log = logging.getLogger("bridge.lookups")
_MOST_TO_COME = 100


class LookupOutcome(StrEnum):
    """What looking something up came to."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    DOWN = "down"
    LATE = "late"

    __hash__ = str.__hash__
    """As the text that it is; an enumeration's own is a function of Python's, called for every count."""


class TrailEntry(msgspec.Struct, frozen=True):
    """One connector asked (or not) for one step. `outcome` is that of `LookupOutcome`; `note` says more for a person:
    that an answer was kept from before, why a CRM was not asked, what its error was. `ms`: how long it took. `record`:
    what was found, None if nothing was. `began`: on the monotonic clock."""

    step: str
    connector: str
    outcome: str
    ms: float
    note: str = ""
    record: Record | None = None
    began: float = 0.0

    @property
    def link(self) -> str | None:
        """Where a person opens what was found; None if nowhere, or nothing was."""
        return self.record.link if self.record is not None else None


@dataclass(slots=True)
class Trail:
    """The way to an answer, in order, as `ask` shows it."""

    entries: list[TrailEntry] = field(default_factory=list)

    def add(
        self, step: str, connector: str, outcome: str, started: float, note: str = "", record: Record | None = None
    ) -> None:
        """Note that `connector` was asked; `started` is on `time.perf_counter`."""
        ms = int((time.perf_counter() - started) * 1e6) / 1000  # to the microsecond; `round` takes as long as the rest
        self.entries.append(TrailEntry(step, connector, str(outcome), ms, note, record, started))


class Found(msgspec.Struct, frozen=True):
    """What a step came to; `record` is set when (and only when) it was found. `misconfigured`: it is down until an
    admin mends something."""

    outcome: LookupOutcome
    record: Record | None = None
    misconfigured: bool = False


class Lookups:
    """All connectors, as the flows ask them."""

    def __init__(self, sources: Mapping[str, ConnectorGateway], country: str) -> None:
        self.sources = sources
        self._country = country

    def find(
        self,
        name: str,
        step: FindStep,
        scope: Mapping[str, object],
        deadline: Deadline,
        cache: Cache | None,
        trail: Trail,
    ) -> Found:
        """What `step` says, asked of its connectors in order: the first that knows it wins.

        One that is down is passed over; when none finds it and one was down, that is not "not found". Raises
        `connectors.expression.ExpressionError` when the phone or key can't be computed.
        """
        return complete(self.steps(name, step, scope, deadline, cache, trail))

    def steps(
        self,
        name: str,
        step: FindStep,
        scope: Mapping[str, object],
        deadline: Deadline,
        cache: Cache | None,
        trail: Trail,
    ) -> Steps[Found]:
        """The same, for whoever may not block meanwhile."""
        started = time.perf_counter()
        query = self._wanted(name, step, scope)
        if query is None:
            trail.add(name, "", LookupOutcome.NOT_FOUND, started, "nothing to look for: no number, or an empty key")
            return Found(LookupOutcome.NOT_FOUND)
        worst, misconfigured = LookupOutcome.NOT_FOUND, False
        for connector in step.in_:
            asked = self.sources[connector].wanted(query, scope)
            result = yield from self._find_in(connector, name, step, asked, scope, deadline, cache, trail)
            if result.outcome in (LookupOutcome.FOUND, LookupOutcome.AMBIGUOUS):
                return result
            if result.outcome is not LookupOutcome.NOT_FOUND and worst is not LookupOutcome.LATE:
                worst = result.outcome
            misconfigured = misconfigured or result.misconfigured
        return Found(worst, misconfigured=misconfigured)

    def _wanted(self, name: str, step: FindStep, scope: Mapping[str, object]) -> LookupQuery | None:
        kind = step.table or name
        ways: dict[str, Any] = {}
        if step.many == "newest":
            ways = {"newest": True}
        elif step.many == "next":
            midnight = _now(scope).replace(hour=0, minute=0, second=0, microsecond=0)
            ways = {"upcoming": True, "since": midnight, "limit": _MOST_TO_COME}
        if step.phone is not None:
            value = step.phone.value(scope)
            phone = value if isinstance(value, Phone) else parse("" if value is None else str(value), self._home(scope))
            # however it was written: the same number is the same question
            plain = Phone(phone.e164, phone.e164, phone.country)
            return LookupQuery(kind, phone=plain, **ways) if phone else None
        key = step.key.render(scope).strip() if step.key is not None else ""
        return LookupQuery(kind, key=key, **ways) if key else None

    def _home(self, scope: Mapping[str, object]) -> str:
        """The country by which the call's line reads numbers."""
        country = getattr(scope.get("line"), "country", None)
        return country if isinstance(country, str) else self._country

    def _find_in(
        self,
        connector: str,
        name: str,
        step: FindStep,
        query: LookupQuery,
        scope: Mapping[str, object],
        deadline: Deadline,
        cache: Cache | None,
        trail: Trail,
    ) -> Steps[Found]:
        started = time.perf_counter()
        try:
            if deadline.passed:
                raise TimedOut("no time was left to ask")
            candidates, note = yield from self.sources[connector].steps(query, deadline, cache)
        except TimedOut as error:
            trail.add(name, connector, LookupOutcome.LATE, started, str(error))
            return Found(LookupOutcome.LATE)
        except ConnectorError as error:
            level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
            _log.log(level, "looking up %s in %s: %s", query.kind, connector, error)
            trail.add(name, connector, LookupOutcome.DOWN, started, str(error))
            return Found(LookupOutcome.DOWN, misconfigured=isinstance(error, Misconfigured))
        if step.many == "next":
            passed, candidates = bool(candidates), _to_come(candidates, _now(scope))
            if passed and not candidates:
                note = f"{note}; " * bool(note) + "none of them is still to come"
        records = _matching(candidates, query)
        result = _choose(records, step)
        if result.record is not None:
            result = Found(result.outcome, self.sources[connector].linked(result.record))
        if len(records) < len(candidates):
            note = f"{note}; " * bool(note) + _left_out(candidates, records, query)
        if len(records) > 1:
            note = f"{note}; " * bool(note) + f"{len(records)} match"
        trail.add(name, connector, result.outcome, started, note, result.record)
        return result


def _left_out(candidates: Sequence[Record], records: Sequence[Record], query: LookupQuery) -> str:
    """How many candidates do not count, and why."""
    others = 0
    if query.phone is not None:
        others = sum(not any(query.phone.same(phone) for phone in record.phones) for record in candidates)
    again = len(candidates) - len(records) - others
    reasons = [f"{others} left out: another number"] if others else []
    reasons += [f"{again} left out: the same id as one before"] if again else []
    return "; ".join(reasons)


def _has(record: Record, phone: Phone | None) -> bool:
    """Whether the record has this number; None: that is not asked for."""
    if phone is None:
        return True
    for each in record.phones:  # noqa: SIM110 - `any` would make a generator, and most have one number
        if phone.same(each):
            return True
    return False


def _matching(candidates: Sequence[Record], query: LookupQuery) -> Sequence[Record]:
    """Those that really have the number (a CRM's fuzzy search is not trusted), each record once."""
    if len(candidates) == 1 and _has(candidates[0], query.phone):
        return candidates
    records: dict[object, Record] = {}
    for record in candidates:
        if _has(record, query.phone):
            records.setdefault((record.kind, record.id) if record.id is not None else id(record), record)
    return list(records.values())


def _now(scope: Mapping[str, object]) -> datetime:
    """The moment as of which a lookup is made, on the line's clock."""
    clock = clock_of(scope)
    return clock.now if clock is not None else datetime.now(UTC)


def _to_come(records: Sequence[Record], now: datetime) -> list[Record]:
    """Those whose date is not over, the soonest first."""
    waiting = [(record.dated, record) for record in records if record.dated is not None]
    upcoming = [(begins(when, now.tzinfo or UTC), record) for when, record in waiting if not is_over(when, now)]
    return [record for _, record in sorted(upcoming, key=lambda pair: pair[0])]


def _choose(records: Sequence[Record], step: FindStep) -> Found:
    """The configured rule for several matches."""
    if not records:
        return Found(LookupOutcome.NOT_FOUND)
    if len(records) > 1 and step.many == "ambiguous":
        return Found(LookupOutcome.AMBIGUOUS)
    return Found(LookupOutcome.FOUND, records[0])
