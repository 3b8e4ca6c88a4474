"""What is legal and yet probably not meant: warnings, which keep nothing from running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bridge.config import files, uses
from bridge.config.model import Query
from bridge.config.names import names_used
from bridge.config.sections import near
from bridge.config.source import Loc, Wrong
from bridge.config.whole import Whole, blocks, expressions, templates
from connectors.expression import Template

_SLOW = 10
_ALIKE = 0.75


def advise(whole: Whole, path: Path) -> Iterator[Wrong]:
    """Every warning."""
    yield from _secrets(whole, path)
    yield from _open_by_proxy(whole)
    yield from _console(whole)
    yield from _connectors(whole)
    yield from uses.problems(whole, warnings=True)
    read: dict[Loc, set[str]] = {}
    for use in expressions(whole.configuration):
        read.setdefault(use.loc[:2], set()).update(use.template.names)
    for name, query in whole.configuration.queries.items():
        yield from _query(query, ("queries", name), read.get(("queries", name), set()))
    yield from _sensitive(whole)
    yield from _tests(whole)


def _secrets(whole: Whole, path: Path) -> Iterator[Wrong]:
    plain = [loc for loc, _ in whole.secrets() if _is_plain(whole, loc)]
    for loc in plain:
        yield Wrong(loc, "a secret in plain text: better ${NAME} or ${file:/run/secrets/name}")
    if plain and files.open_to_others(path):
        text = f"holds secrets in plain text, and every user of this machine may read it: chmod 640 {path.name}"
        yield Wrong((), text)


def _open_by_proxy(whole: Whole) -> Iterator[Wrong]:
    server = whole.configuration.server
    if server.trusted_proxies and server.url_key is None and not server.allowed_ips:
        text = "a proxy brings the world to this address: set server.url_key too, or allowed_ips"
        yield Wrong(("server", "trusted_proxies"), text, at_key=True)


def _console(whole: Whole) -> Iterator[Wrong]:
    if whole.configuration.server.console_password is not None:
        text = "this version has no console yet: the key is accepted, so that a file may have it, and nothing is opened"
        yield Wrong(("server", "console_password"), text, at_key=True)


def _is_plain(whole: Whole, loc: Loc) -> bool:
    place = whole.validated.source.places.get(whole.in_file(loc))
    return place is not None and bool(place.text) and not place.filled


def _connectors(whole: Whole) -> Iterator[Wrong]:
    configuration = whole.configuration
    used = {
        connector for query in configuration.queries.values() for step in query.find.values() for connector in step.in_
    }
    used |= {save.in_ for query in configuration.queries.values() for save in query.save}
    used |= {rule.in_ for rule in configuration.activities}
    used |= {source.from_ for source in configuration.callbacks if source.from_ is not None}
    used |= {listed.in_ for source in configuration.callbacks for listed in source.do_not_call}
    used |= {one for rule in configuration.activities for step in (rule.find or {}).values() for one in step.in_}
    for name in configuration.connectors:
        if name not in used:
            yield Wrong(("connectors", name), "nothing uses this connector", at_key=True)


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


def _sensitive(whole: Whole) -> Iterator[Wrong]:
    used = names_used(_everything(whole))
    for name, query in whole.configuration.queries.items():
        used |= {variable for _, block in blocks(query, ("queries", name)) for variable in block.variables}
    for position, name in enumerate(whole.configuration.sensitive):
        meant = near(name, used, _ALIKE)  # one that is used nowhere here may still come from the platform's scripts
        if name not in used and meant:
            yield Wrong(("sensitive", position), f"no expression or answer uses this name; did you mean {meant}?")


def _tests(whole: Whole) -> Iterator[Wrong]:
    """A file of answers that is not there: no fault, because the server does without."""
    for position, case in enumerate(whole.configuration.tests):
        if case.replay is not None and not (whole.folder / case.replay).is_file():
            text = f"there is no file {whole.folder / case.replay}: `infocaller-bridge record` makes it"
            yield Wrong(("tests", position, "replay"), text)


def _everything(whole: Whole) -> Iterator[Template]:
    yield from (use.template for use in expressions(whole.configuration))
    for options in whole.configuration.connectors.values():
        yield from (use.template for use in options.templates())
        yield from (template for _, template in templates(options, ()))
