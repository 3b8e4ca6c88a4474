"""What does not come any more: calls and Queries, at hours in which they came in each of the last weeks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.hours.calendar import holiday_somewhere
from bridge.store import overview
from bridge.texts import Text
from bridge.troubles.ledger import HOUR, Ledger, LedgerUnusable
from bridge.troubles.observation import Observation, Place
from bridge.troubles.trouble import Severity

_WEEKS = 4
_EXPECTED = 10
"""So many calls came in each of the weeks before in the time that has been silent now."""
_LEAST_SILENCE = timedelta(hours=1)


def of_calls(place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Yield that no call came for long, where calls came at these hours in each of the last weeks."""
    last = overview.newest_received(connection, now)
    if last is None or now - last < _LEAST_SILENCE:
        return
    usual = min(overview.received_between(connection, spans) for spans in _weeks_before(place, last, now))
    if usual >= _EXPECTED:
        since = last.astimezone(_clock(place))
        yield Observation(
            "quiet", "", Severity.WARNING,
            Text(
                "No call was heard of since {since:%Y-%m-%d %H:%M}, whereas in each of the last {weeks} weeks at least "
                "{usual:,} came in that time",
                since=since, weeks=_WEEKS, usual=usual,
            ),
            Text(
                "Call one of your lines. If that changes nothing, compare the four event URLs in the platform's panel "
                "with `infocaller-bridge urls`, and see whether the platform reaches this host"
            ),
            since,
        )  # fmt: skip


def of_queries(place: Place, now: datetime) -> Iterator[Observation]:
    """Yield the same of this host's Queries, which are counted by the hour."""
    try:
        heard = Ledger(place.state).heard()
    except LedgerUnusable:
        return
    last, current = max(heard, default=0), int(now.timestamp()) // HOUR
    if not last or current - last < 2:
        return
    began, ends = (datetime.fromtimestamp(hour * HOUR, UTC) for hour in (last + 1, current))
    usual = min(
        sum(count for hour, count in heard.items() for start, end in spans if _within(hour, start, end))
        for spans in _weeks_before(place, began, ends)
    )
    if usual >= _EXPECTED:
        since = began.astimezone(_clock(place))
        yield Observation(
            "quiet", "queries", Severity.WARNING,
            Text(
                "No Query came since {since:%Y-%m-%d %H:%M}, whereas in each of the last {weeks} weeks at least "
                "{usual:,} came in that time",
                since=since, weeks=_WEEKS, usual=usual,
            ),
            Text(
                "Call one of your lines. If no Query comes then, compare the Query's URL in the panel's script with "
                "`infocaller-bridge urls`"
            ),
            since,
        )  # fmt: skip


def _within(hour: int, start: datetime, end: datetime) -> bool:
    return start.timestamp() <= hour * HOUR < end.timestamp()


def _clock(place: Place) -> ZoneInfo:
    """The clock of the first line."""
    return ZoneInfo(place.configuration.lines[0].timezone if place.configuration is not None else "UTC")


def _weeks_before(place: Place, since: datetime, until: datetime) -> list[list[tuple[datetime, datetime]]]:
    """The same hours, on the clock of the first line, in each of the weeks before, of the last week of silence at most.
    Days that are holidays somewhere in the country are left out: who knows which of them the callers keep."""
    zone, country = _clock(place), place.configuration.lines[0].country if place.configuration is not None else ""
    start, end = max(since, until - timedelta(weeks=1)).astimezone(zone), until.astimezone(zone)
    days = []
    while start < end:
        midnight = datetime.combine(start.date() + timedelta(days=1), time(), zone)
        if not holiday_somewhere(start.date(), country):
            days.append((start, min(midnight, end)))
        start = midnight
    weeks = (timedelta(weeks=week) for week in range(1, _WEEKS + 1))
    return [[(start - week, end - week) for start, end in days] for week in weeks]
