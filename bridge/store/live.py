"""The calls that are on the line now: begun by INICIO or by a Query, and no FIN of theirs has come."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select

from bridge.store import calls as stored_calls
from bridge.store import queries as stored_queries
from bridge.store.calls import Call
from bridge.store.queries import StoredQuery
from bridge.store.tables import IS_OPEN, call_over_at, calls, events, queries

_LOOKED_AT = 1000
"""The newest Queries that are looked at for calls of which no event was heard."""
Key = tuple[str, str]
"""Line and CallSequence."""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call on the line. `began`: its INICIO, or its first sign. `call`: what its events came to so far; None: none is
    folded, or none came. `query`: its last Query; None: it asked nothing."""

    line: str
    call_sequence: str
    began: datetime
    call: Call | None
    query: StoredQuery | None


def on_line(connection: Connection, since: datetime, limit: int = 100) -> list[LiveCall]:
    """Return the calls that began at `since` or later and are not over, newest first."""
    open_calls = {(call.line, call.call_sequence): call for call in _open(connection, since, limit)}
    began = {key: call.started_at or since for key, call in open_calls.items()}
    for query in (_inicios(since, limit), _only_asked(since, limit)):
        for line, call_sequence, first in connection.execute(query):
            key = (line, call_sequence)
            if key not in open_calls:
                began[key] = min(first, began.get(key, first))
    over = _over(connection, began)
    newest = sorted((key for key in began if key not in over), key=lambda key: (began[key], key), reverse=True)[:limit]
    last = stored_queries.last_of(connection, newest) if newest else {}
    return [LiveCall(*key, began[key], open_calls.get(key), last.get(key)) for key in newest]


def _open(connection: Connection, since: datetime, limit: int) -> Iterable[Call]:
    return stored_calls.of_rows(connection, connection.execute(_open_calls(since, limit)).all())


def _open_calls(since: datetime, limit: int) -> Select[Any]:
    # of what is open, this is its start; written so, it is looked for among what is open alone
    query = select(calls).where(IS_OPEN, call_over_at >= since)
    return query.order_by(call_over_at.desc(), calls.c.id.desc()).limit(limit)


def _inicios(since: datetime, limit: int) -> Select[Any]:
    """Calls whose INICIO is not folded yet."""
    begun = (~events.c.folded, events.c.event == "inicio", events.c.received_at >= since)
    query = select(events.c.line, events.c.call_sequence, events.c.received_at).where(*begun)
    return query.order_by(events.c.received_at.desc()).limit(limit)


def _only_asked(since: datetime, limit: int) -> Select[Any]:
    """Calls of which only Queries are known."""
    newest = (
        select(queries.c.line, queries.c.call_sequence, queries.c.at)
        .where(queries.c.at >= since)
        .order_by(queries.c.at.desc(), queries.c.id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    of_call = (newest.c.line, newest.c.call_sequence)
    in_calls = exists().where(and_(calls.c.line == newest.c.line, calls.c.call_sequence == newest.c.call_sequence))
    first = func.min(newest.c.at)
    return select(*of_call, first).where(~in_calls).group_by(*of_call).order_by(first.desc()).limit(limit)


def _over(connection: Connection, keys: Collection[Key]) -> set[Key]:
    """Those whose FIN has come, though it may not be folded yet."""
    if not keys:
        return set()
    return {(line, call_sequence) for line, call_sequence in connection.execute(_ended(keys))}


def _ended(keys: Collection[Key]) -> Select[Any]:
    """Those of them; more where a CallSequence comes on several lines."""
    # SQLite finds no pairs by an index
    lines, sequences = {line for line, _ in keys}, [call_sequence for _, call_sequence in keys]
    ours = (events.c.line.in_(lines), events.c.call_sequence.in_(sequences))
    return select(events.c.line, events.c.call_sequence).where(*ours, events.c.event == "fin")
