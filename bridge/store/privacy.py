"""A person's data: what there is, erasing it, and letting everything go after its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select, tuple_, union, update

from bridge.store import campaigns, packs
from bridge.store import evidence as store_evidence
from bridge.store import exclusions as store_exclusions
from bridge.store import oppositions as store_oppositions
from bridge.store.callbacks import BLANK, CallbackState
from bridge.store.database import Database
from bridge.store.deliveries import State
from bridge.store.pacing import Pause, little_by_little, no_pause
from bridge.store.spool import Spool
from bridge.store.tables import (
    attempts,
    callbacks,
    calls,
    deliveries,
    events,
    evidence,
    panel_urls,
    queries,
    query_hours,
)

_NOBODY = {**BLANK, "digest": ""}
"""A callback of whom nobody knows any more whom it was about."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows of each kind are gone. Of a callback, what keeps its task from being called again stays: a hash of
    the task's id, and how it ended."""

    events: int = 0
    calls: int = 0
    deliveries: int = 0
    callbacks: int = 0
    spooled: int = 0
    queries: int = 0
    exclusions: int = 0
    evidence: int = 0
    opposed: int = 0
    """Oppositions that hold on without the number: by a keyed hash, under their reference."""
    blocked: int = 0
    """Rows of evidence of commercial calls, which are kept because the law demands it."""
    scrubbed: bool = True
    """False: a reader held the file, so its bytes are overwritten with the next checkpoint only."""

    @property
    def total(self) -> int:
        rows = self.events + self.calls + self.deliveries + self.callbacks + self.spooled + self.queries
        return rows + self.exclusions + self.evidence


def person(database: Database, e164: str, spool: Spool | None = None) -> dict[str, Any]:
    """Return everything stored about a number, by table, as JSON knows it (times ISO 8601, amounts as text)."""
    with database.read() as connection:
        by_table = {
            "calls": _calls(connection, calls.c.e164 == e164),
            "events": _events(connection, e164),
            "deliveries": _deliveries(connection, _deliveries_of(e164)),
            "attempts": _rows(
                connection, attempts, attempts.c.delivery_id.in_(select(deliveries.c.id).where(_deliveries_of(e164)))
            ),
            "callbacks": _rows(connection, callbacks, _callbacks_of(e164)),
            "queries": _rows(connection, queries, _queries_of(e164)),
            "oppositions": [_plain_row(asdict(each)) for each in store_oppositions.of_number(connection, e164)],
            "exclusions": [_plain_row(row) for row in store_exclusions.rows_of(connection, e164)],
            "evidence": _rows(connection, evidence, or_(evidence.c.number == e164, evidence.c.customer == e164)),
        }
    return {**by_table, "spooled": spool.person(e164) if spool else []}


def forget(database: Database, e164: str, spool: Spool | None = None) -> Erased:
    """Erase a number's data; how much that was. What was to be called is cancelled. Who opposed stays known as somebody
    who is not called, without the number. On SQLite its bytes are overwritten as well (`Erased.scrubbed`)."""
    spooled = 0
    if spool is not None:
        with database.write() as connection:
            store_oppositions.add(database, connection, spool.oppositions_of(e164))
        spooled = spool.forget(e164)
    with database.write() as connection:
        # Held, so that nobody folds, packs or unpacks one meanwhile: what is unpacked would stay.
        connection.execute(select(calls.c.id).where(calls.c.e164 == e164).order_by(calls.c.id).with_for_update()).all()
        # Events, Queries and deliveries are found by way of the calls, so the calls go last.
        erased = Erased(
            queries=_delete(connection, queries, _queries_of(e164)),
            events=_delete(connection, events, _events_of(e164)) + packs.count_events(connection, calls.c.e164 == e164),
            deliveries=_delete(connection, deliveries, _deliveries_of(e164)),
            calls=_delete(connection, calls, calls.c.e164 == e164),
            callbacks=_forget_callbacks(connection, e164),
            spooled=spooled,
            exclusions=store_exclusions.forget(connection, e164),
            opposed=store_oppositions.forget(connection, e164),
        )
        of_calls, blocked = store_evidence.forget(connection, e164)
        erased = replace(erased, evidence=of_calls, blocked=blocked)
    return replace(erased, scrubbed=database.scrub())


def purge(database: Database, before: datetime, dead_before: datetime, pause: Pause = no_pause) -> Erased:
    """Drop what was done before `before`, in small transactions; how much that was. `pause` may end it early.

    A call goes with its events, and not while anything of it has still to reach a CRM. What is pending stays however
    old it is; what is dead stays for a person to decide until it is older than `dead_before`.
    """
    gone_events = 0

    def some_calls(begun: ColumnElement[bool], connection: Connection, limit: int) -> int:
        nonlocal gone_events
        of_these, gone = _purge_calls(connection, begun, before, limit)
        gone_events += of_these
        return gone

    # calls by when they began, as an index has it: they changed no earlier
    work: dict[str, Callable[[Connection, int], int]] = {
        "deliveries": lambda connection, limit: _purge_deliveries(connection, before, dead_before, limit),
        "calls": partial(some_calls, calls.c.started_at < before),
        "timeless": partial(some_calls, calls.c.started_at.is_(None)),
        "queries": lambda connection, limit: _purge_queries(connection, before, limit),
        "callbacks": lambda connection, limit: _purge_callbacks(connection, before, limit),
    }
    gone = {name: little_by_little(database, some, pause) for name, some in work.items()}
    total = Erased(
        gone_events, gone["calls"] + gone["timeless"], gone["deliveries"], gone["callbacks"], queries=gone["queries"]
    )
    with database.write() as connection:
        campaigns.drop_empty(connection, before)
        _delete(connection, query_hours, query_hours.c.hour < before)
        _delete(connection, panel_urls, _not_called_since(before))
    return total


def _purge_deliveries(connection: Connection, before: datetime, dead_before: datetime, limit: int) -> int:
    over = or_(
        and_(deliveries.c.state.in_([State.DONE, State.DISCARDED]), deliveries.c.settled_at < before),
        and_(deliveries.c.state == State.DEAD, deliveries.c.settled_at < dead_before),
    )
    return _delete(connection, deliveries, deliveries.c.id.in_(select(deliveries.c.id).where(over).limit(limit)))


def _purge_calls(connection: Connection, begun: ColumnElement[bool], before: datetime, limit: int) -> tuple[int, int]:
    """How many events and calls went. Those that somebody packs now are for the next time."""
    needed = exists().where(deliveries.c.call_id == calls.c.id)
    old = (begun, calls.c.state != "open", calls.c.updated_at < before, ~needed)
    query = select(calls.c.id, calls.c.line, calls.c.call_sequence).where(*old).order_by(calls.c.started_at)
    rows = connection.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
    these = calls.c.id.in_([row.id for row in rows])
    gone = packs.count_events(connection, these) if rows else 0
    for row in rows:
        theirs = and_(events.c.line == row.line, events.c.call_sequence == row.call_sequence)
        gone += _delete(connection, events, and_(events.c.folded, theirs))
    return gone, _delete(connection, calls, these) if rows else 0


def _purge_queries(connection: Connection, before: datetime, limit: int) -> int:
    old = select(queries.c.id).where(queries.c.at < before).order_by(queries.c.at).limit(limit)
    return _delete(connection, queries, queries.c.id.in_(old))


def _purge_callbacks(connection: Connection, before: datetime, limit: int) -> int:
    """Settled ones are deleted, but those whose task is still listed somewhere only lose what is personal: without
    them, the task would be called again."""
    old = select(callbacks.c.id).where(callbacks.c.settled_at < before)
    listed = old.where(callbacks.c.seen_at >= before, callbacks.c.task_id != "")
    ids = list(connection.execute(listed.limit(limit)).scalars())
    connection.execute(update(callbacks).where(callbacks.c.id.in_(ids)).values(**_NOBODY))
    overdue = old.where(callbacks.c.seen_at < before).limit(limit)
    return len(ids) + _delete(connection, callbacks, callbacks.c.id.in_(overdue))


def _forget_callbacks(connection: Connection, e164: str) -> int:
    """What waits is cancelled; all lose what is personal, so that their tasks are not called again."""
    theirs, now = _callbacks_of(e164), datetime.now(UTC)
    ended = {"state": CallbackState.CANCELLED.value, "settled_at": now, "next_at": None, "withdrawn": True, "gate": ""}
    asleep = callbacks.c.state.in_([CallbackState.WAITING.value, CallbackState.QUEUED.value])
    connection.execute(update(callbacks).where(theirs, asleep).values(**ended, version=callbacks.c.version + 1))
    return connection.execute(update(callbacks).where(theirs).values(**_NOBODY, updated_at=now)).rowcount


def _callbacks_of(e164: str) -> ColumnElement[bool]:
    return or_(callbacks.c.number == e164, callbacks.c.customer == e164)


def _events_of(e164: str) -> ColumnElement[bool]:
    theirs = select(calls.c.line, calls.c.call_sequence).where(calls.c.e164 == e164)
    return or_(events.c.e164 == e164, tuple_(events.c.line, events.c.call_sequence).in_(theirs))


def _queries_of(e164: str) -> ColumnElement[bool]:
    other = queries.alias()
    same = and_(other.c.call_sequence == calls.c.call_sequence, other.c.line == calls.c.line)
    theirs = select(other.c.id).select_from(calls).join(other, same).where(calls.c.e164 == e164)
    # each by its own index, as millions are kept
    return queries.c.id.in_(union(select(queries.c.id).where(queries.c.caller == e164), theirs))


def _not_called_since(before: datetime) -> ColumnElement[bool]:
    moments = (panel_urls.c.called_at, panel_urls.c.error_at)
    return and_(*(or_(moment.is_(None), moment < before) for moment in moments))


def _deliveries_of(e164: str) -> ColumnElement[bool]:
    theirs = select(calls.c.id).where(calls.c.e164 == e164)
    return or_(deliveries.c.e164 == e164, deliveries.c.call_id.in_(theirs))


def _delete(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(where)).rowcount


def _rows(connection: Connection, table: Table, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    return [_plain_row(row) for row in _stored(connection, table, where)]


def _stored(connection: Connection, table: Table, where: ColumnElement[bool]) -> list[Mapping[str, Any]]:
    rows = connection.execute(select(table).where(where).order_by(table.c.id))
    return [dict(row._mapping) for row in rows]


def _calls(connection: Connection, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Calls as they were before they were packed."""
    rows = packs.unpacked_calls(connection, _stored(connection, calls, where))
    return [_plain_row({name: value for name, value in row.items() if name != "packed"}) for row in rows]


def _events(connection: Connection, e164: str) -> list[dict[str, Any]]:
    """The events of a number, those of packed calls among them."""
    rows = _stored(connection, events, _events_of(e164))
    theirs = select(calls.c.id, calls.c.line, calls.c.call_sequence).where(calls.c.e164 == e164, calls.c.packed)
    named = {row.id: (row.line, row.call_sequence) for row in connection.execute(theirs)}
    for id_, pack in packs.of_calls(connection, named).items():
        rows += packs.event_rows(pack, *named[id_])
    return [_plain_row(row) for row in sorted(rows, key=itemgetter("received_at", "id"))]


def _deliveries(connection: Connection, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Deliveries as they were before their calls were packed."""
    return [_plain_row(row) for row in packs.unpacked_deliveries(connection, _stored(connection, deliveries, where))]


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool | dict | list) else str(value)
