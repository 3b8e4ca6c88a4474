"""Where people open records: whether there is anything behind the names in each `link:`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.config.sections import meant
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext
from connectors.base import ConnectorOptions
from connectors.urltemplate import LinkTemplate

_RECORD = "record"


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Yield every name that a link fills in and nothing has."""
    for connector, options in whole.configuration.connectors.items():
        abilities = whole.abilities(connector)
        if abilities is None:
            continue
        kinds = abilities.by_phone | abilities.by_key
        own = options.own_links()
        for (section, kind), link in own.items():
            loc: Loc = ("connectors", connector, section, kind, "link")
            yield from _names(options, link, _fields([abilities.fields.get(kind)]), loc)
        if options.link is not None:
            others = kinds - {kind for _, kind in own}
            fields = _fields(map(abilities.fields.get, others))
            yield from _names(options, options.link, fields, ("connectors", connector, "link"))


def _fields(of_kinds: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """The fields that any of these kinds has; None where that is not known."""
    names: frozenset[str] = frozenset({"id"})
    for fields in of_kinds:
        if fields is None:
            return None
        names |= fields
    return names


def _names(options: ConnectorOptions, link: LinkTemplate, fields: frozenset[str] | None, loc: Loc) -> Iterator[Wrong]:
    names = [_RECORD, *options.link_names()]
    for name, *rest in sorted(link.template.paths):
        if name not in names:
            yield Wrong(loc, f"nothing is called {name} here; {meant(name, names)}")
        elif name == _RECORD and rest and fields is not None and rest[0] not in fields:
            yield Wrong(loc, f"record has no field {rest[0]}; {meant(rest[0], fields)}")
