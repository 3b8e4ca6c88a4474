"""Calls: what their events came to. The flow decides what is in them; here they are only kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, tuple_, update

from bridge.errors import BridgeError
from bridge.store import packs
from bridge.store.folded import FoldedCall
from bridge.store.tables import IS_EMITTED, LONGEST_KEY, calls

_LONGEST_ID = 16


class CallState(StrEnum):
    """Where a call stands."""

    OPEN = "open"
    OVER = "over"
    INCOMPLETE = "incomplete"
    """Closed without a FIN, because none came in time."""


class Changed(BridgeError):
    """Somebody else saved the call meanwhile; read it again."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call. `id` None: not stored yet; `version` counts its saves.

    `call` is what the events came to. The rest stands beside it to be found
    by: `e164` and `direction` of the other party (empty: unknown), aware times, seconds and cost (None: unknown),
    `idcall` of an emitted call. `close_at`: when an open call is closed although no FIN came.
    """

    line: str
    call_sequence: str
    state: CallState
    call: FoldedCall = field(default_factory=FoldedCall)
    e164: str = ""
    direction: str = ""
    idcall: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: int | None = None
    cost: Decimal | None = None
    close_at: datetime | None = None
    updated_at: datetime | None = None
    id: int | None = None
    version: int = 0
    packed: bool = False
    """Whether what it consists of is packed (`bridge.store.packing`)."""


_FIELDS = tuple(field.name for field in fields(Call))
# Made once: making a statement takes longer than having it done.
_HELD = (
    select(calls)
    .where(tuple_(calls.c.line, calls.c.call_sequence).in_(bindparam("keys", expanding=True)))
    .order_by(calls.c.id)
    .with_for_update()
)
_NEW = insert(calls).returning(calls.c.id, calls.c.line, calls.c.call_sequence)
_CHANGED = update(calls).where(calls.c.id == bindparam("of_id"), calls.c.version == bindparam("of_version"))


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls are wanted; None and empty mean any. `since` and `until` are about the start, `until` excluded."""

    line: str = ""
    e164: str = ""
    state: CallState | None = None
    since: datetime | None = None
    until: datetime | None = None


def get(connection: Connection, line: str, call_sequence: str) -> Call | None:
    """Return the call, held until the transaction ends so that nobody else changes it; None when there is none."""
    return get_all(connection, [(line, call_sequence)]).get((line, call_sequence))


def get_all(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Call]:
    """Return those of these calls that are there, by line and call_sequence, held as by `get`."""
    stored = of_rows(connection, connection.execute(_HELD, {"keys": list(keys)}).all())
    return {(call.line, call.call_sequence): call for call in stored}


def by_id(connection: Connection, id_: int) -> Call | None:
    """Return the call with this number."""
    return _first(connection, select(calls).where(calls.c.id == id_))


def named(connection: Connection, name: str, lines: Iterable[str]) -> Call | None:
    """Return the call that a person names by its number or by the platform's CallSequence, on one of the lines."""
    if name.isdecimal() and len(name) < _LONGEST_ID:
        call = by_id(connection, int(name))
        if call is not None:
            return call
    query = select(calls).where(calls.c.line.in_(list(lines)), calls.c.call_sequence == name).order_by(calls.c.id)
    return _first(connection, query)


def by_idcall(connection: Connection, idcall: str) -> list[Call]:
    """Return the calls that came of an emission; several when a busy number was rung again."""
    query = select(calls).where(calls.c.idcall == idcall, IS_EMITTED).order_by(calls.c.id)
    return of_rows(connection, connection.execute(query).all())


def save(connection: Connection, call: Call, now: datetime) -> int:
    """Store the call; its number. Raises `Changed` when it is not as it was when it was read."""
    (number,) = save_all(connection, [call], now).values()
    return number


def save_all(connection: Connection, some: Sequence[Call], now: datetime) -> dict[tuple[str, str], int]:
    """Store calls; their numbers, by line and call_sequence. Raises `Changed` when one is not as it was when it was
    read."""
    numbers: dict[tuple[str, str], int] = {}
    if new := [{**_values(call), "version": 1, "updated_at": now} for call in some if call.id is None]:
        rows = connection.execute(_NEW, new if len(new) > 1 else new[0])
        numbers |= {(line, call_sequence): id_ for id_, line, call_sequence in rows}
    for call in some:
        if call.id is not None:
            same = {"of_id": call.id, "of_version": call.version}
            values = {**_values(call), **same, "version": call.version + 1, "updated_at": now}
            if connection.execute(_CHANGED, values).rowcount != 1:
                raise Changed(f"call {call.line}:{call.call_sequence} was changed meanwhile; it is read again")
            numbers[call.line, call.call_sequence] = call.id
    return numbers


def to_close(connection: Connection, now: datetime, limit: int) -> list[tuple[str, str]]:
    """(line, call_sequence) of open calls whose `close_at` has passed, longest overdue first."""
    query = (
        select(calls.c.line, calls.c.call_sequence)
        .where(calls.c.state == CallState.OPEN, calls.c.close_at <= now)
        .order_by(calls.c.close_at)
        .limit(limit)
    )
    return [(line, call_sequence) for line, call_sequence in connection.execute(query)]


def find(connection: Connection, criteria: CallFilter, limit: int = 100) -> list[Call]:
    """Return calls, newest first."""
    query = _filtered(criteria).order_by(calls.c.started_at.desc().nulls_last(), calls.c.id.desc()).limit(limit)
    return of_rows(connection, connection.execute(query).all())


def export(connection: Connection, criteria: CallFilter, chunk: int = 500) -> Iterator[Call]:
    """Yield all calls, in the order in which they were first heard of; reads `chunk` at a time."""
    last = 0
    while True:
        query = _filtered(criteria).where(calls.c.id > last).order_by(calls.c.id).limit(chunk)
        rows = of_rows(connection, connection.execute(query).all())
        yield from rows
        if len(rows) < chunk:
            return
        last = rows[-1].id or 0


def _filtered(criteria: CallFilter) -> Select[Any]:
    query = select(calls)
    if criteria.line:
        query = query.where(calls.c.line == criteria.line)
    if criteria.e164:
        query = query.where(calls.c.e164 == criteria.e164)
    if criteria.state:
        query = query.where(calls.c.state == criteria.state)
    if criteria.since:
        query = query.where(calls.c.started_at >= criteria.since)
    if criteria.until:
        query = query.where(calls.c.started_at < criteria.until)
    return query


def _first(connection: Connection, query: Select[Any]) -> Call | None:
    return next(iter(of_rows(connection, connection.execute(query.limit(1)).all())), None)


def _values(call: Call) -> dict[str, Any]:
    return {
        "line": call.line,
        "call_sequence": call.call_sequence,
        "state": call.state.value,
        "call": call.call.to_json(),
        "e164": call.e164,
        "direction": call.direction,
        "idcall": call.idcall[:LONGEST_KEY],  # whole in `call`; what no platform sends must not lose the call
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "seconds": call.seconds,
        "cost": call.cost,
        "close_at": call.close_at,
    }


def of_rows(connection: Connection, rows: Sequence[Row[Any]]) -> list[Call]:
    """Return the calls of rows of the table, whole also where they are packed."""
    return [_of_row(row) for row in packs.unpacked_calls(connection, [dict(row._mapping) for row in rows])]


def _of_row(row: Mapping[str, Any]) -> Call:
    values = {name: row[name] for name in _FIELDS}
    return Call(**{**values, "state": CallState(row["state"]), "call": FoldedCall.from_json(row["call"])})
