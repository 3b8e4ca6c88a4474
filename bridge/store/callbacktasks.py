"""Callbacks by the tasks that they come from: each is taken once, whichever way it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, case, func, literal, literal_column, select, text, update

from bridge.store.callbacks import Callback, CallbackState, of_row
from bridge.store.columns import Words, storable
from bridge.store.database import Database, in_turn
from bridge.store.tables import HAS_ORIGIN, NO_ORIGIN, callbacks

_MANY = 20
_ADD_MANY = """
INSERT INTO callbacks ({names}) SELECT {names} FROM json_populate_recordset(NULL::callbacks, CAST(:rows AS json))
ON CONFLICT DO NOTHING RETURNING task_key, id
"""  # a value for each column of each row costs PostgreSQL and its driver several times as much
_ODD = re.compile(r"\\u(?:0000|d[89a-f])")


def add(database: Database, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Store those whose (origin, task_key) is not there yet, numbered in their order; their numbers, by task_key. What
    was there stays. Call `turn_of` before."""
    if not rows:
        return {}
    if database.postgresql and len(rows) >= _MANY and (whole := _as_json(rows)):
        names = ", ".join(rows[0])
        added = connection.execute(text(_ADD_MANY.format(names=names)), {"rows": whole})
        return {row.task_key: row.id for row in added}
    statement = database.insert(callbacks).on_conflict_do_nothing().returning(callbacks.c.task_key, callbacks.c.id)
    return {row.task_key: row.id for row in connection.execute(statement, [dict(row) for row in rows])}


def _as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as one value; empty where one of them holds an escape that PostgreSQL does not read there."""
    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
    whole = json.dumps(plain)
    return "" if _ODD.search(whole) else whole


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return storable(value) if isinstance(value, str) and isinstance(callbacks.c[name].type, Words) else value


def turn_of(database: Database, connection: Connection, origin: str) -> None:
    """Let nobody else add tasks of this origin until the transaction ends."""
    in_turn(database, connection, f"tasks:{origin}")


def by_keys(connection: Connection, keys: Collection[str]) -> dict[str, list[Callback]]:
    """Return those of these tasks that are there already, whatever their origin, by task_key."""
    by_key: dict[str, list[Callback]] = {}
    key_set: Any = list(keys)
    if connection.dialect.name == "postgresql":
        # As a set, which it hashes. Hundreds of values it compares with each row, one by one, as long as it has no
        # statistics of a table that has just been filled: 0.9 s for 500 tasks among 30,000.
        key_set = select(func.unnest(literal(key_set, ARRAY(Text))))
    for some in (HAS_ORIGIN, NO_ORIGIN):  # each has an index of its own
        for row in connection.execute(select(callbacks).where(callbacks.c.task_key.in_(key_set), some)):
            by_key.setdefault(row.task_key, []).append(of_row(row))
    return by_key


def fill_in(connection: Connection, source: str, origin: str, limit: int) -> int:
    """Give those of a source that have no origin this one, at most `limit`; how many there were. One whose task is
    there with this origin already keeps none."""
    other = callbacks.alias()
    there = select(other.c.id).where(
        other.c.task_key == callbacks.c.task_key, other.c.origin == origin, other.c.origin != literal_column("''")
    )  # as a literal, it finds the index
    some = select(callbacks.c.id).where(callbacks.c.source == source, NO_ORIGIN, ~there.exists()).limit(limit)
    return connection.execute(update(callbacks).where(callbacks.c.id.in_(some)).values(origin=origin)).rowcount


@dataclass(frozen=True, slots=True)
class Dropped:
    """A source that is no longer one, with the origin of its callbacks: how many may have rung, how many wait."""

    source: str
    origin: str
    rung: int
    waiting: int


def others_than(connection: Connection, sources: Collection[str]) -> list[Dropped]:
    """Return what there is of all other sources."""
    waits = callbacks.c.state.in_([CallbackState.WAITING.value, CallbackState.QUEUED.value])
    query = (
        select(
            callbacks.c.source,
            callbacks.c.origin,
            func.count(callbacks.c.rung_at),
            func.sum(case((waits, 1), else_=0)),
        )
        .where(callbacks.c.source.not_in(list(sources)))
        .group_by(callbacks.c.source, callbacks.c.origin)
        .order_by(callbacks.c.source, callbacks.c.origin)
    )
    return [Dropped(*row) for row in connection.execute(query)]


def seen(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Their tasks are still listed, so what keeps them from being called again must be kept."""
    if ids:
        connection.execute(update(callbacks).where(callbacks.c.id.in_(list(ids))).values(seen_at=now))
