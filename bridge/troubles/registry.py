"""Where the parts of a process say what is wrong. Cheap, whatever the disk does: nobody who answers a caller waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from bridge.texts import Text
from bridge.troubles import rows as rules
from bridge.troubles.ledger import HOUR, Ledger, LedgerUnusable
from bridge.troubles.rows import Changes, Report, TroubleRow
from bridge.troubles.trouble import HAPPENS, Severity, Trouble, trouble_id

_log = logging.getLogger("bridge.troubles")
_ALIVE = 15.0
"""Seconds between two signs of life of a process that holds states."""
_COUNTED = 60.0
"""Seconds between two writes of how many Queries came."""
_TIMES = max(happens.times for happens in HAPPENS.values())
_LONGEST = 1000
_MOST = 200
"""Different troubles that one process reports between two writes; strangers make some of them up."""


class Troubles:
    """What is wrong, as this process and the others of its host reported it.

    `folder`: the state folder, in which they share it; None: this process alone, as in commands and tests. A file that
    can't be written makes this process remember by itself until it can be. `start` begins to write, every `every`
    seconds; `close` ends it, and with it the states that this process held.
    """

    def __init__(
        self, folder: Path | None = None, clock: Callable[[], float] = time.time, *, every: float = 0.5
    ) -> None:
        self._ledger = Ledger(folder) if folder is not None else None
        self._clock, self._every = clock, every
        self._owner = uuid4().hex
        self._guard = threading.Lock()
        self._waiting = Changes()
        self._held: dict[str, TroubleRow] = {}
        self._rows: rules.Rows = {}
        self._live: frozenset[str] = frozenset()
        self._alive = 0.0
        self._heard, self._told_at = 0, 0.0
        self._said = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def report(self, kind: str, subject: str = "", *, severity: Severity, text: Text, action: Text) -> None:
        """Note that it happened, or happened again. Never waits and never raises."""
        id_, now = trouble_id(kind, subject)[:_LONGEST], self._clock()
        with self._guard:
            before = self._waiting.reports.get(id_)
            if before is None and len(self._waiting.reports) >= _MOST:
                return
            count, times = (before.count, before.times) if before is not None else (0, ())
            report = Report(
                severity, text.clipped(_LONGEST), action.clipped(_LONGEST), count + 1, (*times, now)[-_TIMES:]
            )
            self._waiting.reports[id_] = report
            if rules.kind_of(id_) is None:
                once = Report(severity, report.text, report.action, 1, (now,))
                self._held[id_] = rules.state(self._held.get(id_), id_, self._owner, once)
            self._live |= {id_}

    def clear(self, kind: str, subject: str = "") -> None:
        """Note that the cause is gone. Costs next to nothing where there was no such trouble; never raises."""
        if not self._live or (id_ := trouble_id(kind, subject)[:_LONGEST]) not in self._live:
            return
        with self._guard:
            self._waiting.reports.pop(id_, None)
            self._held.pop(id_, None)
            self._waiting.cleared.add(id_)
            self._live -= {id_}

    def heard(self) -> None:
        """Note that a Query came. When none come for long, that is a trouble."""
        with self._guard:
            self._heard += 1

    def all(self) -> list[Trouble]:
        """Return what all processes of the host have reported and what is not over, this process's newest reports
        included."""
        now = self._clock()
        with self._guard:
            changes = self._pending()
            rows = self._rows
        if self._ledger is not None:
            try:
                rows = self._ledger.rows()
            except LedgerUnusable as error:
                self._complain(error)
        return rules.troubles(rules.changed(rows, changes, self._owner, now).values(), now)

    def flush(self) -> None:
        """Write what was reported, and read what others did."""
        now = self._clock()
        with self._guard:
            changes, self._waiting = self._pending(), Changes()
            alive = changes.held and now - self._alive >= _ALIVE
        try:
            after = self._written(changes, now) if changes.cleared or changes.reports or alive else self._read(now)
        except LedgerUnusable as error:
            self._complain(error)
            with self._guard:
                self._put_back(changes)
            return
        self._said = ""
        if changes:
            self._alive = now
        with self._guard:
            self._rows = after
            happened = {id_ for id_, owner in after if not owner}
            self._live = frozenset(happened | self._held.keys() | self._waiting.reports.keys())

    def _tell_heard(self, *, now: bool) -> None:
        moment = self._clock()
        with self._guard:
            if self._ledger is None or not self._heard or not (now or moment - self._told_at >= _COUNTED):
                return
            count, self._heard, self._told_at = self._heard, 0, moment
        try:
            self._ledger.hear(int(moment) // HOUR, count)
        except LedgerUnusable as error:
            self._complain(error)

    def start(self) -> None:
        """Begin to write and to read."""
        if self._ledger is not None:
            self._thread = threading.Thread(target=self._run, name="troubles", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End; the states of this process end with it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        with self._guard:
            for id_ in list(self._held):
                self._waiting.cleared.add(id_)
                self._waiting.reports.pop(id_, None)
            self._held.clear()
        self.flush()
        self._tell_heard(now=True)

    def _pending(self) -> Changes:
        return Changes(set(self._waiting.cleared), dict(self._waiting.reports), dict(self._held))

    def _put_back(self, changes: Changes) -> None:
        """What could not be written is remembered, beneath what came meanwhile."""
        newer = self._waiting
        for id_, old in changes.reports.items():
            new = newer.reports.get(id_)
            if id_ in newer.cleared:
                continue
            if new is None:
                newer.reports[id_] = old
            else:
                times = (*old.times, *new.times)[-_TIMES:]
                newer.reports[id_] = Report(new.severity, new.text, new.action, old.count + new.count, times)
        newer.cleared |= changes.cleared

    def _written(self, changes: Changes, now: float) -> rules.Rows:
        if self._ledger is None:
            return rules.changed(self._rows, changes, self._owner, now)
        return self._ledger.change(lambda before: rules.changed(before, changes, self._owner, now))

    def _read(self, now: float) -> rules.Rows:
        rows = self._ledger.rows() if self._ledger is not None else self._rows
        return {key: row for key, row in rows.items() if not rules.over(row, now)}

    def _run(self) -> None:
        if self._ledger is not None:
            try:
                self._ledger.make()  # while there is room
            except LedgerUnusable as error:
                self._complain(error)
        while not self._stop.wait(self._every):
            try:
                self.flush()
                self._tell_heard(now=False)
            except Exception:  # noqa: BLE001 - whatever it is, the next report must still get through
                _log.exception("troubles could not be written")

    def _complain(self, error: LedgerUnusable) -> None:
        if str(error) != self._said:
            self._said = str(error)
            _log.warning("what is wrong is remembered by this process alone: %s", error)


def reported(folder: Path, now: float) -> list[Trouble]:
    """Return what the processes of a host reported, for whoever is none of them. Raises `LedgerUnusable`."""
    return rules.troubles(Ledger(folder).rows().values(), now)
