"""Looks at lines at the moments that their pace asks for. A queue's timing is too coarse for that: PostgreSQL's looks
for what has come due every other second only."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from datetime import datetime

from bridge.errors import StoreUnavailable

_log = logging.getLogger("bridge.callbacks")


class Alarm:
    """Calls `look` with a line when its time has come, in a thread of its own. What a process that dies had set is seen
    to by the sweeps of others."""

    def __init__(self, look: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._look = look
        self._clock = clock
        self._due: list[tuple[datetime, str]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="pace", daemon=True)

    @property
    def running(self) -> bool:
        """Whether its thread runs, so that what is set will be heard of."""
        return self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; what is set is forgotten."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def set(self, at: datetime, line: str) -> None:
        """Have the line looked at when this time comes."""
        with self._changed:
            heapq.heappush(self._due, (at, line))
            self._changed.notify()

    def _run(self) -> None:
        while (line := self._next()) is not None:
            try:
                self._look(line)
            except StoreUnavailable as error:
                _log.warning("line %s waits for the database: %s", line, error)
            except Exception:  # noqa: BLE001 (the sweep looks again)
                _log.exception("looking at line %s failed", line)

    def _next(self) -> str | None:
        with self._changed:
            while not self._stopping:
                left = (self._due[0][0] - self._clock()).total_seconds() if self._due else None
                if left is not None and left <= 0:
                    _, line = heapq.heappop(self._due)
                    while self._due and self._due[0][1] == line and self._due[0][0] <= self._clock():
                        heapq.heappop(self._due)
                    return line
                self._changed.wait(left)
            return None
