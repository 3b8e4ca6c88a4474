"""Sees which callbacks of a line have their turn: those whose time has come, that no gate keeps back, at its pace.

What it does to a line it does in one transaction that holds the line's row, so any number of workers may look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.callbacks import brakes, gates, states, timing
from bridge.callbacks.alarm import Alarm
from bridge.callbacks.gates import Gate, Refusal
from bridge.callbacks.pace import LinePace
from bridge.callbacks.parts import Parts
from bridge.callbacks.rulebook import Book
from bridge.callbacks.tasks import Rules, Unusable, restored
from bridge.config.model import Line
from bridge.hours.zones import start_of
from bridge.queue.base import CALLBACK, EMISSIONS, LINE, line_key
from bridge.store import callbacks, campaigns, emissions
from bridge.store.callbacks import Callback, Change
from bridge.store.campaigns import Campaign
from bridge.store.emissions import EmissionState, Mode

_PIECE = 20
_NEAR = timedelta(seconds=5)
"""What is nearer than this is this process's own to remember."""
_LEAST = timedelta(milliseconds=50)
"""Between two looks; what could go meanwhile goes together then."""


@dataclass(slots=True)
class _Look:
    """One look at a line. `open`: the sources that may emit; `under_way`: calls; `queued`: those of them that are not
    being sent yet; `paused`: campaigns; `wake`: when to look again."""

    book: Book
    line: Line
    state: EmissionState
    now: datetime
    open: dict[str, EmissionState]
    under_way: int
    queued: int
    emitted: int
    last_slot: datetime | None
    paused: Sequence[Campaign]
    wake: datetime | None = None
    full: bool = False


class LineScheduler:
    """Gives callbacks their turn."""

    def __init__(self, parts: Parts) -> None:
        self._database = parts.database
        self._queue = parts.queue
        self._book = parts.book
        self._reports = parts.reports
        self._clock = parts.clock
        self.alarm = Alarm(self.look, parts.clock)

    def look(self, line: str) -> None:
        """Give those of the line their turn that may have it now, and see to it that somebody looks again in time.
        Raises `StoreUnavailable`."""
        while self._some(line):
            pass

    def _some(self, number: str) -> bool:
        """A few of them; whether there may be more."""
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
            found = callbacks.due(connection, list(look.open), now, _PIECE)
            for callback in _by_turns(found, look.open):
                if look.full:
                    break
                self._consider(connection, look, rules[callback.source], callback)
            more = not look.full and len(found) >= _PIECE
            if not more:
                if not look.full and look.wake is None:
                    look.wake = callbacks.next_due(connection, list(look.open), now)
                self._wake(connection, state, self._earliest(look), now)
        return more

    def _begun(self, connection: Connection, book: Book, line: Line, state: EmissionState, now: datetime) -> _Look:
        known = emissions.all_of(connection, "source")
        standing = {name: known.get(name, EmissionState("source", name)) for name in book.on_line(line.number)}
        shut = [one for one in standing.values() if brakes.closed(one, now)]
        midnight = start_of(now.astimezone(ZoneInfo(line.timezone)).date(), line.timezone)
        return _Look(
            book, line, state, now,
            {name: one for name, one in standing.items() if not brakes.closed(one, now)},
            callbacks.under_way(connection, line.number, now),
            callbacks.queued(connection, line.number),
            callbacks.emitted(connection, line.number, midnight),
            state.last_slot,
            [one for one in campaigns.every(connection) if one.paused],
            min((one.until for one in shut if one.until is not None), default=None),
        )  # fmt: skip

    @staticmethod
    def _earliest(look: _Look) -> datetime | None:
        return None if look.wake is None else max(look.wake, look.now + _LEAST)

    def _consider(self, connection: Connection, look: _Look, rules: Rules, callback: Callback) -> None:
        """Give it its turn, or put it off, or note that the line has no room."""
        source = look.open.get(callback.source)
        if source is None:  # its source tries with another one
            return
        if any(one.source == callback.source and callback.task_id.startswith(one.prefix) for one in look.paused):
            # the platform refused it for now, just when a person paused its campaign
            self._put_off(connection, look, callback, states.hold(campaigns.HELD, "the campaign is paused"))
            return
        refusal = self._refusal(connection, look, rules, callback)
        if isinstance(refusal, Refusal) and refusal.gate in (Gate.PACE, Gate.PER_DAY):
            look.full, look.wake = True, refusal.until
            if refusal.gate is Gate.PER_DAY:
                said = refused(refusal, look.now, look.book.configuration.language).values
                kept = states.renew(gate=said["gate"], reason=said["reason"])
                callbacks.change(connection, callback.id, kept, look.now)
        elif isinstance(refusal, Refusal):
            self._put_off(connection, look, callback, refused(refusal, look.now, look.book.configuration.language))
        elif isinstance(refusal, Change):
            self._put_off(connection, look, callback, refusal)
        else:
            self._turn(connection, look, source, callback, refusal)

    def _refusal(
        self, connection: Connection, look: _Look, rules: Rules, callback: Callback
    ) -> Refusal | Change | datetime:
        """What keeps it back, or its slot."""
        now = look.now
        late = gates.expiry(callback.expires_at, now) if callback.expires_at is not None else None
        if late is not None:
            return late
        try:
            data = rules.data(restored(callback.task_id, callback.task))
        except Unusable as fault:
            return states.reject(now, "task", fault.text(look.book.configuration.language))
        slot = timing.slot(rules, callback, data, now)
        if isinstance(slot, Refusal):
            return slot
        rung = callbacks.rung(connection, callback.number, timing.often_since(rules, slot.at), callback.id)
        rung += [now] * callbacks.queued_to(connection, callback.number)
        often = timing.often(rules, callback, rung, slot.at)
        if often is not None:
            return often
        emission = look.line.emission
        full = gates.per_day(look.emitted, look.line, now)
        pace = LinePace(emission.per_minute, emission.at_once)
        return full or gates.pace(pace, look.last_slot, look.under_way, now, queued=look.queued)

    def _turn(
        self, connection: Connection, look: _Look, source: EmissionState, callback: Callback, slot: datetime
    ) -> None:
        now, line = look.now, look.line.number
        change = states.queue(slot, line, callback.claimed_at or now)
        if not callbacks.change(connection, callback.id, change, now):
            return
        self._queue.poke(connection, CALLBACK, str(callback.id), lane=EMISSIONS)
        values: dict[str, Any] = {"last_slot": slot}
        if look.state.mode is Mode.PAUSED:
            values |= brakes.probe(callback.id, now)
            look.full, look.wake = True, values["until"]
        if source.last_slot is None:  # it may not be there yet
            emissions.held(self._database, connection, "source", callback.source)
        emissions.save(connection, "source", callback.source, {"last_slot": slot})
        if source.mode is Mode.PAUSED:
            emissions.save(connection, "source", source.name, brakes.probe(callback.id, now))
            look.open = {name: one for name, one in look.open.items() if name != source.name}
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
        self._queue.poke(connection, LINE, line_key(state.name, at), at)

    def give_back(self, connection: Connection, state: EmissionState, line: Line) -> None:
        """A slot was not used: the next one may have it."""
        if state.last_slot is not None:
            pace = LinePace(line.emission.per_minute, line.emission.at_once)
            emissions.save(connection, "line", line.number, {"last_slot": state.last_slot - pace.interval})


def _by_turns(found: Sequence[Callback], sources: Mapping[str, EmissionState]) -> list[Callback]:
    """In the order in which they are considered: one of each source, then the next of each, so that thousands of one
    source hold up no other's. The source that had no turn for longest begins. `found`: longest due first."""
    taken: Counter[str] = Counter()
    ranks: list[tuple[int, float]] = []
    for callback in found:
        slot = sources[callback.source].last_slot
        ranks.append((taken[callback.source], slot.timestamp() if slot is not None else 0.0))
        taken[callback.source] += 1
    return [found[at] for at in sorted(range(len(found)), key=ranks.__getitem__)]


def refused(refusal: Refusal, now: datetime, language: str) -> Change:
    """What a gate's refusal makes of a callback."""
    text = refusal.text("es" if language == "es" else "en")
    if refusal.until is not None:
        return states.wait(refusal.until, refusal.gate.value, text)
    if refusal.gate is Gate.EXPIRED:
        return states.expire(now, text)
    return states.reject(now, refusal.gate.value, text)
