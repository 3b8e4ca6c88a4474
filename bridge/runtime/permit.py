"""One permit per process for work that needs the CPU.

Hundreds of threads that all want to compute only hand the interpreter's lock to and fro. So a request computes while
it holds the permit, and gives it back while it waits for a CRM, a commit or a slow sender.

Handing the permit to a sleeping thread leaves it idle until that thread has been woken. So whoever is awake may take a
free permit, before those who wait: but only until the one who has waited longest has waited for `patience`. Then it is
handed to that one, so that no caller is passed over for long while others are answered.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

_PATIENCE = 0.025


class _Waiter:
    """A thread that waits; releasing `turn` wakes it."""

    __slots__ = ("since", "thread", "turn")

    def __init__(self, thread: int, since: float) -> None:
        self.thread, self.since = thread, since
        self.turn = threading.Lock()
        self.turn.acquire()


class ComputePermit:
    """Held by one thread at a time. Not re-entrant. Free, it goes to whoever comes first, until somebody has waited for
    `patience` seconds: then to those who have waited longest, in their order."""

    def __init__(self, patience: float = _PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._guard = threading.Lock()
        self._waiting: deque[_Waiter] = deque()
        self._awake = False
        """Whether the first of those who wait was woken and has not tried yet. No other is woken meanwhile."""
        self._holder = 0
        """Ident of the thread that holds it; 0: none does. A thread's own ident appears and disappears only by its
        own doing, or while it waits, so it may compare without the guard."""

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._guard:
            if not self._holder:
                self._holder = me
                return
            waiter = _Waiter(me, self._clock())
            self._waiting.append(waiter)
        while not self._given(waiter):
            pass

    def _given(self, waiter: _Waiter) -> bool:
        """Wait to be woken; whether the permit was handed over, or is free and taken."""
        waiter.turn.acquire()
        with self._guard:
            if self._holder == waiter.thread:
                return True
            self._awake = False
            if self._holder:  # somebody was faster
                return False
            self._holder = waiter.thread
            self._waiting.popleft()
            return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._holder = 0
            if not self._waiting:
                return
            first, awake = self._waiting[0], self._awake
            self._awake = self._clock() - first.since < self._patience
            if not self._awake:
                self._holder = first.thread
                self._waiting.popleft()
            if not awake:
                first.turn.release()

    @property
    def mine(self) -> bool:
        """Whether the current thread holds it."""
        return self._holder == threading.get_ident()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around every wait for the outside: others compute meanwhile. A thread that does not hold the permit may
        enter it too; then nothing changes hands."""
        if not self.mine:
            yield
            return
        self.__exit__(None, None, None)
        try:
            yield
        finally:
            self.__enter__()
