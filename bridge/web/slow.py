"""Senders that never get done: a limit on the time that a request's body may take, and on how many are awaited.

The server itself has none (it limits the time for the headers alone), and a thread that waits for a body can't be
interrupted. So the connection is ended instead: its reading side is shut, the thread goes on, and the sender is told.

Which connection it is has to be found out, for a request does not tell: it is one of the process's sockets, it comes
from that address, and what came last on it came after whatever was sent last, at least as long ago as the body has been
awaited. So a connection that idles between two requests is none, and one whose request is being answered neither, for
the limit is well above the time in which requests are answered.

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
_TCP_INFO = struct.Struct("=44xI4xI")  # struct tcp_info, linux/tcp.h: tcpi_last_data_sent, tcpi_last_data_recv
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
        for reading in late:
            reading.late = True
            address = parse(reading.address)
            silent[address] = min(now - reading.since, silent.get(address, now))
        for connection, peer in _connections():
            with connection, suppress(OSError):  # it ended meanwhile
                if peer in silent and _awaited(connection) >= silent[peer] - _MARGIN:
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


def _awaited(connection: socket.socket) -> float:
    """Seconds since something was sent on it, or since it began; 0 where nothing came after that, for it idles. Raises
    OSError where the kernel does not tell."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    sent_ago, came_ago = _TCP_INFO.unpack(info)
    return float(sent_ago) / 1000 if came_ago <= sent_ago else 0.0
