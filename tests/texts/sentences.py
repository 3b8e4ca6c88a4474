"""The English sentences in the code that reach people without being a `Text`: faults, errors, reasons, descriptions of
keys. The catalogue has them, too: `bridge.texts.said` finds them there again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import bridge
import connectors

_ROOTS = (Path(bridge.__file__).parent, Path(connectors.__file__).parent)
_NOT_FOR_PEOPLE = (
    "connectors/testing/", "connectors/spoken.py", "connectors/masking.py", "connectors/csv/index.py",
    "connectors/sql/statements.py", "bridge/cli/", "bridge/texts/", "bridge/web/", "bridge/infocaller/",
    "bridge/simulator/", "bridge/setup/", "bridge/store/migrations/", "bridge/store/tables.py",
    "bridge/service/metrics.py", "bridge/queue/procrastinate.py", "bridge/runtime/limits.py",
    "bridge/troubles/ledger.py", "bridge/config/reference.py", "bridge/store/callbacks.py",
)  # fmt: skip
"""Who speaks to machines, in logs, in Spanish on purpose, in the catalogue's other way, or in documents."""
_NO_SENTENCES = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|CASE)\b .*|.*[(\[|](?:\?|\[|\\[bwsd]).*|.*\\[bwsdZ].*|.*import json.*"
    r"|# .*|tag:yaml.*|urn:.*|<\?xml.*|.*(?:\+pysqlite|\+psycopg)|[a-z]+(?:[|&][a-z]+)+.*|style-src.*|default-src.*",
    re.DOTALL,
)
_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_CODE = frozenset({
    "Text", "Plural", "cast", "compile", "execute", "run", "text", "startswith", "endswith", "search", "fullmatch",
    "TypeError", "AssertionError", "AttributeError", "warn", "see", "Expression", "GaugeMetricFamily", "lower",
    "OutageLog", "cancel",
})  # fmt: skip
_WORD = re.compile(r"(?<![\w/.{-])[A-Za-z][a-z']+(?![\w/.=(])|\b[aI]\b")
_TEMPLATE = re.compile(r"(?<![{$])\{[a-z_]+\}(?!\})")
_LEAST_WORDS = 2


def sentences() -> Iterator[tuple[str, int, str]]:
    """Each with its file and line. `{0}` stands where a value is put in."""
    for root in _ROOTS:
        for file in sorted(root.rglob("*.py")):
            name = file.relative_to(root.parent).as_posix()
            if not name.startswith(_NOT_FOR_PEOPLE):
                for line, text in _of(ast.parse(file.read_text("utf-8"))):
                    if (
                        not _NO_SENTENCES.fullmatch(text)
                        and len(_WORD.findall(re.sub(r"\{\d+\}", " ", text))) >= _LEAST_WORDS
                    ):
                        yield name, line, _bare(text.strip())


def _bare(text: str) -> str:
    """A piece that is put behind others, without what joins it to them."""
    if text.startswith("("):
        text = text[1:].removesuffix(")")
    return text.lstrip(";,: ")


def _of(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Call) and _called(node) in _CODE:
        return
    if isinstance(node, ast.Call) and _called(node) in _LOGS and isinstance(node.func, ast.Attribute):
        return
    if isinstance(node, ast.keyword) and node.arg in ("examples", "pattern", "exchange"):
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, _escaped(node.value)
        return
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, _template(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _of(part.value)
        return
    for child in ast.iter_child_nodes(node):
        yield from _of(child)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _escaped(text: str) -> str:
    """A constant's braces are no placeholders, unless it is a template of its own."""
    return text if _TEMPLATE.search(text) else text.replace("{", "{{").replace("}", "}}")


def _template(node: ast.JoinedStr) -> str:
    text, count = "", 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value).replace("{", "{{").replace("}", "}}")
        else:
            text, count = f"{text}{{{count}}}", count + 1
    return text
