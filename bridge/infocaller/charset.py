"""Bytes to text. The platform's world is ISO-8859-1, gateways in between speak UTF-8, and nothing says which it was."""

from __future__ import annotations

import codecs
import re

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def decode(raw: bytes) -> str:
    """Return the text of `raw`; every byte string is one, so this never fails.

    UTF-16 where a byte order mark says so; else strict UTF-8, its mark dropped; else cp1252 where each byte has a
    character in it; else ISO-8859-1. One value is in one charset: an `ñ` of either kind comes out as `ñ`, but a value
    that mixes both reads as the older one.
    """
    if raw.startswith(_UTF16):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError:
            pass  # the mark was no mark: these are the letters ÿþ
    try:
        return raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1")


def storable(text: str) -> str:
    """`text` with U+FFFD for what no database or log takes: NUL and halves of surrogate pairs (a JSON `\\u0000` or
    `\\ud800` makes them)."""
    return _UNSTORABLE.sub("\ufffd", text)
