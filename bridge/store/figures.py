"""Calls counted by the hour, for pages and reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Float, Integer, String, case, cast, extract, func, select, text

from bridge.store.tables import IS_MISSED, call_verdict, calls


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
    of_time = (calls.c.started_at >= since, calls.c.started_at < since + timedelta(hours=hours))
    # to know a verdict, the call has to be read: of those that are over, it follows from how many were missed
    verdict_word = case((calls.c.state == "incomplete", call_verdict), else_=calls.c.state).label("verdict")
    all_of_them = (
        select(hour, calls.c.direction, verdict_word, func.count())
        .where(*of_time)
        .group_by(text("1"), "direction", text("3"))
    )
    missed = select(hour, func.count()).where(*of_time, IS_MISSED).group_by(text("1"))
    counted: list[dict[str, int]] = [defaultdict(int) for _ in range(hours)]
    for place, direction, verdict, count in connection.execute(all_of_them):
        name = "answered" if verdict in ("over", "answered") else "other"
        counted[min(max(int(place), 0), hours - 1)][name if direction == "received" else "emitted"] += int(count)
    for place, count in connection.execute(missed):
        of_hour = counted[min(max(int(place), 0), hours - 1)]
        of_hour["missed"] += int(count)
        of_hour["answered"] -= int(count)
    return [HourOfCalls(since + timedelta(hours=place), **of_hour) for place, of_hour in enumerate(counted)]


def _hour(connection: Connection, epoch: int) -> Any:
    """How many whole hours after `epoch` a call began."""
    if connection.dialect.name == "sqlite":
        seconds = cast(func.strftime("%s", calls.c.started_at, type_=String), Integer) - epoch
        return cast(seconds / 3600, Integer)
    return cast(func.floor(cast(extract("epoch", calls.c.started_at) - epoch, Float) / 3600), Integer)
