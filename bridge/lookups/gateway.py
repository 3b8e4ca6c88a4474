"""Looks things up in the CRMs, in order, within a deadline: found, not found, ambiguous, down or late; with its trail.

Every connector is asked through a `ConnectorGateway`, which adds what no connector should have to do itself: answers
are kept for a while, simultaneous identical questions are asked once, a CRM that fails again and again is no longer
asked, and one that hangs is left behind at the deadline.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum

from cachetools import LRUCache

from bridge.config.model import Cache, FindStep
from bridge.lookups.breaker import CircuitBreaker
from bridge.runtime.pace import SharedPace
from bridge.runtime.permit import ComputePermit
from bridge.runtime.threads import DaemonThreadPool
from bridge.troubles import Severity, Troubles
from connectors.base import Breaker as BreakerOptions
from connectors.base import (
    Connector,
    ConnectorError,
    Deadline,
    LookupQuery,
    Misconfigured,
    Record,
    TimedOut,
    Unavailable,
)
from connectors.phone import Phone, parse

_log = logging.getLogger("bridge.lookups.gateway")
_KEPT = 50_000  # answers kept for each connector; the least recently used goes first


class LookupOutcome(StrEnum):
    """What looking something up came to."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    DOWN = "down"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One connector asked (or not) for one step. `outcome` is that of `LookupOutcome`; `note` says more for a person:
    that an answer was kept from before, why a CRM was not asked, what its error was. `ms`: how long it took."""

    step: str
    connector: str
    outcome: str
    ms: float
    note: str = ""


@dataclass(slots=True)
class Trail:
    """The way to an answer, in order, as `ask` shows it."""

    entries: list[TrailEntry] = field(default_factory=list)

    def add(self, step: str, connector: str, outcome: str, started: float, note: str = "") -> None:
        """Note that `connector` was asked; `started` is on `time.perf_counter`."""
        ms = (time.perf_counter() - started) * 1000
        self.entries.append(TrailEntry(step, connector, outcome, round(ms, 3), note))


@dataclass(frozen=True, slots=True)
class Found:
    """What a step came to; `record` is set when (and only when) it was found. `misconfigured`: it is down until an
    admin mends something."""

    outcome: LookupOutcome
    record: Record | None = None
    misconfigured: bool = False


@dataclass(slots=True)
class _Kept:
    """An answer of a CRM and when it came, on the monotonic clock."""

    records: Sequence[Record]
    at: float


class _Flight:
    """A question that is under way: all who ask the same wait for it."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.records: Sequence[Record] | None = None
        self.error: ConnectorError | None = None
        self.counted = False


class ConnectorGateway:
    """One connector, asked with a cache, once for simultaneous identical questions, behind a circuit breaker.

    `permit`: the process's, given back while a thread waits for an answer; a connector that is `cooperative` computes
    under it. None where few ask at a time. A connector that is `immediate` (answers from memory) is simply called.
    """

    def __init__(
        self,
        connector: Connector,
        breaker: BreakerOptions | None = None,
        *,
        pace: SharedPace | None = None,
        threads: int = 600,
        permit: ComputePermit | None = None,
        troubles: Troubles | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connector = connector
        self._troubles = troubles or Troubles()
        self._pace = pace  # the connector's own rate limit, closed with it
        rules = breaker or BreakerOptions.model_validate({})
        self.breaker = CircuitBreaker(connector.name, rules.failures, rules.open)
        self._waiting = permit.waiting if permit is not None else nullcontext
        self._computing = permit if permit is not None and connector.cooperative else nullcontext()
        self._clock = clock
        self._threads = DaemonThreadPool(threads, f"lookup-{connector.name}")
        self._kept: LRUCache[LookupQuery, _Kept] = LRUCache(_KEPT)
        self._flights: dict[LookupQuery, _Flight] = {}
        self._failed = ""  # what kept it from answering the last time
        self._lock = threading.Lock()

    def find(self, wanted: LookupQuery, deadline: Deadline, cache: Cache | None) -> tuple[Sequence[Record], str]:
        """The records that match, and how that is known (empty: asked). Raises `ConnectorError`."""
        if self.connector.immediate:
            return self.connector.find(wanted, deadline), self.connector.stale(wanted.kind)
        kept = self._recent(wanted, cache)
        if kept is not None:
            return kept.records, "from the cache"
        try:
            return self._ask(wanted, deadline), ""
        except (Unavailable, Misconfigured) as error:
            stale = self._stale(wanted, cache)
            if stale is None:
                raise
            return stale.records, f"from the cache, {self._clock() - stale.at:.0f} s old: {error}"

    def close(self) -> None:
        """Let go of the connector; lookups that hang are left behind."""
        self.breaker.close()
        self._troubles.clear("crm", self.connector.name)
        self._threads.close()
        self.connector.close()
        if self._pace is not None:
            self._pace.close()

    def _recent(self, wanted: LookupQuery, cache: Cache | None) -> _Kept | None:
        if cache is None:
            return None
        with self._lock:
            kept = self._kept.get(wanted)
        if kept is None:
            return None
        age = self._clock() - kept.at
        return kept if age < (cache.fresh if kept.records else cache.negative) else None

    def _stale(self, wanted: LookupQuery, cache: Cache | None) -> _Kept | None:
        if cache is None:
            return None
        with self._lock:
            kept = self._kept.get(wanted)
        return kept if kept is not None and kept.records and self._clock() - kept.at < cache.stale else None

    def _ask(self, wanted: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        while True:
            if self.breaker.open:
                raise Unavailable(f"{self.connector.name} is not asked until it answers again: {self._failed}")
            with self._lock:
                flight = self._flights.get(wanted)
                mine = flight is None
                if flight is None:
                    flight = self._flights[wanted] = _Flight()
            if mine:
                self._start(flight, wanted, deadline)
            self._await(flight, wanted, deadline)
            if flight.records is not None:
                return flight.records
            if flight.error is None or (mine or not isinstance(flight.error, TimedOut) or deadline.passed):
                raise flight.error or TimedOut(f"{self.connector.name} did not answer in time")
            # the one who asked had less time than we have: ask again ourselves

    def _start(self, flight: _Flight, wanted: LookupQuery, deadline: Deadline) -> None:
        try:
            self._threads.run(lambda: self._fly(flight, wanted, deadline))
        except BaseException:
            with self._lock:
                self._flights.pop(wanted, None)
            raise

    def _await(self, flight: _Flight, wanted: LookupQuery, deadline: Deadline) -> None:
        with self._waiting():
            remaining = deadline.remaining
            done = flight.done.wait(None if math.isinf(remaining) else remaining)
        if not done:
            self._count(flight, wanted)
            with self._lock:  # whoever asks next asks anew, instead of waiting for what may never come
                if self._flights.get(wanted) is flight:
                    del self._flights[wanted]

    def _fly(self, flight: _Flight, wanted: LookupQuery, deadline: Deadline) -> None:
        """Ask the CRM, in a thread of our own."""
        try:
            with self._computing:
                records = list(self.connector.find(wanted, deadline))
        except Unavailable as error:
            flight.error = error
            self._count(flight, wanted)
            if self.breaker.open:
                self._report(Severity.WARNING, f"does not answer lookups: {error}", "See whether it is up")
        except ConnectorError as error:
            flight.error = error
            self.breaker.succeeded()  # it is there; what it says is the admin's to mend
            if isinstance(error, Misconfigured):
                self._report(Severity.ERROR, f"refuses lookups: {error}", f"Mend connector {self.connector.name}")
        except Exception as error:  # noqa: BLE001 - a fault in a connector must not look like "not found" nor end the thread
            _log.exception("connector %s failed", self.connector.name)
            flight.error = Misconfigured(f"{self.connector.name}: internal error: {type(error).__name__}: {error}")
        else:
            flight.records = records
            self.breaker.succeeded()
            self._troubles.clear("crm", self.connector.name)
            with self._lock:
                self._kept[wanted] = _Kept(records, self._clock())
        finally:
            with self._lock:
                if self._flights.get(wanted) is flight:
                    del self._flights[wanted]
            flight.done.set()

    def _report(self, severity: Severity, what: str, action: str) -> None:
        name = self.connector.name
        self._troubles.report(
            "crm",
            name,
            severity=severity,
            text=f"The CRM {name} {what}. Queries that need it get what `on_error` says",
            action=f"{action}: `infocaller-bridge check --connect` tries it",
        )

    def _count(self, flight: _Flight, wanted: LookupQuery) -> None:
        """Tell the breaker, once for a flight, however many waited for it."""
        with self._lock:
            self._failed = str(flight.error or "no answer in time")
            if flight.counted:
                return
            flight.counted = True
        self.breaker.failed(lambda: self._probe(wanted))

    def _probe(self, wanted: LookupQuery) -> None:
        """Ask again in the background what failed, giving it no longer than a patient caller would."""
        flight = _Flight()
        flight.counted = True  # a probe that fails is no news to the breaker
        self._threads.run(lambda: self._fly(flight, wanted, Deadline.after(5.0)))
        if not flight.done.wait(6.0):
            raise TimedOut(f"{self.connector.name} did not answer in time")
        if flight.error is not None:
            raise flight.error


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
        started = time.perf_counter()
        wanted = self._wanted(name, step, scope)
        if wanted is None:
            trail.add(name, "", LookupOutcome.NOT_FOUND, started, "nothing to look for: no number, or an empty key")
            return Found(LookupOutcome.NOT_FOUND)
        worst, misconfigured = LookupOutcome.NOT_FOUND, False
        for connector in step.in_:
            found = self._find_in(connector, name, step, wanted, deadline, cache, trail)
            if found.outcome in (LookupOutcome.FOUND, LookupOutcome.AMBIGUOUS):
                return found
            if found.outcome is not LookupOutcome.NOT_FOUND and worst is not LookupOutcome.LATE:
                worst = found.outcome
            misconfigured = misconfigured or found.misconfigured
        return Found(worst, misconfigured=misconfigured)

    def _wanted(self, name: str, step: FindStep, scope: Mapping[str, object]) -> LookupQuery | None:
        kind = step.table or name
        newest = step.many == "newest"
        if step.phone is not None:
            value = step.phone.value(scope)
            phone = value if isinstance(value, Phone) else parse("" if value is None else str(value), self._home(scope))
            # however it was written: the same number is the same question
            plain = Phone(phone.e164, phone.e164, phone.country)
            return LookupQuery(kind, phone=plain, newest=newest) if phone else None
        key = step.key.render(scope).strip() if step.key is not None else ""
        return LookupQuery(kind, key=key, newest=newest) if key else None

    def _home(self, scope: Mapping[str, object]) -> str:
        """The country by which the call's line reads numbers."""
        found = getattr(scope.get("line"), "country", None)
        return found if isinstance(found, str) else self._country

    def _find_in(
        self,
        connector: str,
        name: str,
        step: FindStep,
        wanted: LookupQuery,
        deadline: Deadline,
        cache: Cache | None,
        trail: Trail,
    ) -> Found:
        started = time.perf_counter()
        try:
            if deadline.passed:
                raise TimedOut("no time was left to ask")
            candidates, note = self.sources[connector].find(wanted, deadline, cache)
        except TimedOut as error:
            trail.add(name, connector, LookupOutcome.LATE, started, str(error))
            return Found(LookupOutcome.LATE)
        except ConnectorError as error:
            level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
            _log.log(level, "looking up %s in %s: %s", wanted.kind, connector, error)
            trail.add(name, connector, LookupOutcome.DOWN, started, str(error))
            return Found(LookupOutcome.DOWN, misconfigured=isinstance(error, Misconfigured))
        records = _matching(candidates, wanted)
        found = _choose(records, step)
        if len(records) < len(candidates):
            note = f"{note}; " * bool(note) + _left_out(candidates, records, wanted)
        if len(records) > 1:
            note = f"{note}; " * bool(note) + f"{len(records)} match"
        trail.add(name, connector, found.outcome, started, note)
        return found


def _left_out(candidates: Sequence[Record], records: Sequence[Record], wanted: LookupQuery) -> str:
    """How many candidates do not count, and why."""
    others = 0
    if wanted.phone is not None:
        others = sum(not any(wanted.phone.same(phone) for phone in record.phones) for record in candidates)
    again = len(candidates) - len(records) - others
    told = [f"{others} left out: another number"] if others else []
    told += [f"{again} left out: the same id as one before"] if again else []
    return "; ".join(told)


def _matching(candidates: Sequence[Record], wanted: LookupQuery) -> list[Record]:
    """Those that really have the number (a CRM's fuzzy search is not trusted), each record once."""
    records: dict[object, Record] = {}
    for record in candidates:
        if wanted.phone is None or any(wanted.phone.same(phone) for phone in record.phones):
            records.setdefault((record.kind, record.id) if record.id is not None else id(record), record)
    return list(records.values())


def _choose(records: Sequence[Record], step: FindStep) -> Found:
    """The configured rule for several matches."""
    if not records:
        return Found(LookupOutcome.NOT_FOUND)
    if len(records) > 1 and step.many == "ambiguous":
        return Found(LookupOutcome.AMBIGUOUS)
    return Found(LookupOutcome.FOUND, records[0])
