"""Who is signed in to the console, and the key that its cookies and forms are signed with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from bridge.store.database import Database
from bridge.store.tables import console_sessions, meta

KEY = "console_key"
"""The note in `meta` that holds the key, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """Somebody who is signed in; `id` is a hash of what their cookie says."""

    id: str
    name: str
    created_at: datetime
    seen_at: datetime


def begin(connection: Connection, id_: str, name: str, now: datetime) -> None:
    """Keep a new session."""
    connection.execute(insert(console_sessions).values(id=id_, name=name, created_at=now, seen_at=now))


def session(connection: Connection, id_: str) -> ConsoleSession | None:
    """Return the session with this id; None where there is none, or none any more."""
    row = connection.execute(select(console_sessions).where(console_sessions.c.id == id_)).first()
    return None if row is None else ConsoleSession(**row._mapping)


def seen(connection: Connection, id_: str, now: datetime) -> None:
    """Note that a session is in use."""
    connection.execute(update(console_sessions).where(console_sessions.c.id == id_).values(seen_at=now))


def end(connection: Connection, id_: str) -> None:
    """End a session."""
    connection.execute(delete(console_sessions).where(console_sessions.c.id == id_))


def sweep(connection: Connection, before: datetime) -> None:
    """End the sessions that began before `before`."""
    connection.execute(delete(console_sessions).where(console_sessions.c.created_at < before))


def key(database: Database) -> bytes:
    """Return the key, made where there is none; any number of processes get the same one. Raises
    `StoreUnavailable`."""
    query = select(meta.c.value).where(meta.c.name == KEY)
    with database.read() as connection:
        value = connection.execute(query).scalar()
    if value is None:
        with database.write() as connection:
            fresh = database.insert(meta).values(name=KEY, value=secrets.token_hex(32))
            connection.execute(fresh.on_conflict_do_nothing())
            value = connection.execute(query).scalar_one()
    return bytes.fromhex(value)
