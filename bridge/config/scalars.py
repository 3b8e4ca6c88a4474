"""What a text without quotes means: YAML 1.2's core schema, with numbers that keep their spelling."""

from __future__ import annotations

import math
import re
from typing import Any

_LONGEST_NUMBER = 400
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)


class Whole(int):
    """A whole number with its spelling (`00077`) in `text`."""

    text: str


class Real(float):
    """A number with a point or an exponent, with its spelling in `text`."""

    text: str


def resolve(text: str) -> Any:
    """Return the value of a text without quotes: None, true, false, a `Whole`, a `Real`, else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _WHOLE.fullmatch(text):
        return _spelled(Whole(text), text)
    if _OTHER_BASE.fullmatch(text):
        return _spelled(Whole(int(text, 0)), text)
    if _REAL.fullmatch(text) and math.isfinite(float(text)):
        return _spelled(Real(text), text)
    return text


def _spelled(number: Any, text: str) -> Any:
    number.text = text
    return number
