"""Finding the message that an English sentence was made of.

Connectors know nothing of the bridge, and reasons are kept in the database in English: both are sentences with their
values in them already. To say one in another language, its message is looked for in the catalogue, and what stands at
its placeholders is taken out, said in that language as well, and put into the translation.
"""

from __future__ import annotations

import re
import string
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_MAGIC = 0x950412DE
_LEAST_WORDS = 2
_LEAST_LETTERS = 5
_WORD = re.compile(r"[A-Za-z]{2,}")
_SEPARATORS = ("\n", "; ", ": ", " (", ", ", ". ")
_NUMBER = re.compile(r"-?\d[\d,.]*")
_COUNT = re.compile(r"-?\d{1,3}(?:,\d{3})+")
_COUNTED = re.compile(r"\d[\d,]* [a-z]+")
_DEEPEST = 6
_LONGEST_BEGINNING = 6
_LONGEST_CUT = 2000
_MIGHT_BE_ANY = 16
"""Letters of a message's own below which much is made of it by chance."""
_MOST_CUTS = 12
"""What somebody else said may be long, and made to take long."""


class _Template(NamedTuple):
    """The words `before` each of the placeholders `names`, and those after the last."""

    before: tuple[str, ...]
    names: tuple[str, ...]

    def filled(self, values: Mapping[str, str]) -> str:
        """The words with these values in them."""
        pieces = (words + values[name] for words, name in zip(self.before, self.names, strict=False))
        return "".join(pieces) + self.before[-1]


@dataclass(frozen=True, slots=True)
class _Message:
    """A message with placeholders, its translations, what every sentence made of it has in it (`mark`), and how
    specific it is (`weight`)."""

    template: _Template
    forms: tuple[_Template, ...]
    mark: str
    weight: int

    def values(self, words: str) -> dict[str, str] | None:
        """What stands at the placeholders of a sentence, each as short as it can be; None where it is not made of this
        message. It takes no longer for what is made to hold it."""
        first, *between, last = self.template.before
        if not words.startswith(first) or not words.endswith(last):
            return None
        values: dict[str, str] = {}
        place, end = len(first), len(words) - len(last)
        for number, name in enumerate(self.template.names):
            stop = words.find(between[number], place, end) if number < len(between) else end
            if stop < place or values.setdefault(name, words[place:stop]) != words[place:stop]:
                return None
            place = stop + len(between[number]) if number < len(between) else end
        if not first and self.weight < _MIGHT_BE_ANY and ": " in words[: words.find(between[0] if between else last)]:
            return None  # what comes after the colon is a sentence of its own
        return values if _NUMBER.fullmatch(values.get("count", "0")) else None


class Sentences:
    """The messages of a catalogue. `entries`: the forms of each translation by its message, both forms of which lead to
    it where it has a plural."""

    def __init__(self, entries: Mapping[str, tuple[str, ...]]) -> None:
        self._exact: dict[str, str] = {}
        self._messages: list[_Message] = []
        for message, forms in entries.items():
            template, translations = _split(message), tuple(map(_split, forms))
            if not template.names:
                self._exact[template.before[0]] = translations[-1].before[0]
            elif _owns(template):
                mark, weight = max(template.before, key=len), sum(map(len, template.before))
                self._messages.append(_Message(template, translations, mark, weight))
        self._messages.sort(key=lambda message: -message.weight)
        self.translated = lru_cache(8192)(self._translated)

    def _translated(self, words: str, depth: int = 0) -> str:
        """The sentence in the catalogue's language; as far as it is not known, as it is."""
        whole = self._whole(words, depth)
        return words if whole is None and depth >= _DEEPEST else self._pieces(words, depth) if whole is None else whole

    def _whole(self, words: str, depth: int) -> str | None:
        """What a message says of the whole, None where none does."""
        stripped = words.strip()
        if not depth or _counts(stripped):
            if stripped in self._exact:
                return words.replace(stripped, self._exact[stripped], 1)
            if (other := _capital(stripped)) in self._exact:  # a description within a sentence
                translation = self._exact[other]
                return words.replace(stripped, translation[:1].lower() + translation[1:], 1)
        if depth < _DEEPEST and _counts(words):
            for message in self._messages:
                if message.mark in words and (values := message.values(words)) is not None:
                    return self._filled(message, values, depth)
        return None

    def _filled(self, message: _Message, values: Mapping[str, str], depth: int) -> str:
        form = message.forms[0 if values.get("count") == "1" else -1]
        return form.filled({name: self._value(value, depth) for name, value in values.items()})

    def _value(self, value: str, depth: int) -> str:
        if _COUNT.fullmatch(value):
            return value.replace(",", ".")
        return self.translated(value, depth + 1) if _counts(value) else value

    def _pieces(self, words: str, depth: int) -> str:
        """The sentence cut where one of its pieces is known."""
        for separator in _SEPARATORS if len(words) <= _LONGEST_CUT else ():
            place, tried = words.find(separator), 0
            while place >= 0 and tried < _MOST_CUTS:
                tried += 1
                head = words[: place + 1]
                if separator == ": " and self._known(head, depth):
                    pair = (head, words[place + 2 :])
                    return " ".join(self.translated(piece, depth + 1) for piece in pair)
                before, after = words[:place], words[place + len(separator) :]
                closing = ")" if after.endswith(")") and after.count(")") > after.count("(") else ""
                after = after.removesuffix(closing)
                if self._known(before, depth) or self._known(after, depth):
                    pieces = (self.translated(piece, depth + 1) for piece in (before, after))
                    return separator.join(pieces) + closing
                place = words.find(separator, place + 1)
        return self._begun(words, depth)

    def _begun(self, words: str, depth: int) -> str:
        """The sentence with its first words in the catalogue's language, such as those before a list of names."""
        for place in [match.start() for match in re.finditer(" ", words)][:_LONGEST_BEGINNING]:
            if _counts(words[:place]) and words[:place] in self._exact:
                return f"{self._exact[words[:place]]} {self.translated(words[place + 1 :], depth + 1)}"
        return words

    def _known(self, words: str, depth: int) -> bool:
        return _counts(words) and self._whole(words, depth + 1) is not None


def _owns(template: _Template) -> bool:
    """Whether it has enough words of its own to be told by."""
    return sum(letter.isalpha() for words in template.before for letter in words) >= _LEAST_LETTERS


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _counts(words: str) -> bool:
    """Whether it is long enough to be ours: a single word may be anybody's, unless something is counted by it."""
    return len(_WORD.findall(words)) >= _LEAST_WORDS or _COUNTED.fullmatch(words) is not None


def _split(message: str) -> _Template:
    before, names = [""], list[str]()
    try:
        for text, name, _, _ in string.Formatter().parse(message):
            before[-1] += text
            if name is not None:
                names.append(name)
                before.append("")
    except ValueError:  # braces that hold no place
        return _Template((message,), ())
    return _Template(tuple(before), tuple(names))


def entries(compiled: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the messages of a compiled catalogue with the forms of their translations; each of the two forms of a
    plural is a message."""
    data = compiled.read_bytes()
    magic, _version, count, originals, translations = struct.unpack_from("<5I", data)
    if magic != _MAGIC:
        raise OSError(f"{compiled} is no catalogue of this machine's kind")
    for place in range(count):
        message, translation = (_string(data, table + 8 * place) for table in (originals, translations))
        if message:
            for form in message.split("\0"):
                yield form, tuple(translation.split("\0"))


def _string(data: bytes, place: int) -> str:
    length, start = struct.unpack_from("<2I", data, place)
    return data[start : start + length].decode()
