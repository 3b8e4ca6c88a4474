"""What connectors are asked for: whether they exist and can do it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from typing import Literal

from bridge.config.builtin import BUILT_IN_WORDS, CALLS, OPPOSITIONS
from bridge.config.find import FindStep
from bridge.config.model import SaveStep
from bridge.config.sections import meant, near
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext
from connectors.base import Activity, Capabilities

Way = Literal["phone", "key", "save"]
_OWN = 2
_OF_ACTIVITY = frozenset(each.name for each in fields(Activity))
_ASKED = {"phone": "looked up by phone", "key": "looked up by key", "save": "saved"}


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Yield everything that is asked of a connector and can't be had."""
    for name, query in whole.configuration.queries.items():
        for step_name, step in query.find.items():
            yield from find(whole, step, step_name, ("queries", name, "find", step_name))
        for position, save in enumerate(query.save):
            loc: Loc = ("queries", name, "save", position)
            if save.in_ == OPPOSITIONS and whole.built_in(OPPOSITIONS):
                yield from _opposition(save, loc)
                continue
            yield from ask(whole, save.in_, save.table, "save", loc, in_place="table")
            yield from saved(whole, save.in_, save.table, save.fields, loc)
    yield from _activities(whole)


def _opposition(save: SaveStep, loc: Loc) -> Iterator[Wrong]:
    """Whether an opposition says nothing but whose it is."""
    if save.table:
        text = f"leave it out: there is but one thing to keep in {BUILT_IN_WORDS[OPPOSITIONS]}"
        yield Wrong((*loc, "table"), text, at_key=True)
    for name in save.fields:
        if name != "phone":
            text = f"nothing takes this for an opposition; {meant(name, ['phone'])}"
            yield Wrong((*loc, "fields", name), text, at_key=True)


def problems(whole: CheckContext, *, warnings: bool = False) -> Iterator[Wrong]:
    """Yield what connectors say of their own sections: files and columns that are not there; or what they only warn of.
    Comes before the other checks: only then do some know the fields of their tables."""
    for name, options in whole.configuration.connectors.items():
        for problem in options.problems(whole.folder):
            loc: Loc = ("connectors", name, *problem.loc)
            around = loc[:-1] if len(loc) > _OWN else loc
            if problem.warning == warnings and whole.whole(*around):
                yield Wrong(loc, problem.text, outage=problem.outage)


def find(whole: CheckContext, step: FindStep, name: str, loc: Loc, own: str = "") -> Iterator[Wrong]:
    """Whether what a step looks up can be had. `own`: the connector where the step names none."""
    way: Way = "phone" if step.phone is not None else "key"
    table, in_place = (step.table, "table") if step.table is not None else (name, "")
    if step.many == "next":
        yield from _dated(whole, step, table, loc, own)
    if not step.in_:
        yield from ask(whole, own, table, way, loc, in_place=in_place, names_connector=False)
    for position, connector in enumerate(step.in_):
        yield from ask(whole, connector, table, way, loc, in_place=in_place, position=position)


def ask(
    whole: CheckContext,
    connector: str,
    table: str,
    way: Way,
    loc: Loc,
    *,
    in_place: str,
    position: int = 0,
    names_connector: bool = True,
) -> Iterator[Wrong]:
    """Yield what keeps `connector` from doing this with `table`. `in_place`: the key that names the table, empty where
    it is the step's own name."""
    if connector not in whole.connectors():
        if names_connector:
            yield Wrong((*loc, "in", position), no_connector(whole, connector, built_in=CALLS))
        return
    abilities = whole.abilities(connector)
    if abilities is None or table in _kinds(abilities, way):
        return
    place = (*loc, in_place) if in_place else loc
    yield Wrong(place, _cannot(connector, abilities, table, way), at_key=not in_place)


def _dated(whole: CheckContext, step: FindStep, table: str, loc: Loc, own: str) -> Iterator[Wrong]:
    """Whether it can be told which match is the next."""
    for connector in step.in_ or [own]:
        abilities = whole.abilities(connector)
        if abilities is not None and table in abilities.by_phone | abilities.by_key and table not in abilities.dated:
            text = (
                f"in connector {connector}, {table} has no date to tell the next by: add date: there, "
                "with the column or field that says when it is"
            )
            if whole.built_in(connector):
                text = (
                    f"{BUILT_IN_WORDS[connector]} are over, none is still to come: leave many: out, {table} is one call"
                )
            yield Wrong((*loc, "many"), text)


def no_connector(whole: CheckContext, name: str, *, built_in: str | None = None) -> str:
    """Return what to say of a connector that does not exist. `built_in`: what the bridge offers there and may have been
    meant."""
    names = whole.keys("connectors")
    likely = near(name, [*names, built_in]) if built_in else None
    return f"there is no connector {name}; {meant(name, [likely] if likely else names)}"


def _kinds(abilities: Capabilities, way: Way) -> frozenset[str]:
    return {"phone": abilities.by_phone, "key": abilities.by_key, "save": abilities.saves}[way]


def _cannot(connector: str, abilities: Capabilities, table: str, way: Way) -> str:
    kinds = _kinds(abilities, way)
    others = [other for other in ("phone", "key", "save") if other != way and table in _kinds(abilities, other)]
    text = f"in connector {connector}, {table} can't be {_ASKED[way]}"
    if others:
        return f"{text}; it can be {' or '.join(_ASKED[other] for other in others)}"
    return f"{text}; {meant(table, kinds, f'what can be {_ASKED[way]} there:')}"


def _activities(whole: CheckContext) -> Iterator[Wrong]:
    for position, rule in enumerate(whole.configuration.activities):
        loc: Loc = ("activities", position)
        if rule.in_ not in whole.keys("connectors"):
            yield Wrong((*loc, "in"), no_connector(whole, rule.in_))
        else:
            abilities = whole.abilities(rule.in_)
            if abilities is not None and not abilities.activities:
                text = f"connector {rule.in_} keeps no activities as it is configured; add activities to its section"
                yield Wrong((*loc, "in"), text)
            if abilities is not None:
                yield from _rule_fields(abilities, rule.fields, loc)
        for name, step in (rule.find or {}).items():
            yield from find(whole, step, name, (*loc, "find", name), rule.in_)
        if rule.unknown_caller is not None and rule.in_ in whole.keys("connectors"):
            place = (*loc, "unknown_caller")
            in_place = "table" if "table" in whole.keys(*place) else ""
            yield from ask(whole, rule.in_, rule.unknown_caller.table, "save", place, in_place=in_place)
            yield from saved(whole, rule.in_, rule.unknown_caller.table, rule.unknown_caller.fields, place)


def saved(whole: CheckContext, connector: str, table: str, given: Iterable[str], loc: Loc) -> Iterator[Wrong]:
    """Yield where what is saved has not the fields that its connector takes, if it takes certain ones."""
    abilities = whole.abilities(connector) if connector in whole.connectors() else None
    taken = abilities.save_fields.get(table) if abilities is not None else None
    if taken is None:
        return
    given = set(given)
    for name in sorted(given - taken):
        text = f"in connector {connector}, nothing takes this for {table}; {meant(name, taken - given or taken)}"
        yield Wrong((*loc, "fields", name), text, at_key=True)
    close = {near(name, taken) for name in given - taken}
    for name in sorted(taken - given - close):
        yield Wrong((*loc, "fields"), f"connector {connector} needs {name} for {table}: add it here")


def _rule_fields(abilities: Capabilities, given: Collection[str], loc: Loc) -> Iterator[Wrong]:
    """Whether a rule has the fields without which its connector can't keep a call."""
    for name in sorted(abilities.activity_fields.difference(given)):
        likely = near(name, _OF_ACTIVITY, 0.8)
        hint = f"did you mean {likely}?" if likely else "add it to this rule's fields"
        text = f"its connector asks for {name}, which is not known of every call; {hint}"
        yield Wrong((*loc, "fields") if given else (*loc, "in"), text)
