"""What there is to tell: which troubles have lasted long enough, which are told again, which are over. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.config.alerts import Alert
from bridge.troubles import Severity, Trouble

_GONE = 20.0
"""Seconds after which a trouble that is not seen any more counts as over: a restart hides some for a moment."""


class Why(StrEnum):
    """Why something is told."""

    NEW = "new"
    AGAIN = "again"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell; of a trouble that is over, as it was last."""

    why: Why
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Told:
    """A trouble that was told, as it was then or later; `at`: the last time, `gone`: since when it is not seen any
    more, both Unix time."""

    trouble: Trouble
    at: float
    gone: float | None = None


Memory = Mapping[str, Told]
"""What was told and is not over yet, by the trouble's id."""


def look(told: Memory, found: Mapping[str, Trouble], now: float, visible: Callable[[str], bool]) -> dict[str, Told]:
    """The memory after one look. `visible`: whether one that is not found is gone; else nobody knows."""
    after = {}
    for id_, one in told.items():
        if id_ in found:
            # the severity stays that which was told, so that a rise is seen
            after[id_] = replace(one, gone=None)
        elif visible(id_) and one.gone is None:
            after[id_] = replace(one, gone=now)
        else:
            after[id_] = one
    return after


def due(rule: Alert, told: Memory, found: Mapping[str, Trouble], now: float) -> list[Notice]:
    """What is to be told now, by a memory that has looked."""
    notices = []
    for id_, trouble in found.items():
        if rule.severity == "error" and trouble.severity is not Severity.ERROR:
            continue
        known = told.get(id_)
        if known is None or (trouble.severity, known.trouble.severity) == (Severity.ERROR, Severity.WARNING):
            if now - trouble.since.timestamp() >= rule.after:
                notices.append(Notice(Why.NEW, trouble))
        elif rule.remind is not None and now - known.at >= rule.remind:
            notices.append(Notice(Why.AGAIN, trouble))
    over = [one.trouble for one in told.values() if _over(one, now)]
    return notices + [Notice(Why.RESOLVED, trouble) for trouble in over if rule.resolved]


def settle(rule: Alert, told: Memory, done: Sequence[Notice], now: float) -> dict[str, Told]:
    """The memory once these were told; what is over and need not be told any more is forgotten."""
    ended = {notice.trouble.id for notice in done if notice.why is Why.RESOLVED}
    after = {id_: one for id_, one in told.items() if not (_over(one, now) and (id_ in ended or not rule.resolved))}
    return after | {one.trouble.id: Told(one.trouble, now) for one in done if one.why is not Why.RESOLVED}


def _over(one: Told, now: float) -> bool:
    return one.gone is not None and now - one.gone >= _GONE
