"""Numbers, amounts and dates as the platform spells them. What can't be read is None, never an error: one odd amount
must not lose the call."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

_WHOLE = re.compile(r"[0-9]{1,9}")
_AMOUNT = re.compile(r"[+-]?(?:[0-9]{1,12}(?:[.,][0-9]{0,15})?|[.,][0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.(?:[0-9]{3}){1,2})?)?")
_MOST = Decimal(10) ** 12
_YEARS = range(1970, 3000)  # 0001-01-01 and 9999-12-31 are what programs write for "no date"


def amount(text: str) -> Decimal | None:
    """Money, with a decimal point or comma (`0,12`); None where it is none, not finite or beyond 12 digits."""
    if not _AMOUNT.fullmatch(text):
        return None
    value = Decimal(text.replace(",", "."))
    return value if abs(value) < _MOST else None


def whole(text: str) -> int | None:
    """Return a whole number from 0, of nine digits at most; None where it is none."""
    return int(text) if _WHOLE.fullmatch(text) else None


def seconds(text: str) -> int | None:
    """Return a duration in whole seconds; fractions are cut off, None where it is none or below 0."""
    value = amount(text)
    return int(value) if value is not None and 0 <= value < 10**9 else None


def date(text: str) -> datetime | None:
    """`aaaa-mm-ddThh:mm:ss`, naive: the line's local time. None where it is none, names a zone (the platform never
    does), or lies outside of 1970 to 2999."""
    if not _DATE.fullmatch(text):
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:  # the 31st of February
        return None
    return value if value.year in _YEARS else None
