"""Threads that can be left behind: a lookup that hangs must hold up neither its caller nor the end of the process.

`concurrent.futures` waits at exit for every thread it ever started; these are daemons and are not waited for.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

_IDLE = 30.0  # seconds after which a thread without work ends


class Threads:
    """Runs functions on up to `limit` daemon threads, started when needed, ended when idle for `idle` seconds."""

    def __init__(self, limit: int, name: str, idle: float = _IDLE) -> None:
        self._limit = limit
        self._name = name
        self._patience = idle
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._spare = 0  # idle threads less what was put into the queue for them; below 0: all are busy and work waits
        self._alive: set[threading.Thread] = set()
        self._closed = False

    def run(self, work: Callable[[], object]) -> None:
        """Have `work` done soon, later when all threads are busy. It must not raise."""
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{self._name} is closed")
            if self._spare > 0 or len(self._alive) >= self._limit:
                self._spare -= 1
                self._work.put(work)
                return
            thread = threading.Thread(target=self._loop, args=(work,), name=self._name, daemon=True)
            thread.start()
            self._alive.add(thread)

    def close(self, wait: float = 1.0) -> None:
        """Take no more work; end the idle threads, wait `wait` seconds in all for busy ones, leave the rest behind.
        Work that waits for a thread is still done, as far as threads come back."""
        with self._lock:
            self._closed = True
            threads = list(self._alive)
        for _ in threads:
            self._work.put(None)
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
        with self._lock:
            self._spare += 1
        try:
            return self._work.get(timeout=self._patience)
        except queue.Empty:
            with self._lock:
                if self._spare > 0:
                    self._spare -= 1
                    return None
            return self._work.get()  # it came just now, and was counted on this thread
