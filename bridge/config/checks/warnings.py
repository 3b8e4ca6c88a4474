"""What is legal and yet probably not meant: warnings, which keep nothing from running."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.config import files
from bridge.config.builtin import BUILT_IN, BUILT_IN_WORDS, OPPOSITIONS
from bridge.config.callbacks import CallbackSource
from bridge.config.checks import commercial
from bridge.config.checks import connectors as uses
from bridge.config.checks.callbacks import member
from bridge.config.checks.expressions import TIME, names_used
from bridge.config.checks.values import find_query
from bridge.config.dial import kinds, may_dial
from bridge.config.find import FindStep
from bridge.config.model import DESTINATION, ActivityRule, Line, Query
from bridge.config.sections import meant, near
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext, blocks, expressions, templates, usual_find
from connectors.expression import Template
from connectors.phone import parse

_SLOW = 10
_ALIKE = 0.75
_SUBJECT_AND_NOTE = 2
_LIKE_A_NAME = re.compile(r"name|nombre|nom\b|cliente|raz[oó]n", re.I)
_DIALLED = re.compile(r"\+?\d+")
_WHOLE_NUMBER = frozenset(
    {"fixed", "mobile", "voip", "toll_free", "premium", "shared_cost", "personal", "satellite", "pager", "company"}
)
"""Kinds of numbers that are no extensions by mistake, as short ones may be."""


def advise(whole: CheckContext, path: Path) -> Iterator[Wrong]:
    """Yield every warning."""
    yield from _secrets(whole, path)
    yield from _open_by_proxy(whole)
    yield from _connectors(whole)
    yield from _outcomes(whole)
    yield from uses.problems(whole, warnings=True)
    read: dict[Loc, set[str]] = {}
    for use in expressions(whole.configuration):
        read.setdefault(use.loc[:2], set()).update(use.template.names)
    for name, query in whole.configuration.queries.items():
        yield from _query(query, ("queries", name), read.get(("queries", name), set()))
    for position, line in enumerate(whole.configuration.lines):
        yield from _line(line, ("lines", position))
    yield from _own_names(whole)
    yield from _destinations(whole)
    yield from _compared(whole)
    for position, rule in enumerate(whole.configuration.activities):
        yield from _activity(whole, rule, ("activities", position))
    for position, source in enumerate(whole.configuration.callbacks):
        yield from _tasks(whole, source, ("callbacks", position))
        yield from commercial.advise(whole, source, ("callbacks", position))
    yield from _sensitive(whole)
    yield from _tests(whole)


def _secrets(whole: CheckContext, path: Path) -> Iterator[Wrong]:
    plain = [loc for loc, _ in whole.written_out() if _worth(loc)]
    for loc in plain:
        yield Wrong(loc, "a secret in plain text: better ${NAME} or ${file:/run/secrets/name}")
    if plain and files.open_to_others(path):
        text = f"holds secrets in plain text, and every user of this machine may read it: chmod 640 {path.name}"
        yield Wrong((), text)


def _worth(loc: Loc) -> bool:
    """Whether it is a secret to whoever reads it: the address of a webhook may be none, a password's hash is made to
    stand there."""
    return loc[0] != "alerts" and loc[-1] != "password_hash"


def _open_by_proxy(whole: CheckContext) -> Iterator[Wrong]:
    server = whole.configuration.server
    if server.trusted_proxies and not server.url_key and not server.allowed_ips:
        text = "a proxy brings the world to this address: set server.url_key too, or allowed_ips"
        yield Wrong(("server", "trusted_proxies"), text, at_key=True)


def _connectors(whole: CheckContext) -> Iterator[Wrong]:
    configuration = whole.configuration
    used = {
        connector for query in configuration.queries.values() for step in query.find.values() for connector in step.in_
    }
    used |= {save.in_ for query in configuration.queries.values() for save in query.save}
    used |= {rule.in_ for rule in configuration.activities}
    used |= {source.from_ for source in configuration.callbacks if source.from_ is not None}
    used |= {name for source in configuration.callbacks for step in source.find.values() for name in step.in_}
    used |= {source.save.in_ for source in configuration.callbacks if source.save is not None}
    used |= {listed.in_ for source in configuration.callbacks for listed in source.do_not_call}
    used |= {
        connector for rule in configuration.activities for step in (rule.find or {}).values() for connector in step.in_
    }
    for name, query in configuration.queries.items():
        needed = next((step for step, find in query.find.items() if not find.optional), None)
        opposition = next((at for at, save in enumerate(query.save) if save.in_ == OPPOSITIONS), None)
        if needed is not None and opposition is not None and whole.built_in(OPPOSITIONS):
            text = f"nobody opposes where {needed} is not found: give that step optional: true, or a Query of its own"
            yield Wrong(("queries", name, "save", opposition), text)
    for name in BUILT_IN:
        if name in configuration.connectors:
            text = f"{name} means this connector, not {BUILT_IN_WORDS[name]}: to have both, give it another name"
            yield Wrong(("connectors", name), text, at_key=True)
    for name in configuration.connectors:
        if name not in used:
            yield Wrong(("connectors", name), "nothing uses this connector", at_key=True)


def _outcomes(whole: CheckContext) -> Iterator[Wrong]:
    for name in whole.configuration.connectors:
        abilities = whole.abilities(name)
        if abilities is not None and abilities.wordless:
            missing = abilities.wordless
            text = (
                f"has no word for {', '.join(missing)}: the CRM is told {missing[0]} as it stands here, and may refuse "
                "it; write its own word for each, or name in on: the outcomes that it is to be told"
            )
            yield Wrong(("connectors", name, "tasks", "statuses"), text, at_key=True)


def _query(query: Query, loc: Loc, read: set[str]) -> Iterator[Wrong]:
    """`read`: the names that the Query's expressions look up."""
    for name, step in query.find.items():
        if step.optional and name not in read:
            text = f"nothing uses what is found here: name it in an expression ({{{{ {name}.… }}}}), or remove it"
            yield Wrong((*loc, "find", name), text, at_key=True)
    for position, block in enumerate(query.answer[:-1]):
        if block.when is None or block.when.constant:
            yield Wrong(
                (*loc, "answer", position + 1), "is never reached: the block above it has no when: that can fail"
            )
            break
    if query.deadline > _SLOW:
        text = "is longer than a caller and the platform are likely to wait; 1500ms to 3s is usual"
        yield Wrong((*loc, "deadline"), text)
    if query.cache is not None and query.cache.stale < query.cache.fresh:
        yield Wrong((*loc, "cache", "stale"), "is shorter than fresh: nothing is left for when the CRM is away")


def _line(line: Line, loc: Loc) -> Iterator[Wrong]:
    phone = parse(line.number, line.country)
    if line.number.startswith(("+", "00")) and phone.country == line.country:
        text = f"the platform writes LineNumber without the country's code: write {phone.national}, as in the panel"
        yield Wrong((*loc, "number"), text)


def _own_names(whole: CheckContext) -> Iterator[Wrong]:
    """Steps that have the name of something that is always there: they win."""
    places: list[Loc] = [("queries", name, "find") for name in whole.configuration.queries]
    places += [("activities", position, "find") for position in range(len(whole.configuration.activities))]
    meanings = {"now": "the time", "hours": "the calendars of hours:"}
    for place in places:
        for name in meanings.keys() & set(whole.keys(*place)):
            text = f"{{{{ {name} }}}} is what this step finds here, not {meanings[name]}: for both, call it otherwise"
            yield Wrong((*place, name), text, at_key=True)


def _destinations(whole: CheckContext) -> Iterator[Wrong]:
    """Whom the Queries put calls through to, where `| dial` does not see to it."""
    for use in expressions(whole.configuration):
        if use.loc[0] != "queries" or use.loc[-1] != DESTINATION or "save" in use.loc[2:3]:
            continue
        text = _literal(use.template.source.strip(), whole.configuration.lines) if use.template.constant else None
        read = sorted(path for path in use.template.paths if path[0] in use.earlier and len(path) > 1)
        if read and "dial" not in use.template.filters:
            name = member(read[0][0], read[0][1])
            text = (
                f"goes out as the record has it, whoever it rings and whatever it costs: write {{{{ {name} | dial }}}} "
                "to have it checked"
            )
        if text is not None:
            yield Wrong(use.loc, text)


def _literal(text: str, lines: Sequence[Line]) -> str | None:
    """What is wrong with a destination that is written out, None where some line may call it."""
    if not text or any(text in line.extensions for line in lines):
        return None
    phones = [parse(text, line.country) for line in lines]
    reasons = [may_dial(phone, line) for phone, line in zip(phones, lines, strict=True)]
    if None in reasons:
        allowed = phones[reasons.index(None)]
        return None if _DIALLED.fullmatch(text) else f"is dialled as it stands here: write {allowed.e164}"
    if not any(_WHOLE_NUMBER.intersection(kinds(phone)) for phone in phones):
        extensions = sorted({extension for line in lines for extension in line.extensions})
        choice = f" (there are {', '.join(extensions)})" if extensions else ""
        return f"no line has the extension {text}{choice}: add it to extensions: of its line, or write a phone number"
    return f"{reasons[0]}; write a number that the line may call, or one of its extensions"


def _compared(whole: CheckContext) -> Iterator[Wrong]:
    """Texts that are compared with what they can never be."""
    for use in expressions(whole.configuration):
        for path, value in sorted(use.template.compared):
            step = use.earlier.get(path[0])
            if len(path) > 1 and (path[0] == "vars" or (step is not None and _all_texts(whole, step, use.loc))):
                yield Wrong(use.loc, _never(member(path[0], path[1]), value))


def _never(name: str, value: str) -> str:
    if value in ("true", "false"):
        return f"{name} is a text, never {value}: compare it with the text that stands there, such as {name} == 'Sí'"
    return f"{name} is a text, and {value} here a number: write {name} | int, or put the {value} in quotes"


def _all_texts(whole: CheckContext, step: FindStep, loc: Loc) -> bool:
    own = [whole.configuration.activities[int(loc[1])].in_] if loc[0] == "activities" else []
    abilities_given = [whole.abilities(connector) for connector in step.in_ or own]
    return bool(abilities_given) and all(abilities is not None and abilities.texts for abilities in abilities_given)


def _activity(whole: CheckContext, rule: ActivityRule, loc: Loc) -> Iterator[Wrong]:
    """What the usual subject and note, and what links the activity to a person, look for in vain."""
    templates_given = [template for template in (rule.subject, rule.note) if template is not None]
    steps = usual_find(rule)
    if "contact" not in steps:
        by_phone = [name for name, step in steps.items() if step.phone is not None]
        if steps and (len(templates_given) < _SUBJECT_AND_NOTE or _links(whole, rule.in_)):
            text = "the activity is about the step that is called contact: "
            single = len(by_phone) == 1
            text += f"call this one contact instead of {by_phone[0]}" if single else "call one of these so"
            yield Wrong((*loc, "find", by_phone[0]) if single else (*loc, "find"), text, at_key=True)
        return
    fields = whole.fields(steps["contact"], "contact", rule.in_)
    says_contact = any(template.names & {"contact"} for template in templates_given)
    if fields is None or "name" in fields or says_contact or len(templates_given) == _SUBJECT_AND_NOTE:
        return
    likely = next((name for name in sorted(fields) if _LIKE_A_NAME.search(name)), "COLUMN")
    text = (
        f"the usual subject and note say contact.name, which is not among {', '.join(sorted(fields))}: write "
        f'subject: "Llamada de {{{{ {member("contact", likely)} or caller }}}}" or so'
    )
    if _of_files(whole, steps["contact"], rule.in_):
        text += f", or say in the table which column that is: columns: {{name: {likely}}}"
    yield Wrong((*loc, "in"), text)


def _of_files(whole: CheckContext, step: FindStep, own: str) -> bool:
    """Whether what is found comes from files, whose columns can be given names."""
    given = [whole.abilities(connector) for connector in step.in_ or [own]]
    return all(abilities is not None and abilities.fields_seen for abilities in given)


def _links(whole: CheckContext, connector: str) -> bool:
    """Whether the connector's mapping of activities names the contact; one without a mapping links it by itself."""
    options = whole.configuration.connectors.get(connector)
    mapped = [] if options is None else [use for use in options.templates() if use.loc[:1] == ("activity",)]
    return not mapped or any("contact" in use.template.names for use in mapped)


def _tasks(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    """Fields that the tasks of a connector don't have, or that can never be what they are compared with."""
    abilities = None if source.from_ is None else whole.abilities(source.from_)
    if abilities is None or abilities.task_fields is None:
        return
    if source.built_in and source.do_not_call and source.number == CallbackSource.model_fields["number"].default:
        text = "keeps nobody back: who is called back has called, whatever a do-not-call list says"
        yield Wrong((*loc, "do_not_call"), text, at_key=True)
    for where, template in templates(source, loc):
        for path, value in sorted(template.compared):
            if abilities.texts and path[0] == "task" and len(path) > 1:
                yield Wrong(where, _never(member(path[0], path[1]), value))
        if where[len(loc)] == "number" or where[len(loc)] not in whole.keys(*loc):
            continue
        for path in sorted(template.paths):
            if path[0] == "task" and len(path) > 1 and path[1] not in abilities.task_fields | {"id"}:
                yield Wrong(
                    where, f"tasks of {source.from_} have no {path[1]}; {meant(path[1], abilities.task_fields)}"
                )


def _sensitive(whole: CheckContext) -> Iterator[Wrong]:
    used = names_used(_everything(whole))
    for name, query in whole.configuration.queries.items():
        used |= {variable for _, block in blocks(query, ("queries", name)) for variable in block.variables}
    for position, name in enumerate(whole.configuration.sensitive):
        meant = near(name, used, _ALIKE)  # one that is used nowhere here may still come from the platform's scripts
        if name not in used and meant:
            yield Wrong(("sensitive", position), f"no expression or answer uses this name; did you mean {meant}?")


def _tests(whole: CheckContext) -> Iterator[Wrong]:
    """A file of answers that is not there, which the server does without; and cases that do not say when."""
    timely = {
        str(use.loc[1])
        for use in expressions(whole.configuration)
        if use.loc[0] == "queries"
        and "save" not in use.loc[2:3]
        and (use.template.names - use.earlier.keys()) & set(TIME)
    }
    timely |= {
        name
        for name, query in whole.configuration.queries.items()
        if any(step.many == "next" for step in query.find.values())
    }
    for position, case in enumerate(whole.configuration.tests):
        if case.replay is not None and not (whole.folder / case.replay).is_file():
            text = f"there is no file {whole.folder / case.replay}: `infocaller-bridge record` makes it"
            yield Wrong(("tests", position, "replay"), text)
        if case.at is None and find_query(case.ask, sorted(timely)) is not None:
            text = f"what {case.ask} answers depends on the time, so this passes on some days only: add at:"
            yield Wrong(("tests", position, "ask"), text)


def _everything(whole: CheckContext) -> Iterator[Template]:
    yield from (use.template for use in expressions(whole.configuration))
    for options in whole.configuration.connectors.values():
        yield from (use.template for use in options.templates())
        yield from (template for _, template in templates(options, ()))
