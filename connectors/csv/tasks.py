"""A CSV file that lists people to call, and the file that says what became of them.

The list belongs to the admin and is never changed. Each outcome is a row of the results; whatever has a row there has
been taken up and is not listed again. The row of a claim says whose it is: what another installation has claimed is
left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.base import ClaimedElsewhere, Deadline, Task, TaskOutcome, WriteResult
from connectors.csv.columns import Columns
from connectors.csv.index import Content
from connectors.csv.output import Output, plain
from connectors.csv.source import NumberedRow
from connectors.csv.table import Table
from connectors.taskdates import NO_MOMENT, Dates, moment

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
    state, status = before or Known(), row.get("status", "")
    if status != _CLAIMED:
        return replace(state, status=status)
    return Known(status, row.get(INSTALLATION, ""), row.get("at", "") or "?")


FOLLOW = (ID, _fold)
"""What the results are remembered by."""


@dataclass(frozen=True)
class TaskRows:
    """What the rows of a list mean: `columns` by which names, `dates` how times are written where somebody said so;
    `timezone`: of times that name none."""

    columns: Columns
    dates: Dates | None
    timezone: str
    spreadsheet: bool = False

    def task(self, content: Content, row: NumberedRow) -> tuple[Task, bool]:
        """Return the task of a row, and whether its times could be read; one that could not stays as it is, so that
        whoever takes it for a time refuses it."""
        fields: dict[str, object] = {**self.columns.fields(content.columns, row[1])}
        task_id = str(fields.get(ID, "")).strip()
        read = True
        dates = self.dates or Dates(fields=[])
        for name in dates.fields:
            if name in fields:
                value, good = self._moment(fields[name], dates)
                fields |= dict.fromkeys(fields.keys() & self.columns.names_of(name), value)
                read = read and good
        return Task(task_id, fields), read

    def _moment(self, value: object, dates: Dates) -> tuple[object, bool]:
        """A date cell of a spreadsheet is read as one, however texts are written."""
        forms = [dates, dates.model_copy(update={"format": None})] if self.spreadsheet else [dates]
        for form in forms:
            with suppress(*NO_MOMENT):
                return moment(value, form, self.timezone), True
        return value, False


class TaskList:
    """The tasks of one file with their results."""

    def __init__(
        self,
        table: Table,
        rows: TaskRows,
        results: Output,
        zone: ZoneInfo,
        log: logging.Logger,
        installation: str = "",
        others: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`installation`, `others`: see `connectors.base.Context`."""
        self.table, self._rows = table, rows
        self._results, self._zone, self._log = results, zone, log
        self._installation, self._others = installation, others
        self._said: tuple[int, int, int] = (0, 0, 0)
        self._said_others = False

    def fields(self) -> frozenset[str]:
        """Return the names that every task's fields have now. Raises `ConnectorError` where the list can't be read."""
        return self._rows.columns.all_names(self.table.content.columns)

    def listed(self) -> tuple[int, int]:
        """Return how many rows the list has now, and how many of them have a time that can't be read. Raises
        `ConnectorError`."""
        content = self.table.fresh()
        read = [self._rows.task(content, row)[1] for row in content.all()]
        return len(read), read.count(False)

    def waiting(self, deadline: Deadline) -> Iterator[Task]:
        """Yield the rows with an id that the results do not have. Of two with one id the first counts."""
        content = self.table.content
        done = self._results.latest(deadline)
        self._say_others(done)
        without, twice, timeless = 0, 0, 0
        for row in content.all():
            task, read = self._rows.task(content, row)
            timeless += not read
            if not task.id:
                without += 1
            elif content.by_key(task.id, 1)[0][0] != row[0]:
                twice += 1
            elif plain(task.id) not in done:
                yield task
        odd = (without, twice, timeless)
        if odd != self._said and (without or twice):
            self._log.warning("tasks: %d rows without an id and %d with another's id are left out", without, twice)
        if odd != self._said and timeless:
            self._log.warning("tasks: %d rows have a time that is not written as tasks.dates says", timeless)
        self._said = odd

    def read(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the task as the file holds it now; None when it is gone or done. Raises `ClaimedElsewhere`."""
        content = self.table.fresh()
        rows = content.by_key(task.id, 1)
        state = _known(self._results.latest(deadline), task)
        if state.by and not self._may_be_ours(state.by):
            raise _elsewhere(state)
        if not rows or (state.status and state.status not in _UNDER_WAY):
            return None
        return self._rows.task(content, rows[0])[0]

    def told(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Add a row for what became of it; the same told again is there already. What another installation has claimed
        is its own to tell of. Raises `ClaimedElsewhere`, of a claim."""
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
            state = _known(latest, task)
            if outcome.status == _CLAIMED and state.at and not self._is_ours(state, outcome.at):
                raise _elsewhere(state)
            left = bool(state.by) and not self._may_be_ours(state.by)
            return not left

        created = self._results.append(key, values, deadline, ours)
        if left:
            return WriteResult(
                task.id, created=False, exchange=f"{self._results.path}: another installation has the task"
            )
        return WriteResult(task.id, created, f"{self._results.path}: {outcome.status}")

    def _may_be_ours(self, by: str) -> bool:
        """Whether a claim is of this installation, or of a host that works on the same database."""
        return by == self._installation or by in self._others()

    def _is_ours(self, state: Known, at: datetime) -> bool:
        """Whether that claim is this one, told again: of this installation; or of another host or an older version,
        which did not say whose it is, and of the same second."""
        if state.by and state.by == self._installation:
            return True
        try:
            same = datetime.fromisoformat(state.at) == at.replace(microsecond=0)
        except (ValueError, TypeError):  # somebody wrote something else there
            same = False
        return same and (not state.by or state.by in self._others())

    def _say_others(self, latest: Mapping[str, Known]) -> None:
        if self._said_others or not self._installation:
            return
        by = {state.by for state in latest.values()} - {"", self._installation}
        others = by.difference(self._others()) if by else by
        if others:
            self._said_others = True
            self._log.warning(
                "tasks: another installation of the bridge (%s) calls from this list, too; what it has claimed is left "
                "alone: %s", ", ".join(sorted(others)), self._results.path,
            )  # fmt: skip


def _known(latest: Mapping[str, Known], task: Task) -> Known:
    return latest.get(plain(task.id), Known())


def _elsewhere(state: Known) -> ClaimedElsewhere:
    whose = f"installation {state.by}" if state.by else "a bridge of an older version"
    return ClaimedElsewhere(f"{whose} has claimed it, at {state.at}: it is the other's to call")
