"""FLOW 2, beside the activities: who answers a call has the caller's record opened on their screen by the CRM itself.

It helps within seconds or not at all. So it is done at most once for a call, a connector and an extension, whatever
happens meanwhile (it is begun in the database first, and never again), and not later than `_WITHIN` after the event
that says who answered. Nothing that the platform asks for waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.calls.draft import ServingLookups
from bridge.config.model import ActivityFind
from bridge.expressions.moment import of_time
from bridge.expressions.scope import call_view, of_call
from bridge.lookups import outage
from bridge.lookups.finding import LookupOutcome, Trail
from bridge.queue.base import POP, POPS, Queue
from bridge.store import calls, screenpops
from bridge.store.calls import Call
from bridge.store.database import Database
from bridge.store.events import Event
from bridge.store.screenpops import StoredPop
from bridge.texts import Text, said
from bridge.troubles import Severity, Troubles
from bridge.troubles.observation import quoted
from connectors.base import ConnectorError, Deadline, Misconfigured, Record, ScreenPop, Unavailable
from connectors.phone import parse

_log = logging.getLogger("bridge.calls.screenpops")
_WITHIN = timedelta(seconds=10)
_ANSWERED = "desvio_correcto"

Use = Callable[[], AbstractContextManager[ServingLookups]]


class ScreenPops:
    """Notes down whose screen has to show whom, and is the handler of `POP`. `use` gives what serves now; `clock` the
    time, aware."""

    def __init__(
        self, database: Database, queue: Queue, use: Use, clock: Callable[[], datetime], troubles: Troubles
    ) -> None:
        self._database, self._queue, self._use, self._clock, self._troubles = database, queue, use, clock, troubles

    def plan(self, connection: Connection, call: Call, new: Sequence[Event]) -> None:
        """Note down what has to open because of `new` events of the call, in the caller's transaction."""
        answered = [event for event in new if event.event == _ANSWERED and event.diverted_to]
        now = self._clock()
        for event in answered:
            if now - event.received_at > _WITHIN:
                continue
            for connector, extension in self._screens(event):
                pop = StoredPop(call.line, call.call_sequence, connector, extension, event.received_at)
                id_ = screenpops.note(self._database, connection, pop)
                if id_ is not None:
                    self._queue.wake(connection, POP, str(id_), lane=POPS)

    def __call__(self, key: str) -> None:
        """Open what was noted under this number, unless somebody began it, or it is too late. Raises
        `StoreUnavailable`, before anything is done."""
        now = self._clock()
        with self._database.write() as connection:
            pop = screenpops.begin(connection, int(key), now)
            call = calls.get(connection, pop.line, pop.call_sequence) if pop is not None else None
        if pop is None or call is None:
            return
        left = min(pop.answered_at + _WITHIN - now, _WITHIN)
        if left <= timedelta():
            _log.warning("the record of a call is not opened by %s any more: it was answered too long ago",
                         pop.connector)  # fmt: skip
            return
        try:
            self._open(pop, call, Deadline.after(left.total_seconds()))
        except ConnectorError as error:
            _log.warning("%s opened no record: %s", pop.connector, error)
            self._report(pop.connector, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is not done again
            _log.exception("%s opened no record", pop.connector)
            self._report(pop.connector, type(error).__name__)

    def _screens(self, event: Event) -> Iterator[tuple[str, str]]:
        """The connectors that have a screen for who answered, each with its own spelling of the extension."""
        with self._use() as serving:
            line = serving.configuration.line(event.line)
            country = line.country if line is not None else serving.configuration.lines[0].country
            for name, options in serving.configuration.connectors.items():
                screens = options.abilities().pops
                extension = _same(event.diverted_to, sorted(screens), country) if screens else None
                if extension is not None:
                    yield name, extension

    def _open(self, pop: StoredPop, call: Call, deadline: Deadline) -> None:
        with self._use() as serving:
            options = serving.configuration.connectors.get(pop.connector)
            line = serving.configuration.line(call.line)
            if options is None or line is None or pop.connector not in serving.sources:
                return  # the configuration has changed meanwhile
            connector = serving.sources[pop.connector].connector
            outage.heed(connector)
            caller, seen = parse(call.call.caller, line.country), call_view(call.call)
            contact, kind = None, options.abilities().pop_finds
            if kind:
                scope = of_time(serving.configuration, line, self._clock())
                scope |= of_call(line, caller, call.call.called, seen, call.call.vars)
                contact = _found(serving, pop.connector, kind, scope, deadline)
                if contact is None:
                    return
            connector.pop(
                ScreenPop(
                    pop.extension, caller if caller else None, call.call.called, call.line, contact,
                    {**seen, "vars": call.call.vars},
                ),
                deadline,
            )  # fmt: skip
        _log.info(
            "the record of a call was opened",
            extra={"fields": {"connector": pop.connector, "call": call.call_sequence}},
        )
        self._troubles.clear("pop", pop.connector)

    def _report(self, connector: str, error: str) -> None:
        self._troubles.report(
            "pop",
            connector,
            severity=Severity.WARNING,
            text=Text(
                "{name} did not open the caller's record on the screen of who answered: {error}",
                name=connector,
                error=said(quoted(error)),
            ),
            action=Text(
                "Mend what the text names: `infocaller-bridge check --connect` says whether {name} is there; compare "
                "the ids of the agents under `pop:` with those in the CRM",
                name=connector,
            ),
        )


def _same(diverted_to: str, screens: Sequence[str], country: str) -> str | None:
    """Whose screen it is, however the platform writes the extension or number; None: nobody's."""
    text = diverted_to.strip()
    if text in screens:
        return text
    phone = parse(text, country)
    return next((screen for screen in screens if phone.same(parse(screen, country))), None)


def _found(
    serving: ServingLookups, connector: str, kind: str, scope: dict[str, object], deadline: Deadline
) -> Record | None:
    """As whom the CRM knows the other party; None: as nobody, or as several. Raises `ConnectorError`."""
    step = ActivityFind.model_validate({"in": connector, "table": kind, "phone": "{{ caller }}"})
    trail = Trail()
    result = serving.lookups.find(kind, step, scope, deadline, None, trail)
    if result.outcome in (LookupOutcome.DOWN, LookupOutcome.LATE):
        reasons = "; ".join(entry.note for entry in trail.entries if entry.note)
        raise (Misconfigured if result.misconfigured else Unavailable)(reasons or str(result.outcome))
    return result.record
