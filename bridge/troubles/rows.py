"""What the processes of a host reported, as rows, and how reports change them. Pure: no file and no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bridge.texts import Text
from bridge.troubles.trouble import HAPPENS, Happens, Severity, Trouble

LASTS = 900.0
"""Seconds after its last happening at which a trouble ends."""
SILENT = 60.0
"""Seconds without a sign of life after which a process counts as gone, and its states with it."""
MOST = 500
"""Rows that are kept; strangers can make happenings up, and must not fill the disk."""
_ANYBODY = ""


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """One trouble as one process (`owner`) holds it; a happening belongs to all of them (`owner` empty).

    Times are Unix time. `last`: the last happening, for a state the last sign of life of its process. `recent`: the
    happenings that count for its beginning; `begun`: whether there were enough of them.
    """

    id: str
    owner: str
    severity: Severity
    text: Text
    action: Text
    count: int
    since: float
    last: float
    recent: tuple[float, ...] = ()
    begun: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """Something that was reported since the last change of the rows: the newest text, how often, and when (the newest
    few)."""

    severity: Severity
    text: Text
    action: Text
    count: int
    times: tuple[float, ...]


@dataclass(slots=True)
class Changes:
    """What one process has to change. Clearing goes first: a report after it counts."""

    cleared: set[str] = field(default_factory=set)
    reports: dict[str, Report] = field(default_factory=dict)
    held: dict[str, TroubleRow] = field(default_factory=dict)
    """The states that the process holds: its sign of life."""

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.cleared or self.reports or self.held)


Rows = Mapping[tuple[str, str], TroubleRow]
"""By id and owner."""


def kind_of(id_: str) -> Happens | None:
    """Return how a trouble of this id happens; None: it is a state."""
    return HAPPENS.get(id_.partition(":")[0])


def changed(rows: Rows, changes: Changes, owner: str, now: float) -> dict[tuple[str, str], TroubleRow]:
    """Return the rows after these changes by `owner`, without those that are over."""
    after = dict(rows)
    for id_ in changes.cleared:
        after.pop((id_, owner if kind_of(id_) is None else _ANYBODY), None)
    for row in changes.held.values():
        earlier = after.get((row.id, owner))
        after[row.id, owner] = replace(row, since=min(row.since, earlier.since) if earlier else row.since, last=now)
    for id_, report in changes.reports.items():
        happens = kind_of(id_)
        if happens is not None:
            after[id_, _ANYBODY] = _happened(after.get((id_, _ANYBODY)), id_, report, happens)
    after = {key: row for key, row in after.items() if not over(row, now)}
    if len(after) > MOST:  # those that began go last, and the newest of them
        worth = sorted(after.items(), key=lambda item: (item[1].begun, item[1].last))
        after = dict(worth[-MOST:])
    return after


def state(earlier: TroubleRow | None, id_: str, owner: str, report: Report) -> TroubleRow:
    """Return the row of a state that was reported (again) by its process."""
    count = report.count + (earlier.count if earlier else 0)
    since = earlier.since if earlier else report.times[0]
    return TroubleRow(id_, owner, report.severity, report.text, report.action, count, since, report.times[-1])


def over(row: TroubleRow, now: float) -> bool:
    """Return whether a row is over by itself."""
    happens = kind_of(row.id)
    if happens is None:
        return now - row.last > SILENT
    return now - row.last > (LASTS if row.begun else happens.seconds)


def troubles(rows: Iterable[TroubleRow], now: float) -> list[Trouble]:
    """Return what has begun and is not over, one for each id."""
    by_id: dict[str, list[TroubleRow]] = {}
    for row in rows:
        if row.begun and not over(row, now):
            by_id.setdefault(row.id, []).append(row)
    return [_together(id_, same) for id_, same in by_id.items()]


def _together(id_: str, same: Sequence[TroubleRow]) -> Trouble:
    newest = max(same, key=lambda row: row.last)
    severity = Severity.ERROR if any(row.severity is Severity.ERROR for row in same) else Severity.WARNING
    since = datetime.fromtimestamp(min(row.since for row in same), UTC)
    return Trouble(id_, severity, since, sum(row.count for row in same), newest.text, newest.action)


def _happened(earlier: TroubleRow | None, id_: str, report: Report, happens: Happens) -> TroubleRow:
    last = report.times[-1]
    if earlier is not None and earlier.begun and last - earlier.last <= LASTS:
        row = replace(earlier, count=earlier.count + report.count, last=max(last, earlier.last))
        return replace(row, severity=report.severity, text=report.text, action=report.action)
    before = earlier.recent if earlier is not None and not earlier.begun else ()
    before = tuple(time for time in before if last - time <= happens.seconds)
    recent = (*before, *report.times)[-happens.times :]
    enough = len(recent) >= happens.times
    count = len(before) + report.count
    since = min((*before, *report.times))
    return TroubleRow(id_, _ANYBODY, report.severity, report.text, report.action, count, since, last, recent, enough)
