"""The English sentences in the code that reach people without being a `Text`: faults, errors, reasons, descriptions of
keys, and what connectors log, which a command shows. The catalogue has them, too: `bridge.texts.said` finds them there
again."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import bridge
import connectors

_ROOTS = (Path(bridge.__file__).parent, Path(connectors.__file__).parent)
_NOT_FOR_PEOPLE = (
    "connectors/testing/", "connectors/spoken.py", "connectors/masking.py", "connectors/csv/index.py",
    "connectors/sql/statements.py", "bridge/cli/", "bridge/texts/", "bridge/web/callbacks.py",
    "bridge/web/console", "bridge/web/edge.py", "bridge/web/guessing.py", "bridge/web/health.py", "bridge/web/pages.py",
    "bridge/web/taskjson.py", "bridge/infocaller/curl.py", "bridge/infocaller/request.py", "bridge/infocaller/tree.py",
    "bridge/simulator/", "bridge/setup/", "bridge/store/migrations/", "bridge/store/tables.py",
    "bridge/service/metrics.py", "bridge/queue/procrastinate.py", "bridge/runtime/limits.py",
    "bridge/troubles/ledger.py", "bridge/config/reference.py", "bridge/store/callbacktasks.py",
)  # fmt: skip
"""Who speaks to machines, in logs, in Spanish on purpose, in the catalogue's other way, or in documents."""
_NO_SENTENCES = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|CASE)\b .*|.*[(\[|](?:\?|\[|\\[bwsd]).*|.*\\[bwsdZ].*|.*import json.*"
    r"|# .*|tag:yaml.*|urn:.*|<\?xml.*|.*(?:\+pysqlite|\+psycopg)|[a-z]+(?:[|&][a-z]+)+.*|style-src.*|default-src.*",
    re.DOTALL,
)
_LOGGED_TO_PEOPLE = ("connectors/", "bridge/lookups/")
_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_CODE = frozenset({
    "Text", "Plural", "cast", "compile", "execute", "run", "text", "startswith", "endswith", "search", "fullmatch",
    "TypeError", "AssertionError", "AttributeError", "warn", "see", "Expression", "GaugeMetricFamily", "lower",
    "OutageLog",
})  # fmt: skip
_WORD = re.compile(r"(?<![\w/.{-])[A-Za-z][a-z']+(?![\w/.=(])|\b[aI]\b")
_TEMPLATE = re.compile(r"(?<![{$])\{(?:[a-z_]+|\d)\}(?!\})")
_LEAST_WORDS = 2


_NOBODY_READS = frozenset({
    "Expected an expression",
    "In Progress",
    "Invalid jmespath expression:",
    "Node Type",
    "Python itself",
    "Relation Name",
    "STATUS={0} does not answer",
    "Seq Scan",
    "Value error,",
    "[h]:mm:ss",
    "a time without a zone can't be stored",
    "an admitted callback is not kept back",
    "base de datos restaurada",
    "call {0}:{1} was changed meanwhile; it is read again",
    "character '\\\\t'",
    "client credentials",
    "client identifier",
    "could not find expected ':'",
    "database is locked",
    "database or disk is full",
    "database table is locked",
    "did you mean",
    "disk full",
    "disk i/o error",
    "document start",
    "end of comment",
    "end of print statement",
    "end of template",
    "expected <block end>",
    "expected alphabetic or numeric",
    "expected escape sequence",
    "expected the node content",
    "gzip, deflate",
    "hasn't approved",
    "inactive user",
    "it runs in one",
    "last brace missing",
    "infocaller-bridge callbacks resume {0}",
    "infocaller-bridge check",
    "infocaller-bridge {0} resume {1}",
    "infocaller-bridge lines resume {0}",
    "infocaller-bridge[sql]",
    "infocaller_bridge_jobs_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing')",
    "infocaller_bridge_jobs_next ON procrastinate_jobs (queue_name, priority DESC, id) WHERE status = 'todo'",
    "invalid assertion",
    "ip restricted",
    "lock timeout",
    "mapping values are not allowed",
    "no client credentials user",
    "no space left",
    "no space left on device",
    "no such table",
    "no valid scopes",
    "not a database",
    "not supported on this domain",
    "nothing has changed, it has not settled, or it is too early to try again",
    "one of the two is there",
    "only asked where tasks are updated",
    "only called where there are tasks",
    "only calls that are stored and have a start are found",
    "only made where something is inserted",
    "only tried where there is one",
    "out of range",
    "password authentication failed",
    "per_address and asked_per_number of callbacks",
    "rate exceeded",
    "read it",
    "readonly database",
    "restored database",
    "security token",
    "statement timeout",
    "status in the database's words",
    "str | int | float | Decimal | date | Text | None",
    "tag|URI|undefined",
    "the code came from the metadata of a region",
    "this runner works on SQLite",
    "too many clients",
    "too many connections",
    "unable to open database file",
    "unexpected document separator",
    "unexpected end of stream",
    "unknown escape character",
    "what was loaded is what the file holds",
    "{0} has {1} characters; {2} at most are accepted",
    "{0} is no file",
})  # fmt: skip
"""What others say, and is looked for in it; names and values; what only those read who write code."""


def sentences() -> Iterator[tuple[str, int, str]]:
    """Each with its file and line. `{0}` stands where a value is put in."""
    for root in _ROOTS:
        for file in sorted(root.rglob("*.py")):
            name = file.relative_to(root.parent).as_posix()
            if not name.startswith(_NOT_FOR_PEOPLE):
                tree = ast.parse(file.read_text("utf-8"))
                for line, text in [*_of(tree), *(_logged(tree) if name.startswith(_LOGGED_TO_PEOPLE) else ())]:
                    sentence = _bare(text.strip())
                    if _counts(text) and sentence and sentence not in _NOBODY_READS:
                        yield name, line, sentence


def _counts(text: str) -> bool:
    """Whether it is words, and enough of them."""
    words = _WORD.findall(re.sub(r"\{\d+\}", " ", text))
    return len(words) >= _LEAST_WORDS and not _NO_SENTENCES.fullmatch(text)


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


def _logged(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What is logged as a warning or worse, `{0}` for `%s`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in _LOGS - {"debug", "info"}:
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            for text in texts[:1]:
                if isinstance(text, str):
                    places = itertools.count()
                    yield node.lineno, re.sub(r"%[sdr]", lambda _: f"{{{next(places)}}}", text)  # noqa: B023 - at once


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
