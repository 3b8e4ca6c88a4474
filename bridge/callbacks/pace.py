"""How fast a line calls out: evenly spread, without a burst at the start or after a rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_CATCH_UP = timedelta(seconds=1)
_AHEAD = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class LinePace:
    """`per_minute` emissions a minute, and `at_once` emitted calls at most that have not ended. Pure: when the line
    last emitted and how many of its calls are under way is the store's to know."""

    per_minute: int
    at_once: int

    @property
    def interval(self) -> timedelta:
        """The time between two emissions."""
        return timedelta(minutes=1) / self.per_minute

    def slot(self, last: datetime | None, now: datetime) -> datetime:
        """Return the moment that the next emission belongs to: in the future, wait until then; else emit now.

        Keep it as `last` once the emission goes out (not the moment at which it really did): slots stand an interval
        apart, so that a worker who comes a little late does not slow the pace. One that is later than a second (or an
        interval, where that is longer) has missed its slots: they are not made up for. `last` None: the first ever.
        A clock that was set back does not hold the line for longer than one interval.
        """
        if last is None or last - now > self.interval:
            return now
        due = last + self.interval
        return due if now - due <= max(_CATCH_UP, self.interval) else now

    def waits(self, queued: int) -> bool:
        """Return whether so many that had their turn and are not sent yet are enough: three seconds' worth, two at
        least. More would go out in a burst once the CRM, which is asked before each, or this machine is quick again."""
        return queued >= max(2, _AHEAD // self.interval)

    def room(self, under_way: int) -> int:
        """Return how many calls may be added to those under way."""
        return max(0, self.at_once - under_way)
