"""Deliveries: everything that has to reach a CRM, once.

    pending ──claim──> running ──done──> done          (back to pending when a newer revision came meanwhile)
       ^                  │ later
       └──────────────────┤
       ^  retry           └──dead──> dead ──discard──> discarded
       └─────────────────────────────┘

A claim is a lease: whoever holds it renews it (`renew`), and when its process dies the lease runs out. What ends an
attempt (`done`, `later`, `dead`, `release`) counts only from the one who holds the lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bridge.store import packs
from bridge.store.columns import storable
from bridge.store.database import Database
from bridge.store.tables import attempts, deliveries


class State(StrEnum):
    """Where a delivery stands; see this module's drawing."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What has to reach a CRM. `kind` says who delivers it (`activity`, `save`); `key` is unique to it; `payload` is
    all that is needed, as JSON knows it; `connector` where it goes; `e164` whose data it is (empty: nobody's known);
    `call_id` the call that it came of. `revision` counts its versions from 1."""

    kind: str
    key: str
    connector: str
    payload: Mapping[str, Any]
    e164: str = ""
    call_id: int | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery.

    `attempts` counts those begun. `first_at`: when the first of them began, None before; `next_at`: not before then.
    `error` and `error_class`: what the last attempt met. `wanted_revision` is the newest, `written_revision` the one
    that the CRM has (0: none), under `written_id`. `exchange`: the last request and answer, masked. `owner`,
    `lease_until`: who has it in hand, and how long that counts. `about`: the record that its call is about, as it was
    found the last time that it was written (`connector`, `kind`, `id`, `name`, `link`); None if nobody was.
    """

    id: int
    kind: str
    key: str
    connector: str
    call_id: int | None
    payload: Mapping[str, Any]
    state: State
    attempts: int
    created_at: datetime
    first_at: datetime | None
    next_at: datetime | None
    settled_at: datetime | None
    error: str
    error_class: str
    written_id: str | None
    wanted_revision: int
    written_revision: int
    exchange: str
    owner: str
    lease_until: datetime | None
    e164: str
    about: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, how many milliseconds it took, `done`, `later` or `dead`, and what went wrong."""

    at: datetime
    ms: int
    outcome: str
    error: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What an attempt met: `text` for people, `name` the error's class, `exchange` request and answer, masked."""

    text: str
    name: str = ""
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class Took:
    """When an attempt began and how many milliseconds it took."""

    at: datetime
    ms: int


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are wanted; empty means any. `failed`: only those whose last attempt went wrong; False: only
    others."""

    states: frozenset[State] = field(default_factory=frozenset)
    kind: str = ""
    connector: str = ""
    e164: str = ""
    call_id: int | None = None
    failed: bool | None = None


# Made once: making a statement takes longer than having it done.
_ADD = {
    of_postgresql: dialect.insert(deliveries).on_conflict_do_nothing().returning(deliveries.c.key, deliveries.c.id)
    for of_postgresql, dialect in ((True, postgresql), (False, sqlite))
}
_BY_KEY = select(deliveries).where(deliveries.c.key == bindparam("of_key"))
_CLAIM = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("of_id"),
        or_(
            and_(deliveries.c.state == State.PENDING.value, deliveries.c.next_at <= bindparam("now")),
            and_(deliveries.c.state == State.RUNNING.value, deliveries.c.lease_until < bindparam("now")),
        ),
    )
    .values(
        state=State.RUNNING.value,
        owner=bindparam("by"),
        lease_until=bindparam("until"),
        attempts=deliveries.c.attempts + 1,
        first_at=func.coalesce(deliveries.c.first_at, bindparam("now", type_=deliveries.c.first_at.type)),
    )
    .returning(deliveries)
)
_HELD = update(deliveries).where(
    deliveries.c.id == bindparam("of_id"),
    deliveries.c.state == State.RUNNING.value,
    deliveries.c.owner == bindparam("by"),
)
_HELD_NEWEST = _HELD.where(deliveries.c.wanted <= bindparam("revision"))
_HELD_OUTDATED = _HELD.where(deliveries.c.wanted > bindparam("revision"))
_ATTEMPT = insert(attempts).inline()

_MOST = 200
"""Deliveries of one call that are read."""
OPEN = frozenset({State.PENDING, State.RUNNING, State.DEAD})
"""What `jobs list` shows: all that is neither done nor discarded."""


def add(database: Database, connection: Connection, new: Iterable[NewDelivery], now: datetime) -> dict[str, int]:
    """Store those whose key is not there yet; their numbers, by key. What was there already is left as it is. Those of
    one call get their numbers in the order given."""
    # In one order everywhere: two transactions that add the same keys must not wait for one another. Whoever adds those
    # of a call holds the call.
    rows = sorted((_row(delivery, now) for delivery in new), key=_place)
    if not rows:
        return {}
    added = connection.execute(_ADD[database.postgresql], rows if len(rows) > 1 else rows[0])
    return {row.key: row.id for row in added}


def upsert(database: Database, connection: Connection, new: NewDelivery, now: datetime) -> tuple[int, State] | None:
    """Store it, or make it the newest revision of what is there under its key: (number, state after that).

    None when a revision as new or newer is there already. Else as `revise`.
    """
    added = add(database, connection, [new], now)
    if added:
        return added[storable(new.key)], State.PENDING
    return revise(connection, new, now)


def revise(connection: Connection, new: NewDelivery, now: datetime) -> tuple[int, State] | None:
    """Make it the newest revision of what is there under its key: (number, state after that); None when there is none
    that is older.

    What was done is pending again; what runs is delivered once more when it has come back; what is dead or discarded
    keeps its state, with the new payload for a retry.
    """
    older = and_(deliveries.c.key == new.key, deliveries.c.wanted < new.revision)
    again = deliveries.c.state == State.DONE
    values = {"payload": new.payload, "wanted": new.revision, "e164": new.e164, "call_id": new.call_id}
    fresh = {"state": State.PENDING.value, "attempts": 0, "first_at": None, "next_at": now, "settled_at": None}
    for where, changes in ((and_(older, again), values | fresh), (older, values)):
        row = connection.execute(
            update(deliveries).where(where).values(changes).returning(deliveries.c.id, deliveries.c.state)
        ).first()
        if row:
            return int(row.id), State(row.state)
    return None


def claim(connection: Connection, id_: int, owner: str, now: datetime, lease_until: datetime) -> Delivery | None:
    """Take it in hand: running, one more attempt. None when it is not due, somebody else has it, or it is settled."""
    row = connection.execute(_CLAIM, {"of_id": id_, "now": now, "by": owner, "until": lease_until}).first()
    return None if row is None else _delivery(dict(row._mapping))


def claim_more(
    connection: Connection, kind: str, connector: str, owner: str, now: datetime, lease_until: datetime, limit: int
) -> list[Delivery]:
    """Take up to `limit` more in hand, oldest first, of those that are due for the connector."""
    due = (
        deliveries.c.kind == kind,
        deliveries.c.connector == connector,
        deliveries.c.state == State.PENDING,
        deliveries.c.next_at <= now,
    )
    query = select(deliveries.c.id).where(*due).order_by(deliveries.c.id).limit(limit)
    claimed = (
        claim(connection, id_, owner, now, lease_until)
        for id_ in connection.execute(query.with_for_update(skip_locked=True)).scalars().all()
    )
    return [delivery for delivery in claimed if delivery is not None]


def renew(connection: Connection, ids: Iterable[int], owner: str, lease_until: datetime) -> None:
    """Extend the leases of these deliveries."""
    connection.execute(
        update(deliveries).where(deliveries.c.id.in_(list(ids)), *_held_by(owner)).values(lease_until=lease_until)
    )


def done(
    connection: Connection,
    id_: int,
    owner: str,
    revision: int,
    took: Took,
    *,
    written_id: str | None,
    exchange: str,
    about: Mapping[str, Any] | None = None,
) -> State | None:
    """Note that the CRM has `revision`. Return the state now: pending when a newer one is wanted, else done; None when
    the lease was lost. `written_id` None: the CRM said no id; one that was known before is kept. `about`: see
    `Delivery`."""
    values: dict[str, Any] = {"written": revision, "error": "", "error_class": "", "exchange": exchange, "about": about}
    if written_id is not None:
        values["written_id"] = written_id
    fresh = {"state": State.PENDING.value, "attempts": 0, "first_at": None, "next_at": took.at, "settled_at": None}
    over = {"state": State.DONE.value, "next_at": None, "settled_at": took.at}
    held = {"of_id": id_, "by": owner, "revision": revision, "owner": "", "lease_until": None}
    for statement, changes in ((_HELD_NEWEST, over), (_HELD_OUTDATED, fresh)):
        if connection.execute(statement, held | values | changes).rowcount:
            _note(connection, id_, took, "done", "")
            return State(changes["state"])  # type: ignore[arg-type]  # both dicts name a state
    return None


def later(connection: Connection, id_: int, owner: str, next_at: datetime, took: Took, failure: Failure) -> bool:
    """It did not work; again at `next_at`. False when the lease was lost."""
    values = {"state": State.PENDING.value, "next_at": next_at, **_failed(failure)}
    if not _settle(connection, id_, owner, values):
        return False
    _note(connection, id_, took, "later", failure.text)
    return True


def dead(connection: Connection, id_: int, owner: str, took: Took, failure: Failure) -> bool:
    """It does not work, or nobody can know whether it did: a person decides. False when the lease was lost."""
    values = {"state": State.DEAD.value, "next_at": None, "settled_at": took.at, **_failed(failure)}
    if not _settle(connection, id_, owner, values):
        return False
    _note(connection, id_, took, "dead", failure.text)
    return True


def release(
    connection: Connection,
    id_: int,
    owner: str,
    next_at: datetime,
    failure: Failure | None = None,
    *,
    anew: bool = False,
) -> bool:
    """Give it back unasked (its CRM is left alone for now): the attempt does not count. `anew`: nor does the time that
    it has waited so far. False: lease lost."""
    values: dict[str, Any] = {"state": State.PENDING.value, "next_at": next_at, "attempts": deliveries.c.attempts - 1}
    if failure:
        values |= {"error": failure.text, "error_class": failure.name}
    if anew:
        values["first_at"] = None
    return _settle(connection, id_, owner, values)


def free(connection: Connection, until: datetime) -> int:
    """End every lease, when it is certain that nobody is at work; how many that were. What was in hand is due when its
    lease would have run out, at `until` at the latest: the CRM may still be at it, and would show nothing of it yet."""
    due = case((deliveries.c.lease_until < until, deliveries.c.lease_until), else_=until)
    return connection.execute(
        update(deliveries)
        .where(deliveries.c.state == State.RUNNING)
        .values(state=State.PENDING.value, next_at=due, owner="", lease_until=None)
    ).rowcount


def retry(connection: Connection, id_: int, now: datetime) -> Delivery | None:
    """Try it again now, as a person wants, with 72 hours ahead of it anew. None when there is none in the states
    pending or dead."""
    row = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == id_, deliveries.c.state.in_([State.PENDING, State.DEAD]))
        .values(state=State.PENDING.value, next_at=now, first_at=None, settled_at=None)
        .returning(deliveries)
    ).first()
    return None if row is None else _delivery(dict(row._mapping))


def discard(connection: Connection, id_: int, now: datetime) -> bool:
    """Give it up, as a person wants. False when there is none in the states pending or dead."""
    return bool(
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == id_, deliveries.c.state.in_([State.PENDING, State.DEAD]))
            .values(state=State.DISCARDED.value, next_at=None, settled_at=now)
        ).rowcount
    )


def get(connection: Connection, id_: int) -> Delivery | None:
    """Return the delivery with this number."""
    return next(iter(_read(connection, select(deliveries).where(deliveries.c.id == id_))), None)


def by_key(connection: Connection, key: str) -> Delivery | None:
    """Return the delivery with this key."""
    rows = [dict(row._mapping) for row in connection.execute(_BY_KEY, {"of_key": key})]
    return next((_delivery(row) for row in packs.unpacked_deliveries(connection, rows)), None)


def attempts_of(connection: Connection, id_: int, limit: int = 50) -> list[Attempt]:
    """Return the newest attempts of a delivery, oldest first."""
    query = select(attempts).where(attempts.c.delivery_id == id_).order_by(attempts.c.id.desc()).limit(limit)
    return [Attempt(row.at, row.ms, row.outcome, row.error) for row in connection.execute(query)][::-1]


def find(
    connection: Connection, criteria: DeliveryFilter, limit: int = 1000, after: int = 0, until: int | None = None
) -> list[Delivery]:
    """Return deliveries, oldest first, whose number is above `after`, and not above `until`."""
    query = _filtered(select(deliveries), criteria).where(deliveries.c.id > after)
    if until is not None:
        query = query.where(deliveries.c.id <= until)
    return _read(connection, query.order_by(deliveries.c.id).limit(limit))


def of_call(connection: Connection, call_id: int | None, line: str, call_sequence: str, e164: str) -> list[Delivery]:
    """Return what came of a call, oldest first: its activities, and what its Queries saved, which may be there before
    the call is (`call_id` None). `e164`: the other party's number, as a Query has it."""
    prefix = f"{line}:{call_sequence}:"
    if connection.dialect.name == "sqlite":
        of_key = and_(deliveries.c.key >= prefix, deliveries.c.key < f"{prefix[:-1]};")  # the next letter
    else:  # where texts are sorted by a language, no index finds how one begins
        of_key = and_(deliveries.c.e164 == e164, deliveries.c.key.startswith(prefix, autoescape=True))
    wheres = (of_key,) if call_id is None else (of_key, deliveries.c.call_id == call_id)
    came = {
        each.id: each for where in wheres for each in _read(connection, select(deliveries).where(where).limit(_MOST))
    }
    return [came[id_] for id_ in sorted(came)]


def latest(connection: Connection, criteria: DeliveryFilter, limit: int, before: int | None = None) -> list[Delivery]:
    """Return deliveries, newest first, whose number is below `before`."""
    query = _filtered(select(deliveries), criteria)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    return _read(connection, query.order_by(deliveries.c.id.desc()).limit(limit))


def count(connection: Connection, criteria: DeliveryFilter, most: int | None, until: int | None = None) -> int:
    """Return how many there are, `most` at most; with `until`, of those whose number is not above it. `most` None: all
    of them are counted."""
    query = _filtered(select(deliveries.c.id), criteria)
    if until is not None:
        query = query.where(deliveries.c.id <= until)
    return int(connection.execute(select(func.count()).select_from(query.limit(most).subquery())).scalar_one())


def newest_id(connection: Connection) -> int:
    """Return the number of the newest delivery, 0 where there is none."""
    return int(connection.execute(select(func.max(deliveries.c.id))).scalar() or 0)


def before(connection: Connection, delivery: Delivery) -> list[Delivery]:
    """Return those of the same call, kind and connector that are older than `delivery` and not settled yet."""
    query = select(deliveries).where(
        deliveries.c.call_id == delivery.call_id,
        deliveries.c.kind == delivery.kind,
        deliveries.c.connector == delivery.connector,
        deliveries.c.id < delivery.id,
        deliveries.c.state.in_([State.PENDING, State.RUNNING]),
    )
    return _read(connection, query)


def counts(connection: Connection) -> dict[tuple[str, State], int]:
    """Return how many there are, by connector and state."""
    query = select(deliveries.c.connector, deliveries.c.state, func.count()).group_by(
        deliveries.c.connector, deliveries.c.state
    )
    return {(connector, State(state)): count for connector, state, count in connection.execute(query)}


def overdue(connection: Connection, before: datetime, limit: int) -> list[tuple[int, str]]:
    """(number, connector) of what should have been begun before `before`, or whose lease ran out before it."""
    due = and_(deliveries.c.state == State.PENDING, deliveries.c.next_at < before)
    left = and_(deliveries.c.state == State.RUNNING, deliveries.c.lease_until < before)
    query = select(deliveries.c.id, deliveries.c.connector).where(or_(due, left)).order_by(deliveries.c.next_at)
    return [(id_, connector) for id_, connector in connection.execute(query.limit(limit))]


def _filtered(query: Select[Any], criteria: DeliveryFilter) -> Select[Any]:
    if criteria.states:
        query = query.where(deliveries.c.state.in_([state.value for state in criteria.states]))
    for column, value in (
        (deliveries.c.kind, criteria.kind),
        (deliveries.c.connector, criteria.connector),
        (deliveries.c.e164, criteria.e164),
        (deliveries.c.call_id, criteria.call_id),
    ):
        if value:
            query = query.where(column == value)
    if criteria.failed is None:
        return query
    return query.where(deliveries.c.error != "" if criteria.failed else deliveries.c.error == "")


def _held_by(owner: str) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.state == State.RUNNING, deliveries.c.owner == owner


def _settle(connection: Connection, id_: int, owner: str, values: Mapping[str, Any]) -> bool:
    statement = update(deliveries).where(deliveries.c.id == id_, *_held_by(owner))
    return bool(connection.execute(statement.values(owner="", lease_until=None, **values)).rowcount)


def _failed(failure: Failure) -> dict[str, str]:
    return {"error": failure.text, "error_class": failure.name, "exchange": failure.exchange}


def _note(connection: Connection, id_: int, took: Took, outcome: str, error: str) -> None:
    values = {"delivery_id": id_, "at": took.at, "ms": took.ms, "outcome": outcome, "error": error}
    connection.execute(_ATTEMPT, values)


def _place(row: Mapping[str, Any]) -> tuple[int, str]:
    return (row["call_id"], "") if row["call_id"] else (0, row["key"])


def _row(new: NewDelivery, now: datetime) -> dict[str, Any]:
    return {
        "kind": new.kind,
        "key": storable(new.key),
        "connector": new.connector,
        "call_id": new.call_id,
        "payload": new.payload,
        "state": State.PENDING.value,
        "created_at": now,
        "next_at": now,
        "wanted": new.revision,
        "e164": new.e164,
    }


def _read(connection: Connection, query: Select[Any]) -> list[Delivery]:
    """What was found, whole also where it is packed with its call."""
    rows = [dict(row._mapping) for row in connection.execute(query)]
    return [_delivery(row) for row in packs.unpacked_deliveries(connection, rows)]


def _delivery(row: Mapping[str, Any]) -> Delivery:
    stored = {**row, "state": State(row["state"])}
    return Delivery(wanted_revision=stored.pop("wanted"), written_revision=stored.pop("written"), **stored)
