"""What the console's pages work on: made once in the process that makes them."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bridge.callbacks import CallbackService
from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.queue import queue_for
from bridge.queue.base import Queue
from bridge.runtime.limits import SharedLimits
from bridge.service.composition import Current
from bridge.store import console
from bridge.store.database import Database, unprepared
from bridge.troubles import Place, Trouble, Troubles, current
from bridge.web.console.passwords import Passwords
from bridge.web.console.sessions import Sessions
from bridge.web.console.signing import SigningKey

_POOL = 4
_PATIENCE = 3.0
"""Seconds that a page waits for the database, or for another writer."""


class ConsoleParts:
    """See this module's docstring. `state`: the state folder."""

    def __init__(self, serving: Current, state: Path, troubles: Troubles, closing: ExitStack) -> None:
        self.serving, self.state, self.troubles = serving, state, troubles
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._closing = closing
        limits = SharedLimits(state / "console.db", what="wrong passwords at the console")
        closing.callback(limits.close)
        self.signing = SigningKey(lambda: console.key(self.database), state)
        self.passwords = Passwords(lambda: self.configuration.console_users, limits)
        self.sessions = Sessions(
            lambda: self.configuration.console_users, lambda: self.database, self.signing, limits, self.now
        )

    @property
    def configuration(self) -> Configuration:
        """The newest good configuration."""
        return self.serving.configuration

    @property
    def loaded(self) -> Loaded:
        """The file that it was read from."""
        return self.serving.loaded

    @property
    def database(self) -> Database:
        """The database. Raises `StoreUnavailable` where none can be opened; it touches no network, so using it may
        raise as well."""
        with self._lock:
            if self._database is None:
                url = self.loaded.configuration.database.get_secret_value()
                self._database = unprepared(url, self.loaded.folder, pool=_POOL, patience=_PATIENCE)
                self._closing.callback(self._database.close)
            return self._database

    @property
    def queue(self) -> Queue:
        """What wakes the workers. Raises `StoreUnavailable` as `database` does."""
        return queue_for(self.database)

    @property
    def callbacks(self) -> CallbackService:
        """Callbacks: `.queries` shows, `.operator` acts. Raises `StoreUnavailable` as `database` does."""
        return CallbackService(self.database, self.queue, lambda: self.configuration, self.now)

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def all_troubles(self) -> list[Trouble]:
        """Return what needs a person, worst first. Never raises: that the database is away is one of them."""
        return current(Place(self.loaded, self.database, self.state), self.troubles.all())
