"""How moments, spans of time and counts are written for a reader. Pure: nothing is looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from bridge.texts import Language, Text

_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DAY = {"es": "%d/%m/%Y", "en": "%Y-%m-%d"}


@dataclass(frozen=True, slots=True)
class TimeElement:
    """A moment as a `<time>` element; in a template it stands for itself. `shown` is what people read, `whole` has the
    day and the seconds as well."""

    iso: str
    shown: str
    whole: str

    def __str__(self) -> str:
        return self.shown

    def __html__(self) -> str:
        iso, whole, shown = map(escape, (self.iso, self.whole, self.shown))
        return f'<time datetime="{iso}" title="{whole}">{shown}</time>'


def moment(value: datetime | None, zone: ZoneInfo, now: datetime, language: Language) -> TimeElement | str:
    """Return a moment on a line's clock, the day in words where it is near; nothing for None."""
    if value is None:
        return ""
    local = value.astimezone(zone)
    days = (now.astimezone(zone).date() - local.date()).days
    clock = f"{local:%H:%M}"
    if days == 0:
        shown = Text("today {clock}", clock=clock).render(language)
    elif days == 1:
        shown = Text("yesterday {clock}", clock=clock).render(language)
    else:
        shown = f"{day(local, language)} {clock}"
    whole = f"{day(local, language)} {local:%H:%M:%S}"
    return TimeElement(local.isoformat(timespec="seconds"), shown, whole)


def clock(value: datetime | None, zone: ZoneInfo, language: Language) -> TimeElement | str:
    """Return the time of the day of a moment, to the second; nothing for None."""
    if value is None:
        return ""
    local = value.astimezone(zone)
    shown = f"{local:%H:%M:%S}"
    return TimeElement(local.isoformat(timespec="milliseconds"), shown, f"{day(local, language)} {shown}")


def day(local: datetime, language: Language) -> str:
    """Return a day of a line's clock."""
    return local.strftime(_DAY[language])


def span(seconds: float | None) -> str:
    """Return a length of time: `45 s`, `3 min 05 s`, `1 h 02 min`, `3 d`; empty for None."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s" if whole % 60 else f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min" if whole % 3600 // 60 else f"{whole // 3600} h"
    return f"{whole // 86400} d"


def age(seconds: float) -> str:
    """Return roughly how long ago something was, in one unit."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def shown(value: object) -> object:
    """Return what a template writes without the characters that would change how all that follows is read: those that
    turn the direction of writing around, and control characters."""
    if not isinstance(value, str) or not _ODD.search(value):
        return value
    return type(value)(_ODD.sub("\N{REPLACEMENT CHARACTER}", value))


def count(value: int, language: Language) -> str:
    """Return a whole number with its thousands set off."""
    return f"{value:,}".replace(",", "." if language == "es" else ",")


def tenths(value: float, language: Language) -> str:
    """Return a number with one decimal."""
    whole, _, decimal = f"{value:,.1f}".partition(".")
    return f"{whole.replace(',', '.')},{decimal}" if language == "es" else f"{whole}.{decimal}"
