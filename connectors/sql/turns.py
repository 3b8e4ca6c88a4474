"""Who uses the next connection: whoever has waited the longest. A semaphore of Python's lets those who come just then
go first, so that under load some wait for seconds."""

from __future__ import annotations

import threading
from collections import deque


class FairTurns:
    """So many turns at a time, given in the order in which they were asked for."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout: float) -> bool:
        """Return whether it is the caller's turn within so many seconds; then `release` ends it."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=timeout):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it was given just then

    def release(self) -> None:
        """End a turn: the next one has it."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
