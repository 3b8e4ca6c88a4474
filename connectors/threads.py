"""Threads that can be left behind: a lookup that hangs must hold up neither its caller nor the end of the process.

`concurrent.futures` waits at exit for every thread it ever started; these are daemons and are not waited for.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from connectors.base import Unavailable
from connectors.steps import settle

T = TypeVar("T")
_IDLE = 30.0  # seconds after which a thread without work ends


class _Idle:
    """A thread that has nothing to do. Releasing `ready` wakes it, to do `work`; None: to end."""

    __slots__ = ("ready", "work")

    def __init__(self) -> None:
        self.work: Callable[[], object] | None = None
        self.ready = threading.Lock()
        self.ready.acquire()

    def wake(self, work: Callable[[], object] | None) -> None:
        self.work = work
        self.ready.release()


class DaemonThreadPool:
    """Runs functions on up to `limit` daemon threads, started when needed, ended when idle for `idle` seconds.

    Whose turn it is, is decided under one lock: work is given to one idle thread, and a thread that gives up waiting is
    counted no more from that moment on. (A `SimpleQueue` that several threads wait at with a timeout may, in Python
    3.11, have one of them wait for ever.)
    """

    def __init__(self, limit: int, name: str, idle: float = _IDLE) -> None:
        self._limit = limit
        self._name = name
        self._patience = idle
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []  # the one that has waited the least is last, and is woken first
        self._waiting: deque[Callable[[], object]] = deque()  # only while all threads are busy
        self._alive: set[threading.Thread] = set()
        self._closed = False

    def run(self, work: Callable[[], object]) -> None:
        """Have `work` done soon, later when all threads are busy. It must not raise. Raises `Unavailable` once it is
        closed."""
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self._name} is closed")
            if self._idle:
                self._idle.pop().wake(work)
            elif len(self._alive) >= self._limit:
                self._waiting.append(work)
            else:
                thread = threading.Thread(target=self._loop, args=(work,), name=self._name, daemon=True)
                thread.start()
                self._alive.add(thread)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done likewise, and return what it will come to. Raises `Unavailable` once it is closed."""
        future: Future[T] = Future()
        self.run(lambda: settle(future, work))
        return future

    @property
    def queued(self) -> int:
        """How much work waits for a thread."""
        return len(self._waiting)

    def close(self, wait: float = 1.0) -> None:
        """Take no more work; end the idle threads, wait `wait` seconds in all for busy ones, leave the rest behind.
        Work that waits for a thread is still done, as far as threads come back."""
        with self._lock:
            self._closed = True
            threads = list(self._alive)
            while self._idle:
                self._idle.pop().wake(None)
        end = time.monotonic() + wait
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _loop(self, work: Callable[[], object] | None) -> None:
        try:
            while work is not None:
                work()
                work = self._next()
        finally:
            with self._lock:
                self._alive.discard(threading.current_thread())

    def _next(self) -> Callable[[], object] | None:
        """What to do next; None: end."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                return None
            mine = _Idle()
            self._idle.append(mine)
        if not mine.ready.acquire(timeout=self._patience):
            with self._lock:
                if mine in self._idle:
                    self._idle.remove(mine)
                    self._alive.discard(threading.current_thread())
                    return None
            mine.ready.acquire()  # it was woken just now
        return mine.work
