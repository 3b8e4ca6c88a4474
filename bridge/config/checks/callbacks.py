"""Rules of `callbacks:` and `lines[].emission`: what only the whole file can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from bridge.config.builtin import MISSED_CALLS
from bridge.config.callbacks import CallbackSource, MissedRecord
from bridge.config.checks import commercial
from bridge.config.checks import hours as calendars
from bridge.config.checks.connectors import ask, find, no_connector, saved
from bridge.config.checks.expressions import BUILTINS, CALL_FIELDS, TIME, of_call, of_time, variable
from bridge.config.hours import Holidays
from bridge.config.model import VARIABLE_NAME
from bridge.config.sections import meant
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext, each_of, templates
from bridge.hours.calendar import Calendar, HolidaysUnknown, shortest
from bridge.infocaller.emission import LONGEST_WAIT, MOST_RETRIES, RETRY_MINUTES
from connectors.expression import Template

_WORD = re.compile(r"[A-Za-z0-9._~-]+")
_LATIN = re.compile("[ -~\u00a0-\u00ff]+")
_LIKE_A_NUMBER = re.compile(r"tel|phone|m[oó]vil|mobile|fijo", re.I)
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_TOKEN = 24
_NOT_OF_MISSED = {
    "token": "missed calls come by no request",
    "every": "missed calls are known at once",
    "customer": "a missed call is about whoever called",
    "schedule": "a request that went out ahead could not be taken back when somebody speaks with the caller",
}
_MAKE_TOKEN = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"  # noqa: S105 (how to make one)


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Yield everything that is wrong with callbacks."""
    for position, line in enumerate(whole.configuration.lines):
        file = line.emission.ca_file
        if file is not None and not (whole.folder / file).is_file():
            yield Wrong(("lines", position, "emission", "ca_file"), f"there is no file {file}")
    for position, source in enumerate(whole.configuration.callbacks):
        loc: Loc = ("callbacks", position)
        yield from _connectors(whole, source, loc)
        yield from _way_in(whole, source, loc)
        yield from _request(whole, source, loc)
        yield from _when(whole, source, loc)
        yield from _expressions(whole, source, loc)
        yield from _number(whole, source)
        yield from commercial.check(whole, source, loc)
    yield from _names(whole)


def _connectors(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    if source.built_in:
        yield from _of_missed_calls(whole, loc)
    elif source.from_ is not None:
        if source.from_ not in whole.keys("connectors"):
            yield Wrong((*loc, "from"), no_connector(whole, source.from_, built_in=MISSED_CALLS))
        else:
            abilities = whole.abilities(source.from_)
            if abilities is not None and not abilities.tasks:
                text = f"connector {source.from_} has no tasks as it is configured; add tasks: to its section"
                yield Wrong((*loc, "from"), text)
    for name, step in source.find.items():
        yield from find(whole, step, name, (*loc, "find", name))
        if name in ("task", "line", *TIME):
            text = f"{{{{ {name} }}}} is always there and means something else; give this step another name"
            yield Wrong((*loc, "find", name), text, at_key=True)
    for number, listed in enumerate(source.do_not_call):
        yield from ask(whole, listed.in_, listed.table, "phone", (*loc, "do_not_call", number), in_place="table")


def _of_missed_calls(whole: CheckContext, loc: Loc) -> Iterator[Wrong]:
    """Keys that mean nothing where the bridge makes the tasks itself."""
    for key, why in _NOT_OF_MISSED.items():
        if key in whole.keys(*loc):
            yield Wrong((*loc, key), f"{why}: leave it out", at_key=True)


def _saved(whole: CheckContext, source: CallbackSource, save: MissedRecord, loc: Loc) -> Iterator[Wrong]:
    if not source.built_in:
        yield Wrong(loc, "is of missed_calls alone: other tasks are in a CRM already", at_key=True)
        return
    yield from ask(whole, save.in_, save.table, "save", loc, in_place="table")
    yield from saved(whole, save.in_, save.table, save.fields, loc)
    abilities = whole.abilities(save.in_)
    if save.done and abilities is not None and save.table in abilities.saves - abilities.updates:
        text = f"in connector {save.in_}, {save.table} can't be changed once it is there: give it update:, or no done:"
        yield Wrong((*loc, "done"), text, at_key=True)


def _number(whole: CheckContext, source: CallbackSource) -> Iterator[Wrong]:
    """A list of tasks in which no number can be found: its file, or its mapping, has to be mended."""
    abilities = None if source.from_ is None else whole.abilities(source.from_)
    text = None if abilities is None or abilities.task_fields is None else no_number(source, abilities.task_fields)
    if text is not None:
        loc: Loc = ("connectors", str(source.from_), "tasks")
        in_file = "file" in whole.keys(*loc)
        yield Wrong((*loc, "file") if in_file else loc, text, at_key=not in_file)


def no_number(source: CallbackSource, fields: Iterable[str]) -> str | None:
    """Return what is wrong where tasks with these fields (or columns) have none of those that a source's `number`
    reads."""
    read = [path[1] for path in sorted(source.number.paths) if path[0] == "task" and len(path) > 1]
    fields = sorted(fields)
    if not read or set(read) & set(fields):
        return None
    likely = next((field for field in fields if _LIKE_A_NUMBER.search(field)), None)
    instead = member("task", likely or "COLUMN")
    return (
        f"there is no {' or '.join(read)}, from which callbacks of {source.title} take the number to call, among "
        f'{", ".join(fields) or "nothing"}; rename one, or write number: "{{{{ {instead} }}}}" there'
    )


def member(name: str, field: str) -> str:
    """Return a field of something found as an expression writes it."""
    return f"{name}.{field}" if _IDENTIFIER.fullmatch(field) else f"{name}['{field}']"


def _way_in(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    if not _WORD.fullmatch(source.title):
        key = "name" if source.name is not None else "from"
        yield Wrong((*loc, key), "stands in a URL: give it a name: of A-Z a-z 0-9 - _ . ~")
    for place, token in each_of(source.token, (*loc, "token")):
        if len(token) < _TOKEN:
            yield Wrong(place, f"is too easy to guess: write {_TOKEN} characters or more; {_MAKE_TOKEN}")
        elif not _WORD.fullmatch(token):
            yield Wrong(place, f"may stand in a URL: write only A-Z a-z 0-9 - _ . ~; {_MAKE_TOKEN}")
    numbers = [line.number for line in whole.configuration.lines]
    if source.line not in numbers and whole.whole("lines"):
        yield Wrong((*loc, "line"), f"there is no line with this number; {meant(source.line, numbers)}")


def _request(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    if not _LATIN.fullmatch(source.rule_group) or not source.rule_group.strip():
        yield Wrong((*loc, "rule_group"), "write the rule group's name as the panel shows it")
    if isinstance(source.max_wait, int) and not 1 <= source.max_wait <= LONGEST_WAIT:
        yield Wrong((*loc, "max_wait"), f"write minutes from 1 to {LONGEST_WAIT} (EsperaMax)")
    if isinstance(source.retries, int) and not 0 <= source.retries <= MOST_RETRIES:
        yield Wrong((*loc, "retries"), f"write how often, from 0 to {MOST_RETRIES} (Reintentos)")
    for name in whole.keys(*loc, "variables"):
        yield from variable(name, (*loc, "variables", name))


def _when(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    if source.after and not source.built_in:
        yield Wrong((*loc, "after"), "is of missed_calls alone: for the time of a task write at:", at_key=True)
    if source.save is not None:
        yield from _saved(whole, source, source.save, (*loc, "save"))
    if source.every < 1:
        yield Wrong((*loc, "every"), "write 1s or more")
    if source.expires < 1:
        yield Wrong((*loc, "expires"), "leaves no time to call: write 7d or so")
    times = whole.configuration.times_of(source) if calendars.usable(whole, source) else None
    if times is None:
        return
    least = shortest(times.open)
    if least is not None and isinstance(source.max_wait, int) and isinstance(source.retries, int):
        needed = timedelta(minutes=source.max_wait + RETRY_MINUTES * source.retries)
        if needed > least:
            text = (
                f"calling stays open for {least // timedelta(minutes=1)} minutes at a time, but a call may take "
                f"{needed // timedelta(minutes=1)} (max_wait + {RETRY_MINUTES} for each of retries): "
                "write longer hours, or less of those"
            )
            place = (*loc, "hours") if "hours" in whole.keys(*loc) else (*loc, "max_wait")
            yield Wrong(place, text)
    yield from _holidays(whole, source, loc, always=times.open == "always")


def _holidays(whole: CheckContext, source: CallbackSource, loc: Loc, *, always: bool) -> Iterator[Wrong]:
    """`always`: whether people are called at any time of any day."""
    line = whole.configuration.line(source.line)
    if isinstance(source.holidays, Holidays):
        yield from calendars.holidays(whole, source.holidays, (*loc, "holidays"))
    elif source.holidays == "line" and line is not None and not always:
        try:
            Calendar("always", Holidays.model_validate({"country": line.country}))
        except HolidaysUnknown as error:
            yield Wrong((*loc, "line"), str(error))


def _expressions(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    for where, template in templates(source, loc):
        of_calls = len(where) > len(loc) and where[len(loc)] == "outcomes"
        if where[len(loc)] in ("find", "variables"):
            yield from _looked_up(whole, source, loc, where, template)
            continue
        of_outcome = where[len(loc) : len(loc) + 2] == ("save", "done")
        paths = [path for path in sorted(template.paths) if not (of_outcome and path[0] == "outcome")]
        yield from _names_in(whole, where, paths, of_calls=of_calls)


def _looked_up(
    whole: CheckContext, source: CallbackSource, loc: Loc, where: Loc, template: Template
) -> Iterator[Wrong]:
    """Names in `find` and `variables`, which see what is found: in a step, what is found before it."""
    names = list(source.find)
    before = names[: names.index(str(where[len(loc) + 1]))] if where[len(loc)] == "find" else names
    rest = []
    for path in sorted(template.paths):
        if path[0] not in before:
            rest.append(path)
            continue
        fields = whole.fields(source.find[path[0]], path[0]) if len(path) > 1 else None
        if fields is not None and path[1] not in fields:
            yield Wrong(where, f"{path[0]} has no field {path[1]}; {meant(path[1], fields)}")
    yield from _names_in(whole, where, rest, of_calls=False)


def _names_in(whole: CheckContext, loc: Loc, paths: Iterable[tuple[str, ...]], *, of_calls: bool) -> Iterator[Wrong]:
    for path in paths:
        name, field = path[0], path[1] if len(path) > 1 else None
        if of_calls:
            text = of_call(name, field, [*BUILTINS, *TIME]) if name not in TIME else of_time(whole, path)
        elif name in TIME:
            text = of_time(whole, path)
        elif name == "task":
            continue
        elif name == "line":
            text = of_call(name, field, ["task", "line", *TIME])
        elif name in CALL_FIELDS or name in ("call", "caller", "called", "vars"):
            text = f"there is no call yet, so nothing is called {name} here; write task.NAME"
        elif VARIABLE_NAME.fullmatch(name):
            text = f"nothing is called {name} here; write task.NAME"
        else:
            text = f"nothing is called {name} here; {meant(name, ['task', *TIME])}"
        if text:
            yield Wrong(loc, text)


def _names(whole: CheckContext) -> Iterator[Wrong]:
    seen: set[str] = set()
    rest: dict[tuple[str, str], str] = {}
    for position, source in enumerate(whole.configuration.callbacks):
        if source.title in seen:
            text = f"another source is called {source.title} as well: give each a name: of its own"
            yield Wrong(("callbacks", position, "name" if source.name is not None else "from"), text)
        seen.add(source.title)
        if source.from_ is not None and "when" not in whole.keys("callbacks", position):
            all_of = (source.from_, source.line if source.built_in else "")
            if all_of in rest:
                text = (
                    f"{rest[all_of]} takes all tasks of {source.from_} already: say which are whose by a when: "
                    "in one of the two, such as \"{{ task.kind == 'urgent' }}\""
                )
                yield Wrong(("callbacks", position, "from"), text)
            rest.setdefault(all_of, source.title)
