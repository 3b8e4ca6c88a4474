"""Counts lookups that found nothing, per caller: whoever tries keys on the keypad gets so many and no more. And counts
what is asked for by HTTP, per sender and per number, the same way.

Kept in a file that the serving processes share (`bridge.runtime.sharedfile`). Numbers are kept as hashes, and only for
as long as they count.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bridge.runtime import sharedfile

_log = logging.getLogger("bridge.runtime.limits")
_LONGEST = 86_400.0  # seconds: the longest time that a rate is written over
_PATIENCE = 0.2  # seconds that a caller on the line waits for another process's write
_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS miss (caller BLOB, at REAL);
CREATE INDEX IF NOT EXISTS miss_caller ON miss (caller, at);
CREATE INDEX IF NOT EXISTS miss_at ON miss (at);
CREATE TABLE IF NOT EXISTS place (whose BLOB, thing BLOB, at REAL, PRIMARY KEY (whose, thing));
CREATE INDEX IF NOT EXISTS place_at ON place (at);
CREATE TABLE IF NOT EXISTS salt (value BLOB);
INSERT INTO salt SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM salt);
COMMIT;
"""


class SharedLimits:
    """`misses_per_caller` of all Queries, in `file`; or `what` else is counted the same way. A file that can't be used
    limits nobody, and says so once; it is tried again every `again` seconds."""

    def __init__(
        self,
        file: Path,
        clock: Callable[[], float] = time.time,
        *,
        what: str = "misses_per_caller",
        again: float = 30.0,
    ) -> None:
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._warned = False
        self._salt = secrets.token_bytes(16)
        self._database: sqlite3.Connection | None = None
        self._closed = threading.Event()
        try:
            self._open(file)
        except sqlite3.Error as error:
            self._complain(f"{file}: {error}; make room, or remove it")
            self._opener = threading.Thread(target=self._open_later, args=(file, again), name="limits", daemon=True)
            self._opener.start()

    def used_up(self, query: str, caller: str, limit: tuple[int, float]) -> bool:
        """Return whether this caller (E.164, empty: all hidden ones together) has had `limit` = (times, seconds)
        misses."""
        times, seconds = limit
        rows = self._run(
            "SELECT count(*) FROM miss WHERE caller = ? AND at > ?", self._hash(query, caller), self._clock() - seconds
        )
        return rows is not None and rows[0][0] >= times

    def wait(self, query: str, caller: str, limit: tuple[int, float]) -> float:
        """Return for how many more seconds `limit` is used up; 0 where it is not."""
        times, seconds = limit
        now = self._clock()
        rows = self._run(
            "SELECT at FROM miss WHERE caller = ? AND at > ? ORDER BY at DESC LIMIT 1 OFFSET ?",
            self._hash(query, caller), now - seconds, times - 1,
        )  # fmt: skip
        return max(0.0, rows[0][0] + seconds - now) if rows else 0.0

    def count(self, query: str, caller: str) -> None:
        """Count one more miss."""
        now = self._clock()
        self._run("DELETE FROM miss WHERE at < ?", now - _LONGEST)
        self._run("INSERT INTO miss VALUES (?, ?)", self._hash(query, caller), now)

    def takes(self, what: str, whose: str, limit: tuple[int, float], thing: str = "") -> bool:
        """Take one of the `limit` = (times, seconds) places that `whose` has, and say whether there was one. Of many at
        once, in whichever process, no more than that get one. The same `thing` again has its place already; empty:
        each time another. What can't be counted has a place."""
        times, seconds = limit
        now, owner = self._clock(), self._hash(what, whose)
        key = self._hash(what, thing) if thing else secrets.token_bytes(16)
        self._run("DELETE FROM place WHERE at < ?", now - _LONGEST)
        took = self._run(
            "INSERT OR IGNORE INTO place SELECT ?, ?, ?"
            " WHERE (SELECT count(*) FROM place WHERE whose = ? AND at > ?) < ?",
            owner, key, now, owner, now - seconds, times,
        )  # fmt: skip
        rows = self._run("SELECT count(*) FROM place WHERE whose = ? AND thing = ?", owner, key)
        return took is None or not rows or rows[0][0] > 0

    def close(self) -> None:
        """Let go of the file."""
        self._closed.set()
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _open_later(self, file: Path, again: float) -> None:
        while not self._closed.wait(again):
            try:
                self._open(file)
            except sqlite3.Error:
                continue
            _log.info("%s are counted again", self._what)
            return

    def _open(self, file: Path) -> None:
        database = sharedfile.connect(file, _TABLES, _PATIENCE)
        try:
            (self._salt,) = database.execute("SELECT value FROM salt").fetchone()
        except sqlite3.Error:
            database.close()
            raise
        with self._lock:
            if self._closed.is_set():
                database.close()
                return
            self._warned, self._database = False, database

    def _hash(self, query: str, caller: str) -> bytes:
        return hashlib.blake2b(
            f"{query}\0{caller}".encode("utf-8", "surrogatepass"), key=self._salt, digest_size=16
        ).digest()

    def _run(self, statement: str, *values: object) -> list[tuple[int, ...]] | None:
        """What came of a statement; None where it could not be run."""
        with self._lock:
            if self._database is None:
                return None
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                self._complain(str(error))
                return None

    def _complain(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            _log.error("%s can't be counted, so nobody is limited: %s", self._what, reason)
