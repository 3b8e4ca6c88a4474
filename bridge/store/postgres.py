"""Connections to PostgreSQL that nobody waits for without an end: a server that hangs, or whatever stands before it,
may take every byte and answer nothing, and keeps none of the timeouts that it was given."""

from __future__ import annotations

import os
import socket
import time
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.errors import ConnectionTimeout

_GRACE = 2.0
"""Seconds that an answer may take beyond the server's own timeout."""
_AFTER = 5.0
"""Seconds for which a server that did not answer is left alone."""

_Value = TypeVar("_Value")
_Steps = Generator[Any, Any, _Value]


class PostgresConnection(psycopg.Connection[Any]):
    """A connection that ends when an answer takes longer than the server's timeout allows."""

    within: float | None = None
    """Seconds for which an answer is waited for; None: however long it takes."""
    opened_by: PostgresConnections | None = None
    takes_no_writes = False
    """Whether its session is read-only from its start."""

    def keep_to(self, timeout: float) -> None:
        """Wait for answers for as long as a server takes that keeps to a timeout of so many seconds."""
        self.within = timeout + _GRACE

    def wait(self, gen: _Steps[_Value], *how: Any, **options: Any) -> _Value:
        """Wait for the server, as psycopg does, but no longer. Raises `psycopg.OperationalError`."""
        if self.within is None:
            return super().wait(gen, *how, **options)
        return super().wait(self._bounded(gen, time.monotonic() + self.within), *how, **options)

    def _bounded(self, steps: _Steps[_Value], end: float) -> _Steps[_Value]:
        try:
            awaited = next(steps)
            while True:
                ready = yield awaited
                if not ready and time.monotonic() > end:  # psycopg asks again and again while nothing comes
                    self.pgconn.finish()  # what comes over it now would be the answer to something else
                    if self.opened_by is not None:
                        self.opened_by.leave_alone()
                    raise psycopg.OperationalError("the server does not answer")
                awaited = steps.send(ready)
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]  # whatever psycopg's steps come to


class PostgresConnections:
    """Opens the connections of one pool, to a server that is given a timeout of so many seconds. When it did not
    answer, it is left alone for a moment: whoever would open another connection is told at once."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._alone_until = 0.0
        self._open: weakref.WeakSet[PostgresConnection] = weakref.WeakSet()

    def open(self, _dialect: Any, _record: Any, place: Sequence[Any], how: Mapping[str, Any]) -> PostgresConnection:
        """Open one, when SQLAlchemy asks for it."""
        if time.monotonic() < self._alone_until:
            raise psycopg.OperationalError("the server does not answer")
        try:
            connection = PostgresConnection.connect(*place, **how)
        except ConnectionTimeout:
            self.leave_alone()
            raise psycopg.OperationalError("the server does not answer") from None
        connection.keep_to(self._timeout)
        connection.opened_by = self
        self._open.add(connection)
        return connection

    def leave_alone(self) -> None:
        """Have nobody open a connection for a moment."""
        self._alone_until = time.monotonic() + _AFTER

    def cut(self) -> None:
        """Break all that are open, so that whoever waits for an answer fails at once, and leave the server alone."""
        self.leave_alone()
        for connection in list(self._open):
            # It may be closed already, or close meanwhile.
            with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
