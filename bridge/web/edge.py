"""The outermost part: takes each request in on an event loop, has it answered, counts and logs it.

No thread waits here. Who may send a body, and how large, is decided on the headers; the loop reads it, within a bound
of time; the platform's requests are then answered on the loop as far as memory alone can answer them, and whatever may
block is done in threads and awaited. The console's pages are made by another process, so that none delays a Query.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from bridge.service.metrics import Metrics
from bridge.web import callbacks
from bridge.web.body import BodyReader, Receive
from bridge.web.console.sections import PREFIX as CONSOLE
from bridge.web.consoles import Console
from bridge.web.driver import LoopDriver
from bridge.web.entry import AccessLogEntry
from bridge.web.gate import AccessPolicies, BodyLimits
from bridge.web.pages import FlaskPages
from bridge.web.receive import PREFIX, Receiver
from bridge.web.request import RawRequest

_CONSOLE = CONSOLE.rstrip("/")
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Edge:
    """The ASGI application. `receiver` answers below `PREFIX` and `console` below `/console`, where there are such,
    `pages` everywhere else. `began` is called on the loop once it runs."""

    def __init__(
        self,
        receiver: Receiver | None,
        pages: FlaskPages,
        gates: AccessPolicies,
        metrics: Metrics,
        console: Console | None = None,
        began: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receiver, self._pages, self._gates, self._metrics, self._clock = receiver, pages, gates, metrics, clock
        self._console, self._began = console, began
        self._driver: LoopDriver | None = None
        self._bodies: BodyReader | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        raw = _raw(scope, self._clock())
        assert self._bodies is not None and self._driver is not None, "the loop begins before requests"  # noqa: S101, PT018
        if self._receiver is not None and raw.path.startswith(PREFIX):
            admission = self._receiver.admit(raw)
            await self._bodies.read(raw, admission.limits, receive)
            steps = self._receiver.answer(raw, admission)
        elif self._console is not None and self._is_of_console(raw.path):
            no_body = self._gates.now().no_body
            limits = await self._driver.complete(self._console.limits(raw)) if raw.method == "POST" else no_body
            await self._bodies.read(raw, limits, receive)
            steps = self._console.answer(raw)
        else:
            await self._bodies.read(raw, self._page_limits(raw), receive)
            steps = self._pages.answer(raw)
        reply = await self._driver.complete(steps)
        self._metrics.requested(raw.entry.route, reply.status)
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.wire_headers()})
        await send({"type": "http.response.body", "body": reply.body})
        raw.entry.write(reply.status, self._clock() - raw.arrived)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The loop's own begin and end."""
        await receive()
        self._driver, self._bodies = LoopDriver(), BodyReader()
        self._began()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _is_of_console(self, path: str) -> bool:
        """Whether this is an address of the console, if the configuration opens one."""
        return (path.startswith(CONSOLE) or path == _CONSOLE) and bool(self._gates.now().configuration.console_users)

    def _page_limits(self, raw: RawRequest) -> BodyLimits:
        """Return on what terms a body is read: by who may use a URL that has a use for it."""
        policy = self._gates.now()
        sends = raw.path.startswith(callbacks.PREFIX) and callbacks.may_send(
            policy, raw.path, raw.header(b"authorization")
        )
        return policy.body if sends else policy.no_body


def _raw(scope: dict[str, Any], arrived: float) -> RawRequest:
    pairs, client = scope["headers"], scope["client"]
    headers: dict[bytes, bytes] = dict(pairs)
    if len(headers) < len(pairs):  # what comes twice is a list
        headers = {}
        for name, value in pairs:
            headers[name] = headers[name] + b"," + value if name in headers else value
    method, path, remote = scope["method"], scope["path"], client[0] if client else ""
    entry = AccessLogEntry(method, path, remote)
    return RawRequest(method, path, scope["query_string"], headers, remote, arrived, entry)
