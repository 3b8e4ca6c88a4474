"""A task as a server sends it: one JSON object, within bounds, its values as they are."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from bridge.callbacks.tasks import LONGEST_ID
from connectors.base import Task

_DEEPEST, _MOST, _LONGEST = 8, 200, 16_000
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_WANTED = 'a JSON object with the task\'s fields, such as {"id": 1, "phone": "…"}'
_ODD = re.compile("[\x00\ud800-\udfff]")


class UnreadableTask(ValueError):
    """What came is no task; the text says what is wrong, and where."""


def read(body: bytes, key: str = "", content_type: str = "") -> Task:
    """Return the task in a body. `key`: its idempotency key, where it has no field `id`; `content_type`: what the
    sender says that it is, which tells why it is no JSON. Raises `UnreadableTask`."""
    try:
        fields = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise UnreadableTask(f"the JSON is nested deeper than {_DEEPEST} levels") from None
    except UnicodeDecodeError as error:
        raise UnreadableTask(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        if content_type.strip().lower().startswith(_FORMS):
            raise UnreadableTask(f"the body is a form, no JSON: send {_WANTED}") from None
        raise UnreadableTask(f"the body is no JSON: {error}") from None
    except UnreadableTask:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableTask(f"the JSON holds a value that can't be read: {str(error)[:100]}") from None
    if not isinstance(fields, dict):
        raise UnreadableTask(f"the body must be {_WANTED}")
    left = [_MOST]
    for name, value in fields.items():
        _check(value, name, 1, left)
    return Task(_id(fields, key), fields)


def _id(fields: dict[str, Any], key: str) -> str:
    value = fields.get("id")
    if value is None or value == "":
        value = key
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnreadableTask("id must be a text or a whole number")
    text = str(value).strip()
    if not text:
        raise UnreadableTask(
            "the task has no idempotency key: send a field id that is the task's own, or a header Idempotency-Key "
            "(ASCII), the same whenever the same task is sent again"
        )
    if len(text) > LONGEST_ID or not text.isprintable():
        raise UnreadableTask(f"the idempotency key must be 1 to {LONGEST_ID} printable characters")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise UnreadableTask(f"{twice[:40]!r} stands there twice")
    return fields


def _constant(text: str) -> Any:
    raise UnreadableTask(f"{text} is no JSON")


def _check(value: object, place: str, depth: int, left: list[int]) -> None:
    """Raise where a value is out of bounds. `left`: how many more there may be."""
    left[0] -= 1
    if left[0] < 0:
        raise UnreadableTask(f"the task has more than {_MOST} values")
    if depth > _DEEPEST:
        raise UnreadableTask(f"{place[:80]} is nested deeper than {_DEEPEST} levels")
    if _ODD.search(place):
        raise UnreadableTask("a name holds a character that is none (NUL, or half of a pair)")
    if isinstance(value, str) and (len(value) > _LONGEST or _ODD.search(value)):
        raise UnreadableTask(f"{place[:80]} is longer than {_LONGEST} characters, or holds one that is none")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnreadableTask(f"{place[:80]} is too large a number")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check(inner, f"{place}.{name}", depth + 1, left)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _check(inner, f"{place}[{position}]", depth + 1, left)
