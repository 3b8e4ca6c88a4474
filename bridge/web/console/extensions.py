"""Extensions and numbers of ours, as people and the platform write them."""

from __future__ import annotations

from connectors.phone import parse

LONGEST = 40
_SHORT = 6
"""Digits of an extension, at most; what has more is a phone number."""


def spellings(extension: str, country: str) -> frozenset[str]:
    """Return how the platform may write an extension or a number; none of nothing."""
    text = extension.strip()[:LONGEST]
    phone = parse(text, country) if text and not is_short(text) else None
    if not phone:
        return frozenset({text}) - {""}
    return frozenset({text, phone.e164, phone.digits, phone.national, f"00{phone.digits}"})


def is_short(text: str) -> bool:
    """Return whether it is an extension, which is nobody's phone number."""
    return text.isdecimal() and len(text) <= _SHORT
