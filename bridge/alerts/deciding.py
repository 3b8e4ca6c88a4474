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
    """Why a notice is sent."""

    NEW = "new"
    AGAIN = "again"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell; of a trouble that is over, as it was last."""

    why: Why
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class SentNotice:
    """A trouble that was told, as it was then or later; `at`: the last time, `gone`: since when it is not seen any
    more, both Unix time."""

    trouble: Trouble
    at: float
    gone: float | None = None


Memory = Mapping[str, SentNotice]
"""What was told and is not over yet, by the trouble's id."""


def look(
    memory: Memory, troubles: Mapping[str, Trouble], now: float, visible: Callable[[str], bool]
) -> dict[str, SentNotice]:
    """Return the memory after one look. `visible`: whether a trouble that is not there is over; else nobody knows."""
    after = {}
    for id_, entry in memory.items():
        if id_ in troubles:
            # the severity stays that which was told, so that a rise is seen
            after[id_] = replace(entry, gone=None)
        elif visible(id_) and entry.gone is None:
            after[id_] = replace(entry, gone=now)
        else:
            after[id_] = entry
    return after


def due(rule: Alert, memory: Memory, troubles: Mapping[str, Trouble], now: float) -> list[Notice]:
    """Return what is to be told now, by a memory that has looked."""
    notices = []
    for id_, trouble in troubles.items():
        if rule.severity == "error" and trouble.severity is not Severity.ERROR:
            continue
        earlier = memory.get(id_)
        if earlier is None or (trouble.severity, earlier.trouble.severity) == (Severity.ERROR, Severity.WARNING):
            if now - trouble.since.timestamp() >= rule.after:
                notices.append(Notice(Why.NEW, trouble))
        elif rule.remind is not None and now - earlier.at >= rule.remind:
            notices.append(Notice(Why.AGAIN, trouble))
    over = [entry.trouble for entry in memory.values() if _over(entry, now)]
    return notices + [Notice(Why.RESOLVED, trouble) for trouble in over if rule.resolved]


def settle(rule: Alert, memory: Memory, notices: Sequence[Notice], now: float) -> dict[str, SentNotice]:
    """Return the memory once these were told; what is over and need not be told any more is forgotten."""
    ended = {notice.trouble.id for notice in notices if notice.why is Why.RESOLVED}
    after = {
        id_: entry for id_, entry in memory.items() if not (_over(entry, now) and (id_ in ended or not rule.resolved))
    }
    return after | {
        notice.trouble.id: SentNotice(notice.trouble, now) for notice in notices if notice.why is not Why.RESOLVED
    }


def _over(entry: SentNotice, now: float) -> bool:
    return entry.gone is not None and now - entry.gone >= _GONE
