"""SOSL by REST: `FIND {…} IN PHONE FIELDS RETURNING Contact(Id WHERE … LIMIT 20), …`, over an index of its own.

How Salesforce indexes phones is not documented. Here, as integrations report it: punctuation does not matter, a country
code does. Numbers apart by `/ ; , |` or letters are found each by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.fakes.salesforce.schema import SObject
from tests.fakes.salesforce.soql import Evaluator, Parser, Refused, Row, Select

_RESERVED = set("?&|!{}[]()^~*:\\\"'+-")
_FIND = re.compile(r"\s*FIND\s*\{((?:[^\\{}]|\\.)*)\}\s*", re.I | re.S)
_IN = re.compile(r"IN\s+(ALL|NAME|EMAIL|PHONE|SIDEBAR)\s+FIELDS\s*", re.I)
_RETURNING = re.compile(r"RETURNING\s+", re.I)


def malformed(message: str) -> Refused:
    return Refused("MALFORMED_SEARCH", message)


def terms(text: str) -> list[list[str]]:
    """The alternatives, each a list of words that must all be there."""
    if len(text) > 10_000:
        return []
    words = text.split() if len(text) <= 4000 else [w for w in text.split() if w not in ("AND", "OR")]
    alternatives: list[list[str]] = [[]]
    for word in words:
        if word == "OR":
            alternatives.append([])
        elif word != "AND":
            alternatives[-1].append(_word(word))
    if any(not words for words in alternatives):
        raise malformed("nothing to search for")
    return alternatives


def _word(word: str) -> str:
    plain = re.sub(r"\\.", "", word)
    bad = _RESERVED & set(plain.rstrip("*"))
    if bad:
        raise malformed(f"unexpected character {sorted(bad)}")
    value = re.sub(r"\\(.)", r"\1", word)
    if len(value.strip("*")) < 2:
        raise Refused("INVALID_SEARCH", "search term must be longer than one character: " + value)
    return value.lower()


def index(value: str) -> set[str]:
    """What a phone field is found by."""
    whole = re.sub(r"\D", "", value)
    parts = [re.sub(r"\D", "", part) for part in re.split(r"[/;,|a-zA-Z]+", value)]
    return {part for part in [whole, *parts] if part}


def _matches(alternatives: list[list[str]], row: Row, source: SObject, group: str) -> bool:
    texts: set[str] = set()
    for one in source.fields.values():
        value = row.get(one.name)
        if not isinstance(value, str):
            continue
        if one.type == "phone":
            texts |= index(value)
        if group == "ALL" and one.type in ("string", "textarea", "email"):
            texts |= {word.lower() for word in re.findall(r"\w+", value)} | index(value)
    return any(all(_has(texts, word) for word in words) for words in alternatives)


def _has(texts: set[str], word: str) -> bool:
    if word.endswith("*"):
        return any(text.startswith(word[:-1]) for text in texts)
    return word in texts


def search(text: str, evaluator: Evaluator, rows: Callable[[str], list[Row]]) -> list[Row]:
    """The answer's `searchRecords`."""
    found = _FIND.match(text)
    if not found:
        raise malformed("FIND must be followed by { }")
    alternatives, at, group = terms(found[1]), found.end(), "ALL"
    inside = _IN.match(text, at)
    if inside:
        group, at = inside[1].upper(), inside.end()
    returning = _RETURNING.match(text, at)
    if not returning:
        raise malformed("RETURNING is missing")
    records: list[Row] = []
    for made in _returned(text[returning.end() :]):
        source = evaluator.source(made.source)
        hits = [row for row in rows(source.name) if _matches(alternatives, row, source, group)]
        records += evaluator.select(made, hits)
    return records[:2000]


def _returned(text: str) -> list[Select]:
    parser = Parser(text)
    made = [_one(parser)]
    while parser.accept(","):
        made.append(_one(parser))
    parser.done()
    return made


def _one(parser: Parser) -> Select:
    name = parser.object()
    if not parser.accept("("):
        return Select(["Id"], name)
    made = parser.rest(Select(parser.items(), name))
    parser.take(")")
    return made
