"""What one, two and four working hosts bring to a CRM that takes 100 ms: `python -m benchmarks.workers` (two minutes;
`--workers 1,2`, `--calls 100` for less). Needs PostgreSQL's programs; the database cluster is this run's own.

The events of `--calls` calls for each host are stored in one transaction while the hosts stand ready; each call becomes
one activity, by one request that the CRM answers after `--milliseconds`. The rate is that of the middle eight tenths.
Exit code 1 where an activity is lost or there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import requests

from benchmarks.chaos import wait
from benchmarks.cluster import Cluster, Sessions
from benchmarks.load import free_port, machine, process_seconds
from bridge.infocaller.document import digest, normalised, text
from bridge.intake.inbox import store
from bridge.queue import queue_for
from bridge.simulator.calls import SimulatedCall
from bridge.store.events import Arrival
from bridge.store.schema import connect
from tests.acceptance.processes import Bridge, tree

LINE = "912345678"
CONFIG = """
database: {database}
lines: [{{number: "{line}", password: "3956"}}]
connectors:
  crm:
    type: rest
    base_url: http://127.0.0.1:{crm}
    activity:
      create: {{path: /calls, json: {{key: "{{{{ activity.key }}}}"}}, already: {{status: 409}}}}
activities: [{{in: crm, find: {{}}, close_after: 60s}}]
"""


class Crm(asyncio.Protocol):
    """The pretended CRM: takes an activity in so many milliseconds; GET answers the keys with when each came."""

    taken: list[tuple[str, float]]
    seconds: float

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """A request, or part of one."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        if not separator or len(body) < int(headers.get(b"content-length", 0)):
            return
        self._buffer = b""
        if head.startswith(b"GET"):
            self._answer(200, self.taken)
            return
        key = str(json.loads(body)["key"])
        asyncio.get_running_loop().call_later(self.seconds, self._take, key)

    def _take(self, key: str) -> None:
        self.taken.append((key, time.monotonic()))
        self._answer(201, {"id": key})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _crm(port: int, seconds: float) -> None:
    Crm.taken, Crm.seconds = [], seconds
    server = await asyncio.get_running_loop().create_server(Crm, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def _taken(port: int) -> list[tuple[str, float]]:
    return [(key, at) for key, at in requests.get(f"http://127.0.0.1:{port}/", timeout=30).json()]


def events_of(calls: int) -> list[Arrival]:
    """Return INICIO, DESVIO and FIN of so many calls that were answered."""
    now, arrivals = datetime.now(UTC), []
    for number in range(calls):
        call = SimulatedCall(str(10_000_000 + number), f"6{number:08}", diverted="911000001")
        for event in ("inicio", "desvio_correcto", "fin"):
            document = call.final(LINE) if event == "fin" else call.document(LINE)
            diverted, panel = call.diverted if event == "desvio_correcto" else "", {"caller": call.caller, "num": LINE}
            arrivals.append(
                Arrival(
                    LINE, call.sequence, event, digest(document), now, text(document), normalised(document), diverted,
                    panel, f"+34{call.caller}",
                )
            )  # fmt: skip
    return arrivals


def _host(folder: Path, name: str, cluster: Cluster, crm: int) -> Bridge:
    (folder / name).mkdir()
    config = folder / name / "config.yaml"
    config.write_text(CONFIG.format(database=cluster.url(name), line=LINE, crm=crm), encoding="utf-8")
    return Bridge(config, "--work")


def _cpu(bridges: list[Bridge]) -> float:
    return sum(process_seconds(pid) for bridge in bridges for pid in bridge.pids())


def _database_cpu(cluster: Cluster) -> float:
    """What the sessions that are there have used."""
    return sum(process_seconds(pid) for pid in tree(cluster.pid))


def measured(workers: int, calls: int, seconds: float) -> tuple[list[str], bool]:
    """Return a row of the table, and whether each call has its one activity."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = [f"work{number}" for number in range(1, workers + 1)]
        cluster = stack.enter_context(Cluster(folder, names))
        crm = free_port()
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.workers", "--crm", f"{crm},{seconds}"])
        stack.callback(process.terminate)
        database = stack.enter_context(closing(connect(cluster.url(), patience=60)))
        bridges = [_host(folder, name, cluster, crm) for name in names]
        for bridge in bridges:
            stack.callback(bridge.kill)
            bridge.start()
        if not wait(lambda: all("has begun" in bridge.log.read_text() for bridge in bridges), 120):
            raise RuntimeError(bridges[0].log.read_text())
        time.sleep(2)
        before, database_before = _cpu(bridges), _database_cpu(cluster)
        with Sessions(cluster) as sessions:
            with database.write() as connection:
                store(database, connection, queue_for(database), events_of(calls), datetime.now(UTC))
            wait(lambda: len({key for key, _ in _taken(crm)}) >= calls, 60 + calls / 5)
            time.sleep(1)  # what is there twice comes late
        taken = _taken(crm)
        spent, database_spent = _cpu(bridges) - before, _database_cpu(cluster) - database_before
    counted, moments = Counter(key for key, _ in taken), sorted(at for _, at in taken)
    middle = moments[len(moments) // 10 : len(moments) * 9 // 10]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    good = len(counted) == calls and set(counted.values()) == {1}
    each, twice = 1000 / len(taken), sum(count > 1 for count in counted.values())
    figures = f"{rate:.1f} | {spent * each:.1f} | {database_spent * each:.1f} | {max(sessions.most.values())}"
    return [str(workers), *figures.split(" | "), f"{calls - len(counted)}; {twice}"], good


def main() -> int:
    """Print the table; 1 where a promise was broken."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--workers", default="1,2,4", help="how many hosts, one row for each")
    arguments.add_argument("--calls", type=int, default=400, help="for each host")
    arguments.add_argument("--milliseconds", type=int, default=100, help="how long the CRM takes")
    arguments.add_argument("--crm", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.crm:
        port, seconds = options.crm.split(",")
        asyncio.run(_crm(int(port), float(seconds)))
        return 0
    rows, good = [], True
    for workers in map(int, options.workers.split(",")):
        row, well = measured(workers, options.calls * workers, options.milliseconds / 1000)
        rows.append(row)
        good = good and well
        print(row, flush=True)
    print(f"\n{machine()}; a CRM of {options.milliseconds} ms\n")
    print("| working hosts | activities a second | CPU ms each | PostgreSQL's | connections of a host | lost; twice |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
