"""Numbers whose calls were missed, and with which nobody has spoken since."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from bridge.store.callbacks import CallbackState
from bridge.store.columns import UtcMoment, among
from bridge.store.tables import IS_MISSED, MISSED_ORIGIN, OF_SOMEBODY, call_over_at, call_verdict, callbacks, calls

_AT_ONCE = 1000
"""Missed calls that are looked at together."""


@dataclass(frozen=True, slots=True)
class MissedNumber:
    """A number: how many of its calls were missed, the first and the last of them, that one's id and line, and the
    callback that was made of them, None where there is none."""

    e164: str
    count: int
    first: datetime
    last: datetime
    call_id: int
    line: str
    callback_id: int | None
    callback_state: CallbackState | None


def unanswered(connection: Connection, since: datetime, limit: int) -> Sequence[MissedNumber]:
    """Return the numbers that called since then and were not answered, the last to call first; with which nobody has
    spoken, or speaks, since their last call."""
    last = list(itertools.islice(_waiting(connection, since), limit))
    numbers = [row.e164 for row in last]
    query = (
        select(calls.c.e164, func.count(), func.min(calls.c.started_at, type_=UtcMoment))
        .where(among(connection, calls.c.e164, numbers), OF_SOMEBODY, IS_MISSED, calls.c.started_at >= since)
        .group_by(calls.c.e164)
    )
    counted = {e164: (int(count), first) for e164, count, first in connection.execute(query)} if numbers else {}
    callback_of = _callbacks(connection, numbers)
    return [
        MissedNumber(
            row.e164, *counted[row.e164], row.started_at, row.id, row.line, *callback_of.get(row.e164, (None, None))
        )
        for row in last
    ]


def _waiting(connection: Connection, since: datetime) -> Iterator[Row[Any]]:
    """The last missed call of each number with which nobody has spoken since, newest first; looked for as they are
    asked for."""
    seen: set[str] = set()
    before: tuple[datetime, int] | None = None
    while True:
        rows = connection.execute(newest_missed(since, before)).all()
        last = {row.e164: row.id for row in reversed(rows) if row.e164 and row.e164 not in seen}
        seen.update(last)
        yield from _not_spoken_with(connection, list(last.values()))
        if len(rows) < _AT_ONCE:
            return
        before = rows[-1].started_at, rows[-1].id


def newest_missed(since: datetime, before: tuple[datetime, int] | None) -> Select[Any]:
    """Return the query for the next missed calls. `before`: the `started_at` and `id` of the last one so far."""
    query = select(calls.c.e164, calls.c.started_at, calls.c.id).where(IS_MISSED, calls.c.started_at >= since)
    if before:
        at, id_ = before
        query = query.where(calls.c.started_at <= at, or_(calls.c.started_at < at, calls.c.id < id_))
    return query.order_by(calls.c.started_at.desc(), calls.c.id.desc()).limit(_AT_ONCE)


def _not_spoken_with(connection: Connection, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Those of these calls after which nobody has spoken with the number, newest first."""
    newest = calls.alias("newest")
    # the columns of a verdict have no table's name: inside of EXISTS they are those of its own calls
    talked = (
        select(calls.c.id)
        .where(
            calls.c.e164 == newest.c.e164,
            OF_SOMEBODY,
            call_verdict.in_(("talking", "answered")),
            call_over_at >= newest.c.started_at,
        )
        .correlate(newest)
        .exists()
    )
    columns: tuple[Any, ...] = (newest.c.id, newest.c.e164, newest.c.started_at, newest.c.line)
    query = (
        select(*columns)
        .where(among(connection, newest.c.id, ids), ~talked)
        .order_by(newest.c.started_at.desc(), newest.c.id.desc())
    )
    return connection.execute(query).all()


def _callbacks(connection: Connection, numbers: Sequence[str]) -> dict[str, tuple[int, CallbackState]]:
    """The newest callback that was made of a number's missed calls, by number."""
    query = (
        select(callbacks.c.customer, callbacks.c.id, callbacks.c.state)
        .where(callbacks.c.customer.in_(numbers), callbacks.c.origin == MISSED_ORIGIN)
        .order_by(callbacks.c.id)
    )
    return {customer: (id_, CallbackState(state)) for customer, id_, state in connection.execute(query)}
