"""The installations that work on one database: the hosts that share it."""

from __future__ import annotations

from sqlalchemy import select

from bridge.store.database import Database
from bridge.store.tables import meta

_NOTE = "host:"


def note(database: Database, installation: str) -> None:
    """Note that this host does. Raises `StoreUnavailable`."""
    with database.write() as connection:
        row = database.insert(meta).values(name=f"{_NOTE}{installation}", value="")
        connection.execute(row.on_conflict_do_nothing())


def every(database: Database) -> frozenset[str]:
    """Return all hosts. Raises `StoreUnavailable`."""
    query = select(meta.c.name).where(meta.c.name.startswith(_NOTE, autoescape=True))
    with database.read() as connection:
        return frozenset(name.removeprefix(_NOTE) for name in connection.execute(query).scalars())
