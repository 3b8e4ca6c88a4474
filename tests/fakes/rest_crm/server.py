"""The pretended CRM as an HTTP server; what goes wrong, goes wrong on the wire."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from requests.structures import CaseInsensitiveDict

from tests.fakes.rest_crm import faults as faulty
from tests.fakes.rest_crm.api import Api, Asked, Reply, parsed_body, parsed_query
from tests.fakes.rest_crm.faults import Fault, Faults
from tests.fakes.rest_crm.signin import SignIns
from tests.fakes.rest_crm.store import Store

_LONGEST = 60.0


class RestCrm:
    """The server. `delay`: seconds before each answer. `requests` are those that came, in order; `away` makes it break
    off every connection."""

    def __init__(self, *, port: int = 0, delay: float = 0.0, tls: ssl.SSLContext | None = None) -> None:
        self.store = Store()
        self.signins = SignIns()
        self.faults = Faults()
        self.delay = delay
        self.away = False
        self.requests: list[Asked] = []
        self.api = Api(self.store, self.signins)
        self.stopping = threading.Event()
        self._server = _Server(self, port)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def auth(self) -> str:
        """How one signs in."""
        return self.signins.way

    @auth.setter
    def auth(self, way: str) -> None:
        self.signins.way = way

    def paths(self) -> list[str]:
        """The requests that came, as `GET /orders`."""
        return [f"{asked.method} {asked.path}" for asked in self.requests]

    def go_away(self) -> None:
        """Break off all connections, those to come as well."""
        self.away = True
        self._server.drop()

    def come_back(self) -> None:
        """Answer again."""
        self.away = False

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self.stopping.set()
        self._server.drop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 1024

    def __init__(self, crm: RestCrm, port: int) -> None:
        self.crm = crm
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def verify_request(self, request: Any, _client_address: Any) -> bool:
        with self._lock:
            self._open.add(request)
        return not self.crm.away

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop(self) -> None:
        """End all connections that are open."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536
    timeout = _LONGEST
    server: _Server

    def log_message(self, *_args: object) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        """Every method is answered here."""
        crm = self.server.crm
        asked = self._asked()
        crm.requests.append(asked)
        fault = crm.faults.next(asked.path)
        if crm.delay:
            crm.stopping.wait(crm.delay)
        if fault is not None:
            self._go_wrong(fault, asked)
        else:
            self._send(crm.api.answer(asked))

    do_POST = do_GET  # noqa: N815 - http.server's names
    do_PUT = do_GET  # noqa: N815
    do_PATCH = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def _asked(self) -> Asked:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, query = parsed_query(self.path)
        values = parsed_body(body, self.headers.get("Content-Type", ""))
        headers = CaseInsensitiveDict(self.headers.items())
        return Asked(self.command, path, query, headers, values, body, f"http://{self.headers['Host']}")

    def _send(self, reply: Reply) -> None:
        headers = dict(reply.headers)
        self._raw(reply.status, reply.body(), headers.pop("Content-Type", "application/json"), **headers)

    def _raw(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(headers.pop("length", len(body))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _go_wrong(self, fault: Fault, asked: Asked) -> None:
        special: dict[str, Callable[[Fault, Asked], None]] = {
            "hang": self._hang,
            "trickle": self._trickle,
            "trickle_header": self._trickle_header,
            "reset": self._reset,
            "lose_answer": self._lose_answer,
            "drop_idle": self._drop_idle,
            "truncated": self._truncated,
            "huge_unsaid": self._huge_unsaid,
        }
        if fault.kind in special:
            special[fault.kind](fault, asked)
        else:
            self._wrong_answer(fault, asked)

    def _wrong_answer(self, fault: Fault, asked: Asked) -> None:
        after = str(int(fault.seconds))
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=fault.seconds), usegmt=True)
        replies: dict[str, Callable[[], None]] = {
            "login_page": lambda: self._raw(200, faulty.LOGIN_PAGE, "text/html; charset=utf-8"),
            "redirect": lambda: self._raw(302, b"", Location=fault.to),
            "redirect_host": lambda: self._raw(302, b"", Location=fault.to),
            "redirect_host_for_good": lambda: self._raw(301, b"", Location=fault.to),
            "huge": lambda: self._raw(200, b'{"data": ["' + b"x" * 30_000_000 + b'"]}'),
            "gzip_bomb": lambda: self._raw(200, faulty.bomb(), Content_Encoding="gzip"),
            "bad_gzip": lambda: self._raw(200, b'{"data": []}', Content_Encoding="gzip"),
            "too_many": lambda: self._raw(429, b'{"message": "slow down"}', Retry_After=after),
            "too_many_date": lambda: self._raw(429, b'{"message": "slow down"}', Retry_After=at),
            "error": lambda: self._raw(500, b'{"message": "oops"}'),
            "down": lambda: self._raw(503, b"<html>down for maintenance</html>", "text/html"),
            "given_up": lambda: self._raw(504, b"<html><h1>504 Gateway Time-out</h1></html>", "text/html"),
            "wrong_type": lambda: self._raw(200, b"%PDF-1.7 binary\x00\x01", "application/pdf"),
            "invalid_json": lambda: self._raw(200, b'{"data": [{"id": 1,'),
            "not_utf8": lambda: self._raw(200, b'{"data": [{"id": 1, "full_name": "Pe\xf1a"}]}'),
            "latin1": lambda: self._western(self.server.crm.api.answer(asked), "ISO-8859-1"),
            "cp1252": lambda: self._western(self.server.crm.api.answer(asked), "windows-1252"),
            "deep": lambda: self._raw(200, b"[" * 100_000 + b"]" * 100_000),
            "empty": lambda: self._raw(200, b""),
            "refused": lambda: self._raw(422, b'{"message": "note: 500 characters at most"}'),
            "null": lambda: self._raw(200, b'{"status": "error", "data": null}'),
        }  # fmt: skip
        replies[fault.kind]()

    def _western(self, reply: Reply, charset: str) -> None:
        body = json.dumps(reply.value, ensure_ascii=False).encode(charset)
        self._raw(reply.status, body, f"application/json; charset={charset}")

    def _hang(self, _fault: Fault, _asked: Asked) -> None:
        self.server.crm.stopping.wait(_LONGEST)
        self.close_connection = True

    def _trickle(self, _fault: Fault, _asked: Asked) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n")
        self._drip(b" ")

    def _trickle_header(self, _fault: Fault, _asked: Asked) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self._drip(b"x")

    def _drip(self, byte: bytes) -> None:
        self.close_connection = True
        for _ in range(int(_LONGEST / 0.05)):
            with contextlib.suppress(OSError):
                self.wfile.write(byte)
                self.wfile.flush()
                if not self.server.crm.stopping.wait(0.05):
                    continue
            return

    def _reset(self, _fault: Fault, _asked: Asked) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _lose_answer(self, fault: Fault, asked: Asked) -> None:
        self.server.crm.api.answer(asked)
        self._reset(fault, asked)

    def _drop_idle(self, _fault: Fault, asked: Asked) -> None:
        """Answers well, and ends the connection without a word of it."""
        self._send(self.server.crm.api.answer(asked))
        self.close_connection = True

    def _truncated(self, _fault: Fault, asked: Asked) -> None:
        body = self.server.crm.api.answer(asked).body()
        self._raw(200, body[: len(body) // 2], length=str(len(body)))
        self.close_connection = True

    def _huge_unsaid(self, _fault: Fault, _asked: Asked) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(300):
                self.wfile.write(b"x" * 100_000)
