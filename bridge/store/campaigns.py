"""Campaigns: what is noted of each, and its callbacks all at once. No decisions here.

A campaign's callbacks are those of its source whose task id begins with its name and a slash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, or_, select, update

from bridge.store.callbacks import CallbackState, Change
from bridge.store.database import Database
from bridge.store.tables import callbacks, meta

_NOTE = "campaign:"
HELD = "campaign"
"""The gate of what waits because its campaign was paused."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is noted of a campaign. `file`: where its rows came from, `rows` how many of them are callbacks, `bad` how
    many could not be. `started_at` and `cancelled_at` in ISO 8601, empty for not; `paused`: a person's pause."""

    name: str
    source: str
    file: str
    started_at: str
    rows: int = 0
    bad: int = 0
    paused: bool = False
    cancelled_at: str = ""

    @property
    def prefix(self) -> str:
        """What the ids of its tasks begin with."""
        return f"{self.name}/"


def note(database: Database, connection: Connection, campaign: Campaign) -> None:
    """Keep what is noted of it."""
    value = json.dumps(asdict(campaign))
    statement = database.insert(meta).values(name=f"{_NOTE}{campaign.name}", value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def get(connection: Connection, name: str, *, lock: bool = False) -> Campaign | None:
    """What is noted of the campaign, None where there is none. `lock`: nobody else changes it until the transaction
    ends."""
    query = select(meta.c.value).where(meta.c.name == f"{_NOTE}{name}")
    found = connection.execute(query.with_for_update() if lock else query).scalar()
    return None if found is None else Campaign(**json.loads(found))


def every(connection: Connection) -> list[Campaign]:
    """All campaigns, by name."""
    query = select(meta.c.value).where(meta.c.name.startswith(_NOTE, autoescape=True)).order_by(meta.c.name)
    return [Campaign(**json.loads(value)) for value in connection.execute(query).scalars()]


def drop(connection: Connection, campaign: Campaign) -> None:
    """Forget what is noted of it; its callbacks stay."""
    connection.execute(delete(meta).where(meta.c.name == f"{_NOTE}{campaign.name}"))


def counts(connection: Connection, campaign: Campaign) -> Iterator[tuple[CallbackState, str, int]]:
    """(state, gate, how many), the gate for those that wait or never could be called."""
    columns = (callbacks.c.state, callbacks.c.gate)
    query = select(*columns, func.count()).where(_of(campaign)).group_by(*columns)
    for state, gate, number in connection.execute(query):
        yield CallbackState(state), gate, number


def someone(connection: Connection, campaign: Campaign) -> str:
    """The number of one that waits, empty where none does."""
    query = select(callbacks.c.customer).where(_of(campaign), callbacks.c.state == CallbackState.WAITING).limit(1)
    return connection.execute(query).scalar() or ""


def rung(connection: Connection, campaign: Campaign, since: datetime) -> int:
    """How many of its phones may have rung since."""
    query = select(func.count()).where(_of(campaign), callbacks.c.rung_at >= since)
    return int(connection.execute(query).scalar_one())


def change(connection: Connection, campaign: Campaign, wanted: Change, now: datetime) -> int:
    """Make a transition of all of it that it fits; how many."""
    where = (_of(campaign), callbacks.c.state.in_([state.value for state in wanted.before]))
    values = {**wanted.values, "updated_at": now, "version": callbacks.c.version + 1}
    return connection.execute(update(callbacks).where(*where).values(values)).rowcount


def move(connection: Connection, campaign: Campaign, source: str, origin: str, line: str) -> None:
    """Its callbacks are those of another source from now on, and those that wait, of its line."""
    other = callbacks.alias()
    there = select(other.c.id).where(other.c.task_key == callbacks.c.task_key, other.c.origin == origin)
    waiting = callbacks.c.state == CallbackState.WAITING
    values = {"source": source, "origin": origin, "line": case((waiting, line), else_=callbacks.c.line)}
    connection.execute(update(callbacks).where(_of(campaign), ~there.exists()).values(values))


def hold(connection: Connection, campaign: Campaign, wanted: Change, now: datetime) -> int:
    """As `change`, but only of what is not held already."""
    fresh = or_(callbacks.c.gate != HELD, callbacks.c.next_at.is_not(None))
    where = (_of(campaign), fresh, callbacks.c.state.in_([state.value for state in wanted.before]))
    values = {**wanted.values, "updated_at": now, "version": callbacks.c.version + 1}
    return connection.execute(update(callbacks).where(*where).values(values)).rowcount


def release(connection: Connection, campaign: Campaign, now: datetime) -> int:
    """What was held waits for its time again; how many."""
    where = and_(_of(campaign), callbacks.c.state == CallbackState.WAITING, callbacks.c.gate == HELD)
    due = case((callbacks.c.due > now, callbacks.c.due), else_=now)
    values: dict[str, Any] = {"next_at": due, "gate": "", "reason": "", "updated_at": now}
    values["version"] = callbacks.c.version + 1
    return connection.execute(update(callbacks).where(where).values(values)).rowcount


def each(connection: Connection, campaign: Campaign, after: int, limit: int) -> list[Any]:
    """Its callbacks with a number above `after`, in order, a piece at a time: id, task_id, number, state, gate, reason,
    rung_at, settled_at, idcall, result, seconds."""
    names = (
        "id",
        "task_id",
        "number",
        "state",
        "gate",
        "reason",
        "rung_at",
        "settled_at",
        "idcall",
        "result",
        "seconds",
    )
    query = select(*(callbacks.c[name] for name in names)).where(_of(campaign), callbacks.c.id > after)
    return list(connection.execute(query.order_by(callbacks.c.id).limit(limit)))


def _of(campaign: Campaign) -> ColumnElement[bool]:
    # not LIKE, which on SQLite takes capitals for small letters
    begins = func.substr(callbacks.c.task_id, 1, len(campaign.prefix)) == campaign.prefix
    return and_(callbacks.c.source == campaign.source, begins)
