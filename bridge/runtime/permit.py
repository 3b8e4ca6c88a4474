"""One permit per process for lookups that need the CPU.

Threads that all want to compute hand the interpreter's lock around among themselves, and the event loop, which answers
everybody else, gets it once in so many turns. So a thread that looks something up computes while it holds the permit,
and gives it back while it waits for the CRM: the loop shares the lock with one of them at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ComputePermit:
    """Held by one thread at a time. Not re-entrant."""

    def __init__(self) -> None:
        self._free = threading.Lock()
        self._holder = 0
        """Ident of the thread that holds it; 0: none does. A thread's own ident comes and goes by its own doing."""

    def __enter__(self) -> None:
        self._free.acquire()
        self._holder = threading.get_ident()

    def __exit__(self, *_error: object) -> None:
        self._holder = 0
        self._free.release()

    @property
    def mine(self) -> bool:
        """Whether the current thread holds it."""
        return self._holder == threading.get_ident()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Give it back around every wait for the outside. A thread that does not hold it may enter this too; then
        nothing changes hands."""
        if not self.mine:
            yield
            return
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()
