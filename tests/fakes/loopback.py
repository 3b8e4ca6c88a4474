"""What the small servers of the tests share: a thread of their own on loopback, from `with` on until it ends."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Self


class Loopback:
    """Serves from `with` on. `over` is set when it ends, for what lets somebody wait meanwhile."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self._server = self._made()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more; whoever still waits for an answer is left alone."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def _made(self) -> TCPServer:
        """The server, listening at a free port of 127.0.0.1."""
        raise NotImplementedError


class HttpRequest(BaseHTTPRequestHandler):
    """A request that came by GET or POST, and the way to answer it."""

    server: _HttpServer

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.of.take(self)

    def do_POST(self) -> None:
        self.do_GET()

    def reply(self, body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 304:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


class HttpLoopback(Loopback):
    """An HTTP server, each request in a thread of its own."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, request: HttpRequest) -> None:
        """Answer a request."""
        raise NotImplementedError

    def _made(self) -> TCPServer:
        server = _HttpServer(("127.0.0.1", 0), HttpRequest)
        server.of = self
        return server


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    of: HttpLoopback

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no news."""
