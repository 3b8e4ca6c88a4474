"""What a person does about what has to reach a CRM: find it, try it again now, or give it up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.queue.base import DELIVER, Queue
from bridge.store import deliveries
from bridge.store.database import Database
from bridge.store.deliveries import OPEN, Delivery, DeliveryFilter, State

_SELECTIONS = {
    "open": DeliveryFilter(states=OPEN),
    "pending": DeliveryFilter(states=frozenset({State.PENDING}), failed=False),
    "failed": DeliveryFilter(states=frozenset({State.PENDING}), failed=True),
    "running": DeliveryFilter(states=frozenset({State.RUNNING})),
    "dead": DeliveryFilter(states=frozenset({State.DEAD})),
    "done": DeliveryFilter(states=frozenset({State.DONE})),
    "discarded": DeliveryFilter(states=frozenset({State.DISCARDED})),
}
CHANGEABLE = ("pending", "failed", "dead")
"""Of which states something can be tried again, or given up."""


def selection(state: str, kind: str = "", connector: str = "") -> DeliveryFilter:
    """Return what finds deliveries in a state as people know it (`words.state`), or all that is `open`. Raises
    `KeyError` for another word."""
    return replace(_SELECTIONS[state], kind=kind, connector=connector)


def retry(database: Database, queue: Queue, id_: int, now: datetime) -> Delivery | None:
    """Have it tried again now, with 72 hours ahead of it anew. Return it; None when it is neither pending nor dead.
    Raises `StoreUnavailable`."""
    with database.write() as connection:
        job = deliveries.retry(connection, id_, now)
        if job is not None:
            queue.wake(connection, DELIVER, str(id_), lane=job.connector)
    return job


def discard(database: Database, id_: int, now: datetime) -> bool:
    """Give it up: what it holds does not reach the CRM. Return false when it is neither pending nor dead. Raises
    `StoreUnavailable`."""
    with database.write() as connection:
        return deliveries.discard(connection, id_, now)


def troubled(kind: str = "", connector: str = "") -> tuple[DeliveryFilter, ...]:
    """Return what finds all that is dead, and all that failed and is tried again."""
    return selection("dead", kind, connector), selection("failed", kind, connector)
