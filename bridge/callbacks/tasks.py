"""A task as the source's expressions read it: whom to call, when, with what. And tasks as JSON keeps them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bridge.config.callbacks import CallbackSource
from bridge.config.emission import Holidays
from bridge.config.model import Line
from bridge.expressions.scope import LineView
from bridge.hours.calendar import Calendar
from bridge.hours.zones import EARLIEST, LATEST, resolve, zones_of
from bridge.infocaller.emission import LONGEST_WAIT, MOST_RETRIES
from connectors.base import Task
from connectors.expression import ExpressionError, Template
from connectors.phone import Phone, parse, parse_all

_AT, _ON = "$at", "$on"
_DAY_FIRST = re.compile(r"([0-3]?\d)[/.-]([01]?\d)[/.-](\d{4})(?:[ T]+(\d{1,2}):(\d\d)(?::\d\d)?)?")
_DATE = 10
LONGEST_ID = 512
"""Characters of a task's id."""


class Unusable(Exception):
    """A task can't be called as it is; `en` and `es` say why, for people, without numbers."""

    def __init__(self, en: str, es: str) -> None:
        super().__init__(en)
        self.en, self.es = en, es

    def text(self, language: str) -> str:
        """Why."""
        return self.es if language == "es" else self.en


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task asks for. `number` is rung, `customer` is whom it is about; `due` not before, None for now; `digest`
    tells whether anything that matters for the call has changed; `fault` why it can't be called, None where it can."""

    number: Phone
    customer: Phone
    due: datetime | None
    digest: str
    fault: Unusable | None = None


@dataclass(frozen=True, slots=True)
class CallData:
    """What goes with a call. `from_task` names those of `max_wait` and `retries` that the task itself gave."""

    variables: Mapping[str, str]
    max_wait: int
    retries: int
    from_task: frozenset[str]


@dataclass(frozen=True)
class Rules:
    """A source with its line and its calling hours."""

    source: CallbackSource
    line: Line
    calendar: Calendar

    @property
    def title(self) -> str:
        """The source's name."""
        return self.source.title

    def takes(self, task: Task) -> bool:
        """Whether its `when` holds for a task. One for which it can't be computed is taken, and unusable: nothing else
        would say so."""
        if self.source.when is None:
            return True
        try:
            return self.source.when.true({"task": task, "line": LineView(self.line)})
        except ExpressionError:
            return True

    def zones(self, customer: Phone) -> tuple[str, ...]:
        """Whose clocks have to show calling hours."""
        if self.source.of == "line":
            return (self.line.timezone,)
        return zones_of(customer, self.line.timezone)

    def wish(self, task: Task) -> Wish:
        """What a task asks for; never fails."""
        scope: dict[str, object] = {"task": task, "line": LineView(self.line)}
        read: dict[str, str] = {}
        try:
            _check(self.source.when, scope)
            number = self._phone(self.source.number, scope, read, "number")
            customer = self._phone(self.source.customer, scope, read, "customer") if self.source.customer else number
            due = self._due(scope, read, customer or number)
            _values(self.source, scope, read)
        except Unusable as fault:
            read["fault"] = fault.en
            nobody = Phone("")
            return Wish(nobody, nobody, None, _digest(read), fault)
        nothing = None if number else Unusable("there is no phone number to call", "no hay número al que llamar")
        return Wish(number, customer or number, due, _digest(read), nothing)

    def due(self, task: Task, customer: Phone) -> datetime | None:
        """When the task asks for the call, None for now. Raises `Unusable`."""
        return self._due({"task": task, "line": LineView(self.line)}, {}, customer)

    def data(self, task: Task) -> CallData:
        """What goes with the call. Raises `Unusable`."""
        return _values(self.source, {"task": task, "line": LineView(self.line)}, {})

    def _phone(self, template: Template, scope: Mapping[str, object], read: dict[str, str], name: str) -> Phone:
        value = _value(template, scope, name)
        text = read[name] = "" if value is None else str(value)
        if isinstance(value, Phone):
            return value
        return next(parse_all(text, self.line.country), None) or parse(text, self.line.country)

    def _due(self, scope: Mapping[str, object], read: dict[str, str], customer: Phone) -> datetime | None:
        value = _value(self.source.at, scope, "at")
        read["at"] = "" if value is None else str(value)
        if isinstance(value, str):
            value = _read_time(value.strip())
        if value is None:
            return None
        if isinstance(value, datetime):
            return _moment(value, self.line.timezone)
        if isinstance(value, date):
            return self.calendar.opening(value, self.zones(customer))
        raise _no_time()


def of_source(source: CallbackSource, line: Line) -> Rules:
    """A source with its calling hours. Raises `bridge.hours.calendar.HolidaysUnknown`."""
    holidays = source.holidays
    if holidays == "line":
        holidays = None if source.hours == "always" else Holidays.model_validate({"country": line.country})
    return Rules(source, line, Calendar(source.hours, holidays))


def _read_time(text: str) -> date | datetime | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text) if len(text) <= _DATE else datetime.fromisoformat(text)
    except ValueError:
        raise _day_first(text) or _no_time() from None


def _day_first(text: str) -> Unusable | None:
    """What to say of a date such as 31/03/2026, None for anything else."""
    found = _DAY_FIRST.fullmatch(text)
    if found is None:
        return None
    time = f"T{int(found[4]):02}:{found[5]}" if found[4] else ""
    better = f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}{time}"
    return Unusable(
        f"its time is written day/month/year, which is not read: write it as {better}",
        f"su hora está escrita como día/mes/año, que no se lee: escríbala como {better}",
    )


def _no_time() -> Unusable:
    return Unusable(
        "its time can't be read: write it as 2026-11-23T10:00 or 2026-11-23",
        "no se entiende su hora: escríbala como 2026-11-23T10:00 o 2026-11-23",
    )


def _moment(value: datetime, zone: str) -> datetime:
    """Aware, in UTC, between the times that can be reckoned with. A time without a zone is the line's."""
    if value.tzinfo is None:
        return resolve(value, zone)
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        return (LATEST if value.year > LATEST.year else EARLIEST).replace(tzinfo=UTC)
    return min(max(moment, EARLIEST.replace(tzinfo=UTC)), LATEST.replace(tzinfo=UTC))


def _values(source: CallbackSource, scope: Mapping[str, object], read: dict[str, str]) -> CallData:
    variables: dict[str, str] = {}
    for name, template in source.variables.items():
        if template is not None and not _is_null(template, scope, name):
            variables[name] = read[f"variables.{name}"] = _text(template, scope, f"variables {name}")
    from_task = set()
    numbers = {}
    for name, most in (("max_wait", LONGEST_WAIT), ("retries", MOST_RETRIES)):
        value = getattr(source, name)
        if isinstance(value, Template):
            from_task.add(name)
            value = _whole(value, scope, name, most)
        numbers[name] = value
        read[name] = str(value)
    return CallData(variables, numbers["max_wait"], numbers["retries"], frozenset(from_task))


def _whole(template: Template, scope: Mapping[str, object], name: str, most: int) -> int:
    least = 1 if name == "max_wait" else 0
    text = _text(template, scope, name).strip()
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        said = text[:20] or "?"
        raise Unusable(f"{name} is {said}: from {least} to {most}", f"{name} es {said}: de {least} a {most}")
    return int(text)


def _check(when: Template | None, scope: Mapping[str, object]) -> None:
    try:
        if when is not None:
            when.true(scope)
    except ExpressionError as error:
        raise _failed("when", error) from error


def _value(template: Template, scope: Mapping[str, object], name: str) -> object:
    try:
        return template.value(scope)
    except ExpressionError as error:
        raise _failed(name, error) from error


def _text(template: Template, scope: Mapping[str, object], name: str) -> str:
    try:
        return template.render(scope)
    except ExpressionError as error:
        raise _failed(name, error) from error


def _is_null(template: Template, scope: Mapping[str, object], name: str) -> bool:
    try:
        return template.null(scope)
    except ExpressionError as error:
        raise _failed(f"variables {name}", error) from error


def _failed(name: str, error: Exception) -> Unusable:
    return Unusable(f"{name} can't be computed: {error}", f"no se puede calcular {name}: {error}")


def _digest(read: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def stored(fields: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a task as JSON knows them; times and dates come back as such."""
    return {str(name): _plain(value) for name, value in fields.items()}


def restored(task_id: str, fields: Mapping[str, Any]) -> Task:
    """The task that `stored` kept."""
    return Task(task_id, {name: _live(value) for name, value in fields.items()})


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return {_AT: value.isoformat(), "zone": value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else ""}
    if isinstance(value, date):
        return {_ON: value.isoformat()}
    if isinstance(value, Mapping):
        return {_escaped(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal) or not (value is None or isinstance(value, bool | int | float | str)):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _escaped(name: str) -> str:
    """A name of the task's own, so that it is never taken for the mark of a time."""
    return f"${name}" if name.startswith("$") else name


def _live(value: Any) -> object:
    if isinstance(value, dict):
        if _AT in value:
            at = datetime.fromisoformat(value[_AT])
            return at.astimezone(ZoneInfo(value["zone"])) if value.get("zone") else at
        if _ON in value:
            return date.fromisoformat(value[_ON])
        return {name[name.startswith("$$") :]: _live(inner) for name, inner in value.items()}
    return [_live(inner) for inner in value] if isinstance(value, list) else value
