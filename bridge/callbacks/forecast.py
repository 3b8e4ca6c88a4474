"""What a campaign would do: how many would be called, what keeps how many back, and when it would be over. Nothing is
kept and nobody is rung."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.callbacks import commercial, gates, identity
from bridge.callbacks.consent import Consent
from bridge.callbacks.gates import MENDED, OF_THE_ROW, Candidate, CommercialFacts, Facts, Gate, Listed
from bridge.callbacks.pace import LinePace
from bridge.callbacks.preparing import in_list
from bridge.callbacks.rowfile import CampaignRow
from bridge.callbacks.task_intake import differs
from bridge.callbacks.tasks import CallData, Rules, Wish
from bridge.config.model import Configuration
from bridge.lookups.gateway import ConnectorGateway
from bridge.store import callbacks, ringing
from bridge.store.callbacks import CallbackState
from bridge.texts import Text

_FAR = timedelta(days=730)
"""How far ahead is reckoned."""
_SINCE = timedelta(hours=25)
_PIECE = 500
_MOST_TRIES = 400
"""Times that a number which stands in very many rows is put off."""
_TO_COME = (CallbackState.WAITING, CallbackState.QUEUED)
_ANY_CALL = CallData({}, max_wait=1, retries=0, from_task=frozenset())
Renewable = Callable[[CampaignRow, Text], None]
"""Gets a row that would be called if its consent were renewed, and what it misses."""
KNOWN = "known"
"""What keeps rows back for good that were taken before under the campaign's name, and are done."""


@dataclass(slots=True)
class Forecast:
    """`rows` in the file, of which so many are `known` (taken before under the campaign's name) and so many `refused`
    for what they say; `called`: how many would be, sooner or later; `never`: how many of the others each gate keeps
    back for good; `kept`: how many each gate keeps back until somebody mends what it misses, of whom `renewable` would
    be called if their consent were renewed; `later`: how many of those called each gate keeps back for now; `ahead`:
    how many callbacks of the line have their turn before; `begins` and `ends`: when the first and the last is rung,
    None where nobody would be called, or not within two years."""

    rows: int = 0
    known: int = 0
    refused: int = 0
    called: int = 0
    never: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    renewable: int = 0
    later: dict[str, int] = field(default_factory=dict)
    ahead: int = 0
    begins: datetime | None = None
    ends: datetime | None = None


def forecast(
    connection: Connection,
    configuration: Configuration,
    rules: Rules,
    sources: Mapping[str, ConnectorGateway],
    rows: Iterable[CampaignRow],
    now: datetime,
    bad: Callable[[CampaignRow], None],
    renewable: Renewable = lambda _row, _reason: None,
) -> Forecast:
    """Go through the rows; `bad` gets those that can't be called, `renewable` those that would be if their consent were
    renewed, each with what it misses. Raises `FileUnreadable`, and `ConnectorError` where a do-not-call list can't be
    read."""
    going = _Going(connection, configuration, rules, sources, now)
    remaining = iter(rows)
    while lot := list(islice(remaining, _PIECE)):
        going.take(lot, bad, renewable)
    return going.reckoned()


class _Going:
    """A forecast while it is made."""

    def __init__(
        self,
        connection: Connection,
        configuration: Configuration,
        rules: Rules,
        sources: Mapping[str, ConnectorGateway],
        now: datetime,
    ) -> None:
        self._connection, self._configuration = connection, configuration
        self._rules, self._sources, self._now = rules, sources, now
        self._forecast = Forecast()
        self._clocks: Counter[tuple[str, ...]] = Counter()
        self._numbers: Counter[int] = Counter()
        self._begin, self._expire = array("d"), array("d")
        self._waiting = 0

    def take(self, lot: list[CampaignRow], bad: Callable[[CampaignRow], None], renewable: Renewable) -> None:
        """Foretell what becomes of some rows; `bad` is called with those that can't be called."""
        forecast, rules = self._forecast, self._rules
        wishes = {callbacks.key_of(row.task.id): row.wish for row in lot if row.wish is not None}
        numbers = {key: wish.number.e164 for key, wish in wishes.items()}
        callback_of = identity.known(self._connection, self._configuration, rules.source.origin, numbers)
        since = self._now - max(_SINCE, timedelta(seconds=rules.source.per_number.seconds))
        rung = ringing.rung_to(self._connection, numbers.values(), since)
        asked_of = {key: gates.wished(wish) for key, wish in wishes.items()}
        lists = self._lists(asked_of.values())
        for row in lot:
            forecast.rows += 1
            callback = callback_of.get(callbacks.key_of(row.task.id)) if row.wish is not None else None
            forecast.known += callback is not None
            forecast.refused += row.wish is None
            if row.wish is None:
                _count(forecast.never, row.gate)
                bad(row)
            elif callback is not None and callback.state not in _TO_COME and not differs(callback, rules, row.wish):
                _count(forecast.never, KNOWN)
            else:
                waits = callback is not None and callback.state in _TO_COME
                late = callback.expires_at if callback is not None and waits else None
                late = late or max(row.wish.due or self._now, self._now) + timedelta(seconds=rules.source.expires)
                asked = replace(asked_of[callbacks.key_of(row.task.id)], expires_at=late)
                facts = Facts(
                    rules=rules, now=self._now, data=_ANY_CALL, listed=self._listed(row.wish),
                    commercial=commercial.joined(asked, lists) if rules.commercial else None,
                )  # fmt: skip
                missing = self._place(asked, facts, rung.get(row.wish.number.e164, []), waits=waits)
                if missing is not None:
                    renewable(row, missing)

    def reckoned(self) -> Forecast:
        """Give each its place at the line's pace, in the order in which they have their turns. Those whose turn comes
        after they expire are not called."""
        forecast, rules, now = self._forecast, self._rules, self._now
        if not self._begin:
            return forecast
        today = ringing.emitted_today(self._connection, rules.line.number, rules.line.timezone, now)
        forecast.ahead = max(0, ringing.ahead(self._connection, rules.line.number, now) - self._waiting)
        places = Places(rules, self._clocks.most_common(1)[0][0], today, now)
        places.take_many(forecast.ahead)
        for at in sorted(range(len(self._begin)), key=self._begin.__getitem__):
            begins = datetime.fromtimestamp(self._begin[at], UTC)
            place = places.free(begins) or now + _FAR
            if place.timestamp() >= self._expire[at]:
                _count(forecast.never, Gate.EXPIRED.value)
                continue
            forecast.called += 1
            forecast.ends = places.take(begins)
            forecast.begins = forecast.begins or forecast.ends
        return forecast

    def _listed(self, wish: Wish) -> Listed:
        for listed in self._rules.source.do_not_call:
            if in_list(self._sources[listed.in_], listed.table, wish.customer):
                return Listed.YES
        return Listed.NO

    def _place(self, asked: Candidate, facts: Facts, attempts: list[datetime], *, waits: bool) -> Text | None:
        """Give a row its place among those that are called, or count what keeps it back; return what it misses where
        renewed consent would have it called."""
        forecast, fate = self._forecast, self._ask(asked, facts, attempts)
        if fate.called:
            self._numbers[self._rows_in_span(asked, fate.begins)] += 1
            self._clocks[self._rules.zones(asked.customer)] += 1
            if fate.gate:
                _count(forecast.later, fate.gate)
            self._begin.append(fate.begins.timestamp())
            self._expire.append((asked.expires_at or fate.begins).timestamp())
            self._waiting += waits
            return None
        _count(forecast.never if fate.missing is None else forecast.kept, fate.gate)
        if fate.gate not in OF_THE_ROW or not self._ask(_renewed(asked, facts), facts, attempts).called:
            return None
        forecast.renewable += 1
        return fate.missing

    def _lists(self, asked: Iterable[Candidate]) -> Mapping[str, CommercialFacts]:
        """What the lists of commercial calls know of all these numbers."""
        if not self._rules.commercial:
            return {}
        return commercial.known(self._connection, self._rules, {number for each in asked for number in each.numbers})

    def _ask(self, asked: Candidate, facts: Facts, attempts: list[datetime]) -> _Fate:
        """Ask the gates at each moment at which it would have its turn. Rows before it count as calls to its number."""
        gate, begins = ("due", asked.due) if asked.due is not None and asked.due > self._now else ("", self._now)
        for _ in range(_MOST_TRIES):
            rung = [*attempts, *[begins] * self._numbers[self._rows_in_span(asked, begins)]]
            decision = gates.admit(asked, replace(facts, now=begins, rung=rung))
            if decision.final:
                return _Fate(called=False, gate=decision.gate or "", begins=begins)
            if decision.gate in MENDED and asked.expires_at is not None and decision.until == asked.expires_at:
                return _Fate(called=False, gate=decision.gate or "", begins=begins, missing=decision.reason)
            if decision.gate is Gate.BY_HAND:  # as though a person said so at once
                asked = replace(asked, by_hand=True)
                continue
            if decision.until is None:
                break
            if gate not in (Gate.PER_NUMBER, *MENDED):
                gate = decision.gate or ""
            begins = decision.until
        return _Fate(called=True, gate=gate, begins=begins)

    def _rows_in_span(self, asked: Candidate, moment: datetime) -> int:
        """Tells the rows that `per_number` counts together from others: those to one number in one day, or one span."""
        rate, zone = self._rules.source.per_number, self._rules.zones(asked.number)[0]
        by_day = rate.seconds == timedelta(days=1).total_seconds()
        day = moment.astimezone(ZoneInfo(zone)).date().toordinal()
        return hash((asked.number.e164, day if by_day else int(moment.timestamp() // rate.seconds)))


class _Fate(NamedTuple):
    """Whether a row is called sooner or later, what keeps it back (empty: nothing), and until when; `missing`: what
    somebody has to mend first."""

    called: bool
    gate: str
    begins: datetime
    missing: Text | None = None


def _renewed(asked: Candidate, facts: Facts) -> Candidate:
    """The same, had the person consented today."""
    today = facts.now.astimezone(ZoneInfo(facts.rules.line.timezone)).date()
    return replace(asked, consent=replace(asked.consent or Consent(), basis="consent", on=today))


def _count(counted: dict[str, int], gate: str) -> None:
    counted[gate] = counted.get(gate, 0) + 1


class Places:
    """The moments at which a line can ring, one after another: at its pace, within calling hours by the clocks of
    `zones`, and its `per_day`. `today`: emissions of the line today."""

    def __init__(self, rules: Rules, zones: Sequence[str], today: int, now: datetime) -> None:
        emission = rules.line.emission
        self._interval = LinePace(emission.per_minute, emission.at_once).interval
        self._per_day = rules.line.dial.per_day
        self._windows = islice(_windows(rules, zones, now), _FAR.days)
        self._window = next(self._windows, None)
        self._left = max(0, self._per_day - today)
        self._next = now

    def free(self, begins: datetime) -> datetime | None:
        """Return the next place, not before `begins`; None: not within two years. Ask for those that begin earlier
        first."""
        while self._window is not None:
            at = max(self._next, self._window[0], begins)
            if self._left > 0 and at + self._interval <= self._window[1]:
                return at
            self._next_window()
        return None

    def take(self, begins: datetime) -> datetime | None:
        """Return the next place, and give it to somebody."""
        at = self.free(begins)
        if at is not None:
            self._next, self._left = at + self._interval, self._left - 1
        return at

    def take_many(self, count: int) -> datetime | None:
        """Give away the next places at once; return when they are over. None: not within two years."""
        while self._window is not None:
            at = max(self._next, self._window[0])
            fitting = min(count, self._left, max(0, (self._window[1] - at) // self._interval))
            self._next, self._left, count = at + fitting * self._interval, self._left - fitting, count - fitting
            if not count:
                return self._next
            self._next_window()
        return None

    def _next_window(self) -> None:
        self._window, self._left = next(self._windows, None), self._per_day


def _windows(rules: Rules, zones: Sequence[str], now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Calling hours, a day at a time."""
    while (window := rules.calendar.window(now, zones)) is not None:
        end = min(window.end, max(window.start, now) + timedelta(days=1))
        yield window.start, end
        now = end
