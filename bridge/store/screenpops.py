"""Records that open on the screens of who answered a call: each is noted once, and begun once. No decisions here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, update

from bridge.store.database import Database
from bridge.store.tables import screen_pops


@dataclass(frozen=True, slots=True)
class StoredPop:
    """A record to open: that of a call, by `connector`, on the screen of `extension`, which answered at
    `answered_at`."""

    line: str
    call_sequence: str
    connector: str
    extension: str
    answered_at: datetime


def note(database: Database, connection: Connection, pop: StoredPop) -> int | None:
    """Store it; its number, or None where there is one of this call, connector and extension already."""
    values = {name: getattr(pop, name) for name in StoredPop.__slots__}
    statement = database.insert(screen_pops).values(values).on_conflict_do_nothing().returning(screen_pops.c.id)
    id_ = connection.execute(statement).scalar()
    return None if id_ is None else int(id_)


def begin(connection: Connection, id_: int, now: datetime) -> StoredPop | None:
    """Return the one with this number, for whoever begins it first; None for everybody else."""
    columns = [screen_pops.c[name] for name in StoredPop.__slots__]
    waits = (screen_pops.c.id == id_, screen_pops.c.begun_at.is_(None))
    row = connection.execute(update(screen_pops).where(*waits).values(begun_at=now).returning(*columns)).first()
    return None if row is None else StoredPop(*row)


def drop(connection: Connection, before: datetime) -> int:
    """Drop those that were answered before; how many that were."""
    return connection.execute(delete(screen_pops).where(screen_pops.c.answered_at < before)).rowcount
