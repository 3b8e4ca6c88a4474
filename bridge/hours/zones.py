"""Local times and the moments that they mean, across clock changes; and where in the world a phone number is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

from connectors.phone import Phone

EARLIEST, LATEST = datetime(1900, 1, 1), datetime(2500, 1, 1)
"""Moments are taken as no earlier and no later than these: CRMs write "never" as 0001-01-01 or 9999-12-31."""

_STEP = timedelta(hours=6)  # no zone ever changed its clocks twice within so few hours
_SECOND = timedelta(seconds=1)

Part = tuple[datetime, datetime, timedelta]
"""A span in UTC (naive, half open) during which a zone keeps one offset from it."""


def resolve(local: datetime, zone: str) -> datetime:
    """Return the one moment that a naive local time means (RFC 5545, 3.3.5): of two in autumn the first; where spring
    leaves it out, as though the clocks had not changed yet (02:30 is then 03:30). So none is skipped, and none comes
    twice."""
    bounded = min(max(local, EARLIEST), LATEST)
    return bounded.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def on_clock(moment: datetime, zone: str) -> datetime:
    """Return a moment on a zone's own clock; without a zone it is one of that clock already, as `resolve` reads it."""
    return (resolve(moment, zone) if moment.tzinfo is None else moment).astimezone(ZoneInfo(zone))


def start_of(day: date, zone: str) -> datetime:
    """Return the first moment of a day; in some zones that is not 00:00."""
    return resolve(datetime.combine(day, time()), zone)


def zones_of(phone: Phone, default: str) -> tuple[str, ...]:
    """Return the time zones where whoever has this number may be, by its area code; a mobile may be anywhere in its
    country (a Spanish one in `Atlantic/Canary` or `Europe/Madrid`). `default` where the number tells nothing."""
    return _zones_of(phone.e164) or (default,)


@lru_cache(maxsize=20_000)
def _zones_of(e164: str) -> tuple[str, ...]:
    zones = time_zones_for_number(phonenumbers.parse(e164)) if e164 else ()
    return tuple(zone for zone in zones if zone != UNKNOWN_TIMEZONE)


def parts(zone: str, first: datetime, last: datetime) -> Iterator[Part]:
    """Yield the time between two moments (UTC, naive), cut where the zone's offset changes. Within a part the zone's
    clocks run evenly: local time is UTC plus the offset."""
    for year in range(first.year, last.year + 1):
        for start, end, offset in _of_year(zone, year):
            if start < last and end > first:
                yield max(start, first), min(end, last), offset


@lru_cache(maxsize=1024)
def _of_year(zone: str, year: int) -> tuple[Part, ...]:
    info = ZoneInfo(zone)
    at, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)
    year_parts, start = [], at
    while at < end:
        after = at + _STEP
        if _offset(info, at) != _offset(info, after):
            change = _change(info, at, after)
            if start < change < end:
                year_parts.append((start, change, _offset(info, start)))
                start = change
        at = after
    return (*year_parts, (start, end, _offset(info, start)))


def _change(info: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with the offset of `after`."""
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _offset(info, middle) == _offset(info, before):
            before = middle
        else:
            after = middle
    return after


def _offset(info: ZoneInfo, at: datetime) -> timedelta:
    return at.replace(tzinfo=UTC).astimezone(info).utcoffset() or timedelta()
