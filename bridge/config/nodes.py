"""A YAML text as ruamel.yaml's nodes, which know their spelling and their place in the file."""

from __future__ import annotations

from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent
from ruamel.yaml.nodes import Node

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


class Alias(Node):
    """A `*name` in its own place; `value` is the node that it stands for."""


def compose(text: str) -> Node:
    """Return the one document of a text, before aliases are unfolded. Raises `Unreadable`."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    try:
        root: Node | None = yaml.compose(text)
    except ComposerError as error:
        raise Unreadable(mark_of(error.problem_mark), "a second document begins here: remove the ---") from None
    except MarkedYAMLError as error:
        mark, reason = syntax.explain(error, text)
        raise Unreadable(Mark(*mark), reason) from None
    except YAMLError as error:
        raise Unreadable(Mark(1, 1), f"this is not YAML: {str(error).splitlines()[0]}") from None
    except AssertionError:  # how ruamel.yaml refuses the version in a %YAML
        line = text[: text.find("%YAML")].count("\n") + 1
        raise Unreadable(Mark(line, 1), "YAML has no such version: remove this line, or write %YAML 1.2") from None
    if root is None:
        raise Unreadable(Mark(1, 1), "the file is empty: start with lines:, and see config.example.yaml")
    return root


def mark_of(start: Any) -> Mark:
    """Return the place of a mark of ruamel.yaml, which counts from 0."""
    return Mark(start.line + 1, start.column + 1)


class _Composer(Composer):
    """Keeps aliases where they stand, and bounds depth, so that neither this nor what follows runs out of stack."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Node:
        """The next node. Raises `Unreadable`."""
        event = self.parser.peek_event()
        mark = mark_of(event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(self.parser.get_event(), mark)
        if self._depth > DEEPEST:
            raise Unreadable(mark, f"more than {DEEPEST} levels inside one another: is a bracket not closed?")
        tag = None if event.tag is None else str(event.tag)
        if tag is not None and tag not in _PLAIN_TAGS:
            shown = tag.replace("tag:yaml.org,2002:", "!!")[:40]
            raise Unreadable(mark, f"the tag {shown} means nothing here: put the text in quotes")
        if tag == _TEXT and isinstance(event, ScalarEvent):
            event.style = event.style or '"'  # !!str does what quotes do
        self._depth += 1
        node: Node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _alias(self, event: AliasEvent, mark: Mark) -> Alias:
        name = event.anchor
        target = self.anchors.get(name)
        if target is None:
            raise Unreadable(mark, f"no anchor &{name} stands before this *{name}; a text with * in front needs quotes")
        if target.end_mark is None:
            raise Unreadable(mark, f"*{name} stands inside what it means: it would never end")
        return Alias(None, target, event.start_mark, event.end_mark)
