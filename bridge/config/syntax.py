"""What is wrong with a text that is no YAML, in words for whoever wrote it. The text itself is never quoted: it may
hold a password."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.tokens import ScalarToken

_UNQUOTED_BRACES = re.compile(r"[:\-\[,{]\s*\{\{")
_VARIABLE_BACKWARDS = re.compile(r"\{\$[^\s\"'#:,\[]*+\s*+(?P<before>[:,\[])?")

_SAYINGS: Mapping[str, str] = {
    r"character '\\t'": "a tab: write spaces at the start of a line, YAML takes nothing else there",
    r"character '([@`%|>])'": "a text that starts with {0} needs quotes",
    r"mapping values are not allowed": "this ':' can't stand here: put a text that holds ': ' in quotes, or check how "
    "far this line and the one before are indented",
    r"expected <block end>": "this does not line up with the lines above: check how far it is indented, and that the "
    "line above is complete",
    r"could not find expected ':'": "a ':' is missing after this key, or the line is not indented enough",
    r"expected ',' or '([}\]])'": "a ',' or '{0}' is missing before this; a text with : , {{ }} [ ] needs quotes",
    r"expected the node content": "a value is missing here; a text that starts with }} ] or , needs quotes",
    r"unknown escape character": "in double quotes a \\ has a meaning of its own: write \\\\, or use single quotes",
    r"expected escape sequence": "in double quotes a \\ has a meaning of its own: use single quotes, as in "
    "'C:\\Users\\data.csv', or write / in a path",
    r"unexpected document separator": "the quote that opens here is not closed",
    r"document start": "this stands outside the document: check how far it is indented, or remove the line of dots",
    r"expected alphabetic or numeric": "a name is missing after & or *; a text that starts with one needs quotes",
    r"tag|URI|undefined": "a text that starts with ! needs quotes",
    r"directive|version": "a line that starts with % needs quotes",
}  # fmt: skip


def explain(error: MarkedYAMLError, text: str) -> tuple[tuple[int, int], str]:
    """Return line and column, from 1, and what to do about it."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    problem = str(error.problem or "")
    if "unexpected end of stream" in problem and error.context_mark:
        return (error.context_mark.line + 1, error.context_mark.column + 1), "the quote that opens here is not closed"
    quote = _open_quote(text, line, column)
    if quote is not None:
        return quote, f"the quote that opens here is not closed before line {line + 1}"
    return (line + 1, column + 1), _saying(problem, _line(text, line))


def _open_quote(text: str, line: int, column: int) -> tuple[int, int] | None:
    """Where a quoted text opens that goes on over line breaks to just before this place: then its own end is missing,
    and the quote that was meant to open another text has closed it."""
    opening: tuple[int, int] | None = None
    try:
        for token in YAML(typ="safe", pure=True).scan(text):
            if (token.start_mark.line, token.start_mark.column) >= (line, column):
                break
            if isinstance(token, ScalarToken) and token.style in ("'", '"'):
                over = token.start_mark.line < token.end_mark.line == line
                opening = (token.start_mark.line + 1, token.start_mark.column + 1) if over else None
    except MarkedYAMLError:
        pass
    return opening


def _line(text: str, number: int) -> str:
    lines = text.split("\n", number + 1)
    return lines[number] if number < len(lines) else ""


def _saying(problem: str, line: str) -> str:
    if _UNQUOTED_BRACES.search(line):
        return 'a text with {{ }} needs quotes around all of it, such as "{{ caller }}"'
    if _has_unquoted_variable(line):
        return 'inside { } and [ ] a ${NAME} needs quotes: "${NAME}"'
    for pattern, saying in _SAYINGS.items():
        match = re.search(pattern, problem)
        if match:
            return saying.format(*match.groups())
    return f"this is not YAML: {problem}"


def _has_unquoted_variable(line: str) -> bool:
    """Whether a `${` stands inside `{` or `[`, after a `:`, `,` or `[` and without quotes. Read from the end, so
    that no character is looked at twice."""
    opening = min((at for at in map(line.find, "{[") if at >= 0), default=len(line))
    return any(match["before"] for match in _VARIABLE_BACKWARDS.finditer(line[:opening:-1]))
