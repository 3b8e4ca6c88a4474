"""A database for those who must not hang with it: behind a network that swallows everything, a thread that waits for
PostgreSQL would wait for ever, whatever timeouts the server keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from bridge.errors import StoreUnavailable
from bridge.store.database import Database

_LOOK = 0.5
_AFTER = 5.0


class WatchedDatabase(Database):
    """The same database, whose connections are cut when one of them does not come back: `seconds` is longer than any
    statement may take. For a moment after that nobody waits again: whoever asks is told at once. `end` ends the
    watch."""

    def __init__(self, database: Database, seconds: float) -> None:
        super().__init__(database.engine, database.name, database.path, database.patience)
        self._seconds = seconds
        self._began: dict[int, float] = {}
        """Since when each thread waits for the server."""
        self._hung_until = 0.0
        self._stop = threading.Event()
        if self.postgresql:
            event.listen(self.engine, "before_cursor_execute", self._waits)
            event.listen(self.engine, "after_cursor_execute", self._goes_on)
            event.listen(self.engine, "commit", self._waits)
            threading.Thread(target=self._watch, name="database-watch", daemon=True).start()

    def end(self) -> None:
        """End the watch, and close every connection."""
        self._stop.set()
        self.close()

    @contextmanager
    def _begin(self, how: str) -> Iterator[Connection]:
        if time.monotonic() < self._hung_until:
            raise StoreUnavailable(f"{self.name} does not answer; see whether the network lets it through")
        self._waits()
        try:
            with super()._begin(how) as connection:
                self._goes_on()
                yield connection
        finally:
            self._goes_on()

    def _waits(self, *_what: Any) -> None:
        self._began[threading.get_ident()] = time.monotonic()

    def _goes_on(self, *_what: Any) -> None:
        self._began.pop(threading.get_ident(), None)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK):
            if any(time.monotonic() - began > self._seconds for began in list(self._began.values())):
                self._hung_until = time.monotonic() + _AFTER
                self.cut()
