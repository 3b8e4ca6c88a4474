"""The sections of the configuration that say when somebody is there, or may be called."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from bridge.config.kinds import Incomplete, Section, Text, as_written, listed, section_or_none
from bridge.hours.calendar import MIDNIGHT, Calendar
from bridge.hours.zones import EARLIEST, LATEST
from connectors import dates

_NAMES = {
    **dict(zip(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), range(7), strict=True)),
    **dict(zip(("lun", "mar", "mie", "jue", "vie", "sab", "dom"), range(7), strict=True)),
}
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_LONGEST_CLOSED = 400

_DAYS_RULE = "write days such as mon-fri, sat or mon,wed,fri (also lun-vie)"
_TIME_RULE = 'write a time such as "09:00", up to "24:00"'
_CLOSED_RULE = 'write dates such as "2026-12-24" or "24/12/2026", or "2026-08-01 to 2026-08-15"'


def _weekdays(value: object) -> object:
    """`mon-fri`, `sat`, `mon,wed`, `fri-mon`, or a list of these: weekdays by number, Monday 0."""
    if isinstance(value, frozenset):
        return value
    days: set[int] = set()
    for part in ",".join(str(item) for item in listed(value)).split(","):
        first, _, last = part.strip().lower().replace("é", "e").replace("á", "a").partition("-")
        start, end = _NAMES.get(first.strip()[:3]), _NAMES.get((last or first).strip()[:3])
        if start is None or end is None:
            raise ValueError(_DAYS_RULE)
        days |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return tuple(sorted(days))


def _time(value: object) -> object:
    if isinstance(value, time):
        return value
    match = _TIME.fullmatch(str(value).strip())
    hour, minute = (int(match[1]), int(match[2])) if match else (99, 99)
    if (hour, minute) == (24, 0):
        return MIDNIGHT
    if hour > 23 or minute > 59:
        raise ValueError(_TIME_RULE)
    return time(hour, minute)


_CLOCK = WithJsonSchema({"type": "string", "pattern": r"^\s*\d{1,2}:\d{2}\s*$", "examples": ["09:00"]})
_WEEK = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})


class Opening(Section):
    """Hours on some days of the week. Hours that end before they begin (22:00 to 06:00) end on the next day."""

    days: Annotated[frozenset[int], BeforeValidator(_weekdays), _WEEK] = Field(
        description="Days of the week: mon-fri, sat, or a list", examples=["mon-fri"]
    )
    from_: Annotated[time, BeforeValidator(_time), _CLOCK] = Field(alias="from", description="When they begin")
    to: Annotated[time, BeforeValidator(_time), _CLOCK] = Field(description="When they end, up to 24:00")

    @model_validator(mode="after")
    def _some_time(self) -> Opening:
        if self.from_ in (self.to, MIDNIGHT):
            raise Incomplete('these hours are empty: for a whole day write from: "00:00", to: "24:00"', "from", "to")
        return self


DAYTIME = Opening.model_validate({"days": "mon-fri", "from": "09:00", "to": "20:00"})
"""The hours where none are written."""


def _openings(value: object) -> object:
    return value if isinstance(value, str) else listed(value)


_Openings = Annotated[list[Opening], Field(min_length=1)]
Hours = Annotated[
    Literal["always"] | _Openings,
    BeforeValidator(_openings, json_schema_input_type=Literal["always"] | Opening | _Openings),
]
"""Calling hours: one block, a list of blocks, or `always`."""
NamedHours = Annotated[
    Literal["always"] | _Openings | Text,
    BeforeValidator(_openings, json_schema_input_type=Literal["always"] | Opening | _Openings | Text),
]
"""The same, or the name of a calendar."""


class Holidays(Section):
    """Whose public holidays are kept: closed on them, from midnight to midnight."""

    country: Text = Field(description="Two-letter country", examples=["ES"])
    region: Text | None = Field(None, description="Part of the country, as ISO 3166-2 has it after the hyphen: MD")


def _closed(value: object) -> object:
    """Single days out of dates and spans of them."""
    if isinstance(value, tuple):
        return value
    days: set[date] = set()
    for part in listed(value):
        first, _, last = (str(as_written(part)) if part is not None else "").partition(" to ")
        start, end = dates.read(first), dates.read(last or first)
        if type(start) is not date or type(end) is not date or not 0 <= (end - start).days <= _LONGEST_CLOSED:
            raise ValueError(_CLOSED_RULE)
        days |= {start + timedelta(days=day) for day in range((end - start).days + 1)}
    return tuple(sorted(days))


def moment(value: object) -> datetime:
    """Return a moment as people write it, `2026-12-24T21:30` or `24/12/2026 21:30`; a date alone is its first minute.
    Naive unless it names a zone. Raises ValueError."""
    when = dates.read(str(as_written(value)) if not isinstance(value, datetime) else value)
    if when is None or not EARLIEST.year <= when.year < LATEST.year:
        raise ValueError("write a moment such as 2026-12-24T21:30 or 24/12/2026 21:30, on the line's clock")
    return when if isinstance(when, datetime) else datetime.combine(when, time())


Moment = Annotated[datetime, BeforeValidator(moment), WithJsonSchema({"type": "string"})]
"""A moment, on the clock of whatever line is meant unless it names a zone."""
_DATES = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})


class OpeningTimes(Section):
    """A calendar: when somebody is there, by the clock of the line that a call is on. `{{ hours.NAME.open }}` tells."""

    open: Hours = Field(
        description="Days with from and to, one block or several, or always; from 22:00 to 06:00 ends on the next day",
        examples=[[{"days": "mon-fri", "from": "09:00", "to": "20:00"}]],
    )
    holidays: Annotated[
        Holidays | None, BeforeValidator(section_or_none, json_schema_input_type=Holidays | Literal["none"])
    ] = Field(None, description="Whose public holidays are kept; none by default")
    closed: Annotated[tuple[date, ...], BeforeValidator(_closed), _DATES] = Field(
        (),
        description="More days that are closed from midnight to midnight, single ones and spans",
        examples=[["2026-12-24", "2026-08-01 to 2026-08-15"]],
        json_schema_extra={"default": None},
    )

    def calendar(self, *holidays: Holidays | None) -> Calendar:
        """Return the calendar, less the days of further `holidays`. Raises `bridge.hours.calendar.HolidaysUnknown`."""
        return Calendar(self.open, self.holidays, *holidays, closed=self.closed)
