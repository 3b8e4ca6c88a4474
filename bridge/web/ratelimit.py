"""A limit on failed attempts, by sender, in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class Failures:
    """Counts failures of each sender in windows of `seconds`; beyond `limit` a sender is over.

    Only failures are counted and only failures are refused by it: a request that is right costs nothing and is never
    turned away for others behind its address. At most `senders` are remembered; the one heard of longest ago goes
    first. Each process counts for itself.
    """

    def __init__(
        self,
        limit: int = 30,
        seconds: float = 60.0,
        *,
        senders: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._seconds, self._senders, self._clock = limit, seconds, senders, clock
        self._guard = threading.Lock()
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def failed(self, sender: str) -> float | None:
        """Count a failure. None while the sender is within the limit, else the seconds until its window ends."""
        now = self._clock()
        with self._guard:
            since, count = self._seen.pop(sender, (now, 0))
            if now - since >= self._seconds:
                since, count = now, 0
            self._seen[sender] = (since, count + 1)
            if len(self._seen) > self._senders:
                self._seen.popitem(last=False)
        return None if count < self._limit else since + self._seconds - now

    def __len__(self) -> int:
        """How many senders are remembered."""
        return len(self._seen)
