"""What becomes of a request for the console where nobody, or nobody in time, makes its page."""

from __future__ import annotations

import asyncio
import socket

from bridge.web.body import BodyReader
from bridge.web.consoles import HandedConsole
from bridge.web.driver import LoopDriver
from bridge.web.entry import AccessLogEntry
from bridge.web.reply import Reply
from bridge.web.request import RawRequest
from connectors.steps import complete


def form(size: int) -> RawRequest:
    entry = AccessLogEntry("POST", "/console/work", "127.0.0.1")
    headers = {b"content-length": b"%d" % size}
    return RawRequest("POST", "/console/work", b"", headers, "127.0.0.1", 0.0, entry, b"x" * size)


def test_a_form_is_told_that_nobody_answers_and_not_that_it_is_too_large() -> None:
    orders, taken = socket.socketpair()
    taken.close()
    console, raw = HandedConsole(orders, lambda: "en"), form(5)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 5, "more_body": False}

    async def asked() -> Reply:
        driver = LoopDriver()
        await BodyReader().read(raw, await driver.complete(console.limits(raw)), receive)
        assert raw.fault is not None
        assert raw.fault.status == 503
        return await driver.complete(console.answer(raw))

    with orders:
        assert asyncio.run(asked()).status == 503
    console.close()


def test_nobody_waits_without_an_end_for_a_process_that_hangs() -> None:
    orders, taken = socket.socketpair()
    with orders, taken:
        console = HandedConsole(orders, lambda: "en", patience=0.2)
        for size in (10, 5_000_000):  # the system keeps less than a large one for whoever does not read
            assert complete(console.answer(form(size))).status == 503
        console.close()
