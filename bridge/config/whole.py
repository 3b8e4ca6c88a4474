"""A configuration together with the file that it came from: what the checks of the whole file look at."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from bridge.config.builtin import BUILT_IN, MISSED_CALLS
from bridge.config.faults import follow
from bridge.config.find import FindStep
from bridge.config.model import ActivityRule, Answer, Configuration, Query
from bridge.config.sections import key_of
from bridge.config.source import Loc
from bridge.config.validation import Validated
from connectors.base import Capabilities
from connectors.expression import Template

_WITH_PASSWORD = re.compile(r"://[^/@:]*+:[^/@]++@")


@dataclass(frozen=True, slots=True)
class PlacedTemplate:
    """An expression where it stands. `earlier` are the find steps that it may look into, `later` those that are found
    only after it."""

    loc: Loc
    template: Template
    earlier: dict[str, FindStep]
    later: frozenset[str] = frozenset()


@dataclass
class CheckContext:
    """What there is to check. `folder`: relative paths start there."""

    configuration: Configuration
    validated: Validated
    folder: Path
    _abilities: dict[str, Capabilities] = field(default_factory=dict)

    @cached_property
    def _keys(self) -> dict[Loc, list[str]]:
        keys: dict[Loc, list[str]] = defaultdict(list)
        for loc in self.validated.source.places:
            if loc and isinstance(loc[-1], str):
                keys[loc[:-1]].append(loc[-1])
        return keys

    def keys(self, *loc: str | int) -> list[str]:
        """Return the keys that the file has at `loc`, faulty ones too."""
        return self._keys.get(self.in_file(loc), [])

    def in_file(self, loc: Loc) -> Loc:
        """Return a model's `loc` as it is in the file."""
        return follow(loc, self.validated.source.value, new_key=True)[1]

    def whole(self, *loc: str | int) -> bool:
        """Return whether all that the file has at `loc` was good."""
        return not self.validated.touched(self.in_file(loc))

    def connectors(self) -> list[str]:
        """Return the names that may stand where a connector's does: those of the file, faulty ones too, and the
        bridge's own that none of them takes."""
        named = self.keys("connectors")
        return [*named, *(name for name in BUILT_IN if name not in named)]

    def built_in(self, connector: str) -> bool:
        """Return whether this name means what the bridge itself offers."""
        return connector in BUILT_IN and connector not in self.keys("connectors")

    def abilities(self, connector: str) -> Capabilities | None:
        """Return what a connector can do; None where its section is faulty or there is no such connector."""
        if self.built_in(connector):
            return BUILT_IN[connector]
        options = self.configuration.connectors.get(connector)
        if options is None or not self.whole("connectors", connector):
            return None
        if connector not in self._abilities:
            self._abilities[connector] = options.abilities()
        return self._abilities[connector]

    def secrets(self) -> Iterator[tuple[Loc, SecretStr]]:
        """Yield every secret with its place; a database's address counts only if there is a password in it."""
        connectors = self.configuration.connectors.items()
        shown = {("connectors", name, *loc) for name, options in connectors for loc in options.shown()}
        for loc, value in parts(self.configuration, ()):
            if (
                isinstance(value, SecretStr)
                and loc not in shown
                and (loc != ("database",) or _WITH_PASSWORD.search(value.get_secret_value()))
            ):
                yield loc, value

    def written_out(self) -> Iterator[tuple[Loc, SecretStr]]:
        """Yield the secrets that stand in the file itself."""
        for loc, secret in self.secrets():
            place = self.validated.source.places.get(self.in_file(loc))
            if place is not None and place.text and not place.filled:
                yield loc, secret

    def fields(self, step: FindStep, name: str, own: str = "") -> frozenset[str] | None:
        """Return the fields that a found record may have, None where that is not known. `own`: the connector where the
        step names none."""
        names: set[str] = {"id"}
        if any(self.has_link(connector, step.table or name) for connector in step.in_ or [own]):
            names.add("link")
        for connector in step.in_ or [own]:
            abilities = self.abilities(connector)
            table_fields = None if abilities is None else abilities.fields.get(step.table or name)
            if table_fields is None:
                return None
            names |= table_fields
        return frozenset(names)

    def has_link(self, connector: str, kind: str) -> bool:
        """Return whether a connector says where a person opens its records of this kind."""
        abilities, options = self.abilities(connector), self.configuration.connectors.get(connector)
        if abilities is None or options is None:
            return False
        return abilities.links or options.link is not None or any(kind == own for _, own in options.own_links())


def each_of(secrets: Sequence[SecretStr], loc: Loc) -> Iterator[tuple[Loc, str]]:
    """Yield each of a key's secrets with its place."""
    yield from (((*loc, position), secret.get_secret_value()) for position, secret in enumerate(secrets))


def with_built_in(configuration: Configuration, connectors: Collection[str]) -> Configuration:
    """Return the configuration with its sources of missed calls known as such. `connectors`: the names of all
    connectors of the file, faulty ones too: one that is called so has the tasks itself."""
    if MISSED_CALLS in connectors or all(source.from_ != MISSED_CALLS for source in configuration.callbacks):
        return configuration
    sources = [source.as_built_in() if source.from_ == MISSED_CALLS else source for source in configuration.callbacks]
    return configuration.model_copy(update={"callbacks": sources})


def find_steps(configuration: Configuration) -> Iterator[FindStep]:
    """Yield everything that is looked up."""
    for query in configuration.queries.values():
        yield from query.find.values()
    for rule in configuration.activities:
        yield from (rule.find or {}).values()
    for source in configuration.callbacks:
        yield from source.find.values()


def blocks(query: Query, loc: Loc) -> Iterator[tuple[Loc, Answer]]:
    """Yield every answer of a Query."""
    yield from (((*loc, "answer", position), block) for position, block in enumerate(query.answer))
    for name in ("not_found", "ambiguous", "on_error", "on_timeout"):
        block = getattr(query, name)
        if block is not None:
            yield (*loc, name), block


def expressions(configuration: Configuration) -> Iterator[PlacedTemplate]:
    """Yield every expression of Queries and activities, those of connectors excepted."""
    for name, query in configuration.queries.items():
        loc: Loc = ("queries", name)
        yield from _steps(query.find, (*loc, "find"))
        for where, block in blocks(query, loc):
            yield from _uses(_in_block(block, where), query.find)
        for position, save in enumerate(query.save):
            yield from _uses(templates(save, (*loc, "save", position)), query.find)
    for position, rule in enumerate(configuration.activities):
        yield from _activity(rule, ("activities", position))


def _activity(rule: ActivityRule, loc: Loc) -> Iterator[PlacedTemplate]:
    steps: dict[str, FindStep] = {**usual_find(rule)}
    yield from _steps(rule.find or {}, (*loc, "find"))
    outside = (use for use in templates(rule, loc) if use[0][len(loc)] != "find")
    yield from _uses(outside, steps)


def usual_find(rule: ActivityRule) -> dict[str, FindStep]:
    """Return what an activity's rule looks up: its own steps, or the contact by the caller."""
    if rule.find is not None:
        return dict(rule.find)
    return {"contact": FindStep.model_validate({"in": [rule.in_], "phone": "{{ caller }}"})}


def _steps(steps: dict[str, Any], loc: Loc) -> Iterator[PlacedTemplate]:
    names = list(steps)
    for position, (name, step) in enumerate(steps.items()):
        earlier = {other: steps[other] for other in names[:position]}
        for where, template in templates(step, (*loc, name)):
            yield PlacedTemplate(where, template, earlier, frozenset(names[position + 1 :]))


def _uses(placed: Iterable[tuple[Loc, Template]], steps: dict[str, FindStep]) -> Iterator[PlacedTemplate]:
    return (PlacedTemplate(loc, template, steps) for loc, template in placed)


def _in_block(block: Answer, loc: Loc) -> Iterator[tuple[Loc, Template]]:
    yield from templates(block, loc)
    yield from (((*loc, name), value) for name, value in block.variables.items() if value is not None)


def templates(section: BaseModel, loc: Loc) -> Iterator[tuple[Loc, Template]]:
    """Yield every expression in a section and in those inside it, with its place."""
    for where, value in parts(section, loc):
        if isinstance(value, Template):
            yield where, value


def parts(value: Any, loc: Loc) -> Iterator[tuple[Loc, Any]]:
    """Yield everything inside a section that is no section, list or map itself, with its place."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from parts(getattr(value, name), (*loc, key_of(name, info)))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from parts(inner, (*loc, key))
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for position, inner in enumerate(value):
            yield from parts(inner, (*loc, position))
    else:
        yield loc, value
