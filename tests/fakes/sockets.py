"""A server of raw sockets, for what no HTTP server would do."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Self

Handler = Callable[[socket.socket], None]


class RawServer:
    """Hands each connection to `handler` in a thread of its own, and closes it afterwards; without one it only waits.
    `accepted` counts them; `stopping` is set when the server is asked to end, for handlers that wait."""

    def __init__(self, handler: Handler | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.handler: Handler = handler or self._wait
        self.accepted = 0
        self.requests: list[bytes] = []
        self.stopping = threading.Event()
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes accept
        for thread in self._threads:
            thread.join()
        self._listening.close()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    def _wait(self, _sock: socket.socket) -> None:
        self.stopping.wait(60)

    def _accept(self) -> None:
        while True:
            sock, _ = self._listening.accept()
            if self.stopping.is_set():
                sock.close()
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self.handler(sock)
        except OSError:
            pass  # the client's business
        finally:
            sock.close()

    def read(self, sock: socket.socket) -> bytes:
        """One whole request with a Content-Length, kept in `requests`."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(4096) or b"\r\n\r\n"
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0]):
            body += sock.recv(4096)
        self.requests.append(head + b"\r\n\r\n" + body)
        return body


def reset(sock: socket.socket) -> None:
    """End the connection as a crash would: RST, whatever was not read."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
