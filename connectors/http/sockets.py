"""Connections that can't be held beyond a deadline.

A socket's own timeout starts anew with each byte that arrives, so a server that sends a byte now and then can hold a
request for ever, even in the middle of a header. Here each read from the socket may take only what is left until the
deadline of the request that is being made.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connectors.base import Deadline

_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """End by `deadline` all requests that this thread makes inside the block."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def current() -> Deadline:
    """Return the deadline of this thread's requests; one that never passes where none is set."""
    return _deadline.get() or Deadline.never()


class DeadlineReader(io.RawIOBase):
    """What a socket receives. Each read waits no longer than what is left until the deadline, and no more than `most`
    bytes are read."""

    def __init__(self, sock: socket.socket, deadline: Deadline, most: float = math.inf) -> None:
        self._sock = sock
        self._raw = cast(io.RawIOBase, sock.makefile("rb", buffering=0))
        self._deadline = deadline
        self._most = most
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._size > self._most:
            raise OSError(f"more than {self._most} bytes came")
        limit(self._sock, self._deadline)
        size = self._raw.readinto(buffer)
        self._size += size or 0
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def limit(sock: socket.socket, deadline: Deadline) -> None:
    """Have what is done with the socket next take no longer than what is left. Raises `TimeoutError`: nothing is."""
    left = deadline.remaining
    if not left:
        raise TimeoutError("timed out")
    if left < math.inf:
        sock.settimeout(left)


class _Socket:
    """What http.client needs of a socket to read an answer from it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(DeadlineReader(self._sock, current()))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(cast(socket.socket, _Socket(sock)), *args, **kwargs)


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class Pool(HTTPConnectionPool):
    """urllib3's pool with connections that keep to the deadline."""

    ConnectionCls = _Connection


class TlsPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TlsConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": Pool, "https": TlsPool}
