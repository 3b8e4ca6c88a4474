"""What a campaign would do: how many would be called, what keeps how many back, and when it would be over. Nothing is
kept and nobody is rung."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.callbacks import gates, identity
from bridge.callbacks.campaigns import FAR, Places
from bridge.callbacks.desk import differs
from bridge.callbacks.gates import Gate
from bridge.callbacks.preparing import in_list
from bridge.callbacks.rowfile import Row
from bridge.callbacks.tasks import Rules, Wish
from bridge.config.model import Configuration
from bridge.hours.zones import start_of
from bridge.lookups.gateway import ConnectorGateway
from bridge.store import callbacks
from bridge.store.callbacks import CallbackState

_SINCE = timedelta(hours=25)
_PIECE = 500
_MOST_TRIES = 400
"""Times that a number which stands in very many rows is put off."""
_TO_COME = (CallbackState.WAITING, CallbackState.QUEUED)
KNOWN = "known"
"""What keeps rows back for good that were taken before under the campaign's name, and are done."""


@dataclass(slots=True)
class Forecast:
    """`rows` in the file, of which so many are `known` (taken before under the campaign's name) and so many `refused`
    for what they say; `called`: how many would be, sooner or later; `never`: how many of the others each gate keeps
    back for good; `later`: how many each gate keeps back for now; `ahead`: how many callbacks of the line
    have their turn before; `begins` and `ends`: when the first and the last is rung, None where nobody would be called,
    or not within two years."""

    rows: int = 0
    known: int = 0
    refused: int = 0
    called: int = 0
    never: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    ahead: int = 0
    begins: datetime | None = None
    ends: datetime | None = None


def forecast(
    connection: Connection,
    configuration: Configuration,
    rules: Rules,
    sources: Mapping[str, ConnectorGateway],
    rows: Iterable[Row],
    now: datetime,
    bad: Callable[[Row], None],
) -> Forecast:
    """Go through the rows; `bad` gets those that can't be called. Raises `FileUnreadable`, and `ConnectorError` where a
    do-not-call list can't be read."""
    going = _Going(connection, configuration, rules, sources, now)
    rest = iter(rows)
    while lot := list(islice(rest, _PIECE)):
        going.take(lot, bad)
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
        self._found = Forecast()
        self._clocks: Counter[tuple[str, ...]] = Counter()
        self._numbers: Counter[int] = Counter()
        self._begin, self._expire = array("d"), array("d")
        self._waiting = 0

    def take(self, lot: list[Row], bad: Callable[[Row], None]) -> None:
        """Go through some rows."""
        found, rules = self._found, self._rules
        wishes = {callbacks.key_of(row.task.id): row.wish for row in lot if row.wish is not None}
        numbers = {key: wish.number.e164 for key, wish in wishes.items()}
        known = identity.known(self._connection, self._configuration, rules.source.origin, numbers)
        since = self._now - max(_SINCE, timedelta(seconds=rules.source.per_number.seconds))
        rung = callbacks.rung_to(self._connection, numbers.values(), since)
        for row in lot:
            found.rows += 1
            there = known.get(callbacks.key_of(row.task.id)) if row.wish is not None else None
            found.known += there is not None
            found.refused += row.wish is None
            if row.wish is None:
                _count(found.never, row.gate)
                bad(row)
            elif there is not None and there.state not in _TO_COME and not differs(there, rules, row.wish):
                _count(found.never, KNOWN)
            elif self._listed(row.wish):
                _count(found.never, Gate.DO_NOT_CALL.value)
            else:
                self._waiting += there is not None and there.state in _TO_COME
                self._clocks[rules.zones(row.wish.customer)] += 1
                gate, begins = self._kept_back(row.wish, rung.get(row.wish.number.e164, []))
                if gate:
                    _count(found.later, gate)
                self._begin.append(begins.timestamp())
                late = there.expires_at if there is not None and there.state in _TO_COME else None
                late = late or max(row.wish.due or self._now, self._now) + timedelta(seconds=rules.source.expires)
                self._expire.append(late.timestamp())

    def reckoned(self) -> Forecast:
        """Give each its place at the line's pace, in the order in which they have their turns. Those whose turn comes
        after they expire are not called."""
        found, rules, now = self._found, self._rules, self._now
        if not self._begin:
            return found
        midnight = start_of(now.astimezone(ZoneInfo(rules.line.timezone)).date(), rules.line.timezone)
        today = callbacks.emitted(self._connection, rules.line.number, midnight)
        found.ahead = max(0, callbacks.ahead(self._connection, rules.line.number, now) - self._waiting)
        places = Places(rules, self._clocks.most_common(1)[0][0], today, now)
        for _ in range(found.ahead):
            places.take(now)
        for at in sorted(range(len(self._begin)), key=self._begin.__getitem__):
            begins = datetime.fromtimestamp(self._begin[at], UTC)
            place = places.free(begins) or now + FAR
            if place.timestamp() >= self._expire[at]:
                _count(found.never, Gate.EXPIRED.value)
                continue
            found.called += 1
            found.ends = places.take(begins)
            found.begins = found.begins or found.ends
        return found

    def _listed(self, wish: Wish) -> bool:
        for listed in self._rules.source.do_not_call:
            if in_list(self._sources[listed.in_], listed.table, wish.customer):
                return True
        return False

    def _kept_back(self, wish: Wish, attempts: list[datetime]) -> tuple[str, datetime]:
        """What keeps it back for now (empty: nothing), and until when. Rows before it count as calls to its number."""
        now, rules = self._now, self._rules
        due = max(wish.due or now, now)
        zones, rate = rules.zones(wish.customer), rules.source.per_number
        begins = self._open(due, zones)
        gate = Gate.HOURS.value if begins > due else "due" if due > now else ""
        for _ in range(_MOST_TRIES):
            day = begins.astimezone(ZoneInfo(zones[0])).date().toordinal()
            span = day if rate.seconds == timedelta(days=1).total_seconds() else int(begins.timestamp() // rate.seconds)
            before = hash((wish.number.e164, span))
            rung = [*attempts, *[begins] * self._numbers[before]]
            often = gates.per_number(rung, rate, zones[0], begins) if rung else None
            if often is None or often.until is None:
                self._numbers[before] += 1
                break
            gate, begins = often.gate.value, self._open(often.until, zones)
        return gate, begins

    def _open(self, moment: datetime, zones: tuple[str, ...]) -> datetime:
        window = self._rules.calendar.window(moment, zones)
        return moment if window is None else max(moment, window.start)


def _count(counted: dict[str, int], gate: str) -> None:
    counted[gate] = counted.get(gate, 0) + 1
