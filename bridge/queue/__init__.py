"""Delivers wake-ups: short words that there is something to do. What there is to do stands in the store's tables."""

from __future__ import annotations

from bridge.errors import StoreUnavailable
from bridge.queue.base import Queue
from bridge.queue.sqlite import SqliteQueue
from bridge.store.database import Database


def queue_for(database: Database) -> Queue:
    """Return the queue that goes with the database: SQLite's own, or Procrastinate on PostgreSQL."""
    if not database.postgresql:
        return SqliteQueue(database)
    try:
        from bridge.queue.procrastinate import ProcrastinateQueue  # noqa: PLC0415 (an option)
    except ImportError:
        raise StoreUnavailable("PostgreSQL needs: pip install '.[distributed]', in the bridge's own folder") from None
    return ProcrastinateQueue(database)
