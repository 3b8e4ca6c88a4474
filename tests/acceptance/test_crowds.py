"""Thousands who send a byte now and then, to every URL, with and without a right key: nobody beside them is harmed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, query, running, written

TOKEN = "a-token-that-nobody-can-guess"
CONFIGURATION = f"""
server: {{url_key: {KEY}, workers: 1, threads: 40}}
lines: [{{number: "{LINE}", password: "{PASSWORD}"}}]
callbacks: [{{name: web, line: "{LINE}", rule_group: callbacks, token: {TOKEN}}}]
connectors: {{agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}}}}}
queries:
  CSV: {{find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}, answer: {{QUIEN: "{{{{ contact.name }}}}"}}}}
"""
HEADS = [
    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n{more}\r\n{{"
    for path, more in [
        (f"/infocaller/{KEY}/query", ""),
        (f"/infocaller/{KEY}/query/CSV", "Transfer-Encoding: chunked\r\n"),
        (f"/infocaller/{KEY}/event/fin", ""),
        ("/infocaller/wrong/query", ""),
        ("/callbacks/web", f"Authorization: Bearer {TOKEN}\r\n"),
        ("/callbacks/web", ""),
        (f"/callbacks/web/{TOKEN}/outbound-message", ""),
        ("/healthz", ""),
        ("/console/", ""),
        ("/", ""),
    ]
] + [f"POST /infocaller/{KEY}/query HTTP/1.1\r\nX: "]


async def _drip(port: int, head: str, stop: asyncio.Event, begun: list[int]) -> None:
    """A byte a second, and anew whenever it is cut off."""
    while not stop.is_set():
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            begun.append(port)
            while not stop.is_set() and not reader.at_eof():
                writer.write(b" ")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(65536), 1)
            writer.close()
        await asyncio.sleep(0.1)


@contextmanager
def crowd(bridge: Bridge, count: int) -> Iterator[list[int]]:
    """So many who drip."""
    stop, begun = asyncio.Event(), list[int]()
    loop = asyncio.new_event_loop()

    async def all_of_them() -> None:
        await asyncio.gather(*(_drip(bridge.port, HEADS[n % len(HEADS)], stop, begun) for n in range(count)))

    thread = threading.Thread(target=lambda: loop.run_until_complete(all_of_them()))
    thread.start()
    try:
        yield begun
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_queries_are_answered_beside_two_thousand_who_send_a_byte_a_second(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("id,name,phone\n1,Eva,600111222\n")
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    with running(tmp_path) as bridge, crowd(bridge, 2000) as begun:
        until(lambda: len(begun) >= 2000)
        for number in range(200):
            reply = bridge.post("query", *written(query("CSV", call=str(number))))
            assert reply.status == 200
            (variable,) = json.loads(reply.text)["ApiCall"]["CustVars"]["CustVar"]
            assert variable == {"VarName": "QUIEN", "VarValue": "Eva"}
        assert bridge.post("event/fin", *written(query())).status == 200
        assert bridge.ask("GET", "/healthz").status == 200
    assert "Traceback" not in bridge.log
