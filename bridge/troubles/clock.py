"""What is wrong with this machine's clock, as the platform's calls tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.store import overview
from bridge.texts import Text
from bridge.troubles.observation import Observation, Place
from bridge.troubles.trouble import Severity

_CALLS = 3
_RECENTLY = timedelta(hours=2)
_LEAST, _MOST = timedelta(minutes=10), timedelta(days=1)
"""Less is told by nobody's opening hours; more is a call that somebody simulated as of another day."""
_ALIKE = timedelta(minutes=2)
"""By how much the differences of several calls may differ: an event that was under way for long is late by chance."""


def of_calls(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Yield that the last calls all ended, by the platform's clock, at another time than the bridge heard of it."""
    ends = overview.newest_ends(connection, now - _RECENTLY, now, _CALLS)
    ahead = [heard_at - ended_at for heard_at, ended_at in ends]
    if len(ahead) < _CALLS or max(ahead) - min(ahead) > _ALIKE:
        return
    least = min(ahead, key=abs)
    if not _LEAST <= abs(least) <= _MOST:
        return
    minutes = round(abs(least).total_seconds() / 60)
    text = Text(
        "This machine's clock is {minutes:,} minutes behind the platform's, as the ends of the last calls tell: "
        "calling hours, and whatever else depends on the time, are wrong by that",
        minutes=minutes,
    )
    if least > timedelta():
        text = Text(
            "This machine's clock is {minutes:,} minutes ahead of the platform's, as the ends of the last calls tell: "
            "calling hours, and whatever else depends on the time, are wrong by that",
            minutes=minutes,
        )
    yield Observation(
        "clock", "", Severity.WARNING, text,
        Text(
            "Set this machine's clock (`timedatectl set-ntp true`). If it is right, correct `timezone:` of the line, "
            "or ask the platform which clock its calls have"
        ),
    )  # fmt: skip
