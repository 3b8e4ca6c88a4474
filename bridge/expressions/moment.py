"""What `{{ }}` sees of time: `now` on the line's clock, and `hours`, the configuration's calendars as of then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from bridge.config.checks.hours import CALENDAR_FIELDS
from bridge.config.model import Configuration, Line
from bridge.hours.calendar import Calendar
from connectors import dates
from connectors.expression import ExpressionError


class CalendarView:
    """A calendar at a moment, on the moment's own clock. Nothing is computed before it is asked for."""

    visible: ClassVar[frozenset[str]] = CALENDAR_FIELDS

    def __init__(self, calendar: Calendar, now: datetime, zone: str) -> None:
        self._calendar, self._now, self._zones = calendar, now, (zone,)

    @property
    def open(self) -> bool:
        """Whether it is open now."""
        return self._calendar.is_open(self._now, self._zones)

    @property
    def opens_at(self) -> datetime | None:
        """The next opening after now, also while it is open; None where there is none."""
        return self._local(self._calendar.opens_at(self._now, self._zones))

    @property
    def closes_at(self) -> datetime | None:
        """The end of this opening, else of the next; None where there is none."""
        return self._local(self._calendar.closes_at(self._now, self._zones))

    def _local(self, moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.astimezone(self._now.tzinfo)


class Calendars(Mapping[str, CalendarView]):
    """The calendars by name, in any case, since a CRM's field may say which. One that is named and not there is an
    error: it would pass for one that is closed."""

    def __init__(self, calendars: Mapping[str, Calendar], now: datetime, zone: str) -> None:
        self._calendars, self._now, self._zone = calendars, now, zone

    def __getitem__(self, name: str) -> CalendarView:
        plain = name.strip()
        if not plain:
            raise KeyError(name)
        if plain not in self._calendars:
            plain = next((other for other in self._calendars if other.lower() == plain.lower()), "")
        if not plain:
            # without the name, which may be what a caller keyed in
            there = ", ".join(self._calendars) or "none"
            raise ExpressionError(f"hours: has no calendar of the name that it is asked for; there are {there}")
        return CalendarView(self._calendars[plain], self._now, self._zone)

    def __iter__(self) -> Iterator[str]:
        return iter(self._calendars)

    def __len__(self) -> int:
        return len(self._calendars)


def of_time(configuration: Configuration, line: Line, now: datetime, own: Iterable[str] = ()) -> dict[str, object]:
    """Return what an expression sees of time at `now` (aware), by the line's clock. `own`: names that mean something
    else where it stands."""
    here = now.astimezone(ZoneInfo(line.timezone))
    scope = dates.timed(here, configuration.language)
    scope["hours"] = Calendars(configuration.calendars, here, line.timezone)
    for name in own:
        scope.pop(name, None)
    return scope
