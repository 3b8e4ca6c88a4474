"""Telephone numbers: read by country, compared as numbers, written in every spelling that a CRM may keep.

phonenumbers does the work. Parsing costs it about 10 µs, so a small cache keeps the numbers that come again; a file of
a million goes through `connectors.phonebulk`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar

import msgspec
import phonenumbers
from phonenumbers import PhoneMetadata

_SPACES = dict.fromkeys((0x2007, 0x2009, 0x202F), " ")  # narrow ones, of which phonenumbers knows nothing
_BETWEEN = re.compile(r"[/;,|\r\n]+")
_EXTENSION_OR_WORDS = re.compile(r"[;,#~]|[^\W\d_]")  # what may follow a number without being part of it
_WORDS = re.compile(r"(?<=\d)[^\w]*[^\W\d_]")  # from the first letter after a digit
_SCIENTIFIC = re.compile(r"'?(\d)[.,](\d+)[eE]\+?(\d{1,2})")  # 6.00111222E+8, as spreadsheets save long numbers
_FLOAT = re.compile(r"'?(\d{7,15})[.,]0+")  # 600111222.0, as programs save a column of numbers with gaps
_APART = r"[^\w,;:|+#*\n]{0,4}+"  # what may stand between two digits of one number
_ABROAD = re.compile(r"\+\d{1,3}[^\w,;:|+#*\n]{0,4}\Z")  # the code of another country, right before a number
_LONGEST = 64  # a number of more characters is none; phonenumbers itself gives up at 250
_LONGEST_CELL = 1000  # and a cell of more holds no list of numbers
_BEFORE_WORDS = 6  # characters of a number that words may follow; fewer are the start of a vanity number (0800 FLOWERS)
_OWN_NUMBER = 7  # digits from which on what follows a comma is another number rather than an extension


class Phone(msgspec.Struct, frozen=True, gc=False):
    """A phone number. As a text it is its `e164`; it is true if it has one.

    Attributes:
        text: What was written.
        e164: The number as `+34600111222`; empty if it is hidden or can't be read.
        country: The two letters of ISO 3166; empty if the code belongs to no country.
        hidden: Whether the caller hid it.
    """

    visible: ClassVar[frozenset[str]] = frozenset({"e164", "digits", "national", "international", "country", "hidden"})

    text: str
    e164: str = ""
    country: str = ""
    hidden: bool = False

    @property
    def digits(self) -> str:
        """The number as `34600111222`; empty without an `e164`."""
        return self.e164[1:]

    @property
    def national(self) -> str:
        """The number as `600111222`, without country code and trunk 0; empty without an `e164`."""
        return phonenumbers.national_significant_number(phonenumbers.parse(self.e164)) if self.e164 else ""

    @property
    def international(self) -> str:
        """The number as `+34 600 11 12 22`; empty without an `e164`."""
        if not self.e164:
            return ""
        return phonenumbers.format_number(phonenumbers.parse(self.e164), phonenumbers.PhoneNumberFormat.INTERNATIONAL)

    def same(self, other: Phone) -> bool:
        """Return whether both are one subscriber's number. Extensions don't count; an unread number is nobody's."""
        return bool(self.e164) and self.e164 == other.e164

    def __bool__(self) -> bool:
        return bool(self.e164)

    def __str__(self) -> str:
        return self.e164


HIDDEN = Phone(text="X", hidden=True)


def parse(text: str, country: str) -> Phone:
    """Return the number written in `text`, read as one of `country` (two letters) if it has no country code.

    Never raises: a text that is no possible number has an empty `e164`. `X` is the platform's word for a hidden number.
    Extensions and words after the number (`ext. 5`, `(home)`) are ignored. A number that a spreadsheet rewrote is read
    if no digit was lost: `6.00111222E+8` is 600111222, `6.001E+8` is no number.
    """
    if len(text) > _LONGEST:
        return Phone(text=text[:_LONGEST])
    return _parse(text.strip(), country)


@lru_cache(maxsize=20_000)
def _parse(text: str, country: str) -> Phone:
    if text.upper() == "X":
        return HIDDEN
    digits = _from_spreadsheet(text.translate(_SPACES))
    words = _WORDS.search(digits)
    # words first: `600111222 Juan` would be read as letters on a keypad
    head = digits[: words.start()] if words else ""
    number = (len(head) >= _BEFORE_WORDS and _possible(head, country)) or _possible(digits, country)
    if not number:
        return Phone(text=text)
    number.extension = None
    region = phonenumbers.region_code_for_number(number) or ""
    return Phone(text, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), region)


def _possible(text: str, country: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def _from_spreadsheet(text: str) -> str:
    """The digits that a spreadsheet or a program turned into a decimal number, as far as all are there."""
    match = _FLOAT.fullmatch(text)
    if match:
        return match[1]
    match = _SCIENTIFIC.fullmatch(text)
    if match:
        return match[1] + match[2] if len(match[2]) == int(match[3]) else ""
    return text


def parse_all(cell: str, country: str) -> Iterator[Phone]:
    """Yield the numbers of one cell: the whole cell if it is a number (`+34 600-11.22/33`), else each number between
    `/`, `;`, `,`, `|` and line breaks.

    What follows a comma or semicolon is an extension if it is shorter than a number: `600111222,5` is one number,
    `600111222,611222333` is two.
    """
    if len(cell) > _LONGEST_CELL:
        return
    whole = parse(cell, country)
    if whole and not _EXTENSION_OR_WORDS.search(cell):
        yield whole
        return
    parts = [part for part in _BETWEEN.split(cell) if part.strip()]
    numbers = [phone for phone in (parse(part, country) for part in parts) if phone] if len(parts) > 1 else []
    if whole and sum(len(phone.digits) >= _OWN_NUMBER for phone in numbers) < 2:
        yield whole
        return
    yield from numbers


def mentions(text: str, phone: Phone, country: str) -> bool:
    """Return whether the number stands anywhere in the text, in any spelling."""
    if not phone or sum(map(str.isdigit, text)) < _BEFORE_WORDS:
        return False
    if any(map(phone.same, parse_all(text, country))):
        return True
    others = {ord(digit): str(unicodedata.decimal(digit)) for digit in set(text) if digit.isdecimal()}
    plain = text.translate(others)
    matches = _anywhere(phone.e164, country).finditer(plain)
    return any(not _ABROAD.search(plain[max(0, match.start() - 8) : match.start()]) for match in matches)


@lru_cache(maxsize=100)
def _anywhere(e164: str, country: str) -> re.Pattern[str]:
    """A number in a text whose digits are ASCII: with its country code or without, after the prefixes that are dialled
    in `country` and its own, with up to four characters between any two digits. Every repeat is bounded, so that it
    takes no longer for what almost is one."""
    number = phonenumbers.parse(e164)
    national = phonenumbers.national_significant_number(number)
    own = PhoneMetadata.metadata_for_region(phonenumbers.region_code_for_number(number) or "", None)
    metadata = PhoneMetadata.metadata_for_region(country, None)
    abroad = "|".join(["00", *([metadata.international_prefix] if metadata and metadata.international_prefix else [])])
    trunk = rf"(?:{own.national_prefix}{_APART})?" if own and own.national_prefix else ""
    code = _spread(str(number.country_code))
    return re.compile(rf"(?<!\d)(?:(?:\+|{abroad})?+{_APART}{code}{_APART})?{trunk}{_spread(national)}(?!\d)", re.ASCII)


def _spread(digits: str) -> str:
    return _APART.join(digits)


def mask(text: str) -> str:
    """Return the number as logs may show it: its last three digits (`•••222`), or none of four characters or
    fewer."""
    return f"•••{text[-3:]}" if len(text) > 4 else "•••"
