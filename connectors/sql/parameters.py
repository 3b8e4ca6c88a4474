"""The values of a statement's parameters: those that are there without saying, and those that `parameters:` reckons."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.base import Activity, LookupQuery, Misconfigured, NewRecord, Record, Rejected, Task, TaskOutcome
from connectors.expression import ExpressionError, Template
from connectors.phone import Phone
from connectors.sql.families import Family
from connectors.sql.statements import Parsed

BY_PHONE = frozenset({"e164", "digits", "national"})
LOOKUP = BY_PHONE | {"key"}
ACTIVITY = frozenset(
    {"key", "subject", "note", "start", "end", "seconds", "cost", "direction", "caller", "called", "line", "answered",
     "answered_by", "contact", "outcome"}
)  # fmt: skip
OUTCOME = frozenset({"id", "status", "text", "at", "idcall", "result", "seconds"})
Way: TypeAlias = Literal["phone", "key"]
Scope: TypeAlias = Mapping[str, object]


def ways(parsed: Parsed, parameters: Mapping[str, Template]) -> frozenset[Way]:
    """Return what a `select` asks by: a phone, a key, or (which is a fault) both."""
    asks: set[Way] = set()
    for name in parsed.parameters:
        names = parameters[name].names if name in parameters else frozenset({"phone" if name in BY_PHONE else name})
        asks |= {"phone"} if "phone" in names else set()
        asks |= {"key"} if "key" in names else set()
    return frozenset(asks)


class Binder:
    """Works out what is bound to the parameters of statements, in the types that a database's driver takes."""

    def __init__(self, family: Family, timezone: str) -> None:
        self._family = family
        self._zone = ZoneInfo(timezone)

    def values(
        self,
        parsed: Parsed,
        parameters: Mapping[str, Template],
        scope: Scope,
        defaults: Mapping[str, object],
        place: str,
        *,
        writes: bool = False,
    ) -> dict[str, object]:
        """Return the value of each parameter of a statement. Raises `Misconfigured`, and of a record that is written
        `Rejected`, where there is none."""
        bound: dict[str, object] = {}
        for name in parsed.parameters:
            if name in parameters:
                try:
                    value = parameters[name].value(scope)
                except ExpressionError as error:
                    raise (Rejected if writes else Misconfigured)(f"{place}: :{name}: {error}") from None
            elif name in defaults:
                value = defaults[name]
            else:
                raise Misconfigured(f"{place}: nothing says what :{name} is: add it below parameters:")
            bound[name] = self._bound(value)
        return bound

    def _bound(self, value: object) -> object:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)  # no number to some drivers, which would not say that it is the value's fault
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return value.replace("\0", "").encode("utf-8", "replace").decode()
        if isinstance(value, datetime):
            local = value.astimezone(self._zone) if value.tzinfo is not None else value.replace(tzinfo=self._zone)
            return self._family.moment(value, local)
        if isinstance(value, Decimal):
            return self._family.number(value)
        if isinstance(value, Phone):
            return value.e164 or None
        if isinstance(value, Record):
            return value.id
        if isinstance(value, (Mapping, list, tuple)):
            return json.dumps(value, ensure_ascii=False, default=str)
        return str(value)


def of_lookup(query: LookupQuery) -> dict[str, object]:
    """Return what a lookup's statement has without saying."""
    if query.phone is None:
        return {"key": (query.key or "").strip()}
    return {"e164": query.phone.e164, "digits": query.phone.digits, "national": query.phone.national}


def of_saved(record: NewRecord) -> dict[str, object]:
    """Return what a saved record's statements have without saying."""
    return {**record.fields, "key": record.key}


def of_activity(activity: Activity) -> dict[str, object]:
    """Return what an activity's statements have without saying; an `update` also has `:id`."""
    return {
        **activity.fields,
        "key": activity.key,
        "subject": activity.subject,
        "note": activity.note,
        "start": activity.start,
        "end": activity.end,
        "seconds": activity.seconds,
        "cost": activity.cost,
        "direction": activity.direction,
        "caller": activity.caller,
        "called": activity.called,
        "line": activity.line,
        "answered": activity.answered,
        "answered_by": activity.answered_by,
        "contact": activity.contact.id if activity.contact is not None else None,
        "outcome": activity.outcome,
    }


def of_outcome(task: Task, outcome: TaskOutcome, status: object) -> dict[str, object]:
    """Return what the statement that updates a task has without saying."""
    return {
        "id": task.id,
        "status": status,
        "text": outcome.text,
        "at": outcome.at,
        "idcall": outcome.idcall,
        "result": outcome.result,
        "seconds": outcome.seconds,
    }
