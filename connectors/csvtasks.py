"""A CSV file that lists people to call, and the file that says what became of them.

The list belongs to the admin: it is changed only in the columns that `write_back` names, and replaced as a whole. Each
outcome is a row of the results; whatever has a row there has been taken up and is not listed again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from connectors.base import Deadline, Outcome, Task, Written
from connectors.csvindex import Content, Row
from connectors.csvtable import Table
from connectors.csvwrite import Output, plain

ID = "id"
FOLLOW = (ID, "status")
"""What the results are remembered by: the last status of each id."""
_UNDER_WAY = {"claimed", "accepted"}


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
    ) -> None:
        """`own`: the list itself; `write_back`: which of its columns get what of each outcome, empty for none."""
        self.table = table
        self._own, self._write_back = own, write_back
        self._results, self._zone, self._log = results, zone, log
        self._said: tuple[int, int] = (0, 0)

    def waiting(self, deadline: Deadline) -> Iterator[Task]:
        """The rows with an id that the results do not have. Of two with one id the first counts."""
        content = self.table.content
        done = self._results.latest(deadline)
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
        """The task as the file holds it now; None when it is gone or done."""
        content = self.table.fresh()
        rows = content.by_key(task.id, content.columns.index(ID), 1)
        status = self._results.latest(deadline).get(plain(task.id))
        if not rows or (status is not None and status not in _UNDER_WAY):
            return None
        return _task(content, rows[0])

    def told(self, task: Task, outcome: Outcome, deadline: Deadline) -> Written:
        """A row for what became of it; the same told again is there already. The results are first: they are what a
        restart goes by, and what is told again finds the row there and the list still to be changed."""
        values: dict[str, object] = {
            ID: task.id,
            "status": outcome.status,
            "text": outcome.text,
            "at": outcome.at.astimezone(self._zone),
            "idcall": outcome.idcall,
            "result": outcome.result,
            "seconds": outcome.seconds,
        }
        key = f"{task.id}:{outcome.status}:{outcome.idcall or ''}"
        created = self._results.append(key, values, deadline)
        if self._write_back:
            self.table.fresh()  # what somebody is just writing is not replaced by a half of it
            own = {column: values[what] for column, what in self._write_back.items()}
            self._own.fill(ID, task.id, own, deadline)
        return Written(task.id, created, f"{self._results.path}: {outcome.status}")


def _task(content: Content, row: Row) -> Task:
    fields = dict(zip(content.columns, row[1], strict=True))
    return Task(fields.get(ID, "").strip(), fields)
