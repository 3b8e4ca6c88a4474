"""A database that is away is logged once, however often it is tried, and its end once."""

from __future__ import annotations

import logging


class OutageLog:
    """Says that `what` waits for the database, and that it goes on. Of one thread."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self._reason = ""

    def away(self, reason: str) -> None:
        """The database was tried, and could not be used."""
        if reason != self._reason:
            self._log.warning("%s waits for the database: %s", self._what, reason)
        self._reason = reason

    def back(self) -> None:
        """The database was tried, and could be used."""
        if self._reason:
            self._log.info("%s goes on: the database is back", self._what)
        self._reason = ""
