"""Keeps a telephone password from being guessed: four digits are few, and a computer tries them all in seconds.

An address that never had a right signature is closed for a while after so many wrong ones: nothing from it is looked at
then, so that a right guess can't be told from a wrong one. An address that was right before is never closed, nor is any
other. All serving processes of a host count together, in a small SQLite file, which remembers over restarts as well who
was right. Where the file can't be used each process counts for itself, and says so once.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bridge.runtime import sharedfile

_T = TypeVar("_T")
_log = logging.getLogger("bridge.web.guessing")
LIMIT = 20
"""Wrong signatures of one sender within `WITHIN` seconds after which it is closed."""
WITHIN = 3600.0
CLOSED = 900.0
"""Seconds for which it is."""
REMEMBERED = 30 * 86_400.0
"""Seconds after a sender's last right signature for which it counts as one that was right before."""
_AGAIN = 86_400.0  # seconds after which it is written down once more that a sender is right
_RETRY = 60.0  # likewise, where it could not be written
_MOST = 10_000  # senders that a process remembers by itself
_PATIENCE = 0.2  # seconds that one who is not known yet waits for another process's write
_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS wrong (sender TEXT, at REAL);
CREATE INDEX IF NOT EXISTS wrong_sender ON wrong (sender, at);
CREATE INDEX IF NOT EXISTS wrong_at ON wrong (at);
CREATE TABLE IF NOT EXISTS sender (name TEXT PRIMARY KEY, right_at REAL NOT NULL, closed_at REAL NOT NULL);
COMMIT;
"""


class Guessing:
    """Who may go on trying. A sender is what counts as one, see `addresses.neighbourhood`. `file`: where processes
    count together; None: this one alone.

    One that is known to be right costs a look into a dictionary; else each of these may wait for the file.
    """

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._file, self._clock = file, clock
        self._guard = threading.Lock()
        self._right: OrderedDict[str, float] = OrderedDict()
        """When it was last written down that a sender is right."""
        self._closed: OrderedDict[str, float] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[float, ...]] = OrderedDict()
        self._warned = False
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        if file is not None:
            try:
                self._open(file)
            except sqlite3.Error as error:
                self._complain(f"{file}: {error}; remove it, and start again")

    def known(self, sender: str) -> bool:
        """Return whether memory alone tells that a sender was right before: then none of these waits for the file."""
        return sender in self._right

    def closed(self, sender: str) -> float | None:
        """For how many seconds more nothing from this sender is looked at; None: it is not closed."""
        if sender in self._right:
            return None
        now = self._clock()
        left = _left(self._closed.get(sender, 0.0), now)
        if left is not None:
            return left
        right_at, closed_at = self._read_times(sender)
        if now - right_at < REMEMBERED:
            self._keep(self._right, sender, right_at)
            return None
        return _left(closed_at, now)

    def right(self, sender: str) -> float | None:
        """Note that a signature was right. Return None where it counts; else the sender was closed meanwhile, for so
        many seconds more."""
        now, written = self._clock(), self._right.get(sender)
        if written is None:
            return self._first(sender, now)
        if now - written >= _AGAIN:
            self._keep(self._right, sender, now)
            threading.Thread(target=self._first, args=(sender, now), name="guessing", daemon=True).start()
        return None

    def wrong(self, sender: str) -> bool:
        """Note that a signature was wrong. Return whether the sender is closed by that."""
        now = self._clock()
        if sender in self._right:
            return False
        with self._guard:
            mine = (*(at for at in self._wrong.get(sender, ()) if at > now - WITHIN), now)[-LIMIT:]
        self._keep(self._wrong, sender, mine)
        count = self._counted(sender, now)
        if (len(mine) if count is None else count) < LIMIT:
            return False
        self._keep(self._closed, sender, now)
        return True

    def close(self) -> None:
        """Let go of the file."""
        with self._writing, self._reading:
            for database in (self._writer, self._reader):
                if database is not None:
                    database.close()
            self._writer = self._reader = None

    def _keep(self, senders: OrderedDict[str, _T], sender: str, value: _T) -> None:
        with self._guard:
            senders[sender] = value
            senders.move_to_end(sender)
            if len(senders) > _MOST:
                senders.popitem(last=False)

    def _first(self, sender: str, now: float) -> float | None:
        """Write down that a sender is right, unless it is closed: then for how long."""
        left = _left(self._closed.get(sender, 0.0), now)
        written = _RETRY - _AGAIN + now
        try:
            with self._change() as database:
                if database is not None:
                    right_at, closed_at = _row(database, sender)
                    if now - right_at >= REMEMBERED:
                        left = left or _left(closed_at, now)
                    if left is None:
                        forgotten = now - REMEMBERED
                        database.execute(
                            "DELETE FROM sender WHERE right_at < ? AND closed_at < ?", (forgotten, now - CLOSED)
                        )
                        database.execute("INSERT OR REPLACE INTO sender VALUES (?, ?, 0)", (sender, now))
                        database.execute("DELETE FROM wrong WHERE sender = ?", (sender,))
                written = now
        except sqlite3.Error as error:
            self._complain(str(error))
        if left is None:
            self._keep(self._right, sender, written)
        return left

    def _counted(self, sender: str, now: float) -> int | None:
        """Write a wrong signature down; how many there are of all processes, 0 where the sender was right before; None
        where they can't be counted."""
        try:
            with self._change() as database:
                if database is None:
                    return None
                if now - _row(database, sender)[0] < REMEMBERED:
                    return 0
                database.execute("DELETE FROM wrong WHERE at <= ?", (now - WITHIN,))
                database.execute("INSERT INTO wrong VALUES (?, ?)", (sender, now))
                (count,) = database.execute("SELECT count(*) FROM wrong WHERE sender = ?", (sender,)).fetchone()
                if count >= LIMIT:
                    database.execute("INSERT OR REPLACE INTO sender VALUES (?, 0, ?)", (sender, now))
                return int(count)
        except sqlite3.Error as error:
            self._complain(str(error))
            return None

    def _read_times(self, sender: str) -> tuple[float, float]:
        with self._reading:
            if self._reader is None:
                return 0.0, 0.0
            try:
                return _row(self._reader, sender)
            except sqlite3.Error as error:
                self._complain(str(error))
                return 0.0, 0.0

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection | None]:
        """A transaction that no other process's stands beside; None where there is no file."""
        with self._writing:
            if self._writer is None:
                yield None
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            self._writer.commit()

    def _open(self, file: Path) -> None:
        self._writer = sharedfile.connect(file, _TABLES, _PATIENCE)
        self._reader = sharedfile.connect(file, "", 0)

    def _complain(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            _log.error("wrong signatures can't be counted together, so each process counts its own: %s", reason)


def _row(database: sqlite3.Connection, sender: str) -> tuple[float, float]:
    """When a sender was last right, and when it was closed; 0 for never."""
    row = database.execute("SELECT right_at, closed_at FROM sender WHERE name = ?", (sender,)).fetchone()
    return (float(row[0]), float(row[1])) if row is not None else (0.0, 0.0)


def _left(closed_at: float, now: float) -> float | None:
    """For how many seconds more what was closed then is closed; nothing is by a clock that was set back."""
    return closed_at + CLOSED - now if closed_at <= now < closed_at + CLOSED else None
