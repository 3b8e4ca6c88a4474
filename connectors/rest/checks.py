"""What is checked of a `rest` section beyond the types of its values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from connectors.base import Problem, TemplateUse
from connectors.expression import Template
from connectors.phone import Phone
from connectors.rest.auth import OAuth2, SessionAuth
from connectors.rest.building import same_host
from connectors.rest.requests import Create, Detail, Existing, SearchStep, UpdateStep
from connectors.rest.values import JsonBody, Loc
from connectors.urltemplate import LinkTemplate, PathTemplate

if TYPE_CHECKING:
    from connectors.rest.options import RestOptions

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TAKEN = frozenset(
    {"phone", "key", "login", "settings", "task", "outcome", "true", "false", "none", "not", "and", "or"}
)
_FIELDS = {
    "phone": sorted(Phone.visible),
    "outcome": ["at", "idcall", "result", "seconds", "status", "text"],
}
_OF_POP = frozenset({"agent", "extension", "contact", "call", "vars", "caller", "called", "line"})
_OF_ACTIVITY = frozenset({"activity", "contact", "found", "call", "vars", "caller", "called", "line"})


def chain(names: Sequence[str | None], *, last_too: bool = False) -> None:
    """Raise ValueError unless the steps of a chain can be told apart: the last needs no name."""
    for at, name in enumerate(names):
        last = at == len(names) - 1
        if name is None and not last and not last_too:
            raise ValueError(f"step {at + 1} of this chain needs a name:, else nothing can use what it found")
        if name is not None and (not _NAME.fullmatch(name) or name in _TAKEN):
            raise ValueError(f"a step can't be called {name}: write letters, digits and _, such as ref")
        if name is not None and name in names[:at]:
            raise ValueError(f"two steps of this chain are called {name}")


def base_url(template: Template, settings: Mapping[str, SecretStr]) -> None:
    """Raise ValueError for a base URL that is none."""
    if template.names - {"settings"}:
        raise ValueError("only {{ settings.NAME }} is known here")
    missing = [path[1] for path in sorted(template.paths) if len(path) > 1 and path[1] not in settings]
    if missing:
        raise ValueError(f"settings.{missing[0]} is not there: add {missing[0]} below settings")
    url = template.render({"settings": {name: value.get_secret_value() for name, value in settings.items()}})
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write where the API begins, such as https://crm.example.com/api")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("only host and path belong here: parameters go into params, sign-in into auth")


def names_in(part: Any) -> frozenset[str]:
    """Return all names that the expressions of a part use."""
    return frozenset(name for _, template in walk(part, ()) for name in template.names)


def walk(part: Any, loc: Loc) -> Iterator[tuple[Loc, Template]]:
    """Yield every expression in a part of the section, with its place."""
    if isinstance(part, Template):
        if not part.constant:
            yield loc, part
    elif isinstance(part, PathTemplate):
        yield from walk(part.template, loc)
    elif isinstance(part, JsonBody):
        yield from (((*loc, *inner), template) for inner, template in part.templates)
    elif isinstance(part, BaseModel):
        for name, info in type(part).model_fields.items():
            yield from walk(getattr(part, name), (*loc, info.alias or name))
    elif isinstance(part, Mapping):
        for name, value in part.items():
            yield from walk(value, (*loc, name))
    elif isinstance(part, (list, tuple)):
        for at, value in enumerate(part):
            yield from walk(value, (*loc, at))


def templates(options: RestOptions) -> Iterator[TemplateUse]:
    """Yield each expression with the names that it may use."""
    names = {"settings", "now"} | ({"login"} if isinstance(options.auth, (OAuth2, SessionAuth)) else set())
    yield from _uses(options.base_url, ("base_url",), {"settings"})
    yield from _uses(options.headers, ("headers",), names)
    if isinstance(options.auth, SessionAuth):
        yield from _uses(options.auth.login, ("auth", "login"), {"settings"})
        yield from _uses(options.auth.headers, ("auth", "headers"), names)
        yield from _uses(options.auth.params, ("auth", "params"), names)
    for name, record in options.records.items():
        yield from _searches(list(record.search or ()), ("records", name, "search"), names | {"phone", "key"})
        yield from _creates(record.create, ("records", name, "create"), names | {"field", "key", "found"})
        yield from _uses(record.find, ("records", name, "find"), names | {"field", "key"})
        yield from _uses(record.update, ("records", name, "update"), names | {"field", "key", "found"})
    if options.activity is not None:
        yield from _creates(options.activity.create, ("activity", "create"), names | _OF_ACTIVITY)
        yield from _uses(options.activity.find, ("activity", "find"), names | _OF_ACTIVITY)
        yield from _uses(options.activity.update, ("activity", "update"), names | _OF_ACTIVITY)
    yield from _uses(options.pop, ("pop",), names | _OF_POP)
    if options.tasks is not None:
        yield from _uses(options.tasks.what, ("tasks", "what"), {"settings"})
        yield from _uses(options.tasks.list_, ("tasks", "list"), names)
        yield from _uses(options.tasks.read, ("tasks", "read"), names | {"task"})
        yield from _chain(options.tasks.details, ("tasks", "details"), names | {"task"})
        yield from _chain(options.tasks.update or [], ("tasks", "update"), names | {"task", "outcome"})


def _searches(search: Sequence[SearchStep | list[SearchStep]], loc: Loc, names: set[str]) -> Iterator[TemplateUse]:
    steps = [step for step in search if isinstance(step, SearchStep)]
    yield from _chain(steps, loc, names) if len(steps) == len(search) else ()
    if len(steps) != len(search):
        for at, part in enumerate(search):
            yield from _chain(part, (*loc, at), names) if isinstance(part, list) else _uses(part, (*loc, at), names)


def _creates(create: Create | None, loc: Loc, names: set[str]) -> Iterator[TemplateUse]:
    if create is None:
        return
    yield from _chain(create.before, (*loc, "before"), names)
    named = names | {step.name for step in create.before}
    yield from (use for use in _uses(create, loc, named) if use.loc[len(loc)] != "before")


def _chain(steps: Sequence[SearchStep | UpdateStep | Detail], loc: Loc, names: set[str]) -> Iterator[TemplateUse]:
    for at, step in enumerate(steps):
        yield from _uses(step, (*loc, at), names)
        names = names | {step.name} if step.name is not None else names


def _uses(part: Any, loc: Loc, names: Iterable[str]) -> Iterator[TemplateUse]:
    allowed = frozenset(names)
    yield from (TemplateUse(place, template, allowed) for place, template in walk(part, loc))


def problems(options: RestOptions, folder: Path) -> Iterator[Problem]:
    """Yield what is wrong, or may be."""
    yield from _settings(options)
    yield from _fields(options)
    yield from _hosts(options)
    yield from _pop(options)
    if options.ca_file is not None and not (folder / options.ca_file).exists():
        yield Problem(("ca_file",), f"there is no file {folder / options.ca_file}")
    for name, record in options.records.items():
        loc: Loc = ("records", name)
        if record.key is None and any(not {"phone", "key"} & names_in(steps) for steps in record.tries):
            text = "this asks for everything each time: nothing in it says {{ phone… }} or {{ key }}"
            yield Problem((*loc, "search"), text, warning=True)
        yield from _twice(record.create, record.find, (*loc, "create"), "a record")
    if options.activity is not None:
        yield from _twice(options.activity.create, options.activity.find, ("activity", "create"), "an activity")


def _pop(options: RestOptions) -> Iterator[Problem]:
    """What keeps records from opening on anybody's screen."""
    if options.pop is None:
        return
    if not options.pop.agents and options.preset is None:
        text = "nobody has a screen: add agents, such as agents: {'101': THE-AGENT'S-ID}"
        yield Problem(("pop",), text, warning=True)
    kinds, kind = sorted(options.abilities().by_phone), options.abilities().pop_finds
    if options.pop.agents and kind and kind not in kinds:
        there = f"can be: {', '.join(kinds)}" if kinds else "none can be"
        yield Problem(("pop",), f"this opens a {kind}, which can't be looked up by phone here; {there}: say record:")


def wordless(options: RestOptions) -> tuple[str, ...]:
    """Outcomes for which `statuses` has no word of the CRM, though it has some for others: they are told in ours."""
    tasks = options.tasks
    if tasks is None or not tasks.statuses:
        return ()
    uses_status = (
        path[:2] == ("outcome", "status") for _, template in walk(tasks.update, ()) for path in template.paths
    )
    return tuple(status for status in tasks.on if status not in tasks.statuses) if any(uses_status) else ()


def _settings(options: RestOptions) -> Iterator[Problem]:
    links = [options.link, *options.own_links().values()]
    filled = [*(use.template for use in templates(options)), *(link.template for link in links if link is not None)]
    used = {path[1] for template in filled for path in template.paths if path[0] == "settings" and len(path) > 1}
    for name in sorted(used - set(options.settings)):
        what = f"the preset {options.preset}" if options.preset else "{{ settings." + name + " }}"
        yield Problem(("settings",), f"{what} needs {name}: add it below settings")


def _fields(options: RestOptions) -> Iterator[Problem]:
    """What numbers and outcomes have not: it would be empty, and the CRM asked for everything."""
    for use in templates(options):
        for name, *rest in sorted(use.template.paths):
            if rest and name in use.names and rest[0] not in _FIELDS.get(name, rest):
                yield Problem(use.loc, f"{name} has no {rest[0]}; there are {', '.join(_FIELDS[name])}")


def _hosts(options: RestOptions) -> Iterator[Problem]:
    for loc, part in _paths(options, ()):
        if part.source.startswith(("http://", "https://")) and not same_host(options.root, part.source):
            yield Problem(
                loc, f"this is another host than {urlsplit(options.root).netloc}: write a path below base_url"
            )
    urls: list[tuple[Loc, str]] = [(("base_url",), options.root)]
    urls += [(("auth", "token_url"), options.auth.token_url)] if isinstance(options.auth, OAuth2) else []
    for loc, url in urls:
        if url.startswith("http://") and not _here(urlsplit(url).hostname or ""):
            yield Problem(loc, "passwords and customers' data travel unprotected by http: write https", warning=True)


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or "." not in host


def _paths(part: Any, loc: Loc) -> Iterator[tuple[Loc, PathTemplate]]:
    """What is asked for; where people open records may be elsewhere."""
    if isinstance(part, LinkTemplate):
        return
    if isinstance(part, PathTemplate):
        yield loc, part
    elif isinstance(part, BaseModel):
        for name, info in type(part).model_fields.items():
            yield from _paths(getattr(part, name), (*loc, info.alias or name))
    elif isinstance(part, (dict, list)):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _paths(value, (*loc, key))


def _twice(create: Create | None, find: Existing | None, loc: Loc, what: str) -> Iterator[Problem]:
    if create is not None and find is None and not create.already and not (create.idempotent or create.verb == "PUT"):
        text = (
            f"this CRM can see {what} twice: when an answer is lost, it is created again; add find: to look for it "
            "first, or already: if the CRM refuses a key that it has"
        )
        yield Problem(loc, text, warning=True)
