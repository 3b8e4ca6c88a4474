"""Rules of `callbacks:` and `lines[].emission`: what only the whole file can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from bridge.config.callbacks import CallbackSource
from bridge.config.checks.connectors import ask, no_connector
from bridge.config.checks.expressions import CALL_FIELDS, of_call, variable
from bridge.config.emission import Holidays
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
_MAKE_TOKEN = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"  # noqa: S105 (how to make one)


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Everything that is wrong with callbacks."""
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
        yield from _expressions(source, loc)
        yield from _number(whole, source)
    yield from _names(whole)


def _connectors(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    if source.from_ is not None:
        if source.from_ not in whole.keys("connectors"):
            yield Wrong((*loc, "from"), no_connector(whole, source.from_))
        else:
            abilities = whole.abilities(source.from_)
            if abilities is not None and not abilities.tasks:
                text = f"connector {source.from_} has no tasks as it is configured; add tasks: to its section"
                yield Wrong((*loc, "from"), text)
    for number, listed in enumerate(source.do_not_call):
        yield from ask(whole, listed.in_, listed.table, "phone", (*loc, "do_not_call", number), in_place="table")


def _number(whole: CheckContext, source: CallbackSource) -> Iterator[Wrong]:
    """A list of tasks in which no number can be found: its file, or its mapping, has to be mended."""
    abilities = None if source.from_ is None else whole.abilities(source.from_)
    text = None if abilities is None or abilities.task_fields is None else no_number(source, abilities.task_fields)
    if text is not None:
        loc: Loc = ("connectors", str(source.from_), "tasks")
        in_file = "file" in whole.keys(*loc)
        yield Wrong((*loc, "file") if in_file else loc, text, at_key=not in_file)


def no_number(source: CallbackSource, fields: Iterable[str]) -> str | None:
    """What is wrong where tasks with these fields (or columns) have none of those that a source's `number` reads."""
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
    """A field of something found as an expression writes it."""
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
    if source.every < 1:
        yield Wrong((*loc, "every"), "write 1s or more")
    if source.expires < 1:
        yield Wrong((*loc, "expires"), "leaves no time to call: write 7d or so")
    least = shortest(source.hours)
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
    yield from _holidays(whole, source, loc)


def _holidays(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    line = whole.configuration.line(source.line)
    written = isinstance(source.holidays, Holidays)
    if source.holidays is None or (source.holidays == "line" and (line is None or source.hours == "always")):
        return
    country = line.country if line is not None else ""
    holidays = source.holidays if written else Holidays.model_validate({"country": country})
    try:
        Calendar("always", holidays)  # type: ignore[arg-type]  # it is one where it is not the word
    except HolidaysUnknown as error:
        if written and not whole.whole(*loc, "holidays"):
            return
        region = written and "region" in str(error).partition(";")[0]
        yield Wrong((*loc, "holidays", "region" if region else "country") if written else (*loc, "line"), str(error))


def _expressions(source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    for where, template in templates(source, loc):
        of_calls = len(where) > len(loc) and where[len(loc)] == "outcomes"
        yield from _names_in(where, template, of_calls=of_calls)


def _names_in(loc: Loc, template: Template, *, of_calls: bool) -> Iterator[Wrong]:
    for path in sorted(template.paths):
        name, field = path[0], path[1] if len(path) > 1 else None
        if of_calls:
            text = of_call(name, field, ["caller", "called", "line", "call", "vars"])
        elif name == "task":
            continue
        elif name == "line":
            text = of_call(name, field, ["task", "line"])
        elif name in CALL_FIELDS or name in ("call", "caller", "called", "vars"):
            text = f"there is no call yet, so nothing is called {name} here; write task.NAME"
        elif VARIABLE_NAME.fullmatch(name):
            text = f"nothing is called {name} here; write task.NAME"
        else:
            text = f"nothing is called {name} here; {meant(name, ['task'])}"
        if text:
            yield Wrong(loc, text)


def _names(whole: CheckContext) -> Iterator[Wrong]:
    seen: set[str] = set()
    rest: dict[str, str] = {}
    for position, source in enumerate(whole.configuration.callbacks):
        if source.title in seen:
            text = f"another source is called {source.title} as well: give each a name: of its own"
            yield Wrong(("callbacks", position, "name" if source.name is not None else "from"), text)
        seen.add(source.title)
        if source.from_ is not None and "when" not in whole.keys("callbacks", position):
            if source.from_ in rest:
                text = (
                    f"{rest[source.from_]} takes all tasks of {source.from_} already: say which are whose by a when: "
                    "in one of the two, such as \"{{ task.kind == 'urgent' }}\""
                )
                yield Wrong(("callbacks", position, "from"), text)
            rest.setdefault(source.from_, source.title)
