"""One connector as it is asked while a caller waits, with what no connector should have to do itself.

In this order: a fresh answer spares the question; a CRM that fails again and again is not asked; the same question is
asked once for all who want it, in a thread that can be left behind at the deadline; in an outage a stale answer serves.
Nobody but that thread waits for the CRM: who asks from an event loop goes on with others meanwhile (`steps`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import ClassVar

from bridge.config.model import Cache
from bridge.lookups.breaker import CircuitBreaker
from bridge.lookups.cache import AnswerCache
from bridge.runtime.pace import SharedPace
from bridge.runtime.permit import ComputePermit
from bridge.texts import Text, said
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
from connectors.singleflight import SingleFlight
from connectors.steps import Steps, complete
from connectors.threads import DaemonThreadPool

_log = logging.getLogger("bridge.lookups.gateway")
_PROBE = 5.0
"""Seconds that a CRM which is tried again has for an answer: no longer than a patient caller would wait."""

_REMEMBERED = 900.0
"""Seconds for which a refusal keeps answers to other questions from ending the trouble, which then ends by itself."""

LookupAnswer = tuple[Sequence[Record], str]
"""Records, and how they are known; see `ConnectorGateway.find`."""


class ConnectorGateway:
    """One connector, asked with a cache, once for simultaneous identical questions, behind a circuit breaker.

    `threads`: how many questions the CRM may be asked at a time; more wait, each until its deadline. A connector that
    is `immediate` (answers from memory) is simply called. `permit`: the process's; a connector that is `cooperative`
    computes under it, None where few ask at a time.
    """

    caches: ClassVar[bool] = True
    """Whether an answer may serve another question."""

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
        self._computing = permit if permit is not None and connector.cooperative else nullcontext()
        self._threads = DaemonThreadPool(threads, f"lookup-{connector.name}")
        self._flights: SingleFlight[Sequence[Record]] = SingleFlight(connector.name, self._threads.run)
        self._probes: SingleFlight[Sequence[Record]] = SingleFlight(connector.name, self._threads.run)
        self._cache = AnswerCache(clock)
        self._links = connector.links
        self._clock, self._guard = clock, threading.Lock()
        self._refusals: dict[tuple[str, bool], float] = {}
        """When what was refused last: a kind of record, and whether it was looked up by phone."""
        self._failure = ""  # what kept it from answering the last time

    def find(self, query: LookupQuery, deadline: Deadline, cache: Cache | None) -> LookupAnswer:
        """Return the records that match, and how that is known (empty: asked). Raises `ConnectorError`."""
        return complete(self.steps(query, deadline, cache))

    def steps(self, query: LookupQuery, deadline: Deadline, cache: Cache | None) -> Steps[LookupAnswer]:
        """Do the same, for whoever may not block meanwhile."""
        if self.connector.immediate:
            return self.connector.find(query, deadline), self.connector.stale(query.kind)
        cache = cache if self.caches else None
        fresh = self._cache.fresh(query, cache)
        if fresh is not None:
            return fresh.records, "from the cache"
        try:
            return (yield from self._ask(query, deadline)), ""
        except (Unavailable, Misconfigured) as error:
            stale = self._cache.stale(query, cache)
            if stale is None:
                raise
            return stale.records, f"from the cache, {self._cache.age(stale):.0f} s old: {error}"

    def wanted(self, query: LookupQuery, scope: Mapping[str, object]) -> LookupQuery:  # noqa: ARG002 (for those who do)
        """Return the question with what it depends on besides, of what `scope` holds."""
        return query

    def linked(self, record: Record) -> Record:
        """Return the record with its link, which is worked out when somebody asks for it. A fault in that costs nobody
        the record."""
        if not self._links:
            return record
        return Record(record.connector, record.kind, record.id, record.fields, record.phones, record.dated, self._link)

    def _link(self, record: Record) -> str | None:
        try:
            return self.connector.link(record)
        except Exception:  # noqa: BLE001 - whatever a stranger's connector does
            _log.exception("connector %s can't say where a person opens a %s", self.connector.name, record.kind)
            return None

    def close(self) -> None:
        """Let go of the connector; lookups that hang are left behind."""
        self.breaker.close()
        self._troubles.clear("crm", self.connector.name)
        self._threads.close()
        self.connector.close()
        if self._pace is not None:
            self._pace.close()

    def _ask(self, query: LookupQuery, deadline: Deadline) -> Steps[Sequence[Record]]:
        if self.breaker.open:
            raise Unavailable(f"{self.connector.name} is not asked until it answers again: {self._failure}")
        question = _Question(self._failed, query)
        return (
            yield from self._flights.steps(query, lambda: self._answer(question, deadline), deadline, question.late)
        )

    def _answer(self, question: _Question, deadline: Deadline) -> Sequence[Record]:
        """Ask the CRM, in a thread of its own."""
        name = self.connector.name
        try:
            with self._computing:
                if deadline.passed:  # it waited for a thread, and nobody waits for it any more
                    raise TimedOut(f"{name}: all threads were busy until it was too late to ask")
                records = list(self.connector.find(question.query, deadline))
        except Unavailable as error:
            question.unanswered(error)
            if self.breaker.open:
                text = Text(
                    "The CRM {name} does not answer lookups: {error}. Queries that need it get what `on_error` says",
                    name=name, error=said(error),
                )  # fmt: skip
                action = Text("See whether {name} is up: `infocaller-bridge check --connect`", name=name)
                self._report(Severity.WARNING, text, action)
            raise
        except ConnectorError as error:
            self.breaker.succeeded()  # it is there; what it says is the admin's to mend
            if isinstance(error, Misconfigured):
                self._refuses(question.query, error)
            raise
        except Exception as error:
            # a fault in a connector must not look like "not found"
            _log.exception("connector %s failed", name)
            failed = Misconfigured(f"{name}: internal error: {type(error).__name__}: {error}")
            self._refuses(question.query, failed)
            raise failed from error
        self.breaker.succeeded()
        self._answers(question.query)
        if self.caches:
            self._cache.keep(question.query, records)
        return records

    def _refuses(self, query: LookupQuery, error: Misconfigured) -> None:
        with self._guard:
            self._refusals[_sort(query)] = self._clock()
        text = Text(
            "The CRM {name} refuses lookups: {error}. Queries that need it get what `on_error` says",
            name=self.connector.name, error=said(error),
        )  # fmt: skip
        action = Text("Mend connector {name}: `infocaller-bridge check --connect` tries it", name=self.connector.name)
        self._report(Severity.ERROR, text, action)

    def _answers(self, query: LookupQuery) -> None:
        """Whatever was wrong is over, unless it refuses other questions: it may show contacts and no orders."""
        if self._refusals:
            with self._guard:
                self._refusals.pop(_sort(query), None)
                last = max(self._refusals.values(), default=-_REMEMBERED)
                if self._clock() - last < _REMEMBERED:
                    return
                self._refusals.clear()
        self._troubles.clear("crm", self.connector.name)

    def _report(self, severity: Severity, text: Text, action: Text) -> None:
        self._troubles.report("crm", self.connector.name, severity=severity, text=text, action=action)

    def _failed(self, query: LookupQuery, why: str) -> None:
        self._failure = why
        self.breaker.failed(lambda: self._probe(query))

    def _probe(self, query: LookupQuery) -> None:
        """Ask again in the background what failed. That it fails again is no news to the breaker."""
        probe = _Question(lambda _query, _why: None, query)
        deadline = Deadline.after(_PROBE)
        self._probes.get(query, lambda: self._answer(probe, deadline), deadline, probe.late)


def _sort(query: LookupQuery) -> tuple[str, bool]:
    return query.kind, query.phone is not None


class _Question:
    """A question that is under way. That it is not answered is told once, however many wait for it."""

    def __init__(self, failed: Callable[[LookupQuery, str], None], query: LookupQuery) -> None:
        self.query = query
        self._failed = failed
        self._untold = threading.Lock()

    def late(self) -> None:
        """Note that somebody's deadline has passed."""
        if self._untold.acquire(blocking=False):
            self._failed(self.query, "no answer in time")

    def unanswered(self, error: Unavailable) -> None:
        """Note that the CRM can't be reached."""
        if self._untold.acquire(blocking=False):
            self._failed(self.query, str(error))
