"""A case more for `tests:`, put into the configuration's text: all that stands there stays as it is written."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bridge.config.nodes import Mark, Unreadable, compose
from bridge.config.source import read

_KEY = "tests"
_START = Mark(1, 1)
_PLAIN = frozenset({"ask", "replay"})


def with_case(text: str, case: Mapping[str, Any]) -> str:
    """Return the text with this case after the last of `tests:`, which begins at its end where there is none. Raises
    `Unreadable` where the text is no configuration."""
    root = compose(text)
    if not isinstance(root, MappingNode):
        raise Unreadable(_START, "a configuration is made of keys with values")
    expected = _values(text)
    expected[_KEY] = [*_as_list(expected.get(_KEY)), _values(_yaml({"case": case}))["case"]]
    for longer in (_inserted, _round_trip):
        after = longer(text, root, case)
        if after is not None and _values(after) == expected:
            return after
    raise Unreadable(_START, "write the case under tests: yourself: it can't be put in here")


def section_with(case: Mapping[str, Any]) -> str:
    """Return a section `tests:` that holds this case."""
    return f"{_KEY}:\n{_item(case, 2)}"


def _inserted(text: str, root: MappingNode, case: Mapping[str, Any]) -> str | None:
    """By adding lines alone; None where the file is laid out in a way that needs more."""
    if root.flow_style:
        return None
    tests = next((value for key, value in root.value if isinstance(key, ScalarNode) and key.value == _KEY), None)
    if tests is None:
        between = "" if not text.strip() or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{between}{section_with(case)}"
    if not isinstance(tests, SequenceNode) or tests.flow_style or not tests.value:
        return None
    lines = text.split("\n")
    last = _last_line(tests, lines)
    return "\n".join([*lines[: last + 1], _item(case, tests.start_mark.column).rstrip("\n"), *lines[last + 1 :]])


def _last_line(tests: SequenceNode, lines: list[str]) -> int:
    """The line, from 0, in which the last case ends: what only stands between it and the next key is a comment."""
    last: int = tests.end_mark.line
    if tests.end_mark.column == 0 or not lines[last][: tests.end_mark.column].strip():
        last -= 1
    last = min(last, len(lines) - 1)
    while last > tests.start_mark.line and (not lines[last].strip() or lines[last].lstrip().startswith("#")):
        last -= 1
    return last


def _item(case: Mapping[str, Any], column: int) -> str:
    """The case as an item of a list whose dashes stand in this column."""
    lines = _yaml(_quoted(case)).rstrip("\n").split("\n")
    pad = " " * column
    return "".join(f"{pad}{'  ' if number else '- '}{line}\n" for number, line in enumerate(lines))


def _round_trip(text: str, _root: Node, case: Mapping[str, Any]) -> str:
    """By reading it and writing it anew, which keeps comments, quotes and order, if not each indentation."""
    yaml = _writer()
    document = yaml.load(text)
    tests = document.get(_KEY)
    if not isinstance(tests, CommentedSeq):
        tests = document[_KEY] = CommentedSeq(_as_list(tests))
    tests.append(_quoted(case))
    return _dumped(yaml, document)


def _quoted(case: Mapping[str, Any]) -> CommentedMap:
    """The case with texts in quotes: most look like numbers."""
    quoted = CommentedMap()
    for key, value in case.items():
        if isinstance(value, Mapping):
            inner = CommentedMap((name, _text(text)) for name, text in value.items())
            inner.fa.set_flow_style()
            quoted[key] = inner
        else:
            quoted[key] = value if key in _PLAIN else _text(value)
    return quoted


def _text(value: Any) -> Any:
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value


def _yaml(value: Mapping[str, Any]) -> str:
    return _dumped(_writer(), value)


def _writer() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(yaml: YAML, value: Any) -> str:
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _values(text: str) -> dict[str, Any]:
    """What a text says, `${}` as written."""
    value = read(text, lambda written: written).value
    return dict(value) if isinstance(value, dict) else {}
