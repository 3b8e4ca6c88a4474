"""When a call began, for a Query that asks for it: as INICIO's arrival says, where that is known at once."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime

from bridge.errors import StoreUnavailable
from bridge.store import events
from bridge.store.database import Database
from connectors.base import Unavailable
from connectors.threads import DaemonThreadPool

_log = logging.getLogger("bridge.intake.starts")
_PATIENCE = 0.1
"""Seconds that a Query waits for it."""
_PAUSE = 5.0
"""Seconds for which nobody asks a database that did not answer in time."""
_MOST = 8


class CallStarts:
    """Looks up when calls began, in threads of its own: a database that is away or slow holds up one Query for a tenth
    of a second now and then, and all others not at all.

    `database`: where events are kept, None while it is known to be away.
    """

    def __init__(self, database: Callable[[], Database | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._threads = DaemonThreadPool(_MOST, "call-starts")
        self._room = threading.BoundedSemaphore(_MOST)
        self._silent_until = 0.0

    def of(self, line: str, call_sequence: str) -> datetime | None:
        """Return when INICIO of this call came; None where that is not known, or not within a tenth of a second."""
        database = self._database()
        if database is None or not call_sequence or self._clock() < self._silent_until:
            return None
        if not self._room.acquire(blocking=False):
            return None
        answers: queue.SimpleQueue[datetime | None] = queue.SimpleQueue()
        try:
            self._threads.run(lambda: self._look(database, line, call_sequence, answers))
        except Unavailable:  # it is being closed
            self._room.release()
            return None
        try:
            return answers.get(timeout=_PATIENCE)
        except queue.Empty:
            self._silent_until = self._clock() + _PAUSE
            return None

    def close(self) -> None:
        """Wait a second at most for those that still look: they need the database. The rest is left behind."""
        self._threads.close()

    def _look(
        self, database: Database, line: str, call_sequence: str, answers: queue.SimpleQueue[datetime | None]
    ) -> None:
        began = None
        try:
            with database.read_within(_PATIENCE) as connection:
                began = events.began(connection, line, call_sequence)
        except StoreUnavailable as error:
            self._silent_until = self._clock() + _PAUSE
            _log.debug("when a call began is not known: %s", error)
        except Exception:  # noqa: BLE001 - a thread must not die of it, and the Query has its own arrival
            _log.exception("looking up when a call began failed")
        finally:
            self._room.release()
            answers.put(began)
