"""A YAML text as a tree of nodes, each with its place in the file. ruamel.yaml reads the text into events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from bridge.config import syntax

DEEPEST = 64
"""So many levels may stand inside one another."""
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_TEXT = "tag:yaml.org,2002:str"


class Mark(NamedTuple):
    """A place in the file, both counted from 1."""

    line: int
    column: int


class Unreadable(Exception):
    """The text is no YAML that can be used; `mark` is where."""

    def __init__(self, mark: Mark, text: str) -> None:
        super().__init__(text)
        self.mark = mark


@dataclass(slots=True)
class Node:
    """A part of the file, before aliases are unfolded. One of `text`, `items`, `pairs` counts, as `kind` says."""

    kind: str
    mark: Mark
    text: str = ""
    plain: bool = False
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    alias: Node | None = None
    open: bool = True


def compose(text: str) -> Node:
    """The one document of a text. Raises `Unreadable`."""
    return _Composer(text).root()


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


class _Composer:
    """Events to nodes. Depth is bounded here, so that neither this nor what follows runs out of stack."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
        self._anchors: dict[str, Node] = {}

    def root(self) -> Node:
        """The whole document."""
        try:
            documents = list(self._documents())
        except MarkedYAMLError as error:
            mark, what = syntax.explain(error, self._text)
            raise Unreadable(Mark(*mark), what) from None
        except YAMLError as error:
            raise Unreadable(Mark(1, 1), f"this is not YAML: {str(error).splitlines()[0]}") from None
        if not documents:
            raise Unreadable(Mark(1, 1), "the file is empty: start with lines:, and see config.example.yaml")
        return documents[0]

    def _documents(self) -> Iterator[Node]:
        found = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                found += 1
                if found > 1:
                    raise Unreadable(_mark(event.start_mark), "a second document begins here: remove the ---")
            elif isinstance(event, NodeEvent):
                yield self._node(event, 0)

    def _node(self, event: Any, depth: int) -> Node:
        mark = _mark(event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(str(event.anchor), mark)
        if depth > DEEPEST:
            raise Unreadable(mark, f"more than {DEEPEST} levels inside one another: is a bracket not closed?")
        tag = None if event.tag is None else str(event.tag)
        if tag is not None and tag not in _PLAIN_TAGS:
            shown = tag.replace("tag:yaml.org,2002:", "!!")[:40]
            raise Unreadable(mark, f"the tag {shown} means nothing here: put the text in quotes")
        node = Node("text", mark)
        if event.anchor:
            self._anchors[str(event.anchor)] = node
        if isinstance(event, ScalarEvent):
            node.text, node.plain = event.value, event.style is None and tag != _TEXT
        elif isinstance(event, SequenceStartEvent):
            node.kind = "list"
            node.items = [self._node(part, depth + 1) for part in self._until(SequenceEndEvent)]
        elif isinstance(event, MappingStartEvent):
            node.kind = "map"
            for key in self._until(MappingEndEvent):
                pair = self._node(key, depth + 1), self._node(next(self._events), depth + 1)
                node.pairs.append(pair)
        node.open = False
        return node

    def _until(self, end: type[Event]) -> Iterator[Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _alias(self, name: str, mark: Mark) -> Node:
        target = self._anchors.get(name)
        if target is None:
            raise Unreadable(mark, f"no anchor &{name} stands before this *{name}; a text with * in front needs quotes")
        if target.open:
            raise Unreadable(mark, f"*{name} stands inside what it means: it would never end")
        return Node("alias", mark, alias=target)
