"""A server that tables are fetched from, which may answer in any way, slowly or without end."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

CSV = b"name,phone\nAna,600112233\n"


class SheetServer:
    """Serves `body` at every path, with an ETag and 304 unless `tag` is false. `status` other than 200 comes without
    it; `headers` are sent besides; `redirects` says where a path leads, `answer` does all by itself where it is set.
    `requests`: path and headers of each."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.body, self.tag, self.status = CSV, True, 200
        self.kind = "text/csv; charset=utf-8"
        self.headers: dict[str, str] = {}
        self.redirects: dict[str, tuple[int, str]] = {}
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()
        self._tls = tls

    def __enter__(self) -> Self:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.requests.append((self.path, dict(self.headers.items())))
                if served.answer is not None:
                    served.answer(self)
                else:
                    served._usual(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def asked(self, header: str) -> list[str | None]:
        """What each request said in a header."""
        return [headers.get(header) for _, headers in self.requests]

    def _usual(self, handler: BaseHTTPRequestHandler) -> None:
        status, body, headers = self.status, self.body, dict(self.headers)
        if target := self.redirects.get(handler.path.partition("?")[0]):
            status, headers["Location"] = target
            body = b""
        elif status == 200 and self.tag:
            headers["ETag"] = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            if handler.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
        reply(handler, body, status, {"Content-Type": self.kind, **headers})


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no news."""


def reply(
    handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> None:
    """Send a whole answer."""
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if status != 304:
        handler.wfile.write(body)
