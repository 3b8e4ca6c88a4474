"""Work that many wait for and one does: a sign-in, the description of an object.

It is done in a thread of its own, so that the first caller's short deadline can't cut it off for ever: whoever can't
wait longer goes, and the next one finds it done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from connectors.base import Deadline, TimedOut, Unavailable

T = TypeVar("T")
_LONGEST = 3600.0


class Flights:
    """`waiting` is `Context.waiting`. Threads start with the first work and end with `close`."""

    def __init__(self, name: str, waiting: Callable[[], AbstractContextManager[object]], threads: int = 4) -> None:
        self._waiting = waiting
        self._name = name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._under_way: dict[object, Future[Any]] = {}
        self._closed = False

    def get(self, key: object, work: Callable[[], T], deadline: Deadline) -> T:
        """What `work` comes to, done once for all who ask for `key` meanwhile. Raises what it raises, or `TimedOut`."""
        if deadline.passed:
            raise TimedOut(f"{self._name}: no time left to ask")
        future = self._joined(key, work)
        try:
            with self._waiting():
                result: T = future.result(min(deadline.remaining, _LONGEST))
        except TimeoutError:
            if future.done():
                raise
            raise TimedOut(f"{self._name}: Salesforce did not answer in time") from None
        return result

    def _joined(self, key: object, work: Callable[[], T]) -> Future[Any]:
        with self._lock:
            future = self._under_way.get(key)
            if future is not None:
                return future
            if self._closed:
                raise Unavailable(f"{self._name}: closed")
            future = self._under_way[key] = self._pool.submit(self._done, key, work)
            return future

    def _done(self, key: object, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            with self._lock:
                del self._under_way[key]

    def close(self) -> None:
        """Threads end with what they are doing now, which its own deadline bounds; nobody waits for it."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
