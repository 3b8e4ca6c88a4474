"""Calls added up: by the hour in which they began, and by whom they rang at on each day.

The sums outlive the calls, and hold no number of a caller. `bridge.reports.counting` says what a call adds to them;
the call keeps that, so that it can be taken back when the call changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    select,
    update,
)

from bridge.store import calls as stored_calls
from bridge.store import packs
from bridge.store.calls import Call
from bridge.store.database import Database
from bridge.store.packs import Pack
from bridge.store.tables import IS_OPEN, OF_MISSED, UNCOUNTED, callbacks, calls, events, figures

MILLION = 10**6
"""Amounts are kept in millionths, as whole numbers: the platform writes six decimals."""


class FigureKind(StrEnum):
    """What a row of figures counts."""

    CALL = "call"
    """Calls, by the hour of the line's clock in which they began and by the number of ours that was called."""
    RING = "ring"
    """Calls that were put through to an extension or number, by day."""


class FigureOutcome(StrEnum):
    """What became of the calls of a row."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """Somebody was rung, and nobody answered."""
    SCRIPT = "script"
    """Received, and over before anybody was rung."""
    UNKNOWN = "unknown"
    """The end was never heard of."""


class FigureKey(NamedTuple):
    """What is added up together. `at`: when the hour or the day began on the line's clock; `number`: ours that was
    called, or the extension that was rung."""

    kind: FigureKind
    at: datetime
    line: str
    direction: str
    outcome: FigureOutcome
    number: str


@dataclass(slots=True)
class Sums:
    """What they come to. Costs in millionths; `timed`: answered ones of which is known for how long their callers
    waited, `waited` that in milliseconds, `within_20` and `within_180` how many of them waited no longer."""

    calls: int = 0
    seconds: int = 0
    cost_rx: int = 0
    cost_tx: int = 0
    timed: int = 0
    waited: int = 0
    within_20: int = 0
    within_180: int = 0

    def add(self, other: Sums, times: int = 1) -> None:
        """Add another's, so many times."""
        self.calls += times * other.calls
        self.seconds += times * other.seconds
        self.cost_rx += times * other.cost_rx
        self.cost_tx += times * other.cost_tx
        self.timed += times * other.timed
        self.waited += times * other.waited
        self.within_20 += times * other.within_20
        self.within_180 += times * other.within_180


Figures = Mapping[FigureKey, Sums]


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A call that is over and not added up as it is now. `began`, `answered_at`: when its INICIO and its first
    DESVIO_CORRECTO came, None: never; `counted`: what it was added up as before."""

    call: Call
    began: datetime | None
    answered_at: datetime | None
    counted: Figures


_TIMED = ("inicio", "desvio_correcto")
_NAMES = tuple(field.name for field in fields(Sums))
_COLUMNS = (
    *(figures.c.kind, figures.c.at, figures.c.line, figures.c.direction, figures.c.outcome, figures.c.number),
    *(figures.c[name] for name in _NAMES),
)


def _calls_where(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    counted = case((and_(*conditions), figures.c.calls), else_=0)
    return cast(func.coalesce(func.sum(counted), 0), BigInteger)


def _received(*outcomes: FigureOutcome) -> ColumnElement[int]:
    of_these = [figures.c.outcome.in_(outcomes)] if outcomes else []
    return _calls_where(figures.c.direction != "emitted", *of_these)


_EMITTED = figures.c.direction == "emitted"
_HOUR_COUNTS: tuple[Any, ...] = (
    _received(),
    *(_received(outcome) for outcome in FigureOutcome),
    _calls_where(_EMITTED),
    _calls_where(_EMITTED, figures.c.outcome == FigureOutcome.ANSWERED),
)
_HOUR_SUMS: tuple[Any, ...] = tuple(cast(func.sum(figures.c[name]), BigInteger) for name in _NAMES)

_COUNTED = (
    update(calls)
    .where(calls.c.id == bindparam("of"), calls.c.version == bindparam("now"))
    .values(counted_version=bindparam("now"), counted=bindparam("figures"))
)


def uncounted(connection: Connection, limit: int, *, to_count: bool = False) -> list[Uncounted]:
    """Return calls to add up, those first that were heard of first. `to_count`: they are held for `count` until the
    transaction ends, and those that somebody else holds are left out."""
    query = select(calls).where(UNCOUNTED).order_by(calls.c.id).limit(limit)
    rows = connection.execute(query.with_for_update(skip_locked=True) if to_count else query).all()
    moments = _moments(connection, [(row.line, row.call_sequence) for row in rows if not row.packed])
    packed = packs.of_calls(connection, [row.id for row in rows if row.packed])
    uncounted = []
    for call, row in zip(stored_calls.of_rows(connection, rows), rows, strict=True):
        pack = packed.get(row.id)
        if pack is not None:
            moments |= _packed_moments(pack, row.line, row.call_sequence)
        began, answered_at = (moments.get((row.line, row.call_sequence, event)) for event in _TIMED)
        # one that was counted since it was packed says itself as what
        counted = pack.counted if pack is not None and row.counted is None else row.counted
        uncounted.append(Uncounted(call, began, answered_at, _restored(row.line, counted or ())))
    return uncounted


def _packed_moments(pack: Pack, line: str, call_sequence: str) -> dict[tuple[str, str, str], datetime]:
    """The same of a call that is packed."""
    came = sorted(((event["event"], event["received_at"]) for event in pack.events), key=itemgetter(1), reverse=True)
    return {(line, call_sequence, event): at for event, at in came if event in _TIMED}


def _moments(connection: Connection, of: Sequence[tuple[str, str]]) -> dict[tuple[str, str, str], datetime]:
    """When the first INICIO and the first DESVIO_CORRECTO of each of these calls came. Line by line: SQLite finds pairs
    of values by no index."""
    by_line: dict[str, list[str]] = defaultdict(list)
    for line, call_sequence in of:
        by_line[line].append(call_sequence)
    columns = (events.c.line, events.c.call_sequence, events.c.event)
    moments: dict[tuple[str, str, str], datetime] = {}
    for line, calls_of_line in by_line.items():
        query = (
            select(*columns, func.min(events.c.received_at))
            .where(
                events.c.line == line,
                events.c.call_sequence.in_(calls_of_line),
                events.c.event.in_(_TIMED),
            )
            .group_by(*columns)
        )
        moments |= {(line, call, event): first for _, call, event, first in connection.execute(query)}
    return moments


def count(
    database: Database, connection: Connection, counted: Iterable[tuple[Uncounted, Figures]], changes: Figures
) -> None:
    """Add `changes` to the sums, and keep with each call what it was added up as."""
    versions = [
        {"of": entry.call.id, "now": entry.call.version, "figures": _stored(figures_of_call)}
        for entry, figures_of_call in counted
    ]
    if versions:
        connection.execute(_COUNTED, versions)
    # In one order everywhere, so that two hosts that add to the same rows don't wait for one another.
    rows = [_row(key, changes[key]) for key in sorted(changes)]
    if rows:
        statement = database.insert(figures)
        added = {name: figures.c[name] + statement.excluded[name] for name in _NAMES}
        keys = [column.name for column in figures.primary_key]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=added), rows)


class HourFigures(NamedTuple):
    """What an hour comes to, over the lines that were asked for. `counts`: calls that were received; of these answered,
    unanswered, over before anybody was rung, and of an end that is unknown; calls that were emitted, and of these
    answered."""

    at: datetime
    counts: tuple[int, int, int, int, int, int, int]
    sums: Sums


@dataclass(frozen=True, slots=True)
class Span:
    """A time, `until` excluded, and the lines that are asked for: these `only`, or all `but` these."""

    since: datetime
    until: datetime
    only: Collection[str] = ()
    but: Collection[str] = ()

    def _of(self, kind: FigureKind) -> list[ColumnElement[bool]]:
        where = [figures.c.kind == kind, figures.c.at >= self.since, figures.c.at < self.until]
        where += [figures.c.line.in_(self.only)] if self.only else []
        where += [figures.c.line.not_in(self.but)] if self.but else []
        return where

    def hours(self, connection: Connection) -> Iterator[HourFigures]:
        """Yield each hour in which a call began. The database adds up what is told apart by line, direction and
        outcome: it takes less for a row than we do."""
        query = (
            select(figures.c.at, *_HOUR_COUNTS, *_HOUR_SUMS).where(*self._of(FigureKind.CALL)).group_by(figures.c.at)
        )
        for at, *numbers in connection.execute(query):
            received, answered, unanswered, script, unknown, emitted, reached, *sums = numbers
            yield HourFigures(at, (received, answered, unanswered, script, unknown, emitted, reached), Sums(*sums))

    def lines(self, connection: Connection) -> Iterator[tuple[FigureKey, Sums]]:
        """Yield what calls and rings come to over the whole time: all are as of `since`."""
        named: tuple[Any, ...] = _COLUMNS[2:6]
        for kind in FigureKind:
            query = select(*named, *_HOUR_SUMS).where(*self._of(kind)).group_by(*named)
            for line, direction, outcome, number, *sums in connection.execute(query):
                if sums[0]:
                    yield FigureKey(kind, self.since, line, direction, FigureOutcome(outcome), number), Sums(*sums)


def first_at(connection: Connection) -> datetime | None:
    """Return the first hour of which calls were added up; None: there is none."""
    query = select(figures.c.at).where(figures.c.kind == FigureKind.CALL).order_by(figures.c.at).limit(1)
    at: datetime | None = connection.execute(query).scalar()
    return at


def left_to_count(connection: Connection, most: int = 100_000) -> int:
    """Return how many calls are still to be added up, `most` where there are more."""
    # In their order: PostgreSQL takes `version <> counted_version` to be true of nearly all, and would read every call.
    some = select(calls.c.id).where(UNCOUNTED).order_by(calls.c.id).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def going_on(connection: Connection) -> int:
    """Return how many calls are not over."""
    query = select(func.count()).select_from(calls).where(IS_OPEN)
    return int(connection.execute(query).scalar_one())


def let_go(connection: Connection, before: datetime) -> None:
    """Drop the sums of what was before."""
    connection.execute(delete(figures).where(figures.c.kind.in_(list(FigureKind)), figures.c.at < before))


@dataclass(frozen=True, slots=True)
class MissedTask:
    """A task of missed calls: when it was made, when its caller was rung, and how it stands."""

    made_at: datetime
    rung_at: datetime | None
    settled_at: datetime | None
    state: str
    gate: str


def missed_tasks(connection: Connection, since: datetime, until: datetime, line: str = "") -> list[MissedTask]:
    """Return the tasks of missed calls that were made in this time; `line`: of this one alone."""
    made = callbacks.c.created_at
    columns = (made, callbacks.c.rung_at, callbacks.c.settled_at, callbacks.c.state, callbacks.c.gate)
    query = select(*columns).where(OF_MISSED, made >= since, made < until)
    if line:
        query = query.where(callbacks.c.line == line)
    return [MissedTask(*row) for row in connection.execute(query)]


def callback_outcomes(
    connection: Connection, since: datetime, until: datetime, line: str = ""
) -> dict[tuple[str, str, str], int]:
    """Return how many callbacks ended in this time, by source, campaign and state."""
    columns = (callbacks.c.source, callbacks.c.campaign, callbacks.c.state)
    ended = callbacks.c.settled_at
    query = select(*columns, func.count()).where(ended >= since, ended < until).group_by(*columns)
    if line:
        query = query.where(callbacks.c.line == line)
    return {(source, campaign, state): int(number) for source, campaign, state, number in connection.execute(query)}


def _row(key: FigureKey, sums: Sums) -> dict[str, Any]:
    return {
        "kind": key.kind.value, "at": key.at, "line": key.line, "direction": key.direction,
        "outcome": key.outcome.value, "number": key.number, **dict(zip(_NAMES, astuple(sums), strict=True)),
    }  # fmt: skip


def _stored(counted: Figures) -> list[list[Any]]:
    return [
        [key.kind, key.at.isoformat(), key.direction, key.outcome, key.number, list(astuple(sums))]
        for key, sums in counted.items()
    ]


def _restored(line: str, stored: Iterable[Any]) -> Figures:
    return {
        FigureKey(
            FigureKind(kind), datetime.fromisoformat(at), line, direction, FigureOutcome(outcome), number
        ): Sums(*sums)
        for kind, at, direction, outcome, number, sums in stored
    }  # fmt: skip
