"""A CSV file that lists people to call, and the file that says what became of them.

The list belongs to the admin: it is changed only in the columns that `write_back` names, and replaced as a whole. Each
outcome is a row of the results; whatever has a row there has been taken up and is not listed again. The row of a claim
says whose it is: what another installation has claimed is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.base import ClaimedElsewhere, Deadline, Task, TaskOutcome, WriteResult
from connectors.csv.index import Content, Row
from connectors.csv.output import Output, plain
from connectors.csv.table import Table

ID = "id"
INSTALLATION = "installation"
_CLAIMED = "claimed"
_UNDER_WAY = {_CLAIMED, "accepted"}


@dataclass(frozen=True, slots=True)
class Known:
    """What the results say of a task: its last status, and of its claim whose it is and since when (as written there;
    empty where nobody has claimed it, the first also where a version that did not say so did)."""

    status: str = ""
    by: str = ""
    at: str = ""


def _fold(before: Known | None, row: Mapping[str, str]) -> Known:
    known, status = before or Known(), row.get("status", "")
    if status != _CLAIMED:
        return replace(known, status=status)
    return Known(status, row.get(INSTALLATION, ""), row.get("at", "") or "?")


FOLLOW = (ID, _fold)
"""What the results are remembered by."""


class TaskList:
    """The tasks of one file with their results."""

    def __init__(
        self,
        table: Table,
        results: Output,
        zone: ZoneInfo,
        log: logging.Logger,
        own: Output,
        write_back: Mapping[str, str],
        installation: str = "",
        others: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`own`: the list itself; `write_back`: which of its columns get what of each outcome, empty for none;
        `installation`, `others`: see `connectors.base.Context`."""
        self.table = table
        self._own, self._write_back = own, write_back
        self._results, self._zone, self._log = results, zone, log
        self._installation, self._others = installation, others
        self._said: tuple[int, int] = (0, 0)
        self._said_others = False

    def waiting(self, deadline: Deadline) -> Iterator[Task]:
        """The rows with an id that the results do not have. Of two with one id the first counts."""
        content = self.table.content
        done = self._results.latest(deadline)
        self._say_others(done)
        without, twice = 0, 0
        for row in content.all():
            task = _task(content, row)
            if not task.id:
                without += 1
            elif content.by_key(task.id, content.columns.index(ID), 1)[0][0] != row[0]:
                twice += 1
            elif plain(task.id) not in done:
                yield task
        if (without, twice) not in (self._said, (0, 0)):
            self._log.warning("tasks: %d rows without an id and %d with another's id are left out", without, twice)
        self._said = (without, twice)

    def read(self, task: Task, deadline: Deadline) -> Task | None:
        """The task as the file holds it now; None when it is gone or done. Raises `ClaimedElsewhere`."""
        content = self.table.fresh()
        rows = content.by_key(task.id, content.columns.index(ID), 1)
        known = _known(self._results.latest(deadline), task)
        if known.by and not self._may_be_ours(known.by):
            raise _elsewhere(known)
        if not rows or (known.status and known.status not in _UNDER_WAY):
            return None
        return _task(content, rows[0])

    def told(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """A row for what became of it; the same told again is there already. The results are first: they are what a
        restart goes by, and what is told again finds the row there and the list still to be changed. What another
        installation has claimed is its own to tell of. Raises `ClaimedElsewhere`, of a claim."""
        values: dict[str, object] = {
            ID: task.id,
            "status": outcome.status,
            "text": outcome.text,
            "at": outcome.at.astimezone(self._zone),
            "idcall": outcome.idcall,
            "result": outcome.result,
            "seconds": outcome.seconds,
            INSTALLATION: self._installation,
        }
        key = f"{task.id}:{outcome.status}:{outcome.idcall or ''}"
        left = False

        def ours(latest: Mapping[str, Known]) -> bool:
            """Seen while nobody else writes, so of two that claim at one moment one finds the other's claim."""
            nonlocal left
            known = _known(latest, task)
            if outcome.status == _CLAIMED and known.at and not self._is_ours(known, outcome.at):
                raise _elsewhere(known)
            left = bool(known.by) and not self._may_be_ours(known.by)
            return not left

        created = self._results.append(key, values, deadline, ours)
        if left:
            return WriteResult(
                task.id, created=False, exchange=f"{self._results.path}: another installation has the task"
            )
        if self._write_back:
            self.table.fresh()  # what somebody is just writing is not replaced by a half of it
            own = {column: values[what] for column, what in self._write_back.items()}
            self._own.fill(ID, task.id, own, deadline)
        return WriteResult(task.id, created, f"{self._results.path}: {outcome.status}")

    def _may_be_ours(self, by: str) -> bool:
        """Whether a claim is of this installation, or of a host that works on the same database."""
        return by == self._installation or by in self._others()

    def _is_ours(self, known: Known, at: datetime) -> bool:
        """Whether that claim is this one, told again: of this installation; or of another host or an older version,
        which did not say whose it is, and of the same second."""
        if known.by and known.by == self._installation:
            return True
        try:
            same = datetime.fromisoformat(known.at) == at.replace(microsecond=0)
        except (ValueError, TypeError):  # somebody wrote something else there
            same = False
        return same and (not known.by or known.by in self._others())

    def _say_others(self, latest: Mapping[str, Known]) -> None:
        if self._said_others or not self._installation:
            return
        by = {known.by for known in latest.values()} - {"", self._installation}
        others = by.difference(self._others()) if by else by
        if others:
            self._said_others = True
            self._log.warning(
                "tasks: another installation of the bridge (%s) calls from this list, too; what it has claimed is left "
                "alone: %s", ", ".join(sorted(others)), self._results.path,
            )  # fmt: skip


def _known(latest: Mapping[str, Known], task: Task) -> Known:
    return latest.get(plain(task.id), Known())


def _elsewhere(known: Known) -> ClaimedElsewhere:
    whose = f"installation {known.by}" if known.by else "a bridge of an older version"
    return ClaimedElsewhere(f"{whose} has claimed it, at {known.at}: it is the other's to call")


def _task(content: Content, row: Row) -> Task:
    fields = dict(zip(content.columns, row[1], strict=True))
    return Task(fields.get(ID, "").strip(), fields)
