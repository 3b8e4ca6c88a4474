"""JSON of the platform: read strictly, then once more for two faults of its own samples; written in ASCII.

Every number comes as the text that spells it, so that `00077`, amounts and million-digit integers stay what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from bridge.errors import ProtocolError
from bridge.infocaller.charset import storable
from bridge.infocaller.messages import Answer
from bridge.infocaller.tree import DEEPEST, Leaf, Tree
from bridge.infocaller.variables import sendable, unescape

CONTENT_TYPE = "application/json"

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[{}\[\]:,]|[^\s"{}\[\]:,]++', re.DOTALL)
_NESTING = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[{}\[\]]', re.DOTALL)
_TO_MEND = re.compile(r"&|\\u(?:00(?:00|26)|[dD][89a-fA-F])")  # an entity, however its & is spelled; NUL; surrogates


def _constant(name: str) -> NoReturn:
    raise ProtocolError(f"the document is not JSON: {name} is no value of JSON")


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name.lower(): value for name, value in pairs}


def _mended(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {storable(name).lower(): storable(unescape(value)) if type(value) is str else value for name, value in pairs}


def _decoder(hook: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=hook, parse_float=str, parse_int=str, parse_constant=_constant)


_string = json.JSONEncoder().encode
_PLAIN, _CAREFUL = _decoder(_plain), _decoder(_mended)


def parse(text: str) -> tuple[Tree, tuple[str, ...]]:
    """The document as a tree with names in small letters, entities undone once; and what had to be mended.

    A name that comes twice in one object counts as it came last. ProtocolError with line and column where it is no
    JSON, even without trailing commas and with the one missing last brace; where it nests deeper than `DEEPEST`.
    """
    _check_depth(text)
    try:
        return _strict(text), ()
    except json.JSONDecodeError as error:
        mended, repairs = _mend(text)
        if not repairs:
            raise _refused(error) from None
    try:
        return _strict(mended), repairs
    except json.JSONDecodeError as error:
        raise _refused(error) from None


def _strict(text: str) -> Tree:
    suspect = "&" in text or "\\u" in text  # most documents have neither, which is soon found
    decoder = _CAREFUL if suspect and _TO_MEND.search(text) else _PLAIN
    return decoder.decode(text)  # type: ignore[no-any-return]  # json promises nothing; what it makes is a Tree


def _refused(error: json.JSONDecodeError) -> ProtocolError:
    return ProtocolError(f"the document is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")


def _check_depth(text: str) -> None:
    """Before the parser recurses. Brackets inside of strings don't nest."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return
    depth = 0
    for token in _NESTING.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > DEEPEST:
            raise ProtocolError(f"the document nests deeper than {DEEPEST}: no document of the platform does")


def _mend(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without commas before a closing bracket, and with its last brace where one is missing. A comma becomes a
    space, so that places in the text stay what they are."""
    commas: list[int] = []
    still_open: list[str] = []
    before, last = "", ""
    at = 0
    for token in _TOKEN.finditer(text):
        kind = token[0]
        if kind in "}]":
            if last == "," and before not in ("", "{", "[", ",", ":"):
                commas.append(at)
            if still_open:
                still_open.pop()
        elif kind in "{[":
            still_open.append(kind)
        before, last, at = last, kind, token.start()
    repairs = tuple(f"trailing comma in line {text.count(chr(10), 0, comma) + 1}" for comma in commas[:10])
    characters = list(text)
    for comma in commas:
        characters[comma] = " "
    if still_open == ["{"]:
        characters.append("}")
        repairs += ("last brace missing",)
    return "".join(characters), repairs


def leaves(text: str) -> list[Leaf] | None:
    """Every value of the text that is no object or list, with its place. None where names and values can't be told
    apart with certainty. Reads the lenient texts too."""
    found: list[Leaf] = []
    frames: list[tuple[str, str, int]] = []  # bracket, the name that leads here, a number of its own
    name, key_next = "", False
    for number, (token, following) in enumerate(_with_following(text)):
        kind = token[0]
        if kind in "{[":
            frames.append((kind, name, number))
        elif kind in "}]":
            name = frames.pop()[1] if frames else ""
        elif kind not in ":,":
            inside, leading, owner = frames[-1] if frames else ("", "", -1)
            key_next = inside == "{" and following == ":"
            value = _value(kind)
            if value is None:
                return None
            if key_next:
                name = value.lower()
            else:
                found.append(Leaf(name if inside == "{" else leading, unescape(value), token.span(), owner))
    return found


def plain(text: str) -> bool:
    """Whether every name in it is spelled as it reads: no character stands as its number (`\\u0061`)."""
    return "\\u" not in text


def _with_following(text: str) -> Iterator[tuple[re.Match[str], str]]:
    tokens = list(_TOKEN.finditer(text))
    yield from zip(tokens, [*(token[0] for token in tokens[1:]), ""], strict=True)


def _value(token: str) -> str | None:
    if not token.startswith('"'):
        return token
    try:
        return storable(str(json.loads(token)))
    except ValueError:
        return None


def write(answer: Answer) -> bytes:
    """The answer to a Query (manual, API Interactiva V): ASCII, values clean and with the five entities."""
    variables = ", ".join(
        [
            f'{{"VarName": {_string(sendable(name))}, "VarValue": {_string(sendable(value))}}}'
            for name, value in answer.variables.items()
        ]
    )
    status = f'{{"Result": {_string(str(answer.result))}, "ResultText": {_string(sendable(answer.text))}}}'
    return f'{{"ApiCall": {{"Status": {status}, "CustVars": {{"CustVar": [{variables}]}}}}}}'.encode()
