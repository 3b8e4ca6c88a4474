"""Calls counted by the hour, for pages and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Float, Integer, String, cast, extract, func, select, text

from bridge.store.tables import call_verdict, calls


@dataclass(frozen=True, slots=True)
class HourOfCalls:
    """The calls that began in one hour: received and answered, received and missed, received otherwise (they go on, or
    their end was never heard), and emitted."""

    start: datetime
    answered: int = 0
    missed: int = 0
    other: int = 0
    emitted: int = 0

    @property
    def received(self) -> int:
        return self.answered + self.missed + self.other


def by_hour(connection: Connection, since: datetime, hours: int) -> Sequence[HourOfCalls]:
    """Return the calls of so many hours from `since` on, an entry for each."""
    epoch = int(since.timestamp())
    hour = _hour(connection, epoch).label("hour")
    query = (
        select(hour, calls.c.direction, call_verdict.label("verdict"), func.count().label("count"))
        .where(calls.c.started_at >= since, calls.c.started_at < since + timedelta(hours=hours))
        .group_by(text("1"), calls.c.direction, text("3"))
    )
    counted: list[dict[str, int]] = [{} for _ in range(hours)]
    for place, direction, verdict, count in connection.execute(query):
        name = "emitted" if direction != "received" else verdict if verdict in ("answered", "missed") else "other"
        of_hour = counted[min(max(int(place), 0), hours - 1)]
        of_hour[name] = of_hour.get(name, 0) + int(count)
    return [HourOfCalls(since + timedelta(hours=place), **of_hour) for place, of_hour in enumerate(counted)]


def _hour(connection: Connection, epoch: int) -> Any:
    """How many whole hours after `epoch` a call began."""
    if connection.dialect.name == "sqlite":
        seconds = cast(func.strftime("%s", calls.c.started_at, type_=String), Integer) - epoch
        return cast(seconds / 3600, Integer)
    return cast(func.floor(cast(extract("epoch", calls.c.started_at) - epoch, Float) / 3600), Integer)
