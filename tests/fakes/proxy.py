"""A TCP proxy on loopback whose line can be cut, or swallow everything, while the server behind it runs on."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.ports import free_port


class Proxy:
    """`with Proxy(host, port) as proxy:` listens at `proxy.port`.

    `away()`: connections are cut and new ones refused. `swallow()`: everything is accepted and goes nowhere. `back()`:
    as if nothing had been. `lose_answer(b"INSERT", b"COMMIT")`: of the next connection that sends the one and then the
    other, the answer to the other is lost, and it is cut.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = self._listen(free_port())
        self.port = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self._lock = threading.Lock()
        self._swallowing = False
        self._losing: tuple[bytes, bytes] | None = None
        self._first: set[socket.socket] = set()
        self._lost: set[socket.socket] = set()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._begin(self._accept, self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.away()
        for thread in self._threads:
            thread.join(10)

    def away(self) -> None:
        self._shut(self._listener)
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for each in pairs:
            self._shut(each)

    def swallow(self) -> None:
        self._swallowing = True

    def lose_answer(self, after: bytes, to: bytes) -> None:
        self._losing = after, to

    def back(self) -> None:
        self._swallowing = False
        if self._listener.fileno() == -1:
            self._listener = self._listen(self.port)
            self._begin(self._accept, self._listener)

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        return listener

    @staticmethod
    def _shut(each: socket.socket) -> None:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

    def _begin(self, what: object, *given: object) -> None:
        thread = threading.Thread(target=what, args=given, daemon=True)  # type: ignore[arg-type]  # one of our methods
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket()
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                server.close()
                continue
            with self._lock:
                self._pairs += [client, server]
            self._begin(self._carry, client, server)
            self._begin(self._carry, server, client)

    def _carry(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source in self._lost:
                    break
                if self._losing and self._losing[0] in data:
                    self._first.add(to)
                elif self._losing and self._losing[1] in data and to in self._first:
                    self._losing = None
                    self._lost.add(to)
                if not self._swallowing:
                    to.sendall(data)
        self._shut(source)
        self._shut(to)
