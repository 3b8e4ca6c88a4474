"""Keeps the sums of the reports up to date, a few calls at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.reports.counting import difference, figures_of
from bridge.store import callfigures
from bridge.store.database import Database
from bridge.store.outagelog import OutageLog

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


class FigureKeeper:
    """Counts as long as it runs: `start`, then `stop`. `current` gives the newest configuration."""

    def __init__(self, database: Database, current: Callable[[], Configuration], pause: float = _PAUSE) -> None:
        self._database, self._current, self._pause = database, current, pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    def start(self) -> None:
        """Begin. While the database is away, it tries again."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that is being counted."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        outage, pause, swept = OutageLog(_log, "figures"), 0.0, -_DAY
        clock = 0.0
        while not self._stopping.wait(pause):
            clock += pause
            pause = self._pause
            try:
                counted = count_some(self._database, self._current())
                if counted == _BATCH:  # a trickle is gathered: a few at a time took a tenth of the processor
                    pause = _BREATH
                elif clock - swept >= _DAY:
                    swept = clock
                    with self._database.write() as connection:
                        callfigures.let_go(connection, datetime.now(UTC) - KEPT)
                outage.back()
            except StoreUnavailable as error:
                outage.away(str(error))
            except Exception:  # noqa: BLE001 (once more next time)
                _log.exception("calls could not be added up")
