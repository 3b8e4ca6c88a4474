"""The values of a spreadsheet's cells as text, as a person sees them."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

Value = str | float | bool | date | time | timedelta | None
"""What a cell holds: a whole number comes as a float, an error or nothing as an empty text."""

_ISO_DURATION = re.compile(r"PT(\d{1,9})H([0-5]\d)M([0-5]\d)(?:[.,]\d{1,12})?S")  # as an .ods holds one
_DIGITS = 15  # as many as a spreadsheet shows
_HALF = timedelta(milliseconds=500)  # times are fractions of a day, which miss the second by a little


def text(value: Value) -> str:
    """Return a cell's text: 600111222 without `.0`, no exponent, dates and times as ISO 8601 writes them (midnight: the
    date alone), a duration as 26:30:00, `true` or `false`."""
    if isinstance(value, str):
        duration = _ISO_DURATION.fullmatch(value)
        return ":".join(part.zfill(2) for part in duration.groups()) if duration else value.replace("\0", " ")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, timedelta):
        return _duration(value)
    return _moment(value)


def _number(value: float) -> str:
    if isinstance(value, int) or (value.is_integer() and abs(value) < 10**_DIGITS):
        return str(int(value))
    plain = Decimal(f"{value:.{_DIGITS}g}")
    return format(plain.quantize(Decimal(1)) if plain == plain.to_integral_value() else plain, "f")


def _duration(value: timedelta) -> str:
    seconds = round(abs(value).total_seconds())
    sign = "-" if value < timedelta() else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _moment(value: date | time) -> str:
    if isinstance(value, time):
        rounded = datetime.combine(date(2000, 1, 1), value) + _HALF
        return rounded.time().isoformat("seconds")
    if not isinstance(value, datetime):
        return value.isoformat()
    moment = value + _HALF if value < datetime.max - _HALF else value
    moment = moment.replace(microsecond=0)
    return moment.date().isoformat() if moment.time() == time() else moment.isoformat()
