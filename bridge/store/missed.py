"""Numbers whose calls were missed, and with which nobody has spoken since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from bridge.store.callbacks import CallbackState
from bridge.store.columns import UtcMoment
from bridge.store.tables import MISSED_ORIGIN, OF_SOMEBODY, call_over_at, call_verdict, callbacks, calls


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
    last_id = func.max(calls.c.id).label("last_id")
    last = func.max(calls.c.started_at, type_=UtcMoment).label("last")
    first = func.min(calls.c.started_at, type_=UtcMoment).label("first")
    grouped = (
        select(calls.c.e164, func.count().label("missed_calls"), first, last, last_id)
        .where(calls.c.started_at >= since, call_verdict == "missed", OF_SOMEBODY)
        .group_by(calls.c.e164)
        .subquery()
    )
    # the columns of a verdict have no table's name: inside of EXISTS they are those of its own calls
    talked = (
        select(calls.c.id)
        .where(
            calls.c.e164 == grouped.c.e164,
            OF_SOMEBODY,
            call_verdict.in_(("talking", "answered")),
            call_over_at >= grouped.c.last,
        )
        .correlate(grouped)
        .exists()
    )
    newest = calls.alias("newest")
    query = (
        select(grouped, newest.c.line)
        .join(newest, newest.c.id == grouped.c.last_id)
        .where(~talked)
        .order_by(grouped.c.last.desc(), grouped.c.last_id.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    callback_of = _callbacks(connection, [row.e164 for row in rows])
    return [
        MissedNumber(
            row.e164,
            row.missed_calls,
            row.first,
            row.last,
            row.last_id,
            row.line,
            *callback_of.get(row.e164, (None, None)),
        )
        for row in rows
    ]


def _callbacks(connection: Connection, numbers: Sequence[str]) -> dict[str, tuple[int, CallbackState]]:
    """The newest callback that was made of a number's missed calls, by number."""
    query = (
        select(callbacks.c.customer, callbacks.c.id, callbacks.c.state)
        .where(callbacks.c.customer.in_(numbers), callbacks.c.origin == MISSED_ORIGIN)
        .order_by(callbacks.c.id)
    )
    return {customer: (id_, CallbackState(state)) for customer, id_, state in connection.execute(query)}
