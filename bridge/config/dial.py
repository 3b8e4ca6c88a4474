"""Whom a line may call: DESTINO of a Query (`| dial`) and emissions alike (`lines[].dial` of the configuration).

phonenumbers knows the kinds of numbers. Some are never called, whatever the configuration allows, because they can cost
a fortune or are not ours to ring: premium, shared cost, personal and satellite numbers, emergency and short numbers.
Nor does a line call itself, which would put the call through to where it comes from, at the cost of both.
"""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberType

from bridge.config.model import Dial, Line
from bridge.texts import Text
from connectors.phone import Phone, parse

_KINDS: dict[int, tuple[str, ...]] = {
    PhoneNumberType.FIXED_LINE: ("fixed",),
    PhoneNumberType.MOBILE: ("mobile",),
    PhoneNumberType.FIXED_LINE_OR_MOBILE: ("fixed", "mobile"),  # North America: nobody can tell them apart
    PhoneNumberType.TOLL_FREE: ("toll_free",),
    PhoneNumberType.VOIP: ("voip",),
    PhoneNumberType.PREMIUM_RATE: ("premium",),
    PhoneNumberType.SHARED_COST: ("shared_cost",),
    PhoneNumberType.PERSONAL_NUMBER: ("personal",),
    PhoneNumberType.PAGER: ("pager",),
    PhoneNumberType.UAN: ("company",),
    PhoneNumberType.VOICEMAIL: ("voicemail",),
}
# Codes of no country. phonenumbers calls these numbers mobile or VoIP; they are billed as what they are here.
_CODES = {870: "satellite", 878: "personal", 881: "satellite", 882: "satellite", 883: "satellite", 979: "premium"}
_NEVER = frozenset({"premium", "shared_cost", "personal", "satellite", "emergency", "short"})

_WORDS: dict[str, Text] = {
    "premium": Text("a premium number"),
    "shared_cost": Text("a shared-cost number"),
    "personal": Text("a personal (follow-me) number"),
    "satellite": Text("a satellite number"),
    "emergency": Text("an emergency number"),
    "short": Text("a short number"),
    "fixed": Text("a fixed line"),
    "mobile": Text("a mobile"),
    "voip": Text("a VoIP number"),
    "toll_free": Text("a toll-free number"),
    "pager": Text("a pager"),
    "company": Text("a company-wide number"),
    "voicemail": Text("a voicemail number"),
}


@lru_cache(maxsize=20_000)
def kinds(phone: Phone) -> tuple[str, ...]:
    """Return what sort of number it is: `fixed`, `mobile`, `voip`, `toll_free`, `premium`, `shared_cost`, `personal`,
    `satellite`, `emergency`, `short`, `pager`, `company` (one number for the whole country) or `voicemail`; two where
    the numbering plan does not tell fixed from mobile; empty for what is no valid number."""
    if not phone.e164:
        return ()
    number = phonenumbers.parse(phone.e164)
    if number.country_code in _CODES:
        return (_CODES[number.country_code],)
    if phonenumbers.is_emergency_number(phone.national, phone.country):
        return ("emergency",)
    if phonenumbers.is_valid_number(number):
        return _KINDS.get(phonenumbers.number_type(number), ())
    return ("short",) if phonenumbers.is_possible_short_number(number) else ()


def may_dial(phone: Phone, line: Line) -> Text | None:
    """None where `line` may call `phone`; else the reason, without the number itself.

    A number of `dial.allow` may be of another country or kind, or the line's own, but has to be valid and of no kind
    that is never called.
    """
    possible = kinds(phone)
    if not possible:
        return _unread(phone)
    kind = _WORDS[possible[0]]
    if possible[0] in _NEVER:
        return Text("it is {kind}, which is never dialled", kind=kind)
    dial = line.dial
    if phone.e164 in _allowed(tuple(dial.allow), line.country):
        return None
    if phone.e164 in _allowed((line.number,), line.country):
        return Text("it is the line's own number")
    if phone.country not in _countries(dial, line):
        return Text(
            "it is a number of {country}, where line {line} may not call (dial.countries)",
            country=phone.country or "?", line=line.number,
        )  # fmt: skip
    if not set(possible) & set(dial.kinds):
        return Text("it is {kind}, which line {line} may not call (dial.kinds)", kind=kind, line=line.number)
    return None


def _unread(phone: Phone) -> Text:
    if phone.hidden:
        return Text("it is a hidden number")
    if not phone.text and not phone.e164:
        return Text("there is no number")
    return Text("it is no valid phone number")


def _countries(dial: Dial, line: Line) -> set[str]:
    return {country.upper() for country in ([line.country] if dial.countries is None else dial.countries)}


@lru_cache(maxsize=64)
def _allowed(numbers: tuple[str, ...], country: str) -> frozenset[str]:
    return frozenset(parse(number, country).e164 for number in numbers)
