"""Reads a request's body on the event loop, within a bound of size and of time, or says why it did not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bridge.web.gate import BodyLimits
from bridge.web.request import RawRequest, Refused

Receive = Callable[[], Awaitable[dict[str, Any]]]
_EVERY = 0.5
"""Seconds between two looks at what is late."""
_KEPT = 64 * 1024
"""So much is kept of a request that is too large, for the format that it shows."""
_READ_OFF = 64 * 1024**2
"""So much of it is read and forgotten: a sender that is still writing sees no answer."""


class BodyReader:
    """Reads bodies on the loop that it is made on, each within the time that its terms give it.

    One timer for all looks for those that are late: a timer for each costs as much as reading a small body does.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awaited: dict[asyncio.Task[Any], float] = {}
        """Until when each has to be there."""
        self._late: set[asyncio.Task[Any]] = set()
        self._looking = False

    async def read(self, raw: RawRequest, limits: BodyLimits, receive: Receive) -> None:
        """Fill in `raw.body`, and `raw.fault` where it did not come whole, is too large or late, or may not come."""
        welcome = limits.body and raw.method == "POST"
        declared = raw.headers.get(b"content-length")
        if declared is not None and not declared.isdigit():
            raw.fault = Refused(400, "Content-Length is no number")
            return
        length = int(declared) if declared is not None else None
        if length is not None and length > limits.max_body:
            raw.fault = _too_large(limits.max_body)
            if b"expect" in raw.headers:
                return
        if not welcome or (not length and b"transfer-encoding" not in raw.headers):
            return
        task = asyncio.current_task(self._loop)
        assert task is not None, "it runs in one"  # noqa: S101
        self._awaited[task] = self._loop.time() + limits.seconds
        if not self._looking:
            self._looking = True
            self._loop.call_later(_EVERY, self._look)
        try:
            await _read(raw, length, limits.max_body, receive)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raw.fault = raw.fault or Refused(408, "the request took too long to arrive")
        finally:
            del self._awaited[task]
            self._late.discard(task)

    def _look(self) -> None:
        """End the reading of those that are late."""
        now = self._loop.time()
        for task, until in self._awaited.items():
            if until <= now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._looking = bool(self._awaited)
        if self._looking:
            self._loop.call_later(_EVERY, self._look)


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the request is larger than server.max_body ({limit} bytes)")


async def _read(raw: RawRequest, length: int | None, limit: int, receive: Receive) -> None:
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) > limit:
        message, body = await _rest(raw, message, limit, receive)
    raw.body = body
    if raw.fault is None and (message["type"] == "http.disconnect" or (length is not None and len(body) < length)):
        came = f"{len(body)} of {length} bytes" if length is not None else f"{len(body)} bytes"
        raw.fault = Refused(400, f"the request broke off after {came}")


async def _rest(raw: RawRequest, message: dict[str, Any], limit: int, receive: Receive) -> tuple[dict[str, Any], bytes]:
    """The last message, and the whole body; of one that is too large, the start."""
    pieces, size = [message["body"]], len(message["body"])
    while True:
        if size > limit:
            raw.fault = raw.fault or _too_large(limit)
            pieces = [b"".join(pieces)[:_KEPT]]
        if not message.get("more_body") or size > _READ_OFF:
            return message, b"".join(pieces)
        message = await receive()
        piece = message.get("body", b"")
        size += len(piece)
        if size <= limit:
            pieces.append(piece)
