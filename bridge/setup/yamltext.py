"""YAML as a person would write it, whose values mean what they are: whatever stands in a file of somebody else's comes
out of the configuration as it went in."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "str | int | Variable | Expression | Sequence[Value] | Mapping[str, Value]"
_WIDTH = 100
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,60}")
_WORDS_OF_YAML = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_SIMPLE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,100}")


@dataclass(frozen=True)
class Variable:
    """A value that stands in the environment, under a name."""

    name: str


@dataclass(frozen=True)
class Expression:
    """Words that mean what they mean in a configuration: `{{ }}` in them is an expression."""

    text: str


def scalar(value: str | int | Variable | Expression) -> str:
    """Return a single value. A text stands in quotes where it has to; `${` in it is no variable."""
    if isinstance(value, Variable):
        return f"${{{value.name}}}"
    if isinstance(value, Expression):
        return _quoted(value.text)
    if isinstance(value, int):
        return str(value)
    if _SIMPLE.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return _quoted(value.replace("${", "$${"))


def _quoted(text: str) -> str:
    """In double quotes, as JSON has it; what can't be seen is escaped."""
    body = json.dumps(text, ensure_ascii=False)[1:-1]
    return f'"{"".join(map(_visible, body))}"'


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _key(name: str) -> str:
    return name if _SIMPLE_KEY.fullmatch(name) and name.lower() not in _WORDS_OF_YAML else _quoted(name)


def lines(value: Mapping[str, Value], indent: int = 0) -> Iterator[str]:
    """Yield a mapping, a line each, with what is short in one line."""
    margin = " " * indent
    for name, inner in value.items():
        flow = _flow(inner)
        if flow is not None and len(margin) + len(name) + len(flow) < _WIDTH:
            yield f"{margin}{_key(name)}: {flow}"
        elif isinstance(inner, Mapping):
            yield f"{margin}{_key(name)}:"
            yield from lines(inner, indent + 2)
        elif isinstance(inner, (str, int, Variable, Expression)):
            yield f"{margin}{_key(name)}: {scalar(inner)}"
        else:
            yield f"{margin}{_key(name)}:"
            yield from _items(inner, indent + 2)


def _items(values: Sequence[Value], indent: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping):
            first, *rest = lines(value, indent + 2)
            yield f"{' ' * indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{' ' * indent}- {_flow(value)}"


def _flow(value: Value) -> str | None:
    """A value in one line; None for what has others in it that are no single values."""
    if isinstance(value, Mapping):
        if not value or not all(isinstance(inner, (str, int, Expression)) for inner in value.values()):
            return "{}" if not value else None
        return "{" + ", ".join(f"{_key(name)}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (str, int, Variable, Expression)):
        return scalar(value)
    parts = [scalar(inner) for inner in value if isinstance(inner, (str, int, Expression))]
    return f"[{', '.join(parts)}]" if len(parts) == len(value) else None


def comment(text: str, indent: int = 0) -> str:
    """Return words as a comment, in lines of a bearable length."""
    margin = f"{' ' * indent}# "
    printable = "".join(character if character.isprintable() else " " for character in text).strip()
    if not printable:
        return margin.rstrip()
    return textwrap.fill(
        printable,
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
        break_long_words=False,
    )
