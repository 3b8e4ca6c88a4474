"""A small SQLite file that the serving processes of a host count in together. What it holds is a limit, not a promise:
nothing is lost by losing it, so it is not written through to the disk."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_OPENING = 5.0  # seconds that the start of a process waits for the other processes'
_BETWEEN = 0.01


def connect(file: Path, tables: str, patience: float) -> sqlite3.Connection:
    """Return a connection to `file`, made where it is missing, with `tables` (a script) in it; for any thread, one at a
    time.

    `patience`: seconds that a statement then waits for another process's write. Raises `sqlite3.Error`.
    """
    database = sqlite3.connect(file, timeout=_OPENING, isolation_level=None, check_same_thread=False)
    try:
        _switch_to_wal(database)
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(tables)
        database.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _switch_to_wal(database: sqlite3.Connection) -> None:
    """SQLite waits for nobody at this one change, whatever the timeout: two processes that start at the same moment
    would refuse each other."""
    end = time.monotonic() + _OPENING
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_BETWEEN)
