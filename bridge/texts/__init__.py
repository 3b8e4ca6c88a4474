"""Every text that people read, in the languages of the configuration.

English stands in the code and is the key of the catalogue `es.po`, from which `es.mo` is compiled. What is made here
says itself late, in the language of whoever reads it: `Text("line {line} is paused", line=name).render("es")`.
CONTRIBUTING.md says how the catalogue is brought up to date.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bridge.texts.sentences import Sentences, entries

Language = Literal["es", "en"]
_WORDS = "{words}"
_AT = "at"
_SAID = "said"


Value: TypeAlias = "str | float | datetime | Path | Text | None"
"""What may stand in a text. It has to go through JSON: another process may be the one that tells it."""


class Text:
    """A sentence with named placeholders, `{name}`, and what stands in for them: words, numbers, moments, other texts.

    `str()` is English, as logs have it. A message without values is taken as it is, braces included.
    """

    __slots__ = ("message", "values")

    def __init__(self, message: str, /, **values: Value) -> None:
        self.message, self.values = message, values

    def render(self, language: Language) -> str:
        """Return the text in a language."""
        message = self._message(language)
        if not self.values:
            return message
        return message.format_map({name: _shown(value, language) for name, value in self.values.items()})

    def _message(self, language: Language) -> str:
        return self.message if language == "en" else _catalogue(language).gettext(self.message)

    def clipped(self, longest: int) -> Text:
        """Return the same with no word of somebody else's longer than this."""
        return _made(self.to_json(), longest)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` makes the text of again."""
        return {"message": self.message, "values": {name: _as_json(value) for name, value in self.values.items()}}

    def __str__(self) -> str:
        return self.render("en")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.message)


class Plural(Text):
    """A sentence about `{count}` things (or `{count:,}`): `singular` where it is a single one, else `plural`."""

    __slots__ = ("count", "many")

    def __init__(self, singular: str, plural: str, /, count: int, **values: Value) -> None:
        super().__init__(singular, count=count, **values)
        self.count, self.many = count, plural

    def _message(self, language: Language) -> str:
        if language == "en":
            return self.message if self.count == 1 else self.many
        return _catalogue(language).ngettext(self.message, self.many, self.count)

    def to_json(self) -> dict[str, Any]:
        """As every text, with the message for many."""
        return super().to_json() | {"many": self.many}


class _Said(Text):
    """An English sentence with its values in it already."""

    __slots__ = ()

    def render(self, language: Language) -> str:
        return self.message if language == "en" else _sentences(language).translated(self.message)

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {_SAID: True}


def said(words: object) -> Text:
    """Return what the program said in English elsewhere, such as an error or a reason that is kept in the database: in
    another language it is what the catalogue has for the message that it was made of. A `Text` is itself."""
    return words if isinstance(words, Text) else _Said(str(words))


def literal(words: str) -> Text:
    """Words that are the same in every language, such as what somebody else said."""
    return Text(_WORDS, words=words)


def from_json(value: Mapping[str, Any] | str) -> Text:
    """Return what `to_json` gave; mere words are themselves."""
    return literal(value) if isinstance(value, str) else _made(value, None)


def _made(value: Mapping[str, Any], longest: int | None) -> Text:
    if value.get(_SAID):
        return said(value["message"][:longest])
    values: dict[str, Any] = {name: _value(inner, longest) for name, inner in value["values"].items()}
    if "many" in value:
        return Plural(value["message"], value["many"], **values)
    return Text(value["message"], **values)


def _as_json(value: Value) -> Any:
    if isinstance(value, Text):
        return value.to_json()
    if isinstance(value, datetime):
        return {_AT: value.isoformat()}
    return str(value) if isinstance(value, Path) else value


def _value(inner: Any, longest: int | None) -> Value:
    """What `_as_json` gave, but for a path, which is words by now; no words longer than `longest`."""
    if isinstance(inner, dict):
        return datetime.fromisoformat(inner[_AT]) if _AT in inner else _made(inner, longest)
    return inner[:longest] if isinstance(inner, str) else inner


class _SpanishInt(int):
    """Thousands are set off by a full stop."""

    def __format__(self, spec: str) -> str:
        return int.__format__(self, spec).replace(",", ".")


class _SpanishFloat(float):
    """Decimals are set off by a comma: 4.427 would be read as thousands."""

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec).translate({ord("."): ",", ord(","): "."})


def _shown(value: object, language: Language) -> object:
    if isinstance(value, Text):
        return value.render(language)
    if language == "es" and type(value) is int:
        return _SpanishInt(value)
    if language == "es" and type(value) is float:
        return _SpanishFloat(value)
    return value


@lru_cache
def _catalogue(language: Language) -> gettext.GNUTranslations:
    with (resources.files(__package__) / f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


@lru_cache
def _sentences(language: Language) -> Sentences:
    with resources.as_file(resources.files(__package__) / f"{language}.mo") as path:
        return Sentences(dict(entries(path)))
