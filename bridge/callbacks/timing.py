"""When a callback may ring, how long the platform may try, and when nothing more is to be expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bridge.callbacks import gates
from bridge.callbacks.gates import Refusal, Shape
from bridge.callbacks.tasks import CallData, Rules
from bridge.infocaller.emission import RETRY_MINUTES
from bridge.store.callbacks import Callback
from connectors.phone import Phone, parse

_MARGIN = timedelta(minutes=15)
_DAY = timedelta(hours=25)


class Slot(NamedTuple):
    """When it rings at the earliest, and the minutes that the platform may wait for a free line."""

    at: datetime
    max_wait: int


def customer_of(rules: Rules, callback: Callback) -> Phone:
    """Whom it is about."""
    return parse(callback.customer or callback.number, rules.line.country)


def slot(rules: Rules, callback: Callback, data: CallData, now: datetime) -> Slot | Refusal:
    """When it would ring if it were sent now. With `schedule: platform` that may be later, within calling hours."""
    zones = rules.zones(customer_of(rules, callback))
    ahead = rules.source.schedule == "platform" and callback.due is not None and callback.due > now
    at = callback.due if ahead and callback.due is not None else now
    shape = Shape(data.max_wait, data.retries)
    found = gates.calling(rules.calendar, zones, at, shape)
    if ahead and isinstance(found, Refusal) and found.until is not None:
        at = found.until
        found = gates.calling(rules.calendar, zones, at, shape)
    return found if isinstance(found, Refusal) else Slot(at, found)


def often(rules: Rules, callback: Callback, rung: list[datetime], at: datetime) -> Refusal | None:
    """Whether the number was called often enough; `rung`: when, since `often_since`."""
    zone = rules.zones(parse(callback.number, rules.line.country))[0]
    return gates.per_number(rung, rules.source.per_number, zone, at)


def often_since(rules: Rules, at: datetime) -> datetime:
    """From when on calls to a number count."""
    return at - max(_DAY, timedelta(seconds=rules.source.per_number.seconds))


def silent_at(callback: Callback, request: Mapping[str, Any] | None = None) -> datetime:
    """When nothing more is to be expected of a call that was asked for. `request` in place of the stored one."""
    said = request or callback.request or {}
    minutes = int(said.get("EsperaMax", 5)) + RETRY_MINUTES * int(said.get("Reintentos", 0))
    began = callback.rung_at or callback.updated_at
    return began + timedelta(minutes=minutes) + _MARGIN
