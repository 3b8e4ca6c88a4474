"""Who changed what in the console, when, and what it was before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from bridge.store.tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change. `action` is a word of the program (`line.resume`), `subject` what it was done to, by its id or name:
    never a number, nor a person's name. `before` and `after`: what the change is about, as JSON knows it; None: there
    was nothing. `id` None: not stored yet."""

    at: datetime
    who: str
    action: str
    subject: str = ""
    role: str = ""
    address: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; empty means any. `since` and `until` are about their moment, `until` excluded."""

    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def add(connection: Connection, entry: AuditEntry) -> None:
    """Store an entry."""
    connection.execute(
        insert(audit).values(
            at=entry.at, who=entry.who, role=entry.role, address=entry.address, action=entry.action,
            subject=entry.subject[:512], before=_plain(entry.before), after=_plain(entry.after),
        )
    )  # fmt: skip


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else dict(values)


def find(connection: Connection, criteria: AuditFilter, limit: int, before: int | None = None) -> list[AuditEntry]:
    """Return entries, newest first; `before`: only those older than the one with this id."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if criteria.who:
        query = query.where(audit.c.who == criteria.who)
    if criteria.action:
        query = query.where(audit.c.action == criteria.action)
    if criteria.since is not None:
        query = query.where(audit.c.at >= criteria.since)
    if criteria.until is not None:
        query = query.where(audit.c.at < criteria.until)
    return [AuditEntry(**row._mapping) for row in connection.execute(query)]


def export(connection: Connection, criteria: AuditFilter, chunk: int = 500) -> Iterator[AuditEntry]:
    """Yield all entries, newest first; reads `chunk` at a time."""
    before = None
    while True:
        entries = find(connection, criteria, chunk, before)
        yield from entries
        if len(entries) < chunk:
            return
        before = entries[-1].id


def actions(connection: Connection) -> list[str]:
    """Return the actions that there are entries of."""
    return sorted(connection.execute(select(audit.c.action).distinct()).scalars())


def purge(connection: Connection, before: datetime) -> int:
    """Drop what is older; how much that was."""
    return connection.execute(delete(audit).where(audit.c.at < before)).rowcount
