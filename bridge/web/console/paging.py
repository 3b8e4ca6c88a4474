"""Lists in pages, by keyset: the next page begins after the last row of this one, so that the thousandth costs no more
than the first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import urlencode

from flask import request

Row = TypeVar("Row")
SIZE = 50
"""Rows of a page."""
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Row]):
    """The rows of a page; `next` and `first`: the addresses of the next page and of the first one, empty where this is
    the last, or the first."""

    rows: Sequence[Row]
    next: str
    first: str


def after() -> tuple[str | int | float, ...]:
    """Return what the page that was asked for begins after; empty: it is the first. An address that somebody made up
    gives the first."""
    given = request.args.get("after", "")[:_LONGEST]
    try:
        values = json.loads(base64.urlsafe_b64decode(given)) if given else []
    except ValueError:
        return ()
    if not isinstance(values, list) or not all(type(value) in (str, int, float) for value in values):
        return ()
    return tuple(values)


def after_id() -> int | None:
    """Return the same where a list goes by its id alone; None: it is the first page."""
    values = after()
    whole = len(values) == 1 and isinstance(values[0], int) and 0 <= values[0] < 2**63
    return int(values[0]) if whole else None


def after_moment() -> tuple[datetime, int] | None:
    """Return the same where a list goes by moment and id; None: it is the first page."""
    values = after()
    if len(values) != 2 or not isinstance(values[0], str) or not isinstance(values[1], int):
        return None
    try:
        moment = datetime.fromisoformat(values[0]).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return (moment, values[1]) if 0 <= values[1] < 2**63 else None


def page(
    rows: Sequence[Row],
    key: Callable[[Row], Sequence[str | int | float]],
    size: int = SIZE,
    *,
    looked_to: Sequence[str | int | float] = (),
) -> ListPage[Row]:
    """Return the page of which these are the rows, one more than `size` where there is another after it. `key` gives
    what the next page begins after, of the last row. `looked_to`: what it begins after where a search ended before it
    had looked at all; empty: it looked at all, or found enough."""
    shown = rows[:size]
    following = _address(key(shown[-1])) if len(rows) > size else _address(looked_to) if looked_to else ""
    return ListPage(shown, following, _address(()) if request.args.get("after") else "")


def _address(key: Sequence[str | int | float]) -> str:
    parameters = [(name, value) for name, value in request.args.items(multi=True) if name not in ("after", "lang")]
    if key:
        parameters.append(("after", base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode()))
    return f"{request.path}?{urlencode(parameters)}" if parameters else request.path
