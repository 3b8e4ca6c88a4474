"""What the processes of a host reported, as rows, and how reports change them. Pure: no file and no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bridge.troubles.trouble import HAPPENS, Happens, Severity, Trouble

LASTS = 900.0
"""Seconds after its last happening at which a trouble ends."""
SILENT = 60.0
"""Seconds without a sign of life after which a process counts as gone, and its states with it."""
MOST = 500
"""Rows that are kept; strangers can make happenings up, and must not fill the disk."""
_ANYBODY = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One trouble as one process (`owner`) holds it; a happening belongs to all of them (`owner` empty).

    Times are Unix time. `last`: the last happening, for a state the last sign of life of its process. `recent`: the
    happenings that count for its beginning; `begun`: whether there were enough of them.
    """

    id: str
    owner: str
    severity: Severity
    text: str
    action: str
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
    text: str
    action: str
    count: int
    times: tuple[float, ...]


@dataclass(slots=True)
class Changes:
    """What one process has to change. Clearing goes first: a report after it counts."""

    cleared: set[str] = field(default_factory=set)
    reports: dict[str, Report] = field(default_factory=dict)
    held: dict[str, Row] = field(default_factory=dict)
    """The states that the process holds: its sign of life."""

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.cleared or self.reports or self.held)


Rows = Mapping[tuple[str, str], Row]
"""By id and owner."""


def kind_of(id_: str) -> Happens | None:
    """How a trouble of this id happens; None: it is a state."""
    return HAPPENS.get(id_.partition(":")[0])


def changed(rows: Rows, changes: Changes, owner: str, now: float) -> dict[tuple[str, str], Row]:
    """The rows after these changes by `owner`, without those that are over."""
    after = dict(rows)
    for id_ in changes.cleared:
        after.pop((id_, owner if kind_of(id_) is None else _ANYBODY), None)
    for row in changes.held.values():
        known = after.get((row.id, owner))
        after[row.id, owner] = replace(row, since=min(row.since, known.since) if known else row.since, last=now)
    for id_, report in changes.reports.items():
        happens = kind_of(id_)
        if happens is not None:
            after[id_, _ANYBODY] = _happened(after.get((id_, _ANYBODY)), id_, report, happens)
    after = {key: row for key, row in after.items() if not over(row, now)}
    if len(after) > MOST:  # those that began go last, and the newest of them
        worth = sorted(after.items(), key=lambda item: (item[1].begun, item[1].last))
        after = dict(worth[-MOST:])
    return after


def state(known: Row | None, id_: str, owner: str, report: Report) -> Row:
    """The row of a state that was reported (again) by its process."""
    count = report.count + (known.count if known else 0)
    since = known.since if known else report.times[0]
    return Row(id_, owner, report.severity, report.text, report.action, count, since, report.times[-1])


def over(row: Row, now: float) -> bool:
    """Whether it is over by itself."""
    happens = kind_of(row.id)
    if happens is None:
        return now - row.last > SILENT
    return now - row.last > (LASTS if row.begun else happens.seconds)


def troubles(rows: Iterable[Row], now: float) -> list[Trouble]:
    """What has begun and is not over, one for each id."""
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        if row.begun and not over(row, now):
            by_id.setdefault(row.id, []).append(row)
    return [_together(id_, same) for id_, same in by_id.items()]


def _together(id_: str, same: Sequence[Row]) -> Trouble:
    newest = max(same, key=lambda row: row.last)
    severity = Severity.ERROR if any(row.severity is Severity.ERROR for row in same) else Severity.WARNING
    since = datetime.fromtimestamp(min(row.since for row in same), UTC)
    return Trouble(id_, severity, since, sum(row.count for row in same), newest.text, newest.action)


def _happened(known: Row | None, id_: str, report: Report, happens: Happens) -> Row:
    last = report.times[-1]
    if known is not None and known.begun and last - known.last <= LASTS:
        row = replace(known, count=known.count + report.count, last=max(last, known.last))
        return replace(row, severity=report.severity, text=report.text, action=report.action)
    before = known.recent if known is not None and not known.begun else ()
    before = tuple(time for time in before if last - time <= happens.seconds)
    recent = (*before, *report.times)[-happens.times :]
    enough = len(recent) >= happens.times
    count = len(before) + report.count
    since = min((*before, *report.times))
    return Row(id_, _ANYBODY, report.severity, report.text, report.action, count, since, last, recent, enough)
