"""By when something has to be done. Part of `connectors.base`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Self


class Deadline:
    """A moment on a monotonic clock by which something has to be done: `Deadline.after(1.5)`."""

    __slots__ = ("_clock", "at")

    def __init__(self, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at = at
        self._clock = clock

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Self:
        """Return the deadline `seconds` from now."""
        return cls(clock() + seconds, clock)

    @classmethod
    def never(cls) -> Self:
        """Return a deadline that never passes."""
        return cls(math.inf)

    @property
    def remaining(self) -> float:
        """Seconds left: 0.0 once it has passed, `math.inf` if it never does."""
        return max(0.0, self.at - self._clock())

    @property
    def passed(self) -> bool:
        """Whether the moment has come."""
        return self._clock() >= self.at

    def within(self, seconds: float) -> Deadline:
        """Return the earlier of this deadline and the one `seconds` from now."""
        return Deadline(min(self.at, self._clock() + seconds), self._clock)
