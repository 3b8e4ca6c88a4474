"""What is checked of a `sql` section beyond the types of its values, without asking the database."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from connectors.base import Problem, TemplateUse
from connectors.expression import Template
from connectors.phone import Phone
from connectors.sql import urls
from connectors.sql.parameters import ACTIVITY, LOOKUP, OUTCOME, ways
from connectors.sql.statements import Parsed, SqlStatement

if TYPE_CHECKING:
    from connectors.sql.options import SqlActivityOptions, SqlOptions, SqlRecordOptions

Loc: TypeAlias = tuple[str | int, ...]
_OF_ACTIVITY = frozenset({"activity", "contact", "call", "vars", "caller", "called", "line", "now"})
_MEMBERS = {
    "phone": Phone.visible,
    "outcome": frozenset({"at", "idcall", "result", "seconds", "status", "text"}),
}


def templates(options: SqlOptions) -> Iterator[TemplateUse]:
    """Yield each expression with the names that it may use."""
    for kind, record in options.records.items():
        names = {"now", "key"} | ({"phone"} if record.select else set()) | ({"field"} if record.insert else set())
        yield from _uses(record.parameters, ("records", kind, "parameters"), names)
    if options.activity is not None:
        yield from _uses(options.activity.parameters, ("activity", "parameters"), _OF_ACTIVITY)
    if options.tasks is not None:
        yield from _uses(options.tasks.parameters, ("tasks", "parameters"), {"now", "task", "outcome"})


def _uses(parameters: Mapping[str, Template], loc: Loc, names: Iterable[str]) -> Iterator[TemplateUse]:
    yield from (TemplateUse((*loc, name), template, frozenset(names)) for name, template in parameters.items())


def save_fields(options: SqlOptions) -> dict[str, frozenset[str]]:
    """Return the fields that each kind's statements take from `save:`; a kind whose expressions look at all of them is
    left out."""
    fields: dict[str, frozenset[str]] = {}
    for kind, record in options.records.items():
        taken: set[str] = set()
        for statement, own in ((record.insert, {"key"}), (record.find, {"key"}), (record.update, {"key", "id"})):
            parsed = statement.parsed(options.backend) if statement is not None else None
            taken |= set(parsed.parameters if parsed is not None else ()) - own - set(record.parameters)
        paths = [path for template in record.parameters.values() for path in template.paths if path[0] == "field"]
        if record.insert is not None and ("field",) not in paths:
            fields[kind] = frozenset(taken | {path[1] for path in paths})
    return fields


def activity_fields(options: SqlOptions) -> frozenset[str]:
    """Return the parameters of the activity's statements that only a rule's `fields` can say."""
    activity = options.activity
    if activity is None:
        return frozenset()
    statements = [each for each in (activity.insert, activity.find, activity.update) if each is not None]
    names = {name for each in statements for name in each.parsed(options.backend).parameters}
    own = ACTIVITY | ({"id"} if activity.update is not None else set())
    return frozenset(names - own - set(activity.parameters))


def wordless(options: SqlOptions) -> tuple[str, ...]:
    """Return the outcomes for which `statuses` has no word, though it has some for others."""
    tasks = options.tasks
    if tasks is None or not tasks.statuses or tasks.update is None:
        return ()
    written = "status" in tasks.update.parsed(options.backend).parameters and "status" not in tasks.parameters
    return tuple(status for status in tasks.on if status not in tasks.statuses) if written else ()


def problems(options: SqlOptions, folder: Path) -> Iterator[Problem]:
    """Yield what is wrong, or may be."""
    unreachable = urls.problem(options.address, folder)
    if unreachable is not None:
        yield Problem(("url",), unreachable[0], outage=unreachable[1])
    for kind, record in options.records.items():
        yield from _record(options, record, ("records", kind))
    yield from _activity(options)
    yield from _tasks(options)
    for use in templates(options):
        for name, *rest in sorted(use.template.paths):
            if rest and name in use.names and rest[0] not in _MEMBERS.get(name, rest):
                yield Problem(use.loc, f"{name} has no {rest[0]}; there are {', '.join(sorted(_MEMBERS[name]))}")


def _record(options: SqlOptions, record: SqlRecordOptions, loc: Loc) -> Iterator[Problem]:
    used: set[str] = set()
    for at, select in enumerate(record.select):
        place: Loc = (*loc, "select") if len(record.select) == 1 else (*loc, "select", at)
        parsed = select.parsed(options.backend)
        used |= set(parsed.parameters)
        yield from _query(parsed, place)
        yield from _unknown(parsed, LOOKUP | set(record.parameters), place)
        asks = ways(parsed, record.parameters)
        if len(asks) > 1:
            yield Problem(place, "one statement asks by phone or by key, not both: write a list of two")
        if not asks and set(parsed.parameters) <= LOOKUP | set(record.parameters):
            text = "this is never asked: it has neither a number (:e164, :digits, :national) nor :key in it"
            yield Problem(place, text)
        if not parsed.has_id and options.activity is not None and links(options) and "phone" in asks:
            text = "this returns no column id: calls are kept without their :contact; write COLUMN AS id"
            yield Problem(place, text, warning=True)
    if record.insert is not None:
        yield from _write(options, record.insert, record.find, loc, "a record")
        yield from _update(options, record, loc)
        used |= {name for each in (record.insert, record.find, record.update) if each is not None
                 for name in each.parsed(options.backend).parameters}  # fmt: skip
    yield from _unused(record.parameters, used, loc)


def links(options: SqlOptions) -> bool:
    """Return whether calls are kept with the id of their contact."""
    activity = options.activity
    return activity is not None and "contact" in activity.insert.parsed(options.backend).parameters


def _activity(options: SqlOptions) -> Iterator[Problem]:
    activity = options.activity
    if activity is None:
        return
    loc: Loc = ("activity",)
    yield from _write(options, activity.insert, activity.find, loc, "a call")
    statements = [activity.insert, activity.find, activity.update]
    yield from _update(options, activity, loc)
    used = {name for each in statements if each is not None for name in each.parsed(options.backend).parameters}
    yield from _unused(activity.parameters, used, loc)


def _update(options: SqlOptions, written: SqlRecordOptions | SqlActivityOptions, loc: Loc) -> Iterator[Problem]:
    if written.update is None:
        return
    parsed = written.update.parsed(options.backend)
    yield from _single(parsed, (*loc, "update"))
    if not {"key", "id"} & set(parsed.parameters):
        yield Problem((*loc, "update"), "this corrects every row: say which by :key, or by :id")
    if "id" in parsed.parameters and written.find is None:
        yield Problem((*loc, "update"), "nothing says the :id of what was written: add find:, or say which by :key")


def _tasks(options: SqlOptions) -> Iterator[Problem]:
    tasks = options.tasks
    if tasks is None:
        return
    loc: Loc = ("tasks",)
    own = set(tasks.parameters)
    select = tasks.select.parsed(options.backend)
    yield from _query(select, (*loc, "select"))
    yield from _unknown(select, own, (*loc, "select"))
    used = set(select.parameters)
    if not select.has_id:
        yield Problem(
            (*loc, "select"), "this returns no column id, by which a task is told from others: write COLUMN AS id"
        )
    if "dates" in tasks.model_fields_set and "*" not in select.bare:
        place: Loc = (*loc, "dates", "fields") if "fields" in tasks.dates.model_fields_set else (*loc, "dates")
        for name in tasks.dates.fields:
            if name.casefold() not in select.bare.casefold():
                text = f"select returns no column {name}: dates: reads no time in it; name the columns in fields:"
                yield Problem(place, text, warning=True)
    if tasks.read is not None:
        read = tasks.read.parsed(options.backend)
        used |= set(read.parameters)
        yield from _query(read, (*loc, "read"))
        yield from _unknown(read, own | {"id"}, (*loc, "read"))
        if not read.parameters:
            yield Problem((*loc, "read"), "this reads any task: say which by :id")
    if tasks.update is not None:
        update = tasks.update.parsed(options.backend)
        used |= set(update.parameters)
        yield from _single(update, (*loc, "update"))
        yield from _unknown(update, own | OUTCOME, (*loc, "update"))
        if "id" not in update.parameters and not own & set(update.parameters):
            yield Problem((*loc, "update"), "this changes every task: say which by :id")
        if tasks.read is None and "claimed" in tasks.on:
            text = (
                "without read:, a task that select no longer lists once it is marked as claimed counts as withdrawn if "
                "the call has to be tried again: add read:, or leave claimed out of on:"
            )
            yield Problem((*loc, "update"), text, warning=True)
    yield from _unused(tasks.parameters, used, loc)


def _write(
    options: SqlOptions, insert: SqlStatement, find: SqlStatement | None, loc: Loc, what: str
) -> Iterator[Problem]:
    parsed = insert.parsed(options.backend)
    yield from _single(parsed, (*loc, "insert"))
    if find is not None:
        looks = find.parsed(options.backend)
        yield from _query(looks, (*loc, "find"))
        if not looks.parameters:
            yield Problem((*loc, "find"), "this finds any row: say which by :key")
    elif "key" not in parsed.parameters:
        text = f"{what} may be there twice: write :key into a column, and add find:, or make that column UNIQUE"
        yield Problem((*loc, "insert"), text, warning=True)
    elif not parsed.takes_repeats:
        text = (
            f"{what} may be there twice unless the column of :key is UNIQUE: add find:, which also says its id "
            "(check --connect sees whether it is)"
        )
        yield Problem((*loc, "insert"), text, warning=True)


def _query(parsed: Parsed, loc: Loc) -> Iterator[Problem]:
    yield from _single(parsed, loc)
    if parsed.writes:
        yield Problem(loc, f"this is no query but {parsed.first_word}: only SELECT belongs here")


def _single(parsed: Parsed, loc: Loc) -> Iterator[Problem]:
    if parsed.several:
        yield Problem(loc, "these are several statements: write one")


def _unknown(parsed: Parsed, names: Iterable[str], loc: Loc) -> Iterator[Problem]:
    there = sorted(names)
    for name in parsed.parameters:
        if name not in there:
            near = difflib.get_close_matches(name, there, 1)
            hint = (
                f"did you mean :{near[0]}?"
                if near
                else f"there are {', '.join(f':{each}' for each in there) or 'none'}"
            )
            yield Problem(loc, f"nothing says what :{name} is; {hint} Others go below parameters:")


def _unused(parameters: Mapping[str, Template], used: Iterable[str], loc: Loc) -> Iterator[Problem]:
    for name in parameters:
        if name not in used:
            near = difflib.get_close_matches(name, sorted(used), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield Problem((*loc, "parameters", name), f"no statement here has :{name}{hint}")
