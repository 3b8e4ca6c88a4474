"""What may keep a callback from ringing now. Each gate is a pure decision; a refusal says which gate, why, until when.

The clock, the counts and the lists are handed in. The order in which a callback meets the gates: `number`, `listed`,
`expiry`, `calling`, `per_number`, `per_day`, `pace`; the ones that refuse for good come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bridge.callbacks.pace import LinePace
from bridge.config.dial import Language, may_dial
from bridge.config.model import Line
from bridge.hours.calendar import Calendar
from bridge.hours.zones import start_of
from bridge.infocaller.emission import RETRY_MINUTES
from connectors.phone import Phone
from connectors.units import Rate

_DAY = timedelta(days=1)
_LIST_AWAY = timedelta(seconds=45)
_BUSY_LINE = timedelta(seconds=5)


class Gate(StrEnum):
    """What kept a callback back."""

    NUMBER = "number"
    """The number is not one that the line may call (`dial`)."""
    DO_NOT_CALL = "do_not_call"
    """The person asked not to be called."""
    LIST_AWAY = "list_away"
    """The do-not-call list can't be read, so nobody is called."""
    EXPIRED = "expired"
    """It is too late for this task."""
    HOURS = "hours"
    """Nobody is called at this time."""
    PER_NUMBER = "per_number"
    """The number was called often enough."""
    PER_DAY = "per_day"
    """The line called often enough today."""
    PACE = "pace"
    """The line calls as fast as it may."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate is shut. `until`, aware: ask again then, not before; None: it never opens for this callback, which ends
    here. `en` and `es` say why, without the number."""

    gate: Gate
    until: datetime | None
    en: str
    es: str

    @property
    def final(self) -> bool:
        """Whether asking again is useless."""
        return self.until is None

    def text(self, language: Language) -> str:
        """Why, for people."""
        return self.es if language == "es" else self.en


def number(phone: Phone, line: Line) -> Refusal | None:
    """Whether `line` may call `phone` at all: its country, its kind, and what is never called
    (`bridge.config.dial`)."""
    reason = may_dial(phone, line)
    if reason is None:
        return None
    return Refusal(Gate.NUMBER, None, f"not called: {reason}", f"no se llama: {may_dial(phone, line, 'es')}")


def listed(found: bool | None, now: datetime) -> Refusal | None:
    """`found`: whether the number stands in the do-not-call list; None: the list can't be read, then nobody is
    called."""
    if found is None:
        en, es = "the do-not-call list can't be read: nobody is called", "no se puede leer la lista de exclusión"
        return Refusal(Gate.LIST_AWAY, now + _LIST_AWAY, en, es)
    if found:
        return Refusal(Gate.DO_NOT_CALL, None, "in the do-not-call list", "está en la lista de exclusión")
    return None


def expiry(expires: datetime, now: datetime) -> Refusal | None:
    """`expires`: from this moment on the task is not called any more."""
    if now < expires:
        return None
    return Refusal(Gate.EXPIRED, None, "expired before it could be called", "caducó antes de poder llamar")


@dataclass(frozen=True, slots=True)
class Shape:
    """How long one request may keep the platform at it: EsperaMax minutes of waiting for a free line; Reintentos."""

    max_wait: int
    retries: int


def calling(calendar: Calendar, zones: Sequence[str], now: datetime, shape: Shape) -> int | Refusal:
    """The EsperaMax to send, cut to what the calling hours leave, so that neither the wait nor a retry rings after they
    end; or a refusal. `zones`: those that have to be open."""
    window = calendar.window(now, zones)
    if window is None:
        where = ", ".join(zones)
        en = f"the calling hours of {where} never meet: set `of: line`, or longer hours"
        return Refusal(Gate.HOURS, None, en, f"los horarios de {where} nunca coinciden: use `of: line` u otro horario")
    if window.start > now:
        return _closed(window.start, zones)
    left = (window.end - now - timedelta(minutes=RETRY_MINUTES * shape.retries)) // timedelta(minutes=1)
    if left >= 1:
        return min(shape.max_wait, left)
    after = calendar.window(window.end, zones)
    return _closed(after.start if after else window.end + _DAY, zones)


def _closed(until: datetime, zones: Sequence[str]) -> Refusal:
    shown = until.astimezone(ZoneInfo(zones[0]))
    when = f"{shown:%Y-%m-%d %H:%M} ({zones[0]})"
    return Refusal(Gate.HOURS, until, f"outside of calling hours until {when}", f"fuera de horario hasta {when}")


def per_number(attempts: Sequence[datetime], rate: Rate, zone: str, now: datetime) -> Refusal | None:
    """`attempts`: when this number was last rung, by any source; those of the last `rate.seconds` (for a rate per day,
    of the last 25 hours) are enough. A rate per day (`3/d`) counts by the calendar in `zone`, any other by the time
    that has passed."""
    if rate.seconds == _DAY.total_seconds():
        today = now.astimezone(ZoneInfo(zone)).date()
        recent = [at for at in attempts if at.astimezone(ZoneInfo(zone)).date() == today]
        until = start_of(today + _DAY, zone)
    else:
        span = timedelta(seconds=rate.seconds)
        recent = sorted(at for at in attempts if at > now - span)
        until = recent[-rate.times] + span if len(recent) >= rate.times else now
    if len(recent) < rate.times:
        return None
    en, es = f"this number was already called {len(recent)} times", f"ya se llamó {len(recent)} veces a este número"
    return Refusal(Gate.PER_NUMBER, until, f"{en} (per_number {rate})", f"{es} (per_number {rate})")


def per_day(emitted: int, line: Line, now: datetime) -> Refusal | None:
    """`emitted`: how many emissions of the line went out since `start_of` today in its zone."""
    if emitted < line.dial.per_day:
        return None
    today = now.astimezone(ZoneInfo(line.timezone)).date()
    en, es = f"line {line.number} called {emitted} times today", f"la línea {line.number} ya llamó {emitted} veces hoy"
    until = start_of(today + _DAY, line.timezone)
    return Refusal(Gate.PER_DAY, until, f"{en} (dial.per_day)", f"{es} (dial.per_day)")


def pace(
    pace: LinePace, last: datetime | None, under_way: int, now: datetime, *, queued: int = 0
) -> datetime | Refusal:
    """The slot to keep as the line's last one when the emission goes out, or a refusal. `last`: the slot of the line's
    latest emission; `under_way`: its emitted calls that have not ended; `queued`: those of them not sent yet."""
    if not pace.room(under_way):
        en, es = f"{under_way} calls are under way", f"hay {under_way} llamadas en curso"
        return Refusal(Gate.PACE, now + _BUSY_LINE, f"{en} (at_once)", f"{es} (at_once)")
    slot = pace.slot(last, now)
    if slot <= now and pace.waits(queued):
        slot = now + pace.interval
    if slot <= now:
        return slot
    return Refusal(Gate.PACE, slot, "the line's pace (per_minute)", "ritmo de la línea (per_minute)")
