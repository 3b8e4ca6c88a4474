"""Whatever is not the platform's: callbacks, health, figures. Flask answers, in a few threads of its own."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from bridge.web import callbacks, health, reply
from bridge.web.reply import Reply
from bridge.web.request import RAW, RawRequest, Refused
from connectors.base import Deadline
from connectors.steps import Steps, Wait
from connectors.threads import DaemonThreadPool

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

T = TypeVar("T")
_THREADS = 8
_WATCHING = 2
"""Threads for each address of those who watch over the bridge: whether it is ready is told however long tasks, and the
figures, wait for the database."""
_MOST = 1000
"""Requests that may wait for one of them."""
_HEALTHY = Reply(200, b'{"status":"ok"}\n', "application/json")


class FlaskPages:
    """Answers by Flask. `install` adds the routes; `package`: whose templates they use; `threads`: how many answer at
    a time."""

    def __init__(
        self, install: Callable[[Flask], None], package: str = "bridge.web", *, threads: int = _THREADS
    ) -> None:
        self._flask = Flask(package, static_folder=None)
        self._flask.url_map.merge_slashes = False  # a redirect would be an HTML page
        self._flask.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider's, which is in use
        self._flask.before_request(_came_whole)
        self._flask.register_error_handler(Exception, _failed)
        install(self._flask)
        self._threads = DaemonThreadPool(threads, "pages")
        self._watching = {path: DaemonThreadPool(_WATCHING, f"pages {path}") for path in health.PATHS}

    def answer(self, raw: RawRequest) -> Steps[Reply]:
        """Answer a request. That the bridge is alive is told at once, however busy the threads are."""
        if raw.path == health.ALIVE and raw.method in ("GET", "HEAD"):
            raw.entry.route = "healthz"
            return _HEALTHY
        callbacks.hide_token(raw)
        threads = self._watching.get(raw.path, self._threads)
        if threads.queued >= _MOST:
            raw.entry.fields["outcome"] = "busy"
            return Reply(503, b'{"error":"too many requests wait already"}\n', "application/json")
        answered = threads.submit(lambda: self.made(raw))
        yield Wait(answered, Deadline.never())
        return answered.result()

    def apart(self, work: Callable[[], T]) -> Future[T]:
        """Have something done in one of the threads."""
        return self._threads.submit(work)

    def close(self) -> None:
        """Take no more; what hangs is left behind."""
        for threads in (self._threads, *self._watching.values()):
            threads.close()

    def made(self, raw: RawRequest) -> Reply:
        """Return the answer to a request, made in the calling thread."""
        status, headers = 500, []

        def start(line: str, new_headers: list[tuple[str, str]], *_rest: Any) -> Callable[[bytes], object]:
            nonlocal status, headers
            status, headers = int(line[:3]), new_headers
            return lambda _data: None

        answer = self._flask(_environ(raw), start)
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        by_name = {name.lower(): value for name, value in headers}
        more = tuple(pair for pair in headers if pair[0].lower() not in ("content-type", "content-length"))
        length = by_name.get("content-length")
        return Reply(status, body, by_name.get("content-type", ""), more, int(length) if length else None)


def _environ(raw: RawRequest) -> WSGIEnvironment:
    """The request as WSGI has it, with the body that has been read."""
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": raw.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": raw.path.encode().decode("iso-8859-1"),
        "QUERY_STRING": raw.query.decode("iso-8859-1"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": raw.remote,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in raw.headers.items():
        if b"_" not in name:  # which would pass for another header
            environ[f"HTTP_{name.decode('iso-8859-1').upper().replace('-', '_')}"] = value.decode("iso-8859-1")
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(len(raw.body))
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["wsgi.input"] = io.BytesIO(raw.body)
    environ[RAW] = raw
    return environ


def _came_whole() -> None:
    """A request that did not come whole ends here."""
    raw: RawRequest = request.environ[RAW]
    if raw.fault is not None:
        raise raw.fault


def _failed(error: Exception) -> Response:
    """The answer to what no page answered: a wrong URL, a wrong method, or a fault of our own."""
    if isinstance(error, Refused):
        return _refusal(error.status, error.reason)
    if not isinstance(error, HTTPException):
        return _refusal(500, reply.unexpected(error))
    response = _refusal(error.code or 500, _reason(error))
    if error.code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    return response


def _reason(error: HTTPException) -> str:
    reasons = {404: "there is nothing at this URL", 405: f"{request.method[:16]} is not possible at this URL"}
    return reasons.get(error.code or 500, error.name)


def _refusal(status: int, reason: str) -> Response:
    request.environ[RAW].entry.fields["outcome"] = reason
    response = jsonify(error=reason)
    response.status_code = status
    return response
