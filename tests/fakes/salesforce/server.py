"""The pretended org on a real socket, with TLS, and all that can go wrong on the way."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time

from tests.fakes.salesforce.api import Answer, Api, Request, answer
from tests.fakes.salesforce.org import Org
from tests.fakes.salesforce.signin import SignIn
from tests.fakes.salesforce.tls import server_files
from tests.ports import free_port


@dataclass
class Trouble:
    """What happens to the next `times` requests whose `METHOD /path` matches: an answer instead of the work, the
    answer lost after the work (`lose`), or no answer until the server stops (`hang`)."""

    match: re.Pattern[str]
    times: int
    instead: Answer | None = None
    lose: bool = False
    hang: bool = False


@dataclass
class Seen:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class FakeSalesforce:
    """Starts with the constructor, stops with `close`. `url` is where it is; `ca_file` is the CA to trust."""

    def __init__(self, folder: Path, org: Org | None = None, port: int = 0) -> None:
        self.org = org or Org()
        self.signin = SignIn()
        self.ca_file, key = server_files(folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.ca_file, key)
        self.seen: list[Seen] = []
        self.troubles: list[Trouble] = []
        self.before: Callable[[Request], None] = lambda _request: None
        """Called before each request is worked on: tests wait or change things there."""
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.port = port or free_port()
        self._start(self.port)
        self.url = f"https://localhost:{self.port}"
        self.api = Api(self.org, self.signin, self.url)

    # for tests

    def fail(self, status: int, code: str, message: str = "because", match: str = "", times: int = 1,
             fields: tuple[str, ...] = ()) -> None:  # fmt: skip
        """Answer with this fault instead of doing it."""
        one: dict[str, object] = {"errorCode": code, "message": message}
        if fields:
            one["fields"] = list(fields)
        self.say(answer(status, [one]), match, times)

    def say(self, instead: Answer, match: str = "", times: int = 1) -> None:
        """Answer with exactly this instead of doing it."""
        self.troubles.append(Trouble(re.compile(match), times, instead=instead))

    def lose(self, match: str = "", times: int = 1) -> None:
        """Do it, and break the connection instead of answering."""
        self.troubles.append(Trouble(re.compile(match), times, lose=True))

    def hang(self, match: str = "", times: int = 1_000_000) -> None:
        """Take the request and never answer."""
        self.troubles.append(Trouble(re.compile(match), times, hang=True))

    def requests(self, match: str) -> list[Seen]:
        """The requests so far whose `METHOD /path` matches."""
        with self._lock:
            return [one for one in self.seen if re.search(match, one.line)]

    def go_away(self) -> None:
        """Nobody listens any more; open connections break."""
        self._stop()

    def come_back(self) -> None:
        """Listen again, on the same port."""
        self._start(self.port)

    def close(self) -> None:
        """Stop, and free whoever hangs."""
        self._stopped.set()
        self._stop()

    # inside

    def _start(self, port: int) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._server.tls = self._tls
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="salesforce")
        self._thread.start()

    def _stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def trouble(self, line: str) -> Trouble | None:
        """What this request runs into."""
        with self._lock:
            for one in self.troubles:
                if one.times > 0 and one.match.search(line):
                    one.times -= 1
                    return one
        return None

    def work(self, request: Request) -> Answer | None:
        """The answer, or None where the connection breaks instead."""
        line = f"{request.method} {request.path}"
        with self._lock:
            self.seen.append(Seen(line, dict(request.headers), request.body))
        self.before(request)
        trouble = self.trouble(line)
        if trouble and trouble.hang:
            self._stopped.wait(60)
            return None
        if trouble and trouble.instead:
            return trouble.instead
        made = self.api.answer(request)
        return None if trouble and trouble.lose else made


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 1024
    fake: FakeSalesforce
    tls: ssl.SSLContext

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.open: set[socket.socket] = set()
        self.guard = threading.Lock()

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # as socketserver does it
        """The TLS handshake belongs to the connection's own thread."""
        with self.guard:
            self.open.add(request)
        try:
            secured = self.tls.wrap_socket(request, server_side=True)
        except (OSError, ValueError):
            self.shutdown_request(request)
            return
        with self.guard:
            self.open.discard(request)
            self.open.add(secured)
        super().process_request_thread(secured, client_address)
        with self.guard:
            self.open.discard(secured)

    def server_close(self) -> None:
        """Connections that are kept alive break too, and their threads end."""
        with self.guard:
            for one in self.open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        made = self.server.fake.work(request)
        if made is None:
            self.close_connection = True
            return
        self.send_response_only(made.status)
        date = formatdate(time() + self.server.fake.signin.clock, usegmt=True)
        for name, value in {**made.headers, "Date": date, "Content-Length": str(len(made.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(made.body)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - names of http.server

    def log_message(self, *_args: object) -> None:
        """Quiet."""


def describe(fake: FakeSalesforce) -> str:
    """What a person needs to point a configuration at it."""
    login = {"domain": fake.url, "client_id": fake.signin.client_id, "client_secret": fake.signin.client_secret}
    return json.dumps({"login": login, "ca_file": str(fake.ca_file)}, indent=2)
