"""A task as the source's expressions read it: whom to call, when, with what. And tasks as JSON keeps them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from bridge.callbacks.consent import Consent, day_of, is_yes
from bridge.config.callbacks import CallbackSource
from bridge.config.commercial import COMMERCIAL
from bridge.config.hours import Holidays
from bridge.config.lawbook import Law, Lawbook, lawbook
from bridge.config.model import Configuration, Line
from bridge.expressions.moment import of_time
from bridge.expressions.scope import LineView
from bridge.hours.calendar import Calendar
from bridge.hours.zones import EARLIEST, LATEST, resolve, zones_of
from bridge.infocaller.emission import LONGEST_WAIT, MOST_RETRIES
from bridge.texts import Text, said
from connectors import dates
from connectors.base import Task
from connectors.expression import ExpressionError, Template
from connectors.phone import Phone, parse, parse_all

_AT, _ON = "$at", "$on"
_DATE = 10
_SOME_TIME = datetime(2001, 1, 1, 12, tzinfo=UTC)
_OF_TIME = frozenset({"now", "hours"})
LONGEST_ID = 512
"""Characters of a task's id."""


class UnusableTask(Exception):
    """A task can't be called as it is; `reason` says why, without numbers."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task asks for. `number` is rung, `customer` is whom it is about; `due` not before, None for now; `digest`
    tells whether anything that matters for the call has changed; `fault` why it can't be called, None where it can;
    `consent`: why a commercial call may be made, None of another."""

    number: Phone
    customer: Phone
    due: datetime | None
    digest: str
    fault: UnusableTask | None = None
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class CallData:
    """What goes with a call. `from_task` names those of `max_wait` and `retries` that the task itself gave; `fault`
    says why no call can be made of it."""

    variables: Mapping[str, str]
    max_wait: int
    retries: int
    from_task: frozenset[str]
    fault: UnusableTask | None = None


@dataclass(frozen=True)
class Rules:
    """A source with its line and its calling hours. `clock` gives the time, aware."""

    source: CallbackSource
    line: Line
    calendar: Calendar
    configuration: Configuration
    clock: Callable[[], datetime]

    @property
    def title(self) -> str:
        return self.source.title

    def takes(self, task: Task) -> bool:
        """Return whether its `when` holds for a task; of a missed call, whether it was on its line besides. One for
        which it can't be computed is taken, and unusable: nothing else would say so."""
        if self.source.built_in and task.fields.get("line") != self.line.number:
            return False
        if self.source.when is None:
            return True
        try:
            return self.source.when.true(self.scope(task))
        except ExpressionError:
            return True

    def zones(self, customer: Phone) -> tuple[str, ...]:
        """Return whose clocks have to show calling hours."""
        if self.source.of == "line":
            return (self.line.timezone,)
        return zones_of(customer, self.line.timezone)

    def wish(self, task: Task) -> Wish:
        """Return what a task asks for; never fails."""
        scope = self.scope(task)
        wish = self._wish(task, scope)
        if not self._told_by_the_clock:
            return wish
        # that time passes is no change of the task
        return replace(wish, digest=self._wish(task, {**scope, **self._time(_SOME_TIME)}).digest)

    def _wish(self, task: Task, scope: Mapping[str, object]) -> Wish:
        read: dict[str, str] = {}
        try:
            _check(self.source.when, scope)
            number = self._phone(self.source.number, scope, read, "number")
            customer = number
            if self.source.built_in:  # whatever number is rung instead
                customer = parse(str(task.fields.get("phone", "")), self.line.country)
            elif self.source.customer:
                customer = self._phone(self.source.customer, scope, read, "customer")
            due = self._due(scope, read, customer or number)
            consent = self._consent(scope, read)
            _values(self.source, scope, read, whole=not self.source.find)
        except UnusableTask as fault:
            read["fault"] = str(fault)
            nobody = Phone("")
            return Wish(nobody, nobody, None, _digest(read), fault)
        nothing = None if number else UnusableTask(Text("there is no phone number to call"))
        return Wish(number, customer or number, due, _digest(read), nothing, consent)

    def due(self, task: Task, customer: Phone) -> datetime | None:
        """Return when the task asks for the call, None for now. Raises `UnusableTask`."""
        return self._due(self.scope(task), {}, customer)

    def data(self, task: Task, records: Mapping[str, object] | None = None) -> CallData:
        """Return what goes with the call; never fails. `records`: what `find` found; None: nobody has looked so far, so
        variables that depend on it are left out."""
        whole = records is not None or not self.source.find
        try:
            return _values(self.source, {**(records or {}), **self.scope(task)}, {}, whole=whole)
        except UnusableTask as fault:
            return CallData({}, 0, 0, frozenset(), fault)

    @property
    def commercial(self) -> bool:
        """Whether its calls are held to the rules of commercial ones."""
        return self.source.aim == COMMERCIAL

    @property
    def lawbook(self) -> Lawbook | None:
        """The rules of the line's country, None where none are known."""
        return lawbook(self.line.country)

    def law(self, at: datetime) -> Law | None:
        """Return the rules that hold at a moment, by the line's clock; None where none are known."""
        book = self.lawbook
        return None if book is None else book.on(at.astimezone(ZoneInfo(self.line.timezone)).date())

    def consent(self, task: Task) -> Consent | None:
        """Return why a commercial call may be made, as the task says it; None of another. Raises `UnusableTask`."""
        return self._consent(self.scope(task), {}) if self.commercial else None

    def scope(self, task: Task) -> dict[str, object]:
        """Return what expressions see. The time of a missed call's task follows from that of the call, so that a
        changed `after` holds for those that wait, too."""
        last = task.fields.get("last")
        if self.source.built_in and isinstance(last, datetime):
            task = Task(task.id, {**task.fields, "due": last + timedelta(seconds=self.source.after)})
        return {**self._time(self.clock()), "task": task, "line": LineView(self.line)}

    def _time(self, now: datetime) -> dict[str, object]:
        return of_time(self.configuration, self.line, now)

    @cached_property
    def _told_by_the_clock(self) -> bool:
        """Whether what it reads of a task depends on the time."""
        source = self.source
        read = [source.when, source.number, source.customer, source.at, source.max_wait, source.retries]
        if source.consent is not None:
            read += [source.consent.basis, source.consent.date, source.consent.proof]
        templates = [template for template in (*read, *source.variables.values()) if isinstance(template, Template)]
        return any(template.names & _OF_TIME or "spoken" in template.filters for template in templates)

    def _phone(self, template: Template, scope: Mapping[str, object], read: dict[str, str], name: str) -> Phone:
        value = _value(template, scope, name)
        text = read[name] = "" if value is None else str(value)
        if isinstance(value, Phone):
            return value
        return next(parse_all(text, self.line.country), None) or parse(text, self.line.country)

    def _consent(self, scope: Mapping[str, object], read: dict[str, str]) -> Consent | None:
        if not self.commercial:
            return None
        task = scope["task"]
        business = is_yes(task.fields.get("business", "")) if isinstance(task, Task) else False
        read["business"] = str(business)
        fields = self.source.consent
        if fields is None:
            return Consent(business=business)
        templates = {"basis": fields.basis, "date": fields.date, "proof": fields.proof}
        values = {name: _value(template, scope, f"consent {name}") for name, template in templates.items()}
        texts = {name: "" if value is None else str(value).strip() for name, value in values.items()}
        read |= {f"consent.{name}": text for name, text in texts.items()}
        on, unread = day_of(values["date"], self.line.timezone)
        return Consent(texts["basis"].lower(), on, texts["proof"], business, unread)

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


def of_source(configuration: Configuration, source: CallbackSource, line: Line, clock: Callable[[], datetime]) -> Rules:
    """Return a source with its calling hours. Raises `bridge.hours.calendar.HolidaysUnknown`."""
    times, holidays = configuration.times_of(source), source.holidays
    if holidays == "line":
        holidays = None if times.open == "always" else Holidays.model_validate({"country": line.country})
    return Rules(source, line, times.calendar(holidays), configuration, clock)


def _read_time(text: str) -> date | datetime | None:
    if not text:
        return None
    when = dates.read(text)
    if when is not None:
        return when
    try:
        return date.fromisoformat(text) if len(text) <= _DATE else datetime.fromisoformat(text)
    except ValueError:
        raise _no_time() from None


def _no_time() -> UnusableTask:
    return UnusableTask(Text("its time can't be read: write it as 2026-11-23T10:00 or 2026-11-23"))


def _moment(value: datetime, zone: str) -> datetime:
    """Aware, in UTC, between the times that can be reckoned with. A time without a zone is the line's."""
    if value.tzinfo is None:
        return resolve(value, zone)
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        return (LATEST if value.year > LATEST.year else EARLIEST).replace(tzinfo=UTC)
    return min(max(moment, EARLIEST.replace(tzinfo=UTC)), LATEST.replace(tzinfo=UTC))


def _values(source: CallbackSource, scope: Mapping[str, object], read: dict[str, str], *, whole: bool) -> CallData:
    """`whole`: with the variables."""
    variables: dict[str, str] = {}
    for name, template in source.variables.items() if whole else ():
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
        shown = text[:20] or "?"
        raise UnusableTask(
            Text("{name} is {value}: from {least} to {most}", name=name, value=shown, least=least, most=most)
        )
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


def _failed(name: str, error: Exception) -> UnusableTask:
    return UnusableTask(Text("{name} can't be computed: {error}", name=name, error=said(error)))


def _digest(read: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def stored(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields of a task as JSON knows them; times and dates come back as such."""
    return {str(name): _plain(value) for name, value in fields.items()}


def restored(task_id: str, fields: Mapping[str, Any]) -> Task:
    """Return the task that `stored` kept."""
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
