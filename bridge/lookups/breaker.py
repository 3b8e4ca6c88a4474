"""Stops asking a CRM that does not answer, and tries it in the background until it does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from connectors.base import ConnectorError, Unavailable

_log = logging.getLogger("bridge.lookups.breaker")


class CircuitBreaker:
    """Closed: asked. Open: not asked; after each `pause` seconds the last question that failed is asked again in the
    background, and the first answer to it, whatever it says, closes the breaker.

    No caller's own lookup is ever the probe: that caller would wait for nothing.
    """

    def __init__(self, name: str, failures: int, pause: float) -> None:
        self._name = name
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._probe: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether the CRM is not to be asked now."""
        return self._probe is not None

    def succeeded(self) -> None:
        """The CRM answered (that there is nothing is an answer too)."""
        self._failures = 0

    def failed(self, again: Callable[[], object]) -> None:
        """The CRM could not be reached; `again` asks it the same, raising `Unavailable` when it still can't."""
        with self._lock:
            self._failures += 1
            if self._failures < self._limit or self._probe is not None or self._stop.is_set():
                return
            self._probe = threading.Thread(target=self._watch, args=(again,), name=f"probe-{self._name}", daemon=True)
            self._probe.start()
        _log.warning("%s failed %d times in a row: not asked until it answers again", self._name, self._limit)

    def close(self) -> None:
        """Probe no more."""
        self._stop.set()
        probe = self._probe
        if probe is not None:
            probe.join(1.0)

    def _watch(self, again: Callable[[], object]) -> None:
        while not self._stop.wait(self._pause):
            try:
                again()
            except Unavailable as error:
                _log.info("%s still does not answer: %s", self._name, error)
                continue
            except ConnectorError as error:  # it is there again; what it says is for the next caller to hear
                _log.warning("%s answers again, with an error: %s", self._name, error)
            except Exception:  # noqa: BLE001 - a fault of ours must not leave the CRM unasked for good
                _log.exception("probing %s failed", self._name)
            else:
                _log.warning("%s answers again", self._name)
            break
        with self._lock:
            self._failures = 0
            self._probe = None
