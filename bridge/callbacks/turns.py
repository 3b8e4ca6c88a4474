"""Sees which callbacks of a line have their turn: those whose time has come, that no gate keeps back, at its pace.

What it does to a line it does in one transaction that holds the line's row, so any number of workers may look.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.callbacks import brakes, gates, states
from bridge.callbacks.alarm import Alarm
from bridge.callbacks.commercial import facts_of
from bridge.callbacks.gates import Decision, Facts, Gate, LineLoad
from bridge.callbacks.pace import LinePace
from bridge.callbacks.parts import Book, Parts
from bridge.callbacks.tasks import Rules, restored
from bridge.config.model import Line
from bridge.queue.base import CALLBACK, EMISSIONS, LINE, line_key
from bridge.store import callbacks, campaigns, emissions, ringing
from bridge.store.callbacks import Callback, Change
from bridge.store.emissions import EmissionState, Mode

_PIECE = 20
_NEAR = timedelta(seconds=5)
"""What is nearer than this is this process's own to remember."""
_LEAST = timedelta(milliseconds=50)
"""Minimum delay between two runs; candidates due meanwhile are batched."""


@dataclass(slots=True)
class _Look:
    """One look at a line. `open`: the sources that may emit; `under_way`: calls; `queued`: those of them that are not
    being sent yet; `wake`: when to look again."""

    book: Book
    line: Line
    state: EmissionState
    now: datetime
    open: dict[str, EmissionState]
    under_way: int
    queued: int
    emitted: int
    last_slot: datetime | None
    wake: datetime | None = None
    full: bool = False


class LineScheduler:
    """Gives the callbacks of a line their turn, at its pace."""

    def __init__(self, parts: Parts) -> None:
        self._database = parts.database
        self._queue = parts.queue
        self._book = parts.book
        self._reports = parts.reports
        self._clock = parts.clock
        self._waiting: set[str] = set()
        self._guard = threading.Lock()
        self.alarm = Alarm(self.look, parts.clock)

    def look(self, line: str) -> None:
        """Give those of the line their turn that may have it now, and see to it that somebody looks again in time.
        Raises `StoreUnavailable`."""
        with self._guard:
            if line in self._waiting:  # whoever is about to look sees all that we would
                return
            self._waiting.add(line)
        try:
            with self._database.turn(line):
                self._waiting.discard(line)
                more = self._batch(line)
        finally:
            self._waiting.discard(line)
        while more:
            with self._database.turn(line):
                more = self._batch(line)

    def _batch(self, number: str) -> bool:
        """Give a few of them their turn; whether there may be more."""
        book = self._book()
        line, rules = book.configuration.line(number), book.on_line(number)
        if line is None or not rules:
            return False
        now = self._clock()
        with self._database.write() as connection:
            state = emissions.held(self._database, connection, "line", number)
            if brakes.closed(state, now):
                self._wake(connection, state, state.until, now)
                return False
            look = self._begun(connection, book, line, state, now)
            due = callbacks.due(connection, list(look.open), now, _PIECE)
            halted = _halt(connection, due, now)
            for callback in _by_turns([candidate for candidate in due if candidate.campaign not in halted], look.open):
                if look.full:
                    break
                self._consider(connection, look, rules[callback.source], callback)
            more = not look.full and len(due) >= _PIECE
            if not more:
                if not look.full and look.wake is None:
                    look.wake = callbacks.next_due(connection, list(look.open), now)
                self._wake(connection, state, self._earliest(look), now)
        return more

    def _begun(self, connection: Connection, book: Book, line: Line, state: EmissionState, now: datetime) -> _Look:
        states_ = emissions.all_of(connection, "source")
        standing = {name: states_.get(name, EmissionState("source", name)) for name in book.on_line(line.number)}
        shut = [state for state in standing.values() if brakes.closed(state, now)]
        return _Look(
            book, line, state, now,
            {name: source for name, source in standing.items() if not brakes.closed(source, now)},
            ringing.under_way(connection, line.number, now),
            ringing.queued(connection, line.number),
            ringing.emitted_today(connection, line.number, line.timezone, now),
            state.last_slot,
            min((source.until for source in shut if source.until is not None), default=None),
        )  # fmt: skip

    @staticmethod
    def _earliest(look: _Look) -> datetime | None:
        return None if look.wake is None else max(look.wake, look.now + _LEAST)

    def _consider(self, connection: Connection, look: _Look, rules: Rules, callback: Callback) -> None:
        """Give it its turn, or put it off, or note that the line has no room."""
        source = look.open.get(callback.source)
        if source is None:  # its source tries with another one
            return
        language = look.book.configuration.language
        decision = self._decide(connection, look, rules, callback)
        if decision.slot is not None:
            self._turn(connection, look, source, callback, decision.slot.of_line)
        elif decision.gate not in (Gate.PACE, Gate.PER_DAY):
            self._put_off(connection, look, callback, states.kept_back(decision, look.now, language))
        else:  # the line has no room, for nobody: those that wait stay as they are
            look.full, look.wake = True, decision.until
            if decision.gate is Gate.PER_DAY:
                noted = states.renew(gate=decision.gate.value, reason=decision.text(language))
                callbacks.change(connection, callback.id, noted, look.now)

    @staticmethod
    def _decide(connection: Connection, look: _Look, rules: Rules, callback: Callback) -> Decision:
        """Ask the gates: first those that need nothing of the database, which keep back most."""
        asked, now = gates.candidate(rules, callback), look.now
        facts = Facts(rules=rules, now=now, data=rules.data(restored(callback.task_id, callback.task)))
        decision = gates.admit(asked, facts)
        if decision.slot is None:
            return decision
        since = gates.counts_since(rules, decision.slot.rings_at)
        rung = ringing.rung(connection, callback.number, since, callback.id)
        rung += [now] * ringing.queued_to(connection, callback.number)
        load = LineLoad(look.last_slot, look.under_way, look.queued)
        commercial = facts_of(connection, rules, asked)
        facts = replace(facts, commercial=commercial, rung=rung, emitted_today=look.emitted, load=load)
        return gates.admit(asked, facts)

    def _turn(
        self, connection: Connection, look: _Look, source: EmissionState, callback: Callback, slot: datetime
    ) -> None:
        now, line = look.now, look.line.number
        change = states.queue(slot, line, callback.claimed_at or now)
        if not callbacks.change(connection, callback.id, change, now):
            return
        self._queue.wake(connection, CALLBACK, str(callback.id), lane=EMISSIONS)
        values: dict[str, Any] = {"last_slot": slot}
        if look.state.mode is Mode.PAUSED:
            values |= brakes.probe(callback.id, now)
            look.full, look.wake = True, values["until"]
        if source.last_slot is None:  # it may not be there yet
            emissions.held(self._database, connection, "source", callback.source)
        emissions.save(connection, "source", callback.source, {"last_slot": slot})
        if source.mode is Mode.PAUSED:
            emissions.save(connection, "source", source.name, brakes.probe(callback.id, now))
            look.open = {name: state for name, state in look.open.items() if name != source.name}
        emissions.save(connection, "line", line, values)
        look.last_slot = slot
        look.under_way += 1
        look.queued += 1
        look.emitted += 1

    def _put_off(self, connection: Connection, look: _Look, callback: Callback, change: Change) -> None:
        if callbacks.change(connection, callback.id, change, look.now) and change.state is not callback.state:
            self._reports.tell(connection, look.book.configuration, callback.id)

    def _wake(self, connection: Connection, state: EmissionState, at: datetime | None, now: datetime) -> None:
        """Have somebody look at this moment, unless somebody looks before."""
        if at is None or (state.wake_at is not None and now < state.wake_at <= at):
            return
        emissions.save(connection, "line", state.name, {"wake_at": at})
        if self.alarm.running and at - now < _NEAR:
            self.alarm.set(at, state.name)
            return
        self._queue.wake(connection, LINE, line_key(state.name, at), at)

    def give_back(self, connection: Connection, state: EmissionState, line: Line) -> None:
        """A slot was not used: the next one may have it."""
        if state.last_slot is not None:
            pace = LinePace(line.emission.per_minute, line.emission.at_once)
            emissions.save(connection, "line", line.number, {"last_slot": state.last_slot - pace.interval})


def _halt(connection: Connection, due: Sequence[Callback], now: datetime) -> frozenset[str]:
    """The campaigns among these that a person paused or cancelled; nothing of them waits for a turn any more. What does
    is what came in at the same moment, or came back from the platform since."""
    halted = campaigns.halted(connection, {callback.campaign for callback in due if callback.campaign})
    changes = {campaign.name: states.halted(campaign, now) for campaign in halted}
    for callback in due:
        if callback.campaign in changes:
            callbacks.change(connection, callback.id, changes[callback.campaign], now)
    return frozenset(changes)


def _by_turns(due: Sequence[Callback], sources: Mapping[str, EmissionState]) -> list[Callback]:
    """In the order in which they are considered: one of each source, then the next of each, so that thousands of one
    source hold up no other's. The source that had no turn for longest begins. `due`: longest due first."""
    turns: Counter[str] = Counter()
    ranks: list[tuple[int, float]] = []
    for callback in due:
        slot = sources[callback.source].last_slot
        ranks.append((turns[callback.source], slot.timestamp() if slot is not None else 0.0))
        turns[callback.source] += 1
    return [due[at] for at in sorted(range(len(due)), key=ranks.__getitem__)]
