"""Campaigns: what is kept of each, and its callbacks all at once. No decisions here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, literal_column, or_, select, update

from bridge.store.callbacks import CallbackState, Change
from bridge.store.database import Database
from bridge.store.tables import IN_CAMPAIGN, callbacks, campaigns

_RESULT = ("id", "task_id", "number", "state", "reason", "rung_at", "seconds", "idcall")


LOT = 1000
"""Callbacks that one transaction changes: a campaign of any size is stopped without holding up what else is written."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of a source. `file`: where its newest rows came from; `paused` and `cancelled_at`: by a person."""

    name: str
    source: str
    file: str
    started_at: datetime
    paused: bool = False
    cancelled_at: datetime | None = None

    @property
    def halted(self) -> bool:
        """Whether a person paused or cancelled it."""
        return self.paused or self.cancelled_at is not None


def save(database: Database, connection: Connection, campaign: Campaign) -> None:
    """Store a campaign, or change it to what it is now."""
    values = asdict(campaign)
    statement = database.insert(campaigns).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def get(connection: Connection, name: str, *, lock: bool = False) -> Campaign | None:
    """Return the campaign with this name, None where there is none. With `lock`, held until the transaction ends."""
    query = select(campaigns).where(campaigns.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Campaign(**row._mapping)


def every(connection: Connection) -> list[Campaign]:
    """Return all campaigns, by name."""
    return [Campaign(**row._mapping) for row in connection.execute(select(campaigns).order_by(campaigns.c.name))]


def halted(connection: Connection, names: Collection[str]) -> list[Campaign]:
    """Return those of these that a person paused or cancelled; until the transaction ends nobody pauses or cancels
    more."""
    if not names:
        return []
    query = select(campaigns).where(campaigns.c.name.in_(list(names))).order_by(campaigns.c.name)
    rows = connection.execute(query.with_for_update(read=True))
    return [campaign for campaign in (Campaign(**row._mapping) for row in rows) if campaign.halted]


def drop_empty(connection: Connection, before: datetime) -> None:
    """Drop those that began before, and of which no callback is left."""
    left = select(callbacks.c.id).where(callbacks.c.campaign == campaigns.c.name, callbacks.c.campaign != "")
    empty = (campaigns.c.started_at < before, ~left.exists())
    # held first: a statement does not see the rows that came to one while it waited
    connection.execute(select(campaigns.c.name).where(*empty).with_for_update())
    connection.execute(delete(campaigns).where(*empty))


def counts(connection: Connection, name: str) -> Iterator[tuple[CallbackState, str, int]]:
    """(state, gate, how many), the gate for those that wait."""
    columns = (callbacks.c.state, callbacks.c.gate)
    for state, gate, number in connection.execute(select(*columns, func.count()).where(_of(name)).group_by(*columns)):
        yield CallbackState(state), gate, number


def someone(connection: Connection, name: str) -> str:
    """Whom one that waits is about, in E.164; empty where none waits."""
    query = select(callbacks.c.customer).where(_of(name), callbacks.c.state == CallbackState.WAITING).limit(1)
    return connection.execute(query).scalar() or ""


def rung(connection: Connection, name: str, since: datetime) -> int:
    """Return how many of its phones may have rung since."""
    query = select(func.count()).where(_of(name), callbacks.c.rung_at >= since)
    return int(connection.execute(query).scalar_one())


def change(connection: Connection, name: str, transition: Change, now: datetime, *, after_turn: bool = False) -> int:
    """Make a transition of up to `LOT` of its callbacks that it fits, and that were not so before; of how many.
    `after_turn`: of those that had their turn, and of them alone."""
    new = or_(
        *(callbacks.c[column].is_distinct_from(transition.values[column]) for column in ("state", "gate", "next_at"))
    )
    before = transition.before - {CallbackState.WAITING} if after_turn else transition.before
    fits = and_(callbacks.c.state.in_([state.value for state in before]), new)
    return _update(connection, name, fits, transition.values, now)


def release(connection: Connection, name: str, gate: str, now: datetime) -> int:
    """Up to `LOT` of what this gate kept back wait for their time again; how many."""
    fits = and_(callbacks.c.state == CallbackState.WAITING, callbacks.c.gate == gate)
    due = case((callbacks.c.due > now, callbacks.c.due), else_=now)
    return _update(connection, name, fits, {"next_at": due, "gate": "", "reason": ""}, now)


def _update(
    connection: Connection, name: str, fits: ColumnElement[bool], values: Mapping[str, Any], now: datetime
) -> int:
    ids = select(callbacks.c.id).where(_of(name), fits).order_by(callbacks.c.id).limit(LOT)
    values = {**values, "updated_at": now, "version": callbacks.c.version + 1}
    return connection.execute(update(callbacks).where(callbacks.c.id.in_(ids), fits).values(values)).rowcount


def move(connection: Connection, name: str, source: str, origin: str, line: str) -> None:
    """Its callbacks are those of another source from now on, and those that wait, of its line."""
    other = callbacks.alias()
    with_origin = other.c.origin != literal_column("''")  # which finds the index
    moved_before = select(other.c.id).where(
        other.c.task_key == callbacks.c.task_key, other.c.origin == origin, with_origin
    )
    waiting = callbacks.c.state == CallbackState.WAITING
    values = {"source": source, "origin": origin, "line": case((waiting, line), else_=callbacks.c.line)}
    connection.execute(update(callbacks).where(_of(name), ~moved_before.exists()).values(values))


def each(connection: Connection, name: str, after: int, limit: int) -> list[Any]:
    """Return what came of its callbacks with a number above `after`, in order, a piece at a time: `_RESULT`."""
    query = select(*(callbacks.c[column] for column in _RESULT)).where(_of(name), callbacks.c.id > after)
    return list(connection.execute(query.order_by(callbacks.c.id).limit(limit)))


def _of(name: str) -> ColumnElement[bool]:
    return and_(callbacks.c.campaign == name, IN_CAMPAIGN)
