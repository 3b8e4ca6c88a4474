"""Work on the database that is done again and again, beside everything else."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from bridge.errors import StoreUnavailable
from bridge.store.outagelog import OutageLog

_PATIENCE = 5.0
"""Seconds that `stop` waits; after that the work is left behind."""


class RepeatedWork(ABC):
    """Calls `work` in a thread of its own, from `start` to `stop`. While the database is away, and after a fault, it is
    tried again; the log says so."""

    def __init__(self, log: logging.Logger, what: str, *, first: float, every: float) -> None:
        """`what`: the work's name, for the log; `first`: seconds before it is done first, `every`: between two times,
        unless it says otherwise."""
        self._log, self._what, self._first, self._every = log, what, first, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=what, daemon=True)

    @abstractmethod
    def work(self) -> float | None:
        """Do it once, and return after how many seconds there is more to do; None: after the usual time. Raises
        `StoreUnavailable`."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done, or leave it behind."""
        self._stopping.set()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        outage, pause = OutageLog(self._log, self._what), self._first
        while not self._stopping.wait(pause):
            pause = self._every
            try:
                pause = self.work() or pause
                outage.back()
            except StoreUnavailable as error:
                outage.away(str(error))
            except Exception:  # noqa: BLE001 (once more next time)
                self._log.exception("%s failed", self._what)
