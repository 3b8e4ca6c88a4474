"""Senders that never get done: a limit on the time that a request's body may take, and on how many are awaited.

The server itself has none (it limits the time for the headers alone), and a thread that waits for a body can't be
interrupted. So the connection is ended instead: its reading side is shut, the thread goes on, and the sender is told.

Which connection it is has to be found out, for a request does not tell: it is one of the process's sockets, it comes
from that address, and nothing was sent on it for as long as the body has been awaited. One on which nothing came since
then either seems to idle between two requests: it is left alone, unless the late one is still awaited after the others
were ended (its head came together with the request before). The limit is well above the time in which requests are
answered, so that none of those is among them.

Where more bodies are awaited than half of the threads, each may take much less time, so that slow senders can't hold
all threads, though they know the key.
Where the kernel does not tell about a socket (other systems than Linux), nothing is ended.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.web.addresses import Address, parse

_EVERY = 0.5
_TCP_INFO = struct.Struct("=44xI4xI64xQ")  # struct tcp_info, linux/tcp.h: last_data_sent, last_data_recv, bytes_acked
_DESCRIPTORS = Path("/proc/self/fd")
_MARGIN = 0.2  # seconds; the kernel counts in ticks


class Reading:
    """A body that is awaited. `late`: it took too long, and its connection was ended."""

    __slots__ = ("address", "late", "since")

    def __init__(self, address: str, since: float) -> None:
        self.address, self.since, self.late = address, since, False


class SlowSenders:
    """Watches over the bodies that are awaited. A body may take `seconds`, and `hurried` of them once more than
    `most` are awaited at the same time, so that slow senders can never hold all threads for long."""

    def __init__(
        self,
        seconds: float = 10.0,
        *,
        most: int = 300,
        hurried: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._most, self._hurried, self._clock = seconds, most, hurried, clock
        self._readings: set[Reading] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slow-senders", daemon=True)
        self._thread.start()

    @contextmanager
    def watched(self, address: str) -> Iterator[Reading]:
        """Around the reading of a body that `address` (the other end of the connection) sends."""
        reading = Reading(address, self._clock())
        self._readings.add(reading)
        try:
            yield reading
        finally:
            self._readings.discard(reading)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            readings = tuple(self._readings)
            allowed = self._hurried if len(readings) > self._most else self._seconds
            now = self._clock()
            late = [reading for reading in readings if now - reading.since > allowed]
            if late:
                self._end(late, now)

    def _end(self, late: list[Reading], now: float) -> None:
        silent: dict[Address | None, float] = {}
        still: set[Address | None] = set()
        for reading in late:
            address = parse(reading.address)
            silent[address] = min(now - reading.since, silent.get(address, now))
            if reading.late:
                still.add(address)
            reading.late = True
        for connection, peer in _connections():
            with connection, suppress(OSError):  # it ended meanwhile
                if peer in silent:
                    sent_ago, idles = _quiet(connection)
                    if sent_ago >= silent[peer] - _MARGIN and (not idles or peer in still):
                        connection.shutdown(socket.SHUT_RD)


def _connections() -> Iterator[tuple[socket.socket, Address]]:
    """The process's TCP connections, each by a descriptor of our own, with the address of the other end."""
    try:
        descriptors = os.listdir(_DESCRIPTORS)
    except OSError:
        return
    for name in descriptors:
        try:
            connection = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # no socket, or closed meanwhile
            continue
        peer = _peer(connection)
        if peer is None:
            connection.close()
        else:
            yield connection, peer


def _peer(connection: socket.socket) -> Address | None:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        return parse(f"[{connection.getpeername()[0]}]")
    except OSError:  # it listens, or has ended
        return None


def _quiet(connection: socket.socket) -> tuple[float, bool]:
    """Seconds since something was sent on it, or since it began; and whether it seems to idle: nothing came after what
    was sent. Raises OSError where the kernel does not tell."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    sent_ago, came_ago, sent = _TCP_INFO.unpack(info)
    return sent_ago / 1000, bool(sent) and came_ago >= sent_ago
