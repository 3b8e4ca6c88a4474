"""Much work in many small transactions, so that whoever waits for one of them does not wait for long."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from bridge.store.database import Database

Pause = Callable[[float], bool]
"""Waits for so many seconds; whether the work is to end now."""

_TARGET = 0.01
"""Seconds that a transaction is to take, its commit included. SQLite has one writer: an event waits for it."""
_SHARE, _LONGEST = 3.0, 0.1
"""Times as long as a transaction took, nothing is done, so that others have three quarters of the time; but for no more
seconds than that, as slow transactions may be another's fault."""
_FIRST, _LEAST, _MOST = 5, 5, 500
"""Rows of a transaction. It costs something by itself, so that fewer than the least would take hardly less."""


def no_pause(_seconds: float) -> bool:
    """Return that the work goes on, without a pause."""
    return False


class TransactionPace:
    """How much goes into the next transaction. `size`: so many rows, by how long the last ones took."""

    def __init__(self, database: Database, pause: Pause) -> None:
        self.size = _FIRST
        self._database, self._pause = database, pause

    def ends(self, count: int, took: float) -> bool:
        """Pause after a transaction of so many rows, which others waited for that long; whether the work is to end.
        Raises `StoreUnavailable`."""
        self._database.write_back()
        self.size = max(_LEAST, min(_MOST, self.size * 2, int(count * _TARGET / max(took, 1e-6))))
        return self._pause(min(took * _SHARE, _LONGEST))


def little_by_little(database: Database, work: Callable[[Connection, int], int], pause: Pause = no_pause) -> int:
    """Call `work` in a transaction of its own until it finds nothing more, or `pause` says to end; how many rows that
    were. It gets how many it may take at most, and returns how many it took. Raises `StoreUnavailable`."""
    pace, total = TransactionPace(database, pause), 0
    while True:
        with database.write() as connection:
            began = time.monotonic()
            count = work(connection, pace.size)
        took = time.monotonic() - began
        total += count
        if not count or pace.ends(count, took):
            return total
