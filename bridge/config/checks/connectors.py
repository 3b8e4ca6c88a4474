"""What connectors are asked for: whether they exist and can do it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from bridge.config.model import FindStep
from bridge.config.sections import meant
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext
from connectors.base import Capabilities

Way = Literal["phone", "key", "save"]
_OWN = 2
_ASKED = {"phone": "looked up by phone", "key": "looked up by key", "save": "saved"}


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Everything that is asked of a connector and can't be had."""
    for name, query in whole.configuration.queries.items():
        for step_name, step in query.find.items():
            yield from _find(whole, step, step_name, ("queries", name, "find", step_name))
        for position, save in enumerate(query.save):
            yield from ask(whole, save.in_, save.table, "save", ("queries", name, "save", position), in_place="table")
    yield from _activities(whole)


def problems(whole: CheckContext, *, warnings: bool = False) -> Iterator[Wrong]:
    """What connectors say of their own sections: files and columns that are not there; or what they only warn of. Comes
    before the other checks: only then do some know the fields of their tables."""
    for name, options in whole.configuration.connectors.items():
        for problem in options.problems(whole.folder):
            loc: Loc = ("connectors", name, *problem.loc)
            around = loc[:-1] if len(loc) > _OWN else loc
            if problem.warning == warnings and whole.whole(*around):
                yield Wrong(loc, problem.text, outage=problem.outage)


def _find(whole: CheckContext, step: FindStep, name: str, loc: Loc, own: str = "") -> Iterator[Wrong]:
    way: Way = "phone" if step.phone is not None else "key"
    table, in_place = (step.table, "table") if step.table is not None else (name, "")
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
    """Whether `connector` can do this with `table`. `in_place`: the key that names the table, empty where it is the
    step's own name."""
    if connector not in whole.keys("connectors"):
        if names_connector:
            yield Wrong((*loc, "in", position), no_connector(whole, connector))
        return
    abilities = whole.abilities(connector)
    if abilities is None or table in _kinds(abilities, way):
        return
    place = (*loc, in_place) if in_place else loc
    yield Wrong(place, _cannot(connector, abilities, table, way), at_key=not in_place)


def no_connector(whole: CheckContext, name: str) -> str:
    """What to say of a connector that does not exist."""
    return f"there is no connector {name}; {meant(name, whole.keys('connectors'))}"


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
        for name, step in (rule.find or {}).items():
            yield from _find(whole, step, name, (*loc, "find", name), rule.in_)
        if rule.unknown_caller is not None and rule.in_ in whole.keys("connectors"):
            place = (*loc, "unknown_caller")
            in_place = "table" if "table" in whole.keys(*place) else ""
            yield from ask(whole, rule.in_, rule.unknown_caller.table, "save", place, in_place=in_place)
