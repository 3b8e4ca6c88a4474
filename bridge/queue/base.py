"""What every queue promises.

A wake-up says that there may be something to do about a key: `("advance", "912345678:98565656")`. What there is to do
stands in the store's tables, so losing a wake-up loses nothing (the sweeper wakes again), and repeating one repeats
nothing.

    - at least once: a wake-up that was committed is answered by a run of its kind's handler that starts after
      the commit
    - never two runs of one (kind, key) at a time; wake-ups that came together may be answered by one run
    - `due`: not before that moment
    - `lane`: wake-ups of one lane share a bounded number of threads, so that what one CRM holds up holds up no other
    - a handler that raises is run again, seconds later at first, at most a minute apart
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection

from bridge.errors import StoreUnavailable

_log = logging.getLogger("bridge.queue")

Handlers = Mapping[str, Callable[[str], None]]
"""What to do about a key, by kind. Handlers run in threads, and must not hold a transaction while they wait."""

Together = Mapping[str, Callable[[Sequence[str]], None]]
"""What to do about several keys of a kind at once, by kind, where that costs less than one after the other. When it
raises, the handler of each is run instead: it must have done nothing then."""

ADVANCE = "advance"
"""Kind: fold what is new of a call, or close it. Key: `call_key`."""

DELIVER = "deliver"
"""Kind: bring a delivery to its CRM. Key: the delivery's id. Lane: the connector."""

BULK = "bulk"
"""Kind: do the next lot of what a person has done to many deliveries. Key: the run's number."""

CALLBACK = "callback"
"""Kind: send a callback whose turn it is, or settle one of which nothing was heard. Key: its number, `EMISSIONS`."""

EMISSIONS = "emissions"
"""The lane of `CALLBACK`: the platform holds up nothing else."""

POP = "pop"
"""Kind: open a call's record on a screen. Key: its number. Lane: `POPS`."""

POPS = "pops"
"""The lane of `POP`: they have seconds, and wait for nobody whose work takes longer."""

LINE = "line"
"""Kind: see which callbacks of a line have their turn. Key: `line_key`."""

POLL = "poll"
"""Kind: look at the tasks of a source. Key: its name. Lane: its connector."""

MOST_THREADS = 10_000
"""More than are ever busy: a lane takes no more than it has threads, and lanes may be added."""

LONGEST_PAUSE = 60.0
"""Seconds at most until a handler that raised runs again."""


class Wakeup(NamedTuple):
    """See this module's docstring. `due` None: now."""

    kind: str
    key: str
    due: datetime | None = None
    lane: str = ""


def call_key(line: str, call_sequence: str) -> str:
    """Return the key of a call's wake-ups."""
    return f"{line}:{call_sequence}"


def split_call_key(key: str) -> tuple[str, str]:
    """(line, call_sequence) of a `call_key`; a line's number holds no colon."""
    line, _, call_sequence = key.partition(":")
    return line, call_sequence


def line_key(line: str, due: datetime) -> str:
    """Return the key of a `LINE` wake-up. Another moment is another key: a worker that dies while it looks must not
    keep others from looking."""
    return f"{line}:{due.isoformat()}"


def pause(failures: int) -> float:
    """Return seconds until a handler that raised `failures` times in a row runs again."""
    return float(min(2 ** min(failures, 10), LONGEST_PAUSE))


class Runner(ABC):
    """Answers wake-ups until it is stopped."""

    @abstractmethod
    def start(self) -> None:
        """Begin, in threads of its own. Never fails: while the database is away it tries again."""

    @abstractmethod
    def stop(self, timeout: float) -> bool:
        """Take nothing new, let the running handlers finish, and end; false when some still ran after `timeout`
        seconds: their wake-ups are answered anew by whoever runs next."""

    @property
    @abstractmethod
    def working(self) -> bool:
        """Whether it answers wake-ups now; false while it waits for another runner's end, or for the database."""


class Queue(ABC):
    """Takes wake-ups, and makes the runner that answers them."""

    def wake(self, connection: Connection, kind: str, key: str, due: datetime | None = None, *, lane: str = "") -> None:
        """Wake the key's handler in the caller's transaction: it holds if and only if that commits."""
        self.wake_all(connection, [Wakeup(kind, key, due, lane)])

    @abstractmethod
    def wake_all(self, connection: Connection, wakeups: Sequence[Wakeup]) -> None:
        """The same for several at once."""

    @abstractmethod
    def wake_if_idle(self, connection: Connection, wakeups: Sequence[Wakeup]) -> int:
        """Wake only the keys of which no wake-up is due yet, for the sweeper, and return how many that were."""

    @abstractmethod
    def runner(
        self,
        handlers: Handlers,
        lanes: Mapping[str, int],
        alone: Callable[[], None],
        together: Together = MappingProxyType({}),
    ) -> Runner:
        """Return a runner. `lanes`: threads by lane; `""` is for everything that has no lane here, and must be there.
        A lane that is added to it later counts from then on.
        `alone`: called before the first wake-up is answered whenever it is certain that nobody else answers any.
        `together`: what may be used where several keys of a kind are due."""


def answer(handlers: Handlers, kind: str, key: str) -> bool:
    """Run the handler of a wake-up; whether it did its work. What it raises is logged: a fault in one handler must not
    end the others."""
    try:
        handlers[kind](key)
    except StoreUnavailable as error:
        _log.warning("%s %s is tried again: %s", kind, key, error)
    except Exception:  # noqa: BLE001 (said above)
        _log.exception("%s %s failed and is tried again", kind, key)
    else:
        return True
    return False
