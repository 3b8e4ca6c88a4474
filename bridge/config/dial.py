"""Whom a line may call: DESTINO of a Query (`| dial`) and emissions alike (`lines[].dial` of the configuration).

phonenumbers knows the kinds of numbers. Some are never called, whatever the configuration allows, because they can cost
a fortune or are not ours to ring: premium, shared cost, personal and satellite numbers, emergency and short numbers.
Nor does a line call itself, which would put the call through to where it comes from, at the cost of both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import phonenumbers
from phonenumbers import PhoneNumberType

from bridge.config.model import Dial, Line
from connectors.phone import Phone, parse

Language = Literal["es", "en"]

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

_WORDS: dict[str, tuple[str, str]] = {
    "premium": ("a premium number", "de tarificación adicional"),
    "shared_cost": ("a shared-cost number", "de coste compartido"),
    "personal": ("a personal (follow-me) number", "un número personal"),
    "satellite": ("a satellite number", "un número de satélite"),
    "emergency": ("an emergency number", "un número de emergencias"),
    "short": ("a short number", "un número corto"),
    "fixed": ("a fixed line", "un fijo"),
    "mobile": ("a mobile", "un móvil"),
    "voip": ("a VoIP number", "un número VoIP"),
    "toll_free": ("a toll-free number", "un número gratuito"),
    "pager": ("a pager", "un buscapersonas"),
    "company": ("a company-wide number", "un número de empresa"),
    "voicemail": ("a voicemail number", "un buzón de voz"),
}


@lru_cache(maxsize=20_000)
def kinds(phone: Phone) -> tuple[str, ...]:
    """What sort of number it is: `fixed`, `mobile`, `voip`, `toll_free`, `premium`, `shared_cost`, `personal`,
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


def may_dial(phone: Phone, line: Line, language: Language = "en") -> str | None:
    """None where `line` may call `phone`; else the reason, for people, without the number itself.

    A number of `dial.allow` may be of another country or kind, or the line's own, but has to be valid and of no kind
    that is never called.
    """
    found = kinds(phone)
    spanish = language == "es"
    if not found:
        return _unread(phone, spanish=spanish)
    what = _WORDS[found[0]][spanish]
    if found[0] in _NEVER:
        return f"es {what}, que nunca se marca" if spanish else f"it is {what}, which is never dialled"
    dial = line.dial
    if phone.e164 in _allowed(tuple(dial.allow), line.country):
        return None
    if phone.e164 in _allowed((line.number,), line.country):
        return "es el número de la propia línea" if spanish else "it is the line's own number"
    if phone.country not in _countries(dial, line):
        where = phone.country or "?"
        if spanish:
            return f"es un número de {where}, y la línea {line.number} no llama allí (dial.countries)"
        return f"it is a number of {where}, where line {line.number} may not call (dial.countries)"
    if not set(found) & set(dial.kinds):
        if spanish:
            return f"es {what}, y la línea {line.number} no los marca (dial.kinds)"
        return f"it is {what}, which line {line.number} may not call (dial.kinds)"
    return None


def _unread(phone: Phone, *, spanish: bool) -> str:
    if phone.hidden:
        return "es un número oculto" if spanish else "it is a hidden number"
    if not phone.text and not phone.e164:
        return "no hay número" if spanish else "there is no number"
    return "no es un número de teléfono válido" if spanish else "it is no valid phone number"


def _countries(dial: Dial, line: Line) -> set[str]:
    return {country.upper() for country in ([line.country] if dial.countries is None else dial.countries)}


@lru_cache(maxsize=64)
def _allowed(numbers: tuple[str, ...], country: str) -> frozenset[str]:
    return frozenset(parse(number, country).e164 for number in numbers)
