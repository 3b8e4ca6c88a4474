"""How things stand in the database, counted: what waits, what fails, what nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, or_, select

from bridge.store.callbacks import CallbackState
from bridge.store.columns import storable
from bridge.store.database import Database
from bridge.store.deliveries import State
from bridge.store.tables import MISSED_ORIGIN, MISSED_WAITS, attempts, callbacks, calls, deliveries, events, meta

UNREADABLE = ("task", "number")
"""The gates of callbacks whose task says nothing that can be called."""
CLAIMS = "claims"
"""The gate of a callback whose task another installation of the bridge has claimed."""
_LOOKED_THROUGH = 100
"""Events among which the newest ends of calls are looked for."""
WORKED = "worked_at"
"""The note in `meta` of when a process last did the background work."""
RESUMED = "work_resumed_at"
"""That of when one began to do it after nobody had done it for `WORK_GONE`."""
WORK_GONE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Failing:
    """Deliveries of a connector that failed and are tried again: how many, since when, how often at most, and the
    newest error, that of a real attempt where there is one."""

    connector: str
    misconfigured: bool
    count: int
    since: datetime | None
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Some:
    """So many of something, the oldest of them since then. `name`: whose; `error`: the newest one's."""

    name: str
    count: int
    since: datetime | None
    error: str = ""


def failing(connection: Connection) -> list[Failing]:
    """Return what can't be brought to its CRM now, by connector."""
    columns = (deliveries.c.connector, deliveries.c.error_class)
    query = (
        select(*columns, func.count(), func.min(deliveries.c.first_at), func.max(deliveries.c.attempts))
        .where(deliveries.c.state.in_([State.PENDING, State.RUNNING]), deliveries.c.error != "")
        .group_by(*columns)
    )
    by_name: dict[str, Failing] = {}
    for connector, error_class, count, since, tried in connection.execute(query):
        before = by_name.get(connector) or Failing(connector, False, 0, None, 0, "")
        oldest = min((moment for moment in (before.since, since) if moment is not None), default=None)
        by_name[connector] = Failing(
            connector,
            before.misconfigured or error_class == "Misconfigured",
            before.count + count,
            oldest,
            max(before.attempts, tried),
            before.error or _newest_error(connection, connector),
        )
    return list(by_name.values())


def _newest_error(connection: Connection, connector: str) -> str:
    """What the newest attempt for this connector met; that it is not asked just now is no reason."""
    failed = (
        deliveries.c.connector == connector,
        deliveries.c.state.in_([State.PENDING, State.RUNNING]),
        deliveries.c.error != "",
    )
    tried = select(attempts.c.error).join(deliveries, attempts.c.delivery_id == deliveries.c.id)
    tried = tried.where(*failed, attempts.c.error != "").order_by(attempts.c.id.desc()).limit(1)
    error = connection.execute(tried).scalar()
    if error is None:
        error = connection.execute(select(deliveries.c.error).where(*failed).limit(1)).scalar()
    return error or ""


def dead(connection: Connection) -> list[Some]:
    """Return what is dead, by connector."""
    query = (
        select(deliveries.c.connector, func.count(), func.min(deliveries.c.settled_at), func.max(deliveries.c.id))
        .where(deliveries.c.state == State.DEAD)
        .group_by(deliveries.c.connector)
    )
    dead_ones = []
    for connector, count, since, newest in connection.execute(query).all():
        error = connection.execute(select(deliveries.c.error).where(deliveries.c.id == newest)).scalar()
        dead_ones.append(Some(connector, count, since, error or ""))
    return dead_ones


def late(connection: Connection, before: datetime) -> list[Some]:
    """Return what should have been begun before `before` and was not, by connector; events that nobody folded have no
    name."""
    due = and_(deliveries.c.state == State.PENDING, deliveries.c.next_at < before)
    left = and_(deliveries.c.state == State.RUNNING, deliveries.c.lease_until < before)
    query = (
        select(deliveries.c.connector, func.count(), func.min(deliveries.c.next_at))
        .where(or_(due, left))
        .group_by(deliveries.c.connector)
    )
    overdue = [Some(connector, count, since) for connector, count, since in connection.execute(query)]
    unfolded = select(func.count(), func.min(events.c.received_at)).where(
        ~events.c.folded, events.c.received_at < before
    )
    count, since = connection.execute(unfolded).one()
    return [*overdue, Some("", count, since)] if count else overdue


def oldest_pending(connection: Connection) -> datetime | None:
    """Since when the oldest of what has not reached its CRM waits; what is dead does not wait."""
    query = select(func.min(deliveries.c.created_at)).where(deliveries.c.state.in_([State.PENDING, State.RUNNING]))
    created_at: datetime | None = connection.execute(query).scalar()
    return created_at


def may_have_rung(connection: Connection) -> Some:
    """Return the callbacks that may have rung and wait for a person."""
    query = select(func.count(), func.min(callbacks.c.rung_at)).where(
        callbacks.c.state == CallbackState.MAY_HAVE_RUNG, callbacks.c.settled_at.is_(None)
    )
    count, since = connection.execute(query).one()
    return Some("", count, since)


def left_to_others(connection: Connection, since: datetime) -> list[Some]:
    """Return the tasks that were left alone since then because another installation had claimed them, by source."""
    columns = (callbacks.c.source, func.count(), func.min(callbacks.c.settled_at), func.max(callbacks.c.reason))
    query = (
        select(*columns)
        .where(
            callbacks.c.state == CallbackState.CANCELLED,
            callbacks.c.gate == CLAIMS,
            callbacks.c.settled_at >= since,
        )
        .group_by(callbacks.c.source)
    )
    return [Some(source, count, first, reason) for source, count, first, reason in connection.execute(query)]


def only_rejected(connection: Connection, since: datetime) -> list[Some]:
    """Return the sources whose tasks were all rejected since then, as ones that can't be read or may not be dialled; of
    each how many, since when, and why the newest was."""
    other = callbacks.alias()
    went_on = select(other.c.id).where(
        other.c.source == callbacks.c.source,
        or_(other.c.settled_at.is_(None), other.c.settled_at >= since),
        ~and_(other.c.state == CallbackState.REJECTED, other.c.gate.in_(UNREADABLE)),
    )
    query = (
        select(callbacks.c.source, func.count(), func.min(callbacks.c.settled_at), func.max(callbacks.c.id))
        .where(
            callbacks.c.settled_at >= since,
            callbacks.c.state == CallbackState.REJECTED,
            callbacks.c.gate.in_(UNREADABLE),
            ~went_on.exists(),
        )
        .group_by(callbacks.c.source)
    )
    sources: list[Some] = []
    for source, count, first, newest in connection.execute(query).all():
        reason = connection.execute(select(callbacks.c.reason).where(callbacks.c.id == newest)).scalar_one()
        sources.append(Some(source, count, first, reason))
    return sources


@dataclass(frozen=True, slots=True)
class KeptBackCount:
    """So many callbacks of a source that wait, or were rejected, for one gate: the reason of one of them, and when the
    first is looked at again (None: not by itself)."""

    source: str
    state: CallbackState
    gate: str
    count: int
    reason: str
    next_at: datetime | None


def kept_back(connection: Connection) -> list[KeptBackCount]:
    """Return why callbacks wait or were rejected, the most of them first; those without a reason are left out."""
    columns = (callbacks.c.source, callbacks.c.state, callbacks.c.gate)
    query = (
        select(*columns, func.count(), func.max(callbacks.c.reason), func.min(callbacks.c.next_at))
        .where(
            callbacks.c.state.in_([CallbackState.WAITING, CallbackState.REJECTED]),
            callbacks.c.reason != "",
        )
        .group_by(*columns)
        .order_by(func.count().desc(), *columns)
    )
    return [
        KeptBackCount(source, CallbackState(state), gate, count, reason, next_at)
        for source, state, gate, count, reason, next_at in connection.execute(query)
    ]


def callback_states(connection: Connection) -> dict[str, int]:
    """Return how many callbacks are in each state."""
    query = select(callbacks.c.state, func.count()).group_by(callbacks.c.state)
    return {str(state): int(count) for state, count in connection.execute(query)}


def missed_calls(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many tasks of missed calls there are, by source and state."""
    columns = (callbacks.c.source, callbacks.c.state)
    ours = callbacks.c.origin == MISSED_ORIGIN
    counted = connection.execute(select(*columns, func.count()).where(ours).group_by(*columns))
    return {(source, str(state)): int(count) for source, state, count in counted}


def oldest_missed(connection: Connection) -> datetime | None:
    """Return when the task of missed calls was made that has waited for longest; None: none waits."""
    query = select(func.min(callbacks.c.created_at)).where(MISSED_WAITS)
    created_at: datetime | None = connection.execute(query).scalar()
    return created_at


def newest_ends(connection: Connection, since: datetime, until: datetime, most: int) -> list[tuple[datetime, datetime]]:
    """Return of the calls that ended last when the bridge heard of their end, between these times, and when they ended
    by the platform's clock; the newest first, `most` of them."""
    of_event = (events.c.id, events.c.event, events.c.line, events.c.call_sequence, events.c.received_at)
    newest = select(*of_event).order_by(events.c.id.desc()).limit(_LOOKED_THROUGH).subquery()
    ended = and_(calls.c.line == newest.c.line, calls.c.call_sequence == newest.c.call_sequence)
    query = (
        select(newest.c.received_at, calls.c.ended_at)
        .join(calls, ended)
        .where(
            newest.c.event == "fin", newest.c.received_at.between(since, until), calls.c.ended_at.is_not(None),
        )
        .order_by(newest.c.id.desc())
        .limit(most)
    )  # fmt: skip
    return [(heard_at, ended_at) for heard_at, ended_at in connection.execute(query)]


def newest_received(connection: Connection, before: datetime) -> datetime | None:
    """Return when the newest received call began that is known, of those before `before`."""
    query = select(calls.c.started_at).where(calls.c.started_at < before, calls.c.direction == "received")
    started_at: datetime | None = connection.execute(query.order_by(calls.c.started_at.desc()).limit(1)).scalar()
    return started_at


def received_between(connection: Connection, spans: Sequence[tuple[datetime, datetime]]) -> int:
    """Return how many received calls began in these spans of time."""
    total = 0
    for since, until in spans:
        query = select(func.count()).where(
            calls.c.started_at >= since, calls.c.started_at < until, calls.c.direction == "received"
        )
        total += int(connection.execute(query).scalar_one())
    return total


def note_work(database: Database, connection: Connection, now: datetime) -> None:
    """Note that somebody does the background work."""
    worked = noted(connection, WORKED)
    if worked is None or now - datetime.fromisoformat(worked) > WORK_GONE:
        note(database, connection, RESUMED, now.isoformat())
    note(database, connection, WORKED, now.isoformat())


def note(database: Database, connection: Connection, name: str, value: str) -> None:
    """Keep a note of the bridge to itself, in place of the one before."""
    row = {"name": name, "value": storable(value)}
    statement = database.insert(meta).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": row["value"]}))


def noted(connection: Connection, name: str) -> str | None:
    """Return the note of this name; None where there is none."""
    value: str | None = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    return value
