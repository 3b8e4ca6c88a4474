"""No text that a stranger sends can hold a process: every regular expression of ours takes 256 KiB of the worst that
can be made for it in a moment, however it is used.

The patterns are found in the source, so that a new one can't be forgotten: `_patterns` reads each module, evaluates
what stands in `re.compile(…)`, `re.sub(…)`… and looks up by which methods each is used. What can't be evaluated (it is
put together while the bridge runs) has to stand in `MADE_WHILE_RUNNING`, with what it is tried with or why it need not
be. What patterns do together, and the library's beside them, is tried in `FUNCTIONS`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from re import _constants as _c  # type: ignore[attr-defined]  # no public way to a pattern's parts
from re import _parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

import bridge
import connectors
from bridge.config import syntax
from bridge.errors import ProtocolError
from bridge.infocaller import document
from bridge.runtime import log
from bridge.web import reply
from connectors import masking, phone
from connectors.http import scrubbing

LARGE = 256 * 1024
ALLOWED = 0.5
"""Seconds of CPU for that. Linear ones take a hundredth of it, on a busy machine a tenth; quadratic ones minutes."""
_SIZES = (512, 8 * 1024, 32 * 1024)  # tried first: what is worse than linear shows there, in less than a minute
_METHODS = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
_PALETTE = " \t\n\r0159aAzZ_-+.,:;/|\"'`<>{}[]()&%\\=#~*@!?$\0\u00a0\u00e9\u2010\u0660\ufffd"

MADE_WHILE_RUNNING = {
    "bridge.alerts.message.Wording.__init__": "literal texts, one or another",
    "bridge.config.faults.hidden": "a literal text between two looks at one character",
    "bridge.simulator.demo._unpack": "sees nothing but the packaged example",
    "bridge.runtime.log.Formatter.hide": "literal texts, one or another",
    "connectors.phonebulk._compiled": "of phonenumbers' metadata; cells of 40 characters and more never come to it",
    "connectors.phone._anywhere": "tried below, in FUNCTIONS",
    "connectors.sql.catalog._table": "literal texts, of names in the admin's own statements",
}
EXEMPT = {
    "connectors.urltemplate._EXPRESSION": "sees nothing but the admin's own configuration",
    "connectors.sql.statements._KEY_COLUMN": "sees nothing but the admin's own statements",
    "connectors.sql.statements._SCANNERS": "sees nothing but the admin's own statements",
    "connectors.sql.statements._TABLE": "sees nothing but the admin's own statements",
}
"""Patterns that may take longer, each with the reason why that harms nobody."""
SHORT = {
    "bridge.runtime.log._NUMBER": 16_000,
    "connectors.http.scrubbing._XML_SECRET": 200,
    "connectors.sql.families._SIGN_IN": 2000,
    "connectors.masking._DATE": 16_000,
    "connectors.masking._JSON_SECRET": 16_000,
    "connectors.masking._LONG_DIGITS": 16_000,
    "connectors.masking._PHONE": 16_000,
    "connectors.masking._SECRET_NAME": 16_000,
    "connectors.masking._XML_SECRET": 16_000,
    r"connectors.masking._digits '\\d'": 16_000,
    r"connectors.masking._digits '(\\\\u[\\da-fA-F]{4})|\\d'": 16_000,
}
"""Patterns that see so many characters at most, whatever comes: what calls them is in `FUNCTIONS`, with all of it."""


def _modules() -> Iterator[ModuleType]:
    for package in (bridge, connectors):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:  # those run, when imported
                yield importlib.import_module(found.name)


def _patterns() -> Iterator[tuple[str, re.Pattern[Any] | None, str]]:
    """Where each stands, the pattern (None: it is put together while the bridge runs), and the method it is used by."""
    used: dict[int, tuple[str, re.Pattern[Any], set[str]]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            for pattern in _held(value):
                used.setdefault(id(pattern), (f"{module.__name__}.{name}", pattern, set()))
    for module in _modules():
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        for node, where in _nodes(tree, module.__name__):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _METHODS:
                named = getattr(module, node.value.id, None)
                if isinstance(named, re.Pattern):
                    used[id(named)][2].add(node.attr)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_re(node.func.value):
                yield from _inline(node, node.func.attr, where, module)
    for where, pattern, methods in used.values():
        for method in methods or _METHODS:
            yield where, pattern, method


def _held(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (tuple, list, set, frozenset)):
        yield from (one for one in value if isinstance(one, re.Pattern))
    elif isinstance(value, dict):
        yield from (one for pair in value.items() for one in pair if isinstance(one, re.Pattern))


def _nodes(tree: ast.AST, where: str) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, (ast.FunctionDef, ast.ClassDef))
        inside = f"{where}.{node.name}" if named else where  # type: ignore[attr-defined]
        yield node, inside
        yield from _nodes(node, inside)


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _inline(call: ast.Call, method: str, where: str, module: ModuleType) -> Iterator[tuple[str, Any, str]]:
    """A pattern that stands where it is used; one of a module's own names is found by its value."""
    if method not in _METHODS and not (method == "compile" and where != module.__name__):
        return
    flags = next((word.value for word in call.keywords if word.arg == "flags"), None)
    place = {"sub": 4, "subn": 4, "split": 3}.get(method, 2 if method != "compile" else 1)
    if flags is None and len(call.args) > place:
        flags = call.args[place]
    if method == "compile" and flags is None and len(call.args) > 1:
        flags = call.args[1]
    text = call.args[0]
    try:
        pattern = re.compile(_value(text, module), _value(flags, module) if flags is not None else 0)
    except NameError:
        if where == "bridge.config.syntax._saying":
            for saying in syntax._SAYINGS:
                yield f"{where} {saying!r}", re.compile(saying), "search"
            return
        yield where, None, method
        return
    yield f"{where} {pattern.pattern!r}", pattern, method


def _value(expression: ast.expr, module: ModuleType) -> Any:
    return eval(compile(ast.Expression(expression), "pattern", "eval"), dict(vars(module)))


def test_no_pattern_takes_long_for_what_is_made_to_hold_it() -> None:
    """One test, since to find them costs two seconds: each test process would pay that for itself."""
    found = sorted(set(_patterns()), key=lambda one: (one[0], one[2]))
    places = {where for where, _, _ in found}
    assert {"bridge.web.reply._XML", "connectors.masking._PHONE", "connectors.phone._BETWEEN"} <= places
    assert len(places) > 80
    assert {where for where, pattern, _ in found if pattern is None} == set(MADE_WHILE_RUNNING)
    for where, pattern, method in found:
        if pattern is not None and where not in EXEMPT:
            for unit in _hostile(pattern):
                _bounded(partial(_use, pattern, method), unit, f"{where}, {method}", SHORT.get(where, LARGE))


def _use(pattern: re.Pattern[Any], method: str, text: str) -> None:
    given: Any = text.encode("utf-8") if isinstance(pattern.pattern, bytes) else text
    use = getattr(pattern, method)
    if method in ("sub", "subn"):
        use(given[:0], given)
    elif method == "finditer":
        deque(use(given), 0)
    else:
        use(given)


_NUMBER = phone.parse("600111222", "ES")


def _read(text: str) -> None:
    with suppress(ProtocolError):
        document.read(text.encode(), "")


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "the format of a refusal": lambda text: reply.guess(text.encode(), text),
    "a document": _read,  # parsers, and what mends what they don't take
    "a number anywhere in a text": lambda text: phone.mentions(text, _NUMBER, "ES"),
    "the numbers of a cell": lambda text: list(phone.parse_all(text, "ES")),
    "the numbers of a long cell": lambda text: list(phone.parse_all(text[:1000], "ES")),
    "a number": lambda text: phone.parse(text, "ES"),
    "what is logged": log.Formatter().masked,
    "what a connector shows": masking.Mask(("a-secret-of-ours",)).text,
    "what a cassette keeps": scrubbing.Scrubber(("a-secret-of-ours",)).text,
    "what is wrong with the configuration": lambda text: syntax._saying("", text),
}
_UNITS = [
    *_PALETTE, "600111222 ", "6 0 0 1 1 1 2 2 3 ", "600111222 ext", " ext ,,", "+44 600111222,", "60011122", "%20",
    "a=", "%EF%BB%BF", "\ufeff", "<a ", "<token ", "&", "a=b&", '"a":"b",', "1,", "<a></b>", '"token"', "&amp;", "<!--",
    "6-", "${", "{{", ":${", "[[", "\\u00a0",
]  # fmt: skip


@pytest.mark.parametrize("what", FUNCTIONS)
def test_what_patterns_do_together_takes_no_longer(what: str) -> None:
    for unit in _UNITS:
        for before, after in (("", ""), ("x 611222333 ext,", ",5"), ("<", "x"), ('{"', "}")):
            _bounded(FUNCTIONS[what], (before, unit, after), what)


def _bounded(run: Callable[[str], object], unit: tuple[str, str, str], where: str, largest: int = LARGE) -> None:
    before, repeated, after = unit
    for size in (*(size for size in _SIZES if size < largest), largest):
        text = f"{before}{repeated * (size // len(repeated.encode()) or 1)}{after}"
        took = _seconds(run, text)
        assert took < ALLOWED, f"{where}: {took:.3f} s for {size} bytes of {before!r}, {repeated!r}…, {after!r}"
        if took * (largest / size) ** 2 < ALLOWED:
            return  # nor would the largest take long if the time grew with its square; the cube of 8 KiB takes minutes


def _seconds(run: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    run(text)
    return time.process_time() - began


def _hostile(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """What may be worst for a pattern: what comes before, what is repeated, what comes after. Runs of each kind of
    character that it tells apart, taken by each of its repeats, behind what leads there, ended by what it does not
    take; near-misses over and over."""
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    tree = _parser.parse(text, flags)
    kinds = _kinds(tree, flags)
    whole = _example(tree)
    found = {("", one, "") for one in (*kinds, whole or "a", whole[:-1] or "a")}
    for before, body in _repeats(tree, ("", "")):
        for repeated in {_example(body, kind, flags) for kind in kinds} - {""}:
            for start in dict.fromkeys(before):
                found |= {(start, repeated, "\0"), ("", start + repeated * 9, "\0")}
        taken = "".join(kind for kind in kinds if _example(body, kind, flags) == kind)
        found |= {(start, taken, "\0") for start in before if taken}
    return sorted(found)


def _kinds(tree: Any, flags: int) -> list[str]:
    """One character of each kind that the pattern's parts tell apart."""
    parts = list(_parts(tree))
    told: dict[tuple[bool, ...], str] = {}
    for character in _PALETTE:
        told.setdefault(tuple(_takes_one(*part, character, flags) for part in parts), character)
    return list(told.values())


def _parts(tree: Any) -> Iterator[tuple[Any, Any]]:
    for operation, value in tree:
        if operation in _SINGLE:
            yield operation, value
        else:
            for inner in _inner(operation, value):
                yield from _parts(inner)


def _inner(operation: Any, value: Any) -> list[Any]:
    if operation is _c.SUBPATTERN:
        return [value[3]]
    if operation is _c.ATOMIC_GROUP:
        return [value]
    if operation is _c.BRANCH:
        return list(value[1])
    if operation in (_c.ASSERT, _c.ASSERT_NOT):
        return [value[1]]
    return [value[2]] if operation in _REPEATS else []


_SINGLE = (_c.LITERAL, _c.NOT_LITERAL, _c.ANY, _c.IN, _c.CATEGORY)
_REPEATS = (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT)
_CLASSES = {
    _c.CATEGORY_DIGIT: r"\d", _c.CATEGORY_NOT_DIGIT: r"\D", _c.CATEGORY_SPACE: r"\s", _c.CATEGORY_NOT_SPACE: r"\S",
    _c.CATEGORY_WORD: r"\w", _c.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _takes_one(operation: Any, value: Any, character: str, flags: int) -> bool:
    code = ord(character)
    if operation is _c.LITERAL:
        return bool(value == code)
    if operation is _c.NOT_LITERAL:
        return bool(value != code)
    if operation is _c.ANY:
        return character != "\n" or bool(flags & re.DOTALL)
    if operation is _c.CATEGORY:
        return re.match(_CLASSES[value], character) is not None
    if operation is _c.IN:
        negated = value[0][0] is _c.NEGATE
        hit = any(
            low_high[0] <= code <= low_high[1] if kind is _c.RANGE else _takes_one(kind, low_high, character, flags)
            for kind, low_high in value
            if kind is not _c.NEGATE
        )
        return hit != negated
    return False


def _example(tree: Any, kind: str = "a", flags: int = 0, most: int = 1) -> str:
    """A short text that the pattern takes, more or less (what it looks at to either side is not heeded), of characters
    of this kind where there is a choice. Repeats come `most` times, if they may."""
    return "".join(_example_of(operation, value, kind, flags, most) for operation, value in tree)


def _example_of(operation: Any, value: Any, kind: str, flags: int, most: int) -> str:
    if operation in _SINGLE:
        if operation is _c.LITERAL:
            return chr(int(value))
        return next((one for one in (kind, *"a5 ", *_PALETTE) if _takes_one(operation, value, one, flags)), "")
    if operation in _REPEATS:
        return _example(value[2], kind, flags, most) * int(max(value[0], min(value[1], most)))
    if operation in (_c.ASSERT, _c.ASSERT_NOT):
        return ""
    longest: str = ""
    for inner in _inner(operation, value):
        longest = max(longest, _example(inner, kind, flags, most), key=len)
    return longest


def _repeats(tree: Any, before: tuple[str, str]) -> Iterator[tuple[tuple[str, str], Any]]:
    """Each repeat's body, and texts that lead there: with what may come before, and without."""
    for operation, value in tree:
        if operation in _REPEATS:
            yield before, value[2]
        for inner in _inner(operation, value):
            yield from _repeats(inner, before)
        long, short = (_example_of(operation, value, "a", 0, most) for most in (1, 0))
        before = before[0] + long, before[1] + short
