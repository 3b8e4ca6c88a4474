"""Which days a report is about: whole days of the lines' own clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.hours.zones import start_of
from bridge.texts import Text

LONGEST = 366
"""Days of a report at most."""
_DAY = timedelta(days=1)


class NoPeriod(ValueError):
    """These days are no period; `text` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day, both included."""

    first: date
    last: date

    def since(self, zone: str) -> datetime:
        """Return its first moment on this clock."""
        return start_of(self.first, zone)

    def until(self, zone: str) -> datetime:
        """Return the first moment after it on this clock."""
        return start_of(self.last + _DAY, zone)

    def days(self) -> Iterator[date]:
        """Yield each day."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + number * _DAY

    @property
    def title(self) -> Text:
        """The days in words, such as `2026-03-01 to 2026-03-31`."""
        first, last = (datetime(day.year, day.month, day.day) for day in (self.first, self.last))
        if first == last:
            return Text("{first:%Y-%m-%d}", first=first)
        return Text("{first:%Y-%m-%d} to {last:%Y-%m-%d}", first=first, last=last)


def week_of(today: date, back: int = 0) -> Period:
    """Return the week of a day, Monday to Sunday, or one so many weeks before."""
    monday = today - timedelta(days=today.weekday() + 7 * back)
    return Period(monday, monday + 6 * _DAY)


def month_of(today: date) -> Period:
    """Return the month of a day."""
    first = today.replace(day=1)
    return Period(first, (first + timedelta(days=31)).replace(day=1) - _DAY)


PERIODS: Mapping[str, Callable[[date], Period]] = {
    "today": lambda today: Period(today, today),
    "yesterday": lambda today: Period(today - _DAY, today - _DAY),
    "this-week": week_of,
    "last-week": lambda today: week_of(today, 1),
    "this-month": month_of,
    "last-month": lambda today: month_of(today.replace(day=1) - _DAY),
}
"""The usual periods, by the day that it is. What is still to come of them is empty."""

PERIOD_TITLES: Mapping[str, Text] = {
    "today": Text("Today"),
    "yesterday": Text("Yesterday"),
    "this-week": Text("This week"),
    "last-week": Text("Last week"),
    "this-month": Text("This month"),
    "last-month": Text("Last month"),
}


def today_in(zone: str, now: datetime) -> date:
    """Return which day it is on this clock."""
    return now.astimezone(ZoneInfo(zone)).date()


def chosen(first: date | None, last: date | None, today: date) -> Period:
    """Return the period from one day to another; None: to today, and from the first day of that month. Raises
    `NoPeriod`."""
    last = last or max(today, first or today)
    first = first or last.replace(day=1)
    if first > last:
        raise NoPeriod(Text("it ends before it begins"))
    if (last - first).days >= LONGEST:
        raise NoPeriod(Text("a report is of {most} days at most", most=LONGEST))
    if first.year < 1970 or last.year > 2999:
        raise NoPeriod(Text("write a year from 1970 to 2999"))
    return Period(first, last)
