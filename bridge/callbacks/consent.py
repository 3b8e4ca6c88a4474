"""What a row says of why its person may be called, and for how long that counts."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

from bridge.config.lawbook import Basis
from connectors import dates

_YES = frozenset({"1", "true", "yes", "y", "sí", "si", "s", "x", "verdadero", "cierto"})
BASES: tuple[Basis, ...] = get_args(Basis)


@dataclass(frozen=True, slots=True)
class Consent:
    """`basis` as the row says it, `proof` likewise; `on`: the day from which it counts, None where there is none, or
    none that can be read (`unread`); `business`: the number is a company's."""

    basis: str = ""
    on: date | None = None
    proof: str = ""
    business: bool = False
    unread: bool = False

    @property
    def known(self) -> bool:
        """Whether the basis is one of those there are."""
        return self.basis in BASES


def day_of(value: object, zone: str) -> tuple[date | None, bool]:
    """Return the day that a row writes, on the clock of a zone, and whether something stands there that is none."""
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "":
        return None, False
    when = dates.read(value)
    if isinstance(when, datetime):
        when = (when if when.tzinfo is None else dates.shown(when, ZoneInfo(zone))).date()
    return when, when is None


def is_yes(value: object) -> bool:
    """Return whether a field says yes."""
    return str(value).strip().lower() in _YES


def months_after(day: date, months: int) -> date:
    """Return the same day so many months later, the last of its month where that has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
