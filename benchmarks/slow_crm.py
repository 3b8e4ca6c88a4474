"""How many callers can wait for a slow CRM? `python -m benchmarks.slow_crm` (a minute and a half).

A pretended CRM, in a process of its own, answers each lookup of the REST connector after 300 ms, or after 3 s. Measured
are 500 and 1,000 Queries at the same moment, 300 a second against the CRM of 300 ms, and 200 a second against that of
3 s while another connector's Queries and events go on. Each Query is for another number, so that nothing comes from the
cache. The load and the CRM share this machine with the server, so a time counts beside the CRM's own, asked by the same
load without the bridge.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.load import Load, all_at_once, free_port, machine, memory, open_loop, request, running
from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format

LINE, PASSWORD, AGENT = "912345678", "3956", "911000001"
PROCESSES = os.cpu_count() or 1
CONFIG = """
server: {{port: {port}, workers: {processes}}}
lines: [{{number: "{line}", password: "{password}"}}]
connectors:
  fast: &crm
    type: rest
    base_url: http://127.0.0.1:{crm}/300
    timeout: 10s
    records:
      contact:
        search: {{path: /customers, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        fields: {{id: id, name: full_name, agent: owner.phone}}
  slow: {{<<: *crm, base_url: "http://127.0.0.1:{crm}/3000"}}
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
    activities: {{file: calls.csv}}
queries:
  FAST: &query
    find: {{contact: {{in: fast, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "{{{{ contact.agent | dial }}}}", NOMBRE: "{{{{ contact.name }}}}"}}
    deadline: 15s
  SLOW: {{<<: *query, find: {{contact: {{in: slow, phone: "{{{{ caller }}}}"}}}}}}
  CSV: {{<<: *query, find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}}}
activities:
  - {{in: agenda, on: [inicio]}}
"""

_number = itertools.count(1)


class Crm(asyncio.Protocol):
    """The pretended CRM: `/MILLISECONDS/customers?q=NUMBER` answers after so long with who has the number."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """A request, or part of one."""
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        url = urlsplit(self._buffer.split(b" ", 2)[1].decode())
        self._buffer = b""
        milliseconds, number = int(url.path.split("/")[1]), parse_qs(url.query)["q"][0]
        asyncio.get_running_loop().call_later(milliseconds / 1000, self._answer, number)

    def _answer(self, number: str) -> None:
        person = {"id": number, "full_name": f"Persona {number}", "phone": number, "owner": {"phone": AGENT}}
        body = json.dumps({"data": [person]}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _crm(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Crm, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def queries(name: str, count: int) -> list[bytes]:
    """Queries of as many calls, from numbers that nobody asked for before."""
    return [_request(f"6{next(_number):08}", "/infocaller/query", query_name=name) for _ in range(count)]


def _request(caller: str, path: str, query_name: str = "") -> bytes:
    sequence = str(10_000_000 + next(_number))
    document = Document(Format.JSON, LINE, sequence, call_type="R", caller_number=caller, query_name=query_name)
    variable = "apiInfocaller" if query_name else "apilinfocaller"
    body, content_type = write_request(document, Format.JSON, form_variable=variable, password=PASSWORD)
    return request(path, body, content_type)


def _events(count: int) -> list[bytes]:
    return [_request("600000001", f"/infocaller/event/inicio?caller=600000001&num={LINE}") for _ in range(count)]


def _bare(count: int, milliseconds: int = 300) -> list[bytes]:
    """What the bridge asks the CRM."""
    numbers = (f"6{next(_number):08}" for _ in range(count))
    return [f"GET /{milliseconds}/customers?q={number} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for number in numbers]


class Table:
    """What was measured, a line for each; `serving` is the server whose memory is stated."""

    def __init__(self, serving: subprocess.Popen[bytes]) -> None:
        self._serving = serving
        print("| what | per second | p50 ms | p99 ms | p99 above the CRM's own | aim | lost | server's memory |")
        print("|---|---|---|---|---|---|---|---|")

    def add(self, what: str, load: Load, crm: float | None = None, aim: str = "") -> None:
        """A line. `crm`: the milliseconds that the CRM alone takes."""
        above = f"{load.at(0.99) - crm:+.0f} ms" if crm is not None else ""
        size = f"{memory(self._serving) / 1e6:.0f} MB"
        times = f"{load.at(0.5):.0f} | {load.at(0.99):.0f} | {above} | {aim}"
        print(f"| {what} | {load.rate:,.0f} | {times} | {load.failed} | {size} |", flush=True)


def _median(measure: Callable[[], Load], rounds: int) -> Load:
    loads = sorted((measure() for _ in range(rounds)), key=lambda load: load.at(0.99))
    loads[rounds // 2].failed = sum(load.failed for load in loads)
    return loads[rounds // 2]


async def _beside(port: int, seconds: float, *, slow: bool) -> tuple[Load, Load, Load | None]:
    """50 CSV Queries and 50 events a second; `slow`: with 200 Queries a second to the CRM of 3 s beside them."""
    runs = [
        open_loop(port, [csv_query() for _ in range(50)], 50, seconds, AGENT.encode()),
        open_loop(port, _events(int(50 * seconds)), 50, seconds),
    ]
    if slow:
        runs.append(open_loop(port, queries("SLOW", int(200 * seconds)), 200, seconds, AGENT.encode()))
    found = await asyncio.gather(*runs)
    return found[0], found[1], found[2] if slow else None


def csv_query() -> bytes:
    """Return a Query that the CSV file answers."""
    return _request("600000001", "/infocaller/query", query_name="CSV")


def _bursts(table: Table, crm: int, port: int, rounds: int) -> None:
    for count, aim in ((500, "≤ 600"), (1000, "≤ 1,300")):
        bare = _median(lambda count=count: asyncio.run(all_at_once(crm, _bare(count))), rounds)  # type: ignore[misc]
        table.add(f"the CRM alone, {count:,} at once", bare, 300)
        load = _median(
            lambda count=count: asyncio.run(all_at_once(port, queries("FAST", count), expect=AGENT.encode())),  # type: ignore[misc]
            rounds,
        )
        table.add(f"{count:,} Queries at once, CRM of 300 ms", load, 300, aim)


def _streams(table: Table, crm: int, port: int, seconds: float) -> None:
    bare = asyncio.run(open_loop(crm, _bare(int(300 * seconds)), 300, seconds))
    table.add("the CRM alone, 300/s", bare, 300)
    load = asyncio.run(open_loop(port, queries("FAST", int(300 * seconds)), 300, seconds, AGENT.encode()))
    table.add(f"300 Queries/s for {seconds:g} s, CRM of 300 ms", load, 300, "≤ 375")
    quiet_queries, quiet_events, _ = asyncio.run(_beside(port, seconds / 2, slow=False))
    table.add("50 CSV Queries/s, nothing else", quiet_queries)
    table.add("50 events/s, nothing else", quiet_events)
    bare = asyncio.run(open_loop(crm, _bare(int(200 * seconds), 3000), 200, seconds))
    table.add("the CRM of 3 s alone, 200/s", bare, 3000)
    csv_queries, events, slow = asyncio.run(_beside(port, seconds, slow=True))
    assert slow is not None
    table.add(f"200 Queries/s for {seconds:g} s, CRM of 3 s", slow, 3000, "≤ 3,200")
    table.add("50 CSV Queries/s beside them", csv_queries)
    table.add("50 events/s beside them", events)


@contextmanager
def _serving(folder: Path, crm: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    (folder / "contacts.csv").write_text(f"id,name,phone,agent\n1,Ana,600000001,{AGENT}\n", encoding="utf-8")
    text = CONFIG.format(port=port, crm=crm, processes=PROCESSES, line=LINE, password=PASSWORD)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    with running([sys.executable, "-m", "bridge", "serve", "-c", str(folder / "config.yaml")], port) as process:
        yield port, process


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each stream lasts")
    parser.add_argument("--rounds", type=int, default=3, help="how often each burst is measured; the median counts")
    parser.add_argument("--crm", type=int, metavar="PORT", help="be the pretended CRM and nothing else")
    given = parser.parse_args()
    if given.crm:
        asyncio.run(_crm(given.crm))
        return
    crm = free_port()
    command = [sys.executable, "-m", "benchmarks.slow_crm", "--crm", str(crm)]
    with tempfile.TemporaryDirectory() as name, running(command, crm), _serving(Path(name), crm) as (port, process):
        print(f"{machine()}; {PROCESSES} processes, {given.rounds} rounds of each burst, the median one\n")
        table = Table(process)
        table.add("10 Queries, to start with", asyncio.run(all_at_once(port, queries("FAST", 10))))
        _bursts(table, crm, port, given.rounds)
        _streams(table, crm, port, given.seconds)


if __name__ == "__main__":
    main()
