"""What can be asked about callbacks: which there are, how one goes, what keeps it back, how lines and sources stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from bridge.callbacks import brakes, gates
from bridge.callbacks.brakes import EmissionStatus
from bridge.callbacks.commercial import facts_of
from bridge.callbacks.gates import Facts, Gate
from bridge.callbacks.parts import Rulebook
from bridge.callbacks.reports import history
from bridge.store import callbacks, emissions, ringing
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState
from bridge.store.database import Database
from bridge.store.deliveries import Delivery
from bridge.store.emissions import Kind
from bridge.texts import Plural, Text, said


@dataclass(frozen=True, slots=True)
class KeptBack:
    """What keeps one back that waits: its gate (`line` and `source` where those stand still), until when as far as that
    is known, and why, for people."""

    gate: str
    until: datetime | None
    text: Text


@dataclass(frozen=True, slots=True)
class Shown:
    """A callback with what its CRM was told of it, first things first, and what keeps it back where it waits."""

    callback: Callback
    reports: Sequence[Delivery]
    kept_back: Sequence[KeptBack] = ()


@dataclass(slots=True)
class Counts:
    """How many callbacks of a source are in each state, and how many of the waiting ones each gate holds back (the key
    is empty for those whose time has not come, or that have their turn soon)."""

    states: dict[CallbackState, int] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)


class CallbackQueries:
    """Reads the callbacks of one database and changes nothing. Everything raises `StoreUnavailable`."""

    def __init__(self, database: Database, book: Rulebook, clock: Callable[[], datetime]) -> None:
        self._database, self._book, self._clock = database, book, clock

    def find(
        self, filter_: CallbackFilter | None = None, limit: int = 100, before: int | None = None
    ) -> list[Callback]:
        """Return callbacks, newest first; `before`: only those whose number is below."""
        with self._database.read() as connection:
            return callbacks.find(connection, filter_ or CallbackFilter(), limit, before)

    def show(self, id_: int) -> Shown | None:
        """Return the callback with all that its CRM was told; None where there is none."""
        with self._database.read() as connection:
            callback = callbacks.get(connection, id_)
            if callback is None:
                return None
            return Shown(callback, history(connection, callback), list(self._kept_back(connection, callback)))

    def _kept_back(self, connection: Connection, callback: Callback) -> Iterator[KeptBack]:
        """All that keeps it back now, not only the gate that it met last: a line that stands still stops every gate's
        asking, and what its pace keeps back is not noted on thousands of callbacks."""
        if callback.state is not CallbackState.WAITING:
            return
        now, configuration = self._clock(), self._book().configuration
        later = callback.next_at is None or callback.next_at > now
        if later:
            gate = callback.gate or ("time" if callback.due == callback.next_at else "")
            yield KeptBack(
                gate, callback.next_at, said(callback.reason) if callback.reason else Text("its time has not come")
            )
        if configuration.source(callback.source) is None:
            gone = Text("the configuration has no source {source} any more", source=callback.source)
            yield KeptBack("source", None, gone)
        statuses = [*self.lines(), *self.sources()]
        blocking = [
            KeptBack(status.kind, status.until, reason)
            for status in statuses
            if (reason := status.blocked_reason) is not None and status.name == getattr(callback, status.kind)
        ]
        yield from blocking
        rules = self._book().rules.get(callback.source)
        if later or blocking or rules is None:
            return
        line = rules.line
        emitted = ringing.emitted_today(connection, line.number, line.timezone, now)
        asked = gates.candidate(rules, callback)
        commercial = facts_of(connection, rules, asked)
        decision = gates.admit(asked, Facts(rules=rules, now=now, commercial=commercial, emitted_today=emitted))
        if decision.gate is not None and decision.reason is not None:
            yield KeptBack(decision.gate.value, decision.until, decision.reason)
        ahead = ringing.ahead(connection, line.number, callback.next_at or now) - 1
        if ahead > 0 or decision.slot is not None:
            others = Plural(
                "up to {count:,} other of the line goes first, {pace} a minute (per_minute)",
                "up to {count:,} others of the line go first, {pace} a minute (per_minute)",
                ahead, pace=line.emission.per_minute,
            )  # fmt: skip
            yield KeptBack(Gate.PACE.value, None, others if ahead > 0 else Text("it has its turn soon"))

    def counts(self) -> dict[str, Counts]:
        """Return how many callbacks there are, by source."""
        by_source: dict[str, Counts] = {}
        with self._database.read() as connection:
            for source, state, gate, number in callbacks.counts(connection):
                counts = by_source.setdefault(source, Counts())
                counts.states[state] = counts.states.get(state, 0) + number
                if state is CallbackState.WAITING:
                    counts.gates[gate] = counts.gates.get(gate, 0) + number
        return by_source

    def lines(self) -> list[EmissionStatus]:
        """Return how each line of the configuration stands."""
        return self._standings("line", [line.number for line in self._book().configuration.lines])

    def sources(self) -> list[EmissionStatus]:
        """Return how each source of the configuration stands. Those that have the same tasks have them looked at by
        one."""
        book = self._book()
        statuses = {
            status.name: status
            for status in self._standings("source", [source.title for source in book.configuration.callbacks])
        }
        for name, rules in book.rules.items():
            poller = statuses[book.poller(rules)]
            statuses[name] = replace(statuses[name], polled_at=poller.polled_at, error=poller.error)
        return list(statuses.values())

    def _standings(self, kind: Kind, names: Sequence[str]) -> list[EmissionStatus]:
        with self._database.read() as connection:
            states = emissions.all_of(connection, kind)
            now = self._clock()
            zones = {line.number: line.timezone for line in self._book().configuration.lines}
            return [brakes.standing(connection, kind, name, states.get(name), now, zones.get(name)) for name in names]
