"""The numbers of a whole file: what phonenumbers would say, 10 to 20 times as fast for numbers in their plain form.

A number of digits, spaces, dots and dashes is checked against phonenumbers' own metadata by the steps that
phonenumbers takes for it. Whatever is not plain goes to `connectors.phone`, so the result is always the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberDesc

from connectors.phone import Phone, parse_all

_PLAIN = str.maketrans("", "", " .-")
_LONGEST = 40
_NEVER = "(?!)"


class Numbers:
    """Reads phone cells for one country (ISO 3166, two letters) into E.164 digits as integers (34600111222)."""

    def __init__(self, country: str) -> None:
        self._country = country
        self._usable = False
        self._region = ""  # the country, where its code is its own and so tells it
        region = PhoneMetadata.metadata_for_region(country.upper(), None)
        if region is None or region.country_code is None:
            return
        main = _main(region.country_code)
        self._code = str(region.country_code)
        self._plus = "+" + self._code
        self._abroad = _compiled(region.international_prefix or _NEVER).match
        self._trunk = _compiled(region.national_prefix_for_parsing or _NEVER)
        self._national = _compiled(_description(region).national_number_pattern or _NEVER).fullmatch
        # one pattern for most cells: neither a way abroad nor a trunk prefix in front, and a number of the country
        self._bare = _bare(region, region.international_prefix)
        self._main_bare = _bare(main, None)
        # a number must be possible in the region, and is checked once more as one of the code's main region
        self._lengths = _lengths(region) & _lengths(main)
        self._main_lengths = _lengths(main)
        # a trunk prefix that is more than left out (Argentina's 15, Brazil's carriers) is phonenumbers' own affair
        self._strips = not self._trunk.groups and not region.national_prefix_transform_rule
        self._usable = True
        self._region = region.id or "" if len(COUNTRY_CODE_TO_REGION_CODE[region.country_code]) == 1 else ""

    def __call__(self, cell: str) -> tuple[int, ...]:
        """The numbers of a cell, each once; empty when there is none."""
        if not cell:
            return ()
        if self._usable and len(cell) <= _LONGEST:
            if len(cell) in self._lengths and self._bare(cell):
                return (int(self._code + cell),)
            digits = self._plain(cell)
            if digits:
                return (int(digits),)
        return tuple(dict.fromkeys(int(phone.digits) for phone in parse_all(cell, self._country)))

    def phones(self, cell: str) -> tuple[Phone, ...]:
        """Return the same numbers as `connectors.phone.parse_all` gives them, all of them."""
        if self._region and len(cell) <= _LONGEST:
            digits = self._code + cell if len(cell) in self._lengths and self._bare(cell) else self._plain(cell)
            if digits:
                return (Phone(cell.strip(), f"+{digits}", self._region),)
        return tuple(parse_all(cell, self._country))

    def _plain(self, cell: str) -> str | None:
        """E.164 digits of a number in plain form; None when it takes phonenumbers to tell."""
        plain = cell.translate(_PLAIN)
        if plain.startswith(self._plus):
            plain = plain[len(self._plus) :]
            return self._code + plain if len(plain) in self._main_lengths and self._main_bare(plain) else None
        if "." in cell and cell.rstrip(" 0").endswith("."):
            return None  # a decimal number
        if len(plain) in self._lengths and self._bare(plain):
            return self._code + plain
        return self._without_trunk(plain) if plain.isascii() and plain.isdigit() else None

    def _without_trunk(self, digits: str) -> str | None:
        trunk = self._trunk.match(digits)
        if not (self._strips and trunk) or self._abroad(digits):
            return None
        rest = digits[trunk.end() :]
        if rest.startswith(self._code) or digits.startswith(self._code):
            return None
        return self._code + rest if len(rest) in self._lengths and self._national(rest) else None


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def _bare(metadata: PhoneMetadata, abroad: str | None) -> Callable[[str], object]:
    trunk = metadata.national_prefix_for_parsing or _NEVER
    pattern = _description(metadata).national_number_pattern or _NEVER
    return _compiled(f"(?!{abroad or _NEVER})(?!{trunk})(?:{pattern})").fullmatch


def _main(code: int) -> PhoneMetadata:
    """What holds for the country that gave its code to others too (+1, +44, +7)."""
    region = phonenumbers.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    assert metadata is not None, "the code came from the metadata of a region"  # noqa: S101
    return metadata


def _description(metadata: PhoneMetadata) -> PhoneNumberDesc:
    """What its numbers look like; one that matches nothing where there is nothing."""
    return metadata.general_desc or PhoneNumberDesc()


def _lengths(metadata: PhoneMetadata) -> frozenset[int]:
    description = _description(metadata)
    return frozenset(description.possible_length) - frozenset(description.possible_length_local_only)
