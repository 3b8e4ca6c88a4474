"""Looks at the troubles of a host again and again, in one of its processes; says when one begins and when it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.config.load import Loaded
from bridge.errors import BridgeError, StoreUnavailable
from bridge.store.database import Database, unprepared
from bridge.troubles.current import current
from bridge.troubles.ledger import LastSeen, Ledger, LedgerUnusable
from bridge.troubles.observation import Place
from bridge.troubles.registry import Troubles
from bridge.troubles.trouble import Severity, Trouble
from connectors.filelock import FileLock

_log = logging.getLogger("bridge.troubles")
_FIRST = 3.0
"""Seconds from the start of a process to its first look: what a start mends needs nobody."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `now`: all troubles there are, worst first. `begun`: those of them that the look before did
    not find. `ended`: what that one found and this one does not, with the text it had; by id."""

    now: tuple[Trouble, ...]
    begun: tuple[Trouble, ...]
    ended: dict[str, LastSeen]


Follow = Callable[[Look], None]
"""Gets every look, in the watching thread; what it raises is logged."""


class Watch:
    """Watches over a host: in whichever of its processes comes first, and in the next when that one is gone.

    `loaded` gives the newest configuration, `troubles` this process's registry. `follow`: who is told of every look.
    `every`: seconds between two looks. `start`, then `close`.
    """

    def __init__(
        self,
        state: Path,
        loaded: Callable[[], Loaded],
        troubles: Troubles,
        follow: Sequence[Follow] = (),
        *,
        every: float = 5.0,
    ) -> None:
        self._state, self._loaded, self._troubles = state, loaded, troubles
        self._follow, self._every = tuple(follow), every
        self._ledger = Ledger(state)
        self._lock = FileLock(state / "troubles.lock")
        self._database: Database | None = None
        self._seen: dict[str, LastSeen] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="troubles-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End; another process of the host goes on."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def look(self) -> Look:
        """Look once: log what began and what ended, and tell the followers."""
        troubles = current(self._place(), self._troubles.all(), seen=self._seen)
        begun = tuple(trouble for trouble in troubles if trouble.id not in self._seen)
        now = {trouble.id: LastSeen(trouble.since.timestamp(), trouble.severity, trouble.text) for trouble in troubles}
        ended = {id_: trouble for id_, trouble in self._seen.items() if id_ not in now}
        for trouble in begun:
            level = logging.ERROR if trouble.severity is Severity.ERROR else logging.WARNING
            _log.log(level, "trouble: %s. %s", trouble.text, trouble.action, extra={"fields": {"trouble": trouble.id}})
        for id_, gone in ended.items():
            _log.info("trouble is over: %s", gone.text, extra={"fields": {"trouble": id_}})
        if now != self._seen:
            self._seen = now
            try:
                self._ledger.see(now)
            except LedgerUnusable as error:
                _log.debug("what was seen can't be kept: %s", error)
        seen = Look(tuple(troubles), begun, ended)
        for follow in self._follow:
            try:
                follow(seen)
            except Exception:  # noqa: BLE001 - whatever it is, the others and the next look must not suffer
                _log.exception("a follower of the troubles failed")
        return seen

    def _place(self) -> Place:
        loaded = self._loaded()
        if self._database is None:
            try:
                url = loaded.configuration.database.get_secret_value()
                self._database = unprepared(url, loaded.folder, pool=1, patience=3.0)
            except StoreUnavailable as error:
                _log.debug("the database can't be looked at: %s", error)
        return Place(loaded, self._database, self._state)

    def _run(self) -> None:
        self._stop.wait(_FIRST)
        while not self._stop.is_set():
            try:
                if self._lock.acquire(0):
                    try:
                        self._watch()
                    finally:
                        self._lock.release()
            except (OSError, BridgeError) as error:
                _log.debug("nobody can watch over the troubles: %s", error)
            self._stop.wait(self._every)
        if self._database is not None:
            self._database.close()

    def _watch(self) -> None:
        """Look until this process ends: the lock is ours."""
        try:
            self._seen = self._ledger.seen()
        except LedgerUnusable:
            self._seen = {}
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the next look may do better
                _log.exception("the troubles can't be looked at")
            self._stop.wait(self._every)
