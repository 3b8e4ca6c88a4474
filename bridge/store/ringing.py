"""What rings, has rung and is about to ring, counted by line and by number: what limits and the pace go by."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, or_, select

from bridge.hours.zones import start_of
from bridge.store.callbacks import CallbackState
from bridge.store.tables import AT_WORK, callbacks


def under_way(connection: Connection, line: str, now: datetime) -> int:
    """Return how many of the line's calls may be under way: queued, being sent, or accepted and to be made by now."""
    query = select(func.count()).where(
        callbacks.c.line == line,
        AT_WORK,
        or_(callbacks.c.state != CallbackState.ACCEPTED, callbacks.c.rung_at <= now),
    )
    return int(connection.execute(query).scalar_one())


def queued(connection: Connection, line: str) -> int:
    """Return how many callbacks of the line have had their turn and are not being sent yet."""
    query = select(func.count()).where(callbacks.c.line == line, AT_WORK, callbacks.c.state == CallbackState.QUEUED)
    return int(connection.execute(query).scalar_one())


def rung(connection: Connection, number: str, since: datetime, but: int) -> list[datetime]:
    """Return when this number was, or may have been, rung by any source since; the callback `but` is left out."""
    query = select(callbacks.c.rung_at).where(
        callbacks.c.number == number, callbacks.c.rung_at >= since, callbacks.c.id != but
    )
    return list(connection.execute(query).scalars())


def rung_to(connection: Connection, numbers: Collection[str], since: datetime) -> dict[str, list[datetime]]:
    """As `rung`, of several numbers at once; those that were not rung are not there."""
    query = select(callbacks.c.number, callbacks.c.rung_at).where(
        callbacks.c.number.in_(set(numbers)), callbacks.c.rung_at >= since
    )
    moments: dict[str, list[datetime]] = {}
    for number, at in connection.execute(query):
        moments.setdefault(number, []).append(at)
    return moments


def queued_to(connection: Connection, number: str) -> int:
    """Return how many callbacks to this number have their turn just now."""
    query = select(func.count()).where(callbacks.c.number == number, callbacks.c.state == CallbackState.QUEUED)
    return int(connection.execute(query).scalar_one())


def emitted_today(connection: Connection, line: str, zone: str, now: datetime) -> int:
    """Return how many emissions of the line may have rung since midnight in its `zone`."""
    midnight = start_of(now.astimezone(ZoneInfo(zone)).date(), zone)
    query = select(func.count()).where(callbacks.c.line == line, callbacks.c.rung_at >= midnight)
    return int(connection.execute(query).scalar_one())


def ahead(connection: Connection, line: str, until: datetime) -> int:
    """Return how many of the line have their turn or wait for one, with their time come before `until`."""
    waiting = (CallbackState.WAITING.value, CallbackState.QUEUED.value)
    query = select(func.count()).where(
        callbacks.c.line == line, callbacks.c.state.in_(waiting), callbacks.c.next_at <= until
    )
    return int(connection.execute(query).scalar_one())
