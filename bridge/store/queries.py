"""Queries that were answered: what was asked, who matched, what went out; and how many came to what, by hour."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Row, Select, func, or_, select

from bridge.store.database import Database
from bridge.store.tables import UNUSUAL, queries, query_hours

_MOST_OF_CALL = 500
"""Queries of one call that are read; a script that asks in a circle may have made more."""
_MOST_OF_CALLS = 2000
"""Of several calls at once."""
_TOGETHER = 25
"""Rows that one statement stores."""


class TrailStep(NamedTuple):
    """One connector that was asked (or not) for one step of a Query; see `bridge.lookups.finding.TrailEntry`."""

    step: str
    connector: str
    outcome: str
    ms: float
    note: str = ""


class StoredQuery(NamedTuple):
    """A Query that was answered.

    `at`: when it came, aware. `line`, `call_sequence`: the call. `query`: its name. `caller`: the other party, E.164,
    else as the platform writes it; empty when hidden. `called`: our number. `variables` that came and `answer` that
    went out are without the values of sensitive ones. `outcome`: as `bridge.queries.answering.Answered` has it.
    `connector` and `record_…`: who the caller was found to be; empty for nobody, `record_link` None where the CRM's
    page is not known. `ms`: how long the answer took. `id` 0: not stored yet.
    """

    at: datetime
    line: str
    call_sequence: str
    query: str
    direction: str
    caller: str
    called: str
    variables: Mapping[str, str]
    outcome: str
    result: int
    text: str
    answer: Mapping[str, str]
    connector: str
    record_kind: str
    record_id: str
    record_name: str
    record_link: str | None
    ms: float
    trail: Sequence[TrailStep]
    id: int = 0

    @property
    def late(self) -> bool:
        """Whether the deadline passed before there was an answer."""
        return self.outcome == "on_timeout"


_COLUMNS = StoredQuery._fields[:-1]
Hours = Mapping[tuple[datetime, str, str], tuple[int, float]]
"""By hour, Query and outcome: how many, and their milliseconds together."""


@dataclass(frozen=True, slots=True)
class QueryFilter:
    """Which Queries are wanted; None and empty mean any. `since` and `until`: when they came, `until` excluded.
    `caller`: E.164. `unusual`: only those that did not find what they looked for."""

    since: datetime | None = None
    until: datetime | None = None
    caller: str = ""
    unusual: bool = False


class QueryCount(NamedTuple):
    """So many Queries (`number`) with this outcome, and their milliseconds together."""

    outcome: str
    number: int
    ms: float


def add(database: Database, connection: Connection, rows: Iterable[StoredQuery]) -> None:
    """Store what Queries were answered."""
    dialect = database.engine.dialect
    processors, left = _processors(dialect), iter(rows)
    while together := list(islice(left, _TOGETHER)):
        values = [
            value if process is None else process(value)
            for row in together
            for process, value in zip(processors, row, strict=False)
        ]
        connection.exec_driver_sql(_insert(dialect.name, len(together)), tuple(values))


@lru_cache(maxsize=4)
def _processors(dialect: Dialect) -> list[Callable[[Any], Any] | None]:
    """What makes each column's value fit for the driver. SQLAlchemy's own way takes twice as long, for every Query that
    there is, and who answers the next one waits for it."""
    return [queries.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in _COLUMNS]


@lru_cache(maxsize=2 * _TOGETHER)
def _insert(dialect: str, rows: int) -> str:
    """The statement for so many rows. For one row each, SQLite's driver would hand the interpreter to another thread
    and take it back, which costs that one as much as the row."""
    row = f"({', '.join(['%s' if dialect == 'postgresql' else '?'] * len(_COLUMNS))})"
    return f"INSERT INTO queries ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - names of ours


def count(database: Database, connection: Connection, hours: Hours) -> None:
    """Add to the counts by hour."""
    # in one order everywhere: two processes that count the same must not wait for one another
    rows = [
        {"hour": hour, "query": name, "outcome": outcome, "count": number, "ms": ms}
        for (hour, name, outcome), (number, ms) in sorted(hours.items())
    ]
    if not rows:
        return
    new = database.insert(query_hours)
    sums = {"count": query_hours.c.count + new.excluded.count, "ms": query_hours.c.ms + new.excluded.ms}
    connection.execute(new.on_conflict_do_update(index_elements=list(query_hours.primary_key), set_=sums), rows)


def of_call(connection: Connection, line: str, call_sequence: str) -> list[StoredQuery]:
    """Return the Queries of a call in the order in which they came; of very many, the first."""
    query = _of_call(line, call_sequence).order_by(queries.c.at, queries.c.id).limit(_MOST_OF_CALL)
    return [stored(row) for row in connection.execute(query)]


def of_calls(connection: Connection, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[StoredQuery]]:
    """Return the Queries of each of a few calls, by (line, call_sequence), in the order in which they came; of very
    many, the last."""
    query = select(queries).where(queries.c.call_sequence.in_([call for _, call in calls]))
    by_call: dict[tuple[str, str], list[StoredQuery]] = {}
    for row in connection.execute(query.order_by(queries.c.at.desc(), queries.c.id.desc()).limit(_MOST_OF_CALLS)):
        if (row.line, row.call_sequence) in calls:
            by_call.setdefault((row.line, row.call_sequence), []).insert(0, stored(row))
    return by_call


def _of_call(line: str, call_sequence: str) -> Select[Any]:
    return select(queries).where(queries.c.call_sequence == call_sequence, queries.c.line == line)


def of_sequence(connection: Connection, call_sequence: str, lines: Iterable[str]) -> list[StoredQuery]:
    """Return the Queries of the call that the platform calls so, on the first of the lines that has any."""
    return next(filter(None, (of_call(connection, line, call_sequence) for line in lines)), [])


def last_of(connection: Connection, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredQuery]:
    """Return the last Query of each call, by (line, call_sequence); calls that asked nothing are not there."""
    rows = connection.execute(_last_of(calls))
    return {(row.line, row.call_sequence): stored(row) for row in rows if (row.line, row.call_sequence) in calls}


def _last_of(calls: Iterable[tuple[str, str]]) -> Select[Any]:
    """The last of each; more where a CallSequence comes on several lines."""
    of_call = (queries.c.call_sequence, queries.c.line)
    # SQLite finds no pairs by an index. The newest row rather than the latest moment: those of a call come from one
    # process nearly always.
    newest = select(func.max(queries.c.id)).where(queries.c.call_sequence.in_([call for _, call in calls]))
    return select(queries).where(queries.c.id.in_(newest.group_by(*of_call)))


def find(
    connection: Connection, criteria: QueryFilter, limit: int = 100, before: tuple[datetime, int] | None = None
) -> list[StoredQuery]:
    """Return Queries, newest first. `before`: the `at` and `id` of the last one of the page before."""
    return [stored(row) for row in connection.execute(_page(criteria, limit, before))]


def _page(criteria: QueryFilter, limit: int, before: tuple[datetime, int] | None) -> Select[Any]:
    query = select(queries)
    if criteria.caller:
        query = query.where(queries.c.caller == criteria.caller)
    if criteria.unusual:
        query = query.where(UNUSUAL)
    if criteria.since:
        query = query.where(queries.c.at >= criteria.since)
    if criteria.until:
        query = query.where(queries.c.at < criteria.until)
    if before:
        at, id_ = before
        query = query.where(queries.c.at <= at, or_(queries.c.at < at, queries.c.id < id_))
    return query.order_by(queries.c.at.desc(), queries.c.id.desc()).limit(limit)


def by_outcome(connection: Connection, since: datetime, until: datetime) -> list[QueryCount]:
    """Return how many Queries came to what, the most first; of whole hours, that of `since` and of `until` included."""
    rows = connection.execute(_outcomes(since, until))
    counts = [QueryCount(outcome, int(number), float(ms)) for outcome, number, ms in rows]
    return sorted(counts, key=lambda each: (-each.number, each.outcome))


def _outcomes(since: datetime, until: datetime) -> Select[Any]:
    columns = (query_hours.c.outcome, func.sum(query_hours.c.count), func.sum(query_hours.c.ms))
    return select(*columns).where(*_between(since, until)).group_by(query_hours.c.outcome)


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour in which it is counted."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _between(since: datetime, until: datetime) -> tuple[Any, Any]:
    return query_hours.c.hour >= hour_of(since), query_hours.c.hour < until


def stored(row: Row[Any]) -> StoredQuery:
    """Return a row of the table."""
    values = row._mapping
    trail = [TrailStep(*step) for step in values["trail"] or ()]
    given, went = values["variables"] or {}, values["answer"] or {}
    return StoredQuery(**{**values, "variables": given, "answer": went, "trail": trail})
