"""Takes up a changed configuration while serving; a faulty one is refused and the last good one goes on serving."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.config.watch import Watched
from bridge.errors import Fault
from bridge.runtime import log
from bridge.service.composition import Current, Service
from bridge.texts import Text, said
from bridge.troubles import Severity, Troubles

_log = logging.getLogger("bridge.service.reload")
_AT_START = ("host", "port", "console_host", "console_port", "workers", "threads", "log")
"""What of `server:` counts from the next start on."""

Open = Callable[[Loaded, Service], Service]
"""Brings a configuration up; what did not change is taken over from the service before."""
Reloaded = Callable[[bool, float], None]
"""Called after each try: whether it went well, and when (Unix time)."""


class Watcher:
    """Puts the service of each new good configuration in place of the one before. `seconds`: how often it looks."""

    def __init__(
        self,
        current: Current,
        open_: Open,
        announce: Reloaded,
        troubles: Troubles | None = None,
        *,
        seconds: float = 0.5,
    ) -> None:
        self._current, self._open, self._told = current, open_, announce
        self._troubles = troubles or Troubles()
        with current.use() as service:
            self._started = service.configuration
            self._watched = Watched(service.loaded, self._changed, self._refused, every=seconds)

    def start(self) -> None:
        self._watched.start()

    def close(self) -> None:
        self._watched.stop()

    def look(self) -> None:
        """Look once; what two looks in a row saw is taken up."""
        self._watched.look()

    def _changed(self, loaded: Loaded) -> None:
        log.hide(log.secrets_in(loaded.configuration))
        try:
            with self._current.use() as service:
                before = service.loaded
                successor = self._open(loaded, service)
        except Exception:  # noqa: BLE001 - whatever opening a connector raises must not end the watching
            _log.exception("the changed configuration could not be brought up, the last good one goes on serving")
            self._report(Text("it could not be brought up; the log says why"))
            self._told(False, time.time())
            return
        self._troubles.clear("configuration")
        self._current.replace(successor)
        for warning in loaded.warnings:
            if warning not in before.warnings:
                _log.warning("%s", warning)
        _log.info("configuration taken up")
        for name in before.out.keys() & loaded.configuration.connectors.keys():
            _log.info("connector %s is in order again", name)
        for key in needs_restart(self._started, loaded.configuration):
            _log.warning("%s changed: that counts from the next start on", key)
        self._told(True, time.time())

    def _refused(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            _log.error("configuration refused, the last good one goes on serving: %s", fault)
        why = Text("it has faults") if not faults else said(faults[0])
        if len(faults) > 1:
            why = Text("{first} (and {more:,} more)", first=said(faults[0]), more=len(faults) - 1)
        self._report(why)
        self._told(False, time.time())

    def _report(self, why: Text) -> None:
        self._troubles.report(
            "configuration",
            severity=Severity.ERROR,
            text=Text("The changed configuration is refused, the one before goes on serving: {why}", why=why),
            action=Text("Mend the file: `infocaller-bridge check` says every fault"),
        )


def needs_restart(before: Configuration, now: Configuration) -> list[str]:
    """Return the keys that differ and that only a restart takes up."""
    keys = [f"server.{name}" for name in _AT_START if getattr(before.server, name) != getattr(now.server, name)]
    return keys + [name for name in ("database", "state") if getattr(before, name) != getattr(now, name)]
