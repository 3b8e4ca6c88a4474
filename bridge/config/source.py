"""YAML as the configuration uses it: read to plain values, with the place in the file of each key and value.

YAML 1.2 (`on:` is a key, `NO` a text), anchors, aliases and `<<`. Duplicate keys, tags of one's own and anything that
unfolds without end are faults. Numbers keep their spelling. The values are made here and not by ruamel.yaml, whose own
constructors keep either the spelling or the safety, not both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bridge.config.nodes import DEEPEST, Alias, Mark, Unreadable, compose, mark_of
from bridge.config.scalars import resolve

Loc = tuple[str | int, ...]
"""The way to a value: keys and list positions (from 0)."""

LARGEST = 50_000


class Items(list[Any]):
    """A list; `origin` are the positions in the file of what is left of it."""

    origin: list[int]


@dataclass(frozen=True, slots=True)
class Location:
    """Where something stands: its key (None for what has none) and its value. `text` is a scalar as written, before
    `${}` is filled in; `filled` whether there was any to fill in."""

    key: Mark | None
    value: Mark
    text: str = ""
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something wrong at `loc`: with its key, or with its value. `outage`: with a file beside it, see
    `connectors.base.Problem`."""

    loc: Loc
    text: str
    at_key: bool = False
    outage: bool = False


class Unfilled(Exception):
    """A `${}` could not be filled in: the message says which and why."""


@dataclass(slots=True)
class Source:
    """A file that was read: its `value`, the `places` of all there is in it, and what is `wrong` so far."""

    value: Any = None
    places: dict[Loc, Location] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    twice: list[tuple[Mark, Loc, str]] = field(default_factory=list)
    """Keys that stand twice in one section: place of the second, its path, what is wrong."""

    def place(self, loc: Loc) -> Location:
        """Return the place of `loc`, or of the nearest thing around it that is in the file."""
        while loc not in self.places:
            loc = loc[:-1]
        return self.places[loc]


def read(text: str, fill: Callable[[str], str]) -> Source:
    """Read a whole file; `fill` puts in what `${}` stands for and raises `Unfilled`. Raises `Unreadable`."""
    root = compose(text)
    source = Source()
    _Unfolder(source, fill).run(root)
    return source


class _Unfolder:
    """Nodes to values and places. What aliases unfold to is counted, so that it stays small."""

    def __init__(self, source: Source, fill: Callable[[str], str]) -> None:
        self._source = source
        self._fill = fill
        self._count = 0
        self._seen_twice: set[Mark] = set()

    def run(self, root: Node) -> None:
        """Read the document into the source: values, and the place of each."""
        self._source.value = self._value(root, (), None, 0)

    def _value(self, node: Node, loc: Loc, key: Mark | None, depth: int) -> Any:
        mark, node = mark_of(node.start_mark), _target(node)
        self._count += 1
        if self._count > LARGEST or depth > DEEPEST:
            raise Unreadable(mark, "the aliases (*) unfold to more than a configuration can hold: write it out")
        if isinstance(node, ScalarNode):
            if key is not None and node.style is None and not node.value:
                mark = key  # where nothing stands after a key, YAML's own mark is that of whatever comes next
            self._source.places[loc] = Location(key, mark, node.value)
            return self._scalar(node, loc)
        self._source.places[loc] = Location(key, mark)
        if isinstance(node, SequenceNode):
            items = Items(self._value(part, (*loc, at), None, depth + 1) for at, part in enumerate(node.value))
            items.origin = list(range(len(items)))
            return items
        return self._mapping(node, loc, depth)

    def _mapping(self, node: Node, loc: Loc, depth: int) -> dict[str, Any]:
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            name = _name(key)
            if name == "<<" and _target(key).style is None:
                merged = _merged(value) | merged
            elif name in own:
                self._twice(mark_of(own[name][0].start_mark), mark_of(key.start_mark), (*loc, name))
            else:
                own[name] = key, value
        return {
            name: self._value(value, (*loc, name), mark_of(key.start_mark), depth + 1)
            for name, (key, value) in (merged | own).items()
        }

    def _twice(self, first: Mark, second: Mark, loc: Loc) -> None:
        if second not in self._seen_twice:  # once, however many aliases lead here
            self._seen_twice.add(second)
            text = f"it stands here twice, first in line {first.line}, column {first.column}: keep one of the two"
            self._source.twice.append((second, loc, text))

    def _scalar(self, node: ScalarNode, loc: Loc) -> Any:
        if "${" in node.value:
            place = self._source.places[loc]
            self._source.places[loc] = replace(place, filled=True)
            try:
                return self._fill(node.value)
            except Unfilled as error:
                self._source.wrong.append(Wrong(loc, str(error)))
                return node.value
        return resolve(node.value) if node.style is None else node.value


def _target(node: Node) -> Any:
    """The node itself, or what an alias stands for."""
    return node.value if isinstance(node, Alias) else node


def _name(key: Node) -> str:
    """Return the text of a key. Raises `Unreadable`."""
    node = _target(key)
    if not isinstance(node, ScalarNode):
        text = 'a key can\'t be a list or a section; a text with {{ }} needs quotes: "{{ caller }}"'
        raise Unreadable(mark_of(key.start_mark), text)
    if not node.value:
        raise Unreadable(mark_of(key.start_mark), "there is no key before this ':'")
    return str(node.value)


def _merged(node: Node) -> dict[str, tuple[Node, Node]]:
    """The keys that `<<: *name` or `<<: [*one, *two]` brings; of several, the first that has one counts."""
    target = _target(node)
    if isinstance(target, MappingNode) and not any(key.value == "<<" for key, _ in target.value):
        return {key.value: (key, value) for key, value in reversed(target.value)}
    if isinstance(target, SequenceNode) and all(
        isinstance(item, Alias) and isinstance(item.value, MappingNode) for item in target.value
    ):
        merged: dict[str, tuple[Node, Node]] = {}
        for item in reversed(target.value):
            merged |= _merged(item)
        return merged
    raise Unreadable(
        mark_of(node.start_mark), "after <<: stands *name of a section (without a << of its own), or a list of them"
    )
