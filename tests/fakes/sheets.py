"""A server that tables are fetched from, which may answer in any way, slowly or without end."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from socketserver import TCPServer

from tests.fakes.loopback import HttpLoopback, HttpRequest

CSV = b"name,phone\nAna,600112233\n"


class SheetServer(HttpLoopback):
    """Serves `body` at every path, with an ETag and 304 unless `tag` is false. `status` other than 200 comes without
    it; `headers` are sent besides; `redirects` says where a path leads, `answer` does all by itself where it is set.
    `requests`: path and headers of each."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.body, self.tag, self.status = CSV, True, 200
        self.kind = "text/csv; charset=utf-8"
        self.headers: dict[str, str] = {}
        self.redirects: dict[str, tuple[int, str]] = {}
        self.answer: Callable[[HttpRequest], None] | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._tls = tls

    def _made(self) -> TCPServer:
        server = super()._made()
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True)
        return server

    def take(self, request: HttpRequest) -> None:
        """Send the table, or what else it is told to."""
        self.requests.append((request.path, dict(request.headers.items())))
        if self.answer is not None:
            self.answer(request)
        else:
            self._usual(request)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def asked(self, header: str) -> list[str | None]:
        """What each request said in a header."""
        return [headers.get(header) for _, headers in self.requests]

    def _usual(self, request: HttpRequest) -> None:
        status, body, headers = self.status, self.body, dict(self.headers)
        if target := self.redirects.get(request.path.partition("?")[0]):
            status, headers["Location"] = target
            body = b""
        elif status == 200 and self.tag:
            headers["ETag"] = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
        request.reply(body, status, {"Content-Type": self.kind, **headers})
