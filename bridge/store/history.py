"""The calls of a number: the last one, the last that was answered, what was missed since; by one index, however many
calls are kept.

A call counts from the moment when it was over. Whatever is asked is asked as of a moment: later calls are not there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, and_, bindparam, func, not_, select, union_all

from bridge.store.columns import UtcMoment
from bridge.store.folded import FoldedCall
from bridge.store.tables import OF_SOMEBODY, call_over_at, call_verdict, calls

_ENDED = ("answered", "missed", "other")
"""What a call that is over came to."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that is over. `over_at`: when; of one whose FIN never came, when it began. `answered` and `missed` exclude
    each other; a call that we made and nobody answered is neither."""

    line: str
    call: FoldedCall
    over_at: datetime
    answered: bool
    missed: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """Calls of a number that were missed: how many, when the first of them began, and the last one."""

    count: int
    first: datetime
    last: PastCall


@dataclass(frozen=True, slots=True)
class History:
    """The calls with a number, as of a moment. `last` and `answered`: the newest of all, and of those that somebody
    answered, either way; `missed`: the newest that was received and missed since `answered`. `count`: all of them;
    `today`: those received since a given moment."""

    last: PastCall | None
    answered: PastCall | None
    missed: PastCall | None
    count: int = 0
    today: int = 0


def of_number(
    connection: Connection, e164: str, at: datetime, since: datetime, but: tuple[str, str] = ("", "")
) -> History:
    """Return what there is of a number's calls that were over `at` this moment. `since`: from when on they are
    `today`'s; `but`: the call that does not count, by its line and CallSequence."""
    about = {"number": e164, "at": at, "but_line": but[0], "but_call": but[1]}
    newest = {row.verdict: row for row in connection.execute(_NEWEST, about)}
    if not newest:
        return History(None, None, None)
    everything, going_on, later, asks, today = connection.execute(_COUNTED, {**about, "since": since}).one()
    past = {verdict: _past(row) for verdict, row in newest.items()}
    answered, missed = past.get("answered"), past.get("missed")
    last = max(newest.values(), key=lambda row: (row.over_at, row.id))
    if answered is not None and missed is not None and missed.over_at <= answered.over_at:
        missed = None
    return History(past[last.verdict], answered, missed, everything - going_on - later - asks, today)


_ABOUT = (
    calls.c.e164 == bindparam("number"),
    OF_SOMEBODY,
    call_over_at <= bindparam("at", type_=UtcMoment),
    not_(and_(calls.c.line == bindparam("but_line"), calls.c.call_sequence == bindparam("but_call"))),
)


_COLUMNS = (
    *(calls.c.id, calls.c.line, calls.c.call_sequence, calls.c.direction, calls.c.started_at, calls.c.seconds),
    *(calls.c.call, call_over_at.label("over_at"), call_verdict.label("verdict")),
)


def _newest(verdict: str) -> Select[Any]:
    """The newest call with this verdict, by one look into the index."""
    same = select(*_COLUMNS).where(*_ABOUT, call_verdict == verdict)
    return select(same.order_by(call_over_at.desc(), calls.c.id.desc()).limit(1).subquery())


# Made once: to put them together takes several times as long as the database needs to answer.
_NEWEST = union_all(*map(_newest, _ENDED))
_OF_NUMBER = (calls.c.e164 == bindparam("number"), OF_SOMEBODY)
_OVER = (*_OF_NUMBER, call_verdict.in_(_ENDED))


def _count(*where: Any) -> ScalarSelect[int]:
    return select(func.count()).select_from(calls).where(*where).scalar_subquery()


_COUNTED = select(
    # All of them, less the few that don't count: PostgreSQL would look at each row for what is computed.
    _count(calls.c.e164 == bindparam("number")),
    _count(*_OF_NUMBER, call_verdict.in_(("open", "talking"))),
    _count(*_OVER, call_over_at > bindparam("at", type_=UtcMoment)),
    _count(
        calls.c.line == bindparam("but_line"),
        calls.c.call_sequence == bindparam("but_call"),
        calls.c.e164 == bindparam("number"),
        calls.c.state != "open",
        call_over_at <= bindparam("at", type_=UtcMoment),
    ),
    _count(
        *_ABOUT,
        call_verdict.in_(_ENDED),
        calls.c.direction == "received",
        call_over_at >= bindparam("since", type_=UtcMoment),
    ),
)


def spoken(connection: Connection, e164: str, now: datetime) -> PastCall | None:
    """Return the last conversation with a number, either way; one that goes on is over `now`. None: there was none."""
    for verdict in ("talking", "answered"):
        row = connection.execute(_newest(verdict), {**_ANY, "number": e164, "at": now + _AHEAD}).first()
        if row is not None:
            past = _past(row)
            return replace(past, over_at=now, answered=True) if verdict == "talking" else past
    return None


def missed(connection: Connection, e164: str, after: datetime, lines: Collection[str], now: datetime) -> Missed | None:
    """Return the missed calls of a number on these lines that were over later than `after`; None: there are none."""
    about = {**_ANY, "number": e164, "at": now + _AHEAD, "after": after, "lines": list(lines)}
    count, first = connection.execute(_MISSED_SINCE, about).one()
    last = connection.execute(_LAST_MISSED, about).first()
    return Missed(int(count), first, _past(last)) if last is not None else None


_AHEAD = timedelta(days=1)
"""By how much the platform's clock may be ahead of ours at most."""
_ANY = {"but_line": "", "but_call": ""}
_MISSED = (
    *_ABOUT,
    call_verdict == "missed",
    call_over_at > bindparam("after", type_=UtcMoment),
    calls.c.line.in_(bindparam("lines", expanding=True)),
)
_MISSED_SINCE = select(func.count(), func.min(calls.c.started_at, type_=UtcMoment)).where(*_MISSED)
_LAST_MISSED = select(*_COLUMNS).where(*_MISSED).order_by(call_over_at.desc(), calls.c.id.desc()).limit(1)


def _past(row: Any) -> PastCall:
    # of a packed call, its columns say what does not stay beside its pack
    start = row.started_at.isoformat() if row.started_at is not None else None
    columns = {"id": row.call_sequence, "line": row.line, "direction": row.direction, "start": start}
    call = FoldedCall.from_json({**columns, "seconds": row.seconds, **row.call})
    return PastCall(row.line, call, row.over_at, row.verdict == "answered", row.verdict == "missed")
