"""Keeps the sums of the reports up to date, a few calls at a time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bridge.config.model import Configuration
from bridge.reports.counting import difference, figures_of
from bridge.runtime.repeating import RepeatedWork
from bridge.store import callfigures
from bridge.store.database import Database

_log = logging.getLogger("bridge.reports")
_BATCH = 100
_PAUSE = 5.0
_BREATH = 0.05
"""Seconds between two batches: on SQLite, others want to write as well."""
KEPT = timedelta(days=5 * 366)
"""For how long sums are kept."""
_DAY = 86400.0


def zone_of(configuration: Configuration, line: str) -> str:
    """Return a line's time zone; of one that is gone from the configuration, that of the first."""
    return (configuration.line(line) or configuration.lines[0]).timezone


def count_some(database: Database, configuration: Configuration, limit: int = _BATCH) -> int:
    """Add up some of the calls that are over, and return how many; 0: there are no more. Raises `StoreUnavailable`."""
    with database.read() as connection:
        if not callfigures.left_to_count(connection, 1):
            return 0
    with database.write() as connection:
        entries = callfigures.uncounted(connection, limit, to_count=True)
        after = [figures_of(entry, zone_of(configuration, entry.call.line)) for entry in entries]
        before = [entry.counted for entry in entries]
        changes = difference(zip(before, after, strict=True))
        callfigures.count(database, connection, zip(entries, after, strict=True), changes)
    return len(entries)


class FigureKeeper(RepeatedWork):
    """Counts as long as it runs: `start`, then `stop`. `current` gives the newest configuration."""

    def __init__(self, database: Database, current: Callable[[], Configuration], pause: float = _PAUSE) -> None:
        super().__init__(_log, "figures", first=0.0, every=pause)
        self._database, self._current = database, current
        self._sweep_at = -math.inf

    def work(self) -> float | None:
        """Count a batch; once a day, drop the sums that are too old."""
        if count_some(self._database, self._current()) == _BATCH:
            return _BREATH  # a trickle is gathered: a few at a time took a tenth of the processor
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _DAY
            with self._database.write() as connection:
                callfigures.let_go(connection, datetime.now(UTC) - KEPT)
        return None
