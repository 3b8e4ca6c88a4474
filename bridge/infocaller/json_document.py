"""JSON of the platform: read strictly, then once more for two faults of its own samples; written in ASCII.

Every number comes as the text that spells it, so that `00077`, amounts and million-digit integers stay what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any, NoReturn

from bridge.errors import ProtocolError
from bridge.infocaller.charset import storable
from bridge.infocaller.messages import QueryAnswer
from bridge.infocaller.tree import DEEPEST, Tree
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


_string = encode_basestring_ascii
_PLAIN, _CAREFUL = _decoder(_plain), _decoder(_mended)


def parse(text: str) -> tuple[Tree, tuple[str, ...]]:
    """Return the document as a tree with names in small letters, entities undone once; and what had to be mended.

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


def every(text: str, *names: str) -> dict[str, list[Tree]]:
    """Return all values that stand under these names (in small letters), in whatever object: those that `parse` passes
    over, too, because the name comes again. For a text that `parse` takes."""
    values_of: dict[str, list[Tree]] = {name: [] for name in names}

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, value in pairs:
            if (small := storable(name).lower()) in values_of:
                values_of[small].append(storable(unescape(value)) if type(value) is str else value)
        return {}

    decoder = _decoder(noted)
    try:
        decoder.decode(text)
    except json.JSONDecodeError:
        for values in values_of.values():
            values.clear()
        decoder.decode(_mend(text)[0])
    return values_of


def needs_mending(text: str) -> bool:
    """Whether there may be entities, NUL or halves of surrogate pairs in its strings."""
    suspect = "&" in text or "\\u" in text  # most documents have neither, which is soon found
    return suspect and _TO_MEND.search(text) is not None


def _strict(text: str) -> Tree:
    decoder = _CAREFUL if needs_mending(text) else _PLAIN
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


def write(answer: QueryAnswer) -> bytes:
    """Return the answer to a Query (manual, API Interactiva V): ASCII, values clean and with the five entities."""
    variables = ", ".join(
        [
            f'{{"VarName": {_string(sendable(name))}, "VarValue": {_string(sendable(value))}}}'
            for name, value in answer.variables.items()
        ]
    )
    status = f'{{"Result": {_string(str(answer.result))}, "ResultText": {_string(sendable(answer.text))}}}'
    return f'{{"ApiCall": {{"Status": {status}, "CustVars": {{"CustVar": [{variables}]}}}}}}'.encode()
