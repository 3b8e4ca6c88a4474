"""The names in `{{ }}`: whether there is anything behind them where they stand. What expressions see of a call is
listed here, once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bridge.config.builtin import OPPOSITIONS
from bridge.config.checks import hours
from bridge.config.model import NAME_RULE, VARIABLE_NAME
from bridge.config.sections import meant, near
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext, PlacedTemplate, blocks, expressions
from connectors.base import TemplateUse
from connectors.dates import MEMBERS
from connectors.expression import Template
from connectors.phone import Phone

CALL_FIELDS: Mapping[str, str] = {
    "id": "the platform's id of the call (CallSequence)",
    "uuid": "the platform's UUID of the call, where the URL brings it",
    "number_id": "the number that the URL brings as id",
    "direction": "received or emitted",
    "idcall": "the platform's id of our emission request, of an emitted call",
    "query": "the Query that asks, empty outside of one",
    "event": "the event that came (inicio, desvio_correcto, desvio_fallido, fin), empty outside of one",
    "diverted": "whom that event says that the call was diverted to, empty elsewhere",
    "start": "when it began, on the line's clock; in a Query when INICIO came, or the Query itself",
    "end": "when it ended",
    "seconds": "how long it lasted",
    "cost": "what it cost, without tax (CostRX + CostTX)",
    "cost_rx": "what receiving it cost",
    "cost_tx": "what emitting it cost",
    "answered": "whether someone answered",
    "answered_by": "the last diversion that was answered",
    "diversions": "the numbers that it was diverted to, in order",
    "complete": "whether its FIN came",
    "events": "what happened in it, in order: each has type, at, name and info",
    "menus": "what was chosen in numeric menus, by the menu's name, the last time: `call.menus['Resultado']`",
    "outcome": "what `outcome` of the activity's rule comes to, in its subject, note and fields",
}
"""What `call.` has, and what it means. A field that is not known yet is empty."""

_KNOWN_LATER: Mapping[str, str] = {
    **dict.fromkeys(("end", "seconds", "cost", "cost_rx", "cost_tx", "complete", "events", "menus", "outcome"),
                    "it is told when the call is over: use it in activities:"),
    **dict.fromkeys(("answered", "answered_by", "diversions"),
                    "whom the call is put through to comes after it: use it in activities:"),
}  # fmt: skip
"""What of `call.` a Query can't know, which is asked before, and what to do instead."""
OPPOSITION = "opposition"
"""What answers see of the opposition that their Query kept."""
OPPOSITION_FIELDS: Mapping[str, str] = {
    "reference": "what the person is told, ten digits; empty as long as none is kept"
}
LINE_FIELDS = frozenset({"number", "country", "timezone"})
BUILTINS = ("caller", "called", "line", "call", "vars")
TIME = ("now", "hours")
"""What is always there as well, unless something of the configuration's own has that name."""
_FIXED: Mapping[str, frozenset[str]] = {
    "caller": Phone.visible,
    "called": Phone.visible,
    "line": LINE_FIELDS,
    "call": frozenset(CALL_FIELDS),
}
_STEP_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"})
_OF_CALENDAR = 3
_BESIDE = ("result", "text", "when")


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Yield everything that is wrong with names: of find steps, in expressions, of variables."""
    yield from _step_names(whole)
    for use in expressions(whole.configuration):
        yield from _expression(whole, use)
    yield from _connectors(whole)
    yield from _variables(whole)


def _step_names(whole: CheckContext) -> Iterator[Wrong]:
    places: list[Loc] = [("queries", name, "find") for name in whole.configuration.queries]
    places += [("activities", position, "find") for position in range(len(whole.configuration.activities))]
    for place in places:
        for name in whole.keys(*place):
            if name in BUILTINS:
                text = f"{{{{ {name} }}}} is always there and means something else; give this step another name"
                yield Wrong((*place, name), text, at_key=True)
            elif name == OPPOSITION and _opposes(whole, place[:2]):
                text = "{{ opposition }} is what save: keeps in oppositions; give this step another name"
                yield Wrong((*place, name), text, at_key=True)
            elif not _STEP_NAME.fullmatch(name) or name in _WORDS:
                text = "an expression can't name this: write letters, digits and _, such as contact"
                yield Wrong((*place, name), text, at_key=True)


def _expression(whole: CheckContext, use: PlacedTemplate) -> Iterator[Wrong]:
    section = _section(use.loc)
    faulty = set(whole.keys(*section, "find")) - set(use.earlier) - use.later
    for path in sorted(use.template.paths):
        name, field = path[0], path[1] if len(path) > 1 else None
        if name in use.earlier:
            text = _of_record(whole, use, section, name, field)
        elif name in use.later:
            text = f"{name} is found later: move this step below it"
        elif name in faulty:
            continue
        elif name == "call" and field is not None and field in _KNOWN_LATER and use.loc[0] == "queries":
            text = f"call.{field} is never known in a Query: {_KNOWN_LATER[field]}"
        elif name in TIME:
            text = of_time(whole, path)
        elif name == OPPOSITION and _opposes(whole, use.loc[:2]):
            text = _of_opposition(use, field)
        else:
            text = of_call(name, field, [*BUILTINS, *TIME, *use.earlier]) or _kept(whole, use.loc, name, field)
            text = text or _of_moment(path)
        if text:
            yield Wrong(use.loc, text, outage=name in use.earlier and _seen(whole, use, name))


def _opposes(whole: CheckContext, section: Loc) -> bool:
    """Whether this is a Query that keeps an opposition."""
    query = whole.configuration.queries.get(str(section[1])) if section[0] == "queries" else None
    return query is not None and whole.built_in(OPPOSITIONS) and any(save.in_ == OPPOSITIONS for save in query.save)


def _of_opposition(use: PlacedTemplate, field: str | None) -> str | None:
    if use.loc[2:3] in (("find",), ("save",)):
        return "an opposition is kept after that: use it in answer:"
    if field is None or field in OPPOSITION_FIELDS:
        return None
    return f"{OPPOSITION} has no {field}; {meant(field, OPPOSITION_FIELDS)}"


def _kept(whole: CheckContext, loc: Loc, name: str, field: str | None) -> str | None:
    """What is wrong with keeping a sensitive variable: what is saved waits in the database until its CRM has it."""
    sensitive = {variable.upper() for variable in whole.configuration.sensitive}
    if (
        loc[0] != "queries"
        or "save" not in loc[2:3]
        or name != "vars"
        or field is None
        or field.upper() not in sensitive
    ):
        return None
    return f"vars.{field} is sensitive, so it is never stored and can't be saved; leave it out, or out of sensitive:"


def _section(loc: Loc) -> Loc:
    """The Query or the activity that an expression stands in."""
    return loc[:2]


def _of_record(whole: CheckContext, use: PlacedTemplate, section: Loc, name: str, field: str | None) -> str | None:
    fields = whole.fields(use.earlier[name], name, _own(whole, section))
    if field is None or fields is None or field in fields:
        return None
    connectors = [each for each in use.earlier[name].in_ or [_own(whole, section)] if not whole.built_in(each)]
    if field == "link" and connectors:
        return f"{name} has no link; add link: to connector {' or '.join(connectors)}"
    return f"{name} has no field {field}; {meant(field, fields)}"


def _seen(whole: CheckContext, use: PlacedTemplate, name: str) -> bool:
    """Whether the fields of what is found are those that a file has now."""
    connectors = use.earlier[name].in_ or [_own(whole, _section(use.loc))]
    return any(
        abilities.fields_seen for connector in connectors if (abilities := whole.abilities(connector)) is not None
    )


def _own(whole: CheckContext, section: Loc) -> str:
    """The connector of an activity's rule, where a step of its `find` names none."""
    return whole.configuration.activities[int(section[1])].in_ if section[0] == "activities" else ""


def of_time(whole: CheckContext, path: tuple[str, ...]) -> str | None:
    """Return what is wrong with `now` or `hours` as an expression says it."""
    return _part(path, 1) if path[0] == "now" else hours.in_expression(whole, path) or _part(path, _OF_CALENDAR)


def _of_moment(path: tuple[str, ...]) -> str | None:
    return _part(path, 2) if path[:2] in (("call", "start"), ("call", "end")) else None


def _part(path: tuple[str, ...], at: int) -> str | None:
    """What is wrong with the part of a time that a name asks for at this position."""
    if len(path) <= at or path[at] in MEMBERS:
        return None
    return f"{'.'.join(path[:at])} has no {path[at]}; {meant(path[at], MEMBERS)}"


def of_call(name: str, field: str | None, names: list[str]) -> str | None:
    """Return what is wrong with a name that is none of the things found."""
    if name == "vars":
        return None if field is None or VARIABLE_NAME.fullmatch(field.upper()) else f"vars.{field}: {NAME_RULE}"
    if name in _FIXED:
        fields = _FIXED[name]
        return None if field is None or field in fields else f"{name} has no {field}; {meant(field, fields)}"
    if VARIABLE_NAME.fullmatch(name) and near(name, names) is None:
        return f"nothing is called {name} here; for the call's variable write vars.{name}"
    return f"nothing is called {name} here; {meant(name, names)}"


def _connectors(whole: CheckContext) -> Iterator[Wrong]:
    for name, options in whole.configuration.connectors.items():
        steps = {step for rule in whole.configuration.activities if rule.in_ == name for step in rule.find or {}}
        for use in options.templates():
            if whole.whole("connectors", name, *use.loc[:-1]):
                yield from _in_connector(name, use, use.names | steps if "activity" in use.names else use.names)


def _in_connector(connector: str, use: TemplateUse, names: frozenset[str]) -> Iterator[Wrong]:
    """`names`: those that the connector says, and for an activity those that its rules find."""
    for name in sorted(use.template.names - names):
        text = f"nothing is called {name} here; {meant(name, names)}"
        yield Wrong(("connectors", connector, *use.loc), text)


def _variables(whole: CheckContext) -> Iterator[Wrong]:
    for query_name, query in whole.configuration.queries.items():
        for loc, _ in blocks(query, ("queries", query_name)):
            for name in whole.keys(*loc):
                if name not in _BESIDE:
                    yield from variable(name, (*loc, name), _BESIDE)
    for position, case in enumerate(whole.configuration.tests):
        for name in case.vars:
            yield from variable(name, ("tests", position, "vars", name))
        for name in case.answer:
            yield from variable(name, ("tests", position, "answer", name))
    for position, name in enumerate(whole.configuration.sensitive):
        yield from variable(name, ("sensitive", position), at_key=False)


def variable(name: str, loc: Loc, beside: tuple[str, ...] = (), *, at_key: bool = True) -> Iterator[Wrong]:
    """Yield what is wrong with a variable's name; `beside`: the keys that may stand where it stands."""
    if VARIABLE_NAME.fullmatch(name):
        return
    keyword = near(name, beside) if not name.isupper() else None
    if keyword:
        text = f"no variable can be called this; did you mean {keyword}?"
    elif VARIABLE_NAME.fullmatch(name.upper()):
        text = f"write it in capitals: {name.upper()}"
    else:
        text = f"no variable can be called this: {NAME_RULE}"
    yield Wrong(loc, text, at_key=at_key)


def names_used(templates: Iterator[Template]) -> set[str]:
    """Return the call's variables (`vars.NAME`, in capitals) that these expressions read."""
    return {path[1].upper() for template in templates for path in template.paths if path[0] == "vars" and len(path) > 1}
