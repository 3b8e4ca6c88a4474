"""Ends what outlasts its deadline: a server that hangs sends no timeout of its own."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_GRACE = 0.2
"""Seconds that the database has to say itself that the time was up, which leaves the connection whole."""


class SqlWatch:
    """One piece of work with a time limit. What `cuts` adds is called once that has passed, from another thread.

    Attributes:
        fired: Whether it has passed while the work was under way.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cuts: list[Callable[[], None]] = []
        self._over = False
        self.fired = False

    def cuts(self, cut: Callable[[], None]) -> None:
        """Have this called when the time is up; at once if it is."""
        with self._lock:
            self._cuts.append(cut)
            if self.fired:
                cut()

    def end(self) -> None:
        """Note that the work is over: nothing is cut any more."""
        with self._lock:
            self._over = True
            self._cuts.clear()

    @property
    def over(self) -> bool:
        """Whether the work is over."""
        return self._over

    def fire(self) -> None:
        """Cut it, unless it is over."""
        with self._lock:
            if self._over:
                return
            self.fired = True
            for cut in self._cuts:
                with suppress(Exception):
                    cut()


class Watchdog:
    """Watches over time limits in one thread, which is started when it is first needed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._watches: list[tuple[float, int, SqlWatch]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def watching(self, seconds: float) -> Iterator[SqlWatch]:
        """Yield the watch over what is done inside, which may take so many seconds."""
        watch, at = SqlWatch(), time.monotonic() + seconds + _GRACE
        with self._changed:
            first = not self._watches or at < self._watches[0][0]
            heapq.heappush(self._watches, (at, next(self._numbers), watch))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif first:
                self._changed.notify()
        try:
            yield watch
        finally:
            watch.end()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (pause := self._pause()) != 0:
                    self._changed.wait(pause)
                if self._closed:
                    return
                watch = heapq.heappop(self._watches)[2]
            watch.fire()

    def _pause(self) -> float | None:
        """Seconds until the first limit; None while there is none. Once that is now, all work is left out that is over:
        waking for each of it would hold up those who only want to be watched."""
        if self._watches and self._watches[0][0] <= time.monotonic():
            while self._watches and self._watches[0][2].over:
                heapq.heappop(self._watches)
        if not self._watches:
            return None
        return min(max(0.0, self._watches[0][0] - time.monotonic()), threading.TIMEOUT_MAX)
