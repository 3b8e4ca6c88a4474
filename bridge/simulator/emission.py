"""The platform's emission API (manual, API de Emisión), served over HTTP: for tests, the demo and `simulate emission`.

It reads requests strictly, answers every Resultado and fault on demand (`script`), keeps the record of what rang
(`ledger`), and places the events of the calls on the bridge (`outcomes`).
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

from bridge.infocaller.messages import Format
from bridge.infocaller.results import RESULTS
from bridge.infocaller.variables import escape
from bridge.simulator.asked import EmissionRefused, ReceivedRequest, format_of, read
from bridge.simulator.ledger import EmissionLedger, Entry
from bridge.simulator.outcomes import OutcomeSender
from bridge.simulator.script import PlannedFault, Reaction, Script

_LARGEST = 1024**2
_TYPES = {Format.JSON: "application/json; charset=ISO-8859-1", Format.XML: "text/xml; charset=ISO-8859-1"}


def answer(form: Format, result: int, idcall: str = "") -> bytes:
    """Return an answer as the manual lays it out, in ISO-8859-1."""
    text = RESULTS[result].words.render("es") if result in RESULTS else "Resultado desconocido"
    if form is Format.JSON:
        values = {"idcall": idcall, "Resultado": str(result), "ResultadoTexto": text}
        return json.dumps({"callRequest": values}, ensure_ascii=False).encode("iso-8859-1")
    return (
        f"<?xml version='1.0' encoding='ISO-8859-1'?>\n<callRequest>\n  <idcall>{idcall}</idcall>\n"
        f"  <Resultado>{result}</Resultado>\n  <ResultadoTexto>{escape(text)}</ResultadoTexto>\n</callRequest>"
    ).encode("iso-8859-1")


class EmissionPlatform:
    """Serves on `host` and `port` (0: any free one) from construction until `close`.

    `lines`: number to telephone password. `groups`: the rule groups that there are, None for any. `ledger` and
    `outcomes` are closed with it.
    """

    def __init__(
        self,
        lines: Mapping[str, str],
        *,
        groups: Collection[str] | None = None,
        ledger: EmissionLedger | None = None,
        outcomes: OutcomeSender | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.lines = lines
        self.groups = groups
        self.ledger = ledger or EmissionLedger()
        self.script = Script()
        self.stopping = threading.Event()
        self._outcomes = outcomes
        self._ids = itertools.count(time.time_ns() // 1000)  # unlike those before a restart
        self._server = _Server((host, port), _Handler)
        self._server.platform = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where a line's `emission.url` has to point."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    def take(self, body: bytes) -> tuple[Reaction, bytes]:
        """Judge a request, keep it in the ledger, and say how to answer, with the whole answer."""
        form = format_of(body)
        try:
            asked = read(body, self.lines, groups=self.groups)
        except EmissionRefused as refused:
            self.ledger.add(Entry(datetime.now(UTC), rang=False, result=refused.result, format=form))
            return Reaction(refused.result), answer(form, refused.result)
        reaction = self.script.reaction(asked.number)
        entry = self._entry(asked, reaction)
        self.ledger.add(entry)
        if entry.rang and self._outcomes is not None:
            self._outcomes.expect(entry)
        return reaction, answer(form, reaction.result, entry.idcall if reaction.idcall is None else reaction.idcall)

    def dropped(self) -> None:
        """Note a connection that was reset unread."""
        self.ledger.add(Entry(datetime.now(UTC), rang=False, fault=PlannedFault.RESET_BEFORE))

    def _entry(self, asked: ReceivedRequest, reaction: Reaction) -> Entry:
        return Entry(
            at=datetime.now(UTC),
            rang=reaction.rang,
            result=None if reaction.fault else reaction.result,
            fault=reaction.fault,
            idcall=str(next(self._ids)) if reaction.rang else "",
            line=asked.line,
            number=asked.number,
            rule_group=asked.rule_group,
            format=asked.format,
            call_at=asked.at.isoformat() if asked.at else "",
            max_wait=asked.max_wait,
            retries=asked.retries,
            variables=dict(asked.variables),
        )

    def close(self) -> None:
        """Stop serving; requests that hang are let go."""
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._outcomes is not None:
            self._outcomes.close()
        self.ledger.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256
    platform: EmissionPlatform

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = 5  # whoever connects sends at once
    server_version = "infocaller-simulator"
    sys_version = ""

    @property
    def _platform(self) -> EmissionPlatform:
        return cast(_Server, self.server).platform

    def handle(self) -> None:
        """One request, unless the connection is to be reset before any is read: once it came, so that the client can't
        know that it was not."""
        if self._platform.script.unread() is not None:
            self.connection.recv(1, socket.MSG_PEEK)
            self._platform.dropped()
            self._reset()
        else:
            super().handle()

    def do_POST(self) -> None:
        """An emission request, wherever it is sent to."""
        announced = self.headers.get("Content-Length", "")
        size = int(announced) if announced.isdecimal() else -1
        if not 0 <= size <= _LARGEST:
            self.send_error(400)
            return
        body = self.rfile.read(size)
        if len(body) < size:
            return
        reaction, whole = self._platform.take(body)
        self._platform.stopping.wait(reaction.delay)
        self._react(reaction.fault, whole, _TYPES[format_of(body)])

    def _react(self, fault: PlannedFault, whole: bytes, kind: str) -> None:
        if fault in (PlannedFault.RESET_BEFORE, PlannedFault.RESET_AFTER):
            self._reset()
        elif fault is PlannedFault.HANG:
            self._hang()
        elif fault is PlannedFault.SLOW:
            self._trickle(whole, kind)
        elif fault is PlannedFault.TRUNCATED:
            self._answer(200, whole[: len(whole) // 2], kind, size=len(whole))
        elif fault is PlannedFault.GARBAGE:
            self._answer(200, b"\x00\xff\xfe<<{ Resultado", "application/octet-stream")
        elif fault is PlannedFault.HUGE:
            self._answer(200, b" " * 8 * 1024**2, kind)
        elif fault is PlannedFault.ERROR_500:
            self._answer(500, b"<html>Internal Server Error</html>", "text/html")
        elif fault is PlannedFault.NOT_FOUND:
            self._answer(404, b"<html>Not Found</html>", "text/html")
        elif fault is PlannedFault.REDIRECT:
            self._answer(302, b"", "text/html", location="/elsewhere")
        elif fault is not PlannedFault.CLOSED:
            self._answer(200, whole, kind)

    def _answer(self, status: int, body: bytes, kind: str, size: int | None = None, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self, whole: bytes, kind: str) -> None:
        self._answer(200, b"", kind, size=len(whole))
        for byte in whole:
            if self._platform.stopping.wait(1.0):
                return
            self.wfile.write(bytes([byte]))

    def _hang(self) -> None:
        """Until the client has had enough, or we are stopped."""
        self.connection.settimeout(0.1)
        while not self._platform.stopping.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing: the ledger has it."""
