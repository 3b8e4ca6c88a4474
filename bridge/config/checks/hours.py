"""Rules of `hours:`: the calendars' names, their holidays, and who asks for one that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from bridge.config.callbacks import CallbackSource
from bridge.config.hours import Holidays
from bridge.config.sections import meant
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext
from bridge.hours.calendar import Calendar, HolidaysUnknown

CALENDAR_FIELDS = frozenset({"open", "opens_at", "closes_at"})
_WHOLE = 2  # names of a calendar in an expression: hours.NAME
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ALWAYS: Literal["always"] = "always"


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Yield everything that is wrong with calendars."""
    for name in whole.keys("hours"):
        if name == _ALWAYS or not _NAME.fullmatch(name):
            text = "an expression can't name this calendar: write letters, digits and _, such as reception"
            word = "always is a word of its own in hours: of callbacks: give this calendar another name"
            yield Wrong(("hours", name), word if name == _ALWAYS else text, at_key=True)
    for name, times in whole.configuration.hours.items():
        if times.holidays is not None:
            yield from holidays(whole, times.holidays, ("hours", name, "holidays"))
    for position, source in enumerate(whole.configuration.callbacks):
        if not exists(whole, source):
            names = whole.keys("hours")
            hint = meant(str(source.hours), names) if names else "add it there"
            text = (
                f"there is no calendar {source.hours} under hours: at the top; {hint} "
                '(or write always, or days: with from: and to:, such as {days: mon-fri, from: "09:00", to: "20:00"})'
            )
            yield Wrong(("callbacks", position, "hours"), text)


def exists(whole: CheckContext, source: CallbackSource) -> bool:
    """Return whether the calendar that a source names is there, faulty or not; True where it names none."""
    named = isinstance(source.hours, str) and source.hours != _ALWAYS
    return not named or source.hours in whole.keys("hours")


def usable(whole: CheckContext, source: CallbackSource) -> bool:
    """Return whether it can be told when a source calls: its calendar is there, and good."""
    return not isinstance(source.hours, str) or source.hours == _ALWAYS or source.hours in whole.configuration.hours


def holidays(whole: CheckContext, place: Holidays, loc: Loc) -> Iterator[Wrong]:
    """Yield what is wrong with a place whose holidays are kept."""
    try:
        Calendar(_ALWAYS, place)
    except HolidaysUnknown as error:
        if whole.whole(*loc):
            region = "region" in str(error).partition(";")[0]
            yield Wrong((*loc, "region" if region else "country"), str(error))


def in_expression(whole: CheckContext, path: tuple[str, ...]) -> str | None:
    """Return what is wrong with `hours.NAME.FIELD` in an expression."""
    names = whole.keys("hours")
    if len(path) > 1 and path[1] not in names:
        if not names:
            return f"there is no calendar {path[1]}: write hours: at the top of the file, with {path[1]}: below it"
        return f"there is no calendar {path[1]}; {meant(path[1], names)}"
    if len(path) == _WHOLE:
        return f"a calendar is neither true nor false: write {path[0]}.{path[1]}.open (or opens_at, closes_at)"
    if len(path) > _WHOLE and path[2] not in CALENDAR_FIELDS:
        return f"hours.{path[1]} has no {path[2]}; {meant(path[2], CALENDAR_FIELDS)}"
    return None
