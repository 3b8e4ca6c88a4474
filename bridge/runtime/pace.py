"""A rate limit shared by all processes of this machine that talk to one CRM; lookups during a call come first.

A small file keeps when the last `times` requests went out, in a ring: the next one may go when the oldest of them is
`seconds` ago, so that no stretch of that length ever sees more. Background work looks only half as far back, and so
leaves the other half to callers on the line. Times are the wall clock's, which goes on over a restart.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from connectors.base import Deadline, TimedOut, Unavailable
from connectors.filelock import FileLock
from connectors.units import Rate

_HEAD = struct.Struct("=QQ")  # how many places the ring has, how many requests went out so far
_MOMENT = struct.Struct("=d")
_CLOSED = -1
_LONGEST_NAP = 1.0  # seconds: the limit may be lifted, or the clock set, meanwhile


class SharedPace:
    """At most `rate.times` requests in any `rate.seconds`, noted in `file`. `background` work makes at most half of
    them, and waits while that many were made by whomever."""

    def __init__(
        self,
        name: str,
        rate: Rate,
        file: Path,
        *,
        background: bool,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._rate = rate
        self._most = max(1, rate.times // 2) if background else rate.times
        self._lock = FileLock(file)
        self._clock = clock
        self._sleep = sleep
        self._guard = threading.Lock()
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def wait(self, deadline: Deadline) -> None:
        """Return when the next request may go out; raise `TimedOut` when that is not before the deadline."""
        while (wait := self._book(deadline)) > 0:
            if wait > deadline.remaining:
                raise TimedOut(f"{self._name}: its rate limit is used up for now")
            self._sleep(min(wait, _LONGEST_NAP))

    def close(self) -> None:
        """Let go of the file. Who waits for a request then gets `Unavailable`."""
        with self._guard:
            file, self._file = self._file, _CLOSED
        if file != _CLOSED:
            os.close(file)

    def _book(self, deadline: Deadline) -> float:
        """Book a request: 0.0 when it may go out now, else the seconds until one may."""
        if not self._lock.acquire(deadline.remaining):
            raise TimedOut(f"{self._name}: another process holds the file of its rate limit")
        try:
            with self._guard:  # a file that is closed meanwhile may have given its number to another
                if self._file == _CLOSED:
                    raise Unavailable(f"{self._name} is closed")
                return self._book_locked()
        finally:
            self._lock.release()

    def _book_locked(self) -> float:
        now, count = self._clock(), self._count()
        if count >= self._most:
            ago = now - self._made(count - self._most)
            if 0 <= ago < self._rate.seconds:  # below 0: noted before the clock was set back
                return self._rate.seconds - ago
        os.pwrite(self._file, _MOMENT.pack(now), self._place(count))
        os.pwrite(self._file, _HEAD.pack(self._rate.times, count + 1), 0)
        return 0.0

    def _count(self) -> int:
        """How many requests were noted; 0 for a new file, or one that another rate was kept in."""
        head = os.pread(self._file, _HEAD.size, 0)
        places, count = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
        return count if places == self._rate.times else 0

    def _made(self, number: int) -> float:
        """When the request of this number went out."""
        stored = os.pread(self._file, _MOMENT.size, self._place(number))
        return float(_MOMENT.unpack(stored)[0]) if len(stored) == _MOMENT.size else 0.0

    def _place(self, number: int) -> int:
        return _HEAD.size + number % self._rate.times * _MOMENT.size
