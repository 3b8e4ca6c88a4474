"""Dates and times as files and CRMs write them, read and written again; and the clock that expressions go by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

CLOCK = "$clock"
"""The name under which a scope holds its `Clock`. No expression can say it."""

_DAY_FIRST = re.compile(
    r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:,?[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?(?: ?h)?)?", re.ASCII
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}.*)?", re.ASCII)
_DATE_ONLY = len("2026-12-24")
_CENTURY = 2000
_NAMES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "es": (
        ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
         "noviembre", "diciembre"),
    ),
    "en": (
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
         "November", "December"),
    ),
}  # fmt: skip
"""Days of the week and months, by language."""
LANGUAGES = tuple(_NAMES)


class Clock(NamedTuple):
    """What expressions reckon time by: `now`, aware, on the line's own clock, and the language of names and spoken
    forms (`es` or `en`)."""

    now: datetime
    language: str = "es"


def timed(now: datetime, language: str) -> dict[str, object]:
    """Return what a scope holds of time: `now`, and the clock that `| date` and `| spoken` go by."""
    return {"now": now, CLOCK: Clock(now, language)}


def clock_of(scope: Mapping[str, object]) -> Clock | None:
    """Return the clock that a scope's expressions go by, also where its `now` is something else; None without."""
    clock = scope.get(CLOCK)
    return clock if isinstance(clock, Clock) else None


def read(value: object) -> datetime | date | None:
    """Return a date as such: ISO 8601 (`2026-12-24`, `2026-12-24T10:00+01:00`), or the day first, as Spain writes it
    (`24/12/2026 10:00`, `24-12-26`). A date alone is a `date`, a time without a zone is naive; what is none is None."""
    if isinstance(value, (datetime, date)):
        return value
    text = value.strip() if isinstance(value, str) else ""
    try:
        if _ISO.fullmatch(text):
            return date.fromisoformat(text) if len(text) == _DATE_ONLY else datetime.fromisoformat(text)
        return _day_first(text)
    except ValueError:  # the 31st of February
        return None


def _day_first(text: str) -> datetime | date | None:
    match = _DAY_FIRST.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
    on = date(year if year >= 100 else _CENTURY + year, month, day)
    return on if match[4] is None else datetime.combine(on, time(hour, minute, second))


def written(value: object, form: str, language: str) -> str | None:
    """Return a date as `strftime` writes it, an aware time on its own clock; names of days and months in the language.
    None for what is no date."""
    when = read(value)
    if when is None:
        return None
    days, months = _NAMES[language]
    names = {"A": days[when.weekday()], "a": days[when.weekday()][:3], "B": months[when.month - 1],
             "b": months[when.month - 1][:3], "%": "%%"}  # fmt: skip
    form = re.sub(r"%([AaBb%])", lambda directive: names[directive[1]], form)
    return (when if isinstance(when, datetime) else datetime.combine(when, time())).strftime(form)


def begins(when: date, zone: tzinfo) -> datetime:
    """Return the first moment of a time or a date, in UTC; one without a zone is by the clock of `zone`."""
    moment = when if isinstance(when, datetime) else datetime.combine(when, time())
    return shown(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone), UTC)


def shown(when: datetime, zone: tzinfo | None) -> datetime:
    """Return an aware time on the clock of a zone; at either end of the calendar, where CRMs write "never", as near as
    a clock can show it."""
    try:
        return when.astimezone(zone)
    except OverflowError:
        return (datetime.min if when.year == 1 else datetime.max).replace(tzinfo=zone)


def is_over(when: date, now: datetime) -> bool:
    """Return whether a time is before `now`; a date alone is once its day is over, by the clock of `now`."""
    zone = now.tzinfo or UTC
    if isinstance(when, datetime):
        return begins(when, zone) < now.astimezone(UTC)
    return when != date.max and begins(when + timedelta(days=1), zone) <= now.astimezone(UTC)


def weekday_name(day: date, language: str) -> str:
    """Return the day of the week."""
    return _NAMES[language][0][day.weekday()]


def month_name(day: date, language: str) -> str:
    """Return the month."""
    return _NAMES[language][1][day.month - 1]


MEMBERS = frozenset({"year", "month", "day", "hour", "minute", "second", "weekday"})
"""What expressions may read of a time, as in `now.hour`; `weekday` is 1 for Monday, 7 for Sunday."""


def member(when: date, name: str) -> Any:
    """Return one of `MEMBERS`; None where a date alone lacks it."""
    return when.isoweekday() if name == "weekday" else getattr(when, name, None)
