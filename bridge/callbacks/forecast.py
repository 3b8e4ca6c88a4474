"""What a campaign would do: how many would be called, what keeps how many back, and when it would be over. Nothing is
kept and nobody is rung."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge import gates
from bridge.callbacks.campaigns import ends
from bridge.callbacks.rowfile import Row
from bridge.callbacks.tasks import Rules, Wish
from bridge.gates import Gate
from bridge.lookup import Source
from bridge.store import callbacks
from bridge.zones import start_of
from connectors.base import Deadline, Wanted

_LOOK_UP = 10.0
_SINCE = timedelta(hours=25)


@dataclass(slots=True)
class Forecast:
    """`rows` in the file; `called`: how many would be, sooner or later; `never`: how many of the others each gate keeps
    back for good; `later`: how many of the called each gate keeps back for now; `begins` and `ends`: when, None where
    nobody would be called, or not within two years."""

    rows: int = 0
    called: int = 0
    never: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    begins: datetime | None = None
    ends: datetime | None = None


def forecast(
    connection: Connection,
    rules: Rules,
    sources: Mapping[str, Source],
    rows: Iterable[Row],
    now: datetime,
    bad: Callable[[Row], None],
) -> Forecast:
    """Go through the rows; `bad` gets those that can't be called. Raises `FileUnreadable`, and `ConnectorError` where a
    do-not-call list can't be read."""
    found, latest = Forecast(), now
    clocks: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        found.rows += 1
        if row.wish is None:
            _count(found.never, row.gate)
            bad(row)
        elif _listed(rules, sources, row.wish):
            _count(found.never, Gate.DO_NOT_CALL.value)
        else:
            found.called += 1
            clocks[rules.zones(row.wish.customer)] += 1
            gate, begins = _kept_back(connection, rules, row.wish, now)
            if gate:
                _count(found.later, gate)
            found.begins = min(found.begins or begins, begins)
            latest = max(latest, begins)
    if found.called:
        midnight = start_of(now.astimezone(ZoneInfo(rules.line.timezone)).date(), rules.line.timezone)
        today = callbacks.emitted(connection, rules.line.number, midnight)
        last = ends(rules, clocks.most_common(1)[0][0], found.called, today, now)
        found.ends = None if last is None else max(last, latest)
    return found


def _listed(rules: Rules, sources: Mapping[str, Source], wish: Wish) -> bool:
    for listed in rules.source.do_not_call:
        wanted = Wanted(listed.table, phone=wish.customer, limit=20)
        records, _ = sources[listed.in_].find(wanted, Deadline.after(_LOOK_UP), None)
        if any(wish.customer.same(phone) for record in records for phone in record.phones):
            return True
    return False


def _kept_back(connection: Connection, rules: Rules, wish: Wish, now: datetime) -> tuple[str, datetime]:
    """What keeps it back for now (empty: nothing), and until when."""
    due = max(wish.due or now, now)
    zones = rules.zones(wish.customer)
    window = rules.calendar.window(due, zones)
    begins = due if window is None else max(due, window.start)
    attempts = callbacks.rung(connection, wish.number.e164, now - _SINCE, 0)
    often = gates.per_number(attempts, rules.source.per_number, zones[0], begins) if attempts else None
    if often is not None and often.until is not None:
        return often.gate.value, often.until
    if begins > due:
        return Gate.HOURS.value, begins
    return ("due" if due > now else ""), begins


def _count(counted: dict[str, int], gate: str) -> None:
    counted[gate] = counted.get(gate, 0) + 1
