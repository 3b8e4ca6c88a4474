"""What all of the work on callbacks needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bridge.callbacks.reports import Reports, Use
from bridge.callbacks.rulebook import Rulebook
from bridge.queue.base import Queue
from bridge.store.database import Database

Random = Callable[[], float]
"""A number from 0 to 1, new with each call."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`use` gives what serves now, `clock` the time, aware."""

    database: Database
    queue: Queue
    use: Use
    book: Rulebook
    reports: Reports
    clock: Callable[[], datetime]
    random: Random
