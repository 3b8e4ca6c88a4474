"""Takes a request in, whole or not at all, before anything looks at it; then has it answered under the permit.

No thread computes while it waits for a sender: the body is read first, within a bound of size and of time. What can't
be taken in is not thrown away here: the application answers it, in the format of whoever asked.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from bridge.runtime.permit import ComputePermit
from bridge.service.metrics import Metrics
from bridge.web.entry import AccessLogEntry
from bridge.web.slow import SlowSenders

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TAKEN = "bridge.taken"
_PIECE = 64 * 1024
_READ_OFF = 64 * 1024**2
"""So much of a request that is too large is read and forgotten: a sender that is still writing sees no answer."""


class Refused(Exception):
    """A request that is not served: the HTTP status and the reason, which goes to the sender and holds no secret.
    `retry_after`: seconds, None where trying again does not help. `allow`: the methods that would do, for a 405."""

    def __init__(self, status: int, reason: str, *, retry_after: float | None = None, allow: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after, self.allow = status, reason, retry_after, allow


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """On what terms a request is taken in: how large it may be, and whether it may send a body at all. Nothing is read
    from whoever has no business here, so that strangers can't keep threads waiting."""

    max_body: int
    body: bool


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came. `arrived` is on the monotonic clock; `body` what was read of it (the start alone, where
    `fault` says why the rest was not); `entry` is for the access log."""

    environ: WSGIEnvironment
    arrived: float
    body: bytes
    fault: Refused | None
    entry: AccessLogEntry

    def header(self, name: str) -> str:
        """A header by its WSGI name (`HTTP_…`, `CONTENT_TYPE`), empty where it is absent."""
        value: str = self.environ.get(name) or ""
        return value

    @property
    def path(self) -> str:
        """The path, decoded."""
        return decoded(self.environ.get("PATH_INFO", ""))

    @property
    def parameters(self) -> dict[str, str]:
        """The URL's parameters; of several with one name, the first."""
        found: dict[str, str] = {}
        given = self.header("QUERY_STRING")
        for name, value in parse_qsl(given, keep_blank_values=True) if given else ():
            found.setdefault(name, value)
        return found


class Intake:
    """The WSGI application around the application: the outermost, which counts and logs each request too."""

    def __init__(
        self,
        application: WSGIApplication,
        permit: ComputePermit,
        slow: SlowSenders,
        terms: Callable[[WSGIEnvironment], BodyLimits],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application, self._permit, self._slow = application, permit, slow
        self._terms, self._metrics, self._clock = terms, metrics, clock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        arrived = self._clock()
        remote = environ.get("REMOTE_ADDR", "")
        entry = AccessLogEntry(environ.get("REQUEST_METHOD", ""), decoded(environ.get("PATH_INFO", "")), remote)
        body, fault = self._body(environ)
        environ[TAKEN] = RawRequest(environ, arrived, body, fault, entry)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        status: int = 500
        headers: list[tuple[str, str]] = []

        def start(line: str, given: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            nonlocal status, headers
            status, headers = int(line[:3]), given
            return start_response(line, given, *rest)

        with self._permit:
            answer = self._application(environ, start)
            if not isinstance(answer, list) and any(name.lower() == "content-length" for name, _ in headers):
                answer = _whole(answer)
        self._metrics.requested(entry.route, status)
        entry.write(status, self._clock() - arrived)
        return answer

    def _body(self, environ: WSGIEnvironment) -> tuple[bytes, Refused | None]:
        terms = self._terms(environ)
        declared = environ.get("CONTENT_LENGTH") or ""
        if declared and not (declared.isascii() and declared.isdigit()):
            return b"", Refused(400, "Content-Length is no number")
        length = int(declared) if declared else None
        if not terms.body:
            return b"", _too_large(terms.max_body) if length is not None and length > terms.max_body else None
        if length is None and not environ.get("wsgi.input_terminated"):
            return b"", None
        with self._slow.watched(environ.get("REMOTE_ADDR", "")) as reading:
            body, fault = _read(environ, length, terms.max_body)
        if reading.late and (fault is not None or length is None):
            fault = Refused(408, "the request took too long to arrive")
        return body, fault


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the request is larger than server.max_body ({limit} bytes)")


def decoded(path: str) -> str:
    """A path as WSGI has it, its bytes as if they were ISO-8859-1."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


def _whole(answer: Iterable[bytes]) -> list[bytes]:
    """An answer of known length in one piece; a stream is left to the server, to be fetched piece by piece."""
    try:
        return [b"".join(answer)]
    finally:
        if hasattr(answer, "close"):
            answer.close()


def _read(environ: WSGIEnvironment, length: int | None, limit: int) -> tuple[bytes, Refused | None]:
    stream: IO[bytes] = environ["wsgi.input"]
    if length is not None and length > limit:
        start = b"" if environ.get("HTTP_EXPECT") else _read_off(stream, length)
        return start, _too_large(limit)
    body = stream.read(limit + 1 if length is None else length)
    if len(body) > limit:
        _read_off(stream, _READ_OFF)
        return body[:_PIECE], _too_large(limit)
    if length is not None and len(body) < length:
        return body, Refused(400, f"the request broke off: {len(body)} of {length} bytes came")
    return body, None


def _read_off(stream: IO[bytes], length: int) -> bytes:
    """Read and forget what comes, up to a bound; the first piece is kept, for the format that it shows."""
    start = piece = stream.read(min(length, _PIECE))
    left = min(length, _READ_OFF) - len(piece)
    while piece and left > 0:
        piece = stream.read(min(left, _PIECE))
        left -= len(piece)
    return start
