"""When people may be called: hours by weekday, less public holidays and closed days, in one time zone or in several.

Exact across clock changes: a moment is open if, and only if, what a clock on the wall shows then lies within the hours,
in every zone given. So hours that fall into the missing hour of spring are not there on that day, and those in the
doubled hour of autumn come twice. Moments are aware datetimes throughout; what comes out is in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from bridge.hours.zones import EARLIEST, LATEST, parts, resolve, start_of

_DAY = timedelta(days=1)
_BACK, _AHEAD, _FAR = timedelta(days=4), timedelta(days=45), timedelta(days=800)
_FORESEEN = _FAR - timedelta(days=60)
_CHUNK = 28  # days whose spans are computed together and kept
_MOST_KEPT = 2000
_NEVER = datetime.max.replace(tzinfo=UTC)

_Span = tuple[datetime, datetime]  # UTC, naive, half open
_OfDay = tuple[timedelta, timedelta]  # since midnight


MIDNIGHT = time.max
"""The end of the day, which a clock shows as 24:00."""


class OpeningHours(Protocol):
    """Hours on some days of the week (Monday is 0); those that end before they begin end on the next day."""

    @property
    def days(self) -> frozenset[int]: ...
    @property
    def from_(self) -> time: ...
    @property
    def to(self) -> time: ...


class HolidayPlace(Protocol):
    """Whose public holidays are kept: a country, and a part of it."""

    @property
    def country(self) -> str: ...
    @property
    def region(self) -> str | None: ...


Hours = Literal["always"] | Sequence[OpeningHours]


class Window(NamedTuple):
    """A time during which calls may be made: from `start`, before `end`, both aware and in UTC."""

    start: datetime
    end: datetime


class HolidaysUnknown(ValueError):
    """The `holidays` library knows no such country or region; the message says which there are."""


class Calendar:
    """Calling hours, less the days of all `holidays` (None: none are kept) and those that are `closed`. These are
    closed from midnight to midnight, whatever the hours, `always` included. Any number of threads may share one.

    Raises HolidaysUnknown.
    """

    def __init__(self, hours: Hours, *holidays: HolidayPlace | None, closed: Collection[date] = ()) -> None:
        self._week = [[(timedelta(), _DAY)]] * 7 if hours == "always" else _week(hours)
        self._holidays = [_place(place) for place in holidays if place is not None]
        self._closed = frozenset(closed)
        self._kept: dict[tuple[tuple[str, ...], int], list[_Span]] = {}
        self.never_closes = not self._holidays and not self._closed and shortest(hours) is None
        """Whether calls may be made at any moment."""

    def is_open(self, moment: datetime, zones: Sequence[str]) -> bool:
        """Return whether calls may be made at this moment, in every one of `zones` (IANA names, at least one)."""
        window = self.window(moment, zones)
        return window is not None and window.start <= moment

    def window(self, moment: datetime, zones: Sequence[str]) -> Window | None:
        """Return the window that `moment` is in, else the next one; None where the hours of the zones never meet within
        two years. One that has lasted for weeks may be given a later start."""
        at = moment.astimezone(UTC)
        if self.never_closes or at.replace(tzinfo=None) >= LATEST:
            return Window(at, _NEVER)
        bounded = max(at.replace(tzinfo=None), EARLIEST)
        for start, end in self._spans(bounded, tuple(zones)):
            if end > bounded:
                return Window(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
        return None

    def following(self, moment: datetime, zones: Sequence[str]) -> datetime | None:
        """Return when the next window after the one at `moment` begins; where calling never closes, the next day at the
        same local time. None as for `window`."""
        if self.never_closes:
            local = moment.astimezone(ZoneInfo(zones[0])).replace(tzinfo=None)
            return resolve(local + _DAY, zones[0])
        now = self.window(moment, zones)
        if now is None or now.start > moment:
            return now.start if now else None
        after = self.window(now.end, zones)
        return after.start if after else None

    def opens_at(self, moment: datetime, zones: Sequence[str]) -> datetime | None:
        """Return when the next window begins, also while one is open; None where none does, or none that can be
        foreseen."""
        start = None if self.never_closes else self.following(moment, zones)
        return start if start is not None and moment < start <= moment + _FORESEEN else None

    def closes_at(self, moment: datetime, zones: Sequence[str]) -> datetime | None:
        """Return when the window that `moment` is in ends, else the next one; None where it does not, or not
        foreseeably."""
        window = None if self.never_closes else self.window(moment, zones)
        return None if window is None or window.end > moment + _FORESEEN else window.end

    def opening(self, day: date, zones: Sequence[str]) -> datetime | None:
        """Return when calling opens on a day that is given without a time: its first open moment in every zone, of a
        later day where it is closed. None as for `window`."""
        began = max(start_of(day, zone) for zone in zones)
        window = self.window(began, zones)
        return max(window.start, began) if window else None

    def _spans(self, at: datetime, zones: tuple[str, ...]) -> list[_Span]:
        """Open spans around `at`, enough of them that one ends after it, if there is any."""
        chunk = (at - EARLIEST).days // _CHUNK
        spans = self._kept.get((zones, chunk))
        if spans is None:
            first = EARLIEST + chunk * _CHUNK * _DAY
            last = first + _CHUNK * _DAY
            spans = self._common(zones, first - _BACK, last + _AHEAD)
            if not any(last <= end < last + _AHEAD for _, end in spans):  # long closed, or long open
                spans = self._common(zones, first - _BACK, last + _FAR)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[zones, chunk] = spans
        return spans

    def _common(self, zones: tuple[str, ...], first: datetime, last: datetime) -> list[_Span]:
        common, *others = (_joined(self._of_zone(zone, first, last)) for zone in zones)
        for other in others:
            common = _overlap(common, other)
        return common

    def _of_zone(self, zone: str, first: datetime, last: datetime) -> Iterator[_Span]:
        for start, end, offset in parts(zone, first, last):
            midnight = datetime.combine((start + offset).date(), time())
            while midnight < end + offset:
                for opens, closes in self._of_day(midnight.date()):
                    yield max(midnight + opens - offset, start), min(midnight + closes - offset, end)
                midnight += _DAY

    def _of_day(self, day: date) -> Sequence[_OfDay]:
        if day in self._closed or any(day in _days(*place, day.year) for place in self._holidays):
            return ()
        return self._week[day.weekday()]


def holiday_somewhere(day: date, country: str) -> bool:
    """Return whether the day is a public holiday of the country, or of any part of it; False where none are known of
    it."""
    country = country.upper()
    regions = _regions(country)
    return regions is not None and any(day in _days(country, region, day.year) for region in (None, *regions))


def shortest(hours: Hours) -> timedelta | None:
    """Return the shortest time that calling stays open in an ordinary week, for the check that a call and its retries
    fit in; None where it never closes."""
    if hours == "always":
        return None
    week, monday = _week(hours), datetime(2001, 1, 1)
    spans = _joined(
        (monday + day * _DAY + opens, monday + day * _DAY + closes)
        for day in range(21)  # three weeks, because what reaches over their ends is cut there
        for opens, closes in week[day % 7]
    )
    whole = [end - start for start, end in spans if monday < start and end < monday + 21 * _DAY]
    return min(whole, default=None)


def spans_within(hours: Hours, allowed: Sequence[OpeningHours]) -> bool:
    """Return whether hours lie within others, on each day of the week."""
    if hours == "always":
        return False
    for spans, wider in zip(_week(hours), _week(allowed), strict=True):
        for opens, closes in spans:
            if not any(first <= opens and closes <= last for first, last in wider):
                return False
    return True


def _week(openings: Sequence[OpeningHours]) -> list[list[_OfDay]]:
    """For each weekday its open spans; what ends on the next day is in two parts."""
    week: list[list[_OfDay]] = [[] for _ in range(7)]
    for opening in openings:
        opens, closes = _since_midnight(opening.from_), _since_midnight(opening.to)
        for day in opening.days:
            if opens < closes:
                week[day].append((opens, closes))
            else:
                week[day].append((opens, _DAY))
                week[(day + 1) % 7].append((timedelta(), closes))
    return week


def _since_midnight(at: time) -> timedelta:
    return _DAY if at == MIDNIGHT else timedelta(hours=at.hour, minutes=at.minute)


def _place(holidays: HolidayPlace) -> tuple[str, str | None]:
    """Country and region as the library spells them."""
    country = holidays.country.upper()
    its_regions = _regions(country)
    if its_regions is None:
        raise HolidaysUnknown(f"no public holidays are known of {country}: write a two-letter country, or none")
    if holidays.region is None:
        return country, None
    regions = {region.upper(): region for region in its_regions}
    if holidays.region.upper() not in regions:
        there = f"there are {', '.join(regions.values())}" if regions else "there are none"
        raise HolidaysUnknown(f"no region {holidays.region} of {country} is known; {there}")
    return country, regions[holidays.region.upper()]


@cache
def _regions(country: str) -> Sequence[str] | None:
    """The regions of a country, as the library spells them; None where it has no such country. What it says of all
    countries would have it load each of them."""
    import holidays  # noqa: PLC0415 - it takes a twentieth of a second, and many need no holidays
    from holidays.registry import EntityLoader  # noqa: PLC0415

    return getattr(holidays, country).subdivisions if country in EntityLoader.get_country_codes() else None


@lru_cache(maxsize=1024)
def _days(country: str, region: str | None, year: int) -> frozenset[date]:
    """The holidays of one year. The library's own object fills itself as it is asked, which threads can't share."""
    import holidays  # noqa: PLC0415 - as above

    return frozenset(holidays.country_holidays(country, subdiv=region, years=year, expand=False))


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    """In order, those that touch made one, those that are empty left out."""
    joined: list[_Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _overlap(first: list[_Span], second: list[_Span]) -> list[_Span]:
    """What both have in common."""
    common, left, right = [], 0, 0
    while left < len(first) and right < len(second):
        start, end = max(first[left][0], second[right][0]), min(first[left][1], second[right][1])
        if start < end:
            common.append((start, end))
        if first[left][1] < second[right][1]:
            left += 1
        else:
            right += 1
    return common
