"""Which WSGI server? `python -m benchmarks.servers` (needs `pip install '.[bench]'`; takes a minute).

gunicorn (gthread), granian and waitress, each in a process of its own kind, answer the same bare Flask application: at
once, and after waiting 300 ms as for a CRM, at 64 and at 500 connections. The load comes from this same machine, so
figures compare within a run only.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from flask import Flask

SECONDS = 4.0
PROCESSES, THREADS, CONNECTIONS = os.cpu_count() or 1, 600, (64, 500)
WAIT = 0.3
COMMANDS = {
    "gunicorn gthread": "{python} -m gunicorn -k gthread -w {processes} --threads {threads} --worker-connections 2000"
    " --backlog 2048 -b 127.0.0.1:{port} --log-level error --no-control-socket benchmarks.servers:app",
    "granian": "{python} -m granian --interface wsgi --workers {processes} --blocking-threads {threads} --http 1"
    " --no-ws --backlog 2048 --backpressure 2400 --host 127.0.0.1 --port {port} --log-level error"
    " benchmarks.servers:app",
    "waitress": "{python} -m waitress --threads={threads} --backlog=2048 --connection-limit=2000"
    " --listen=127.0.0.1:{port} benchmarks.servers:app",
}

app = Flask(__name__)


@app.post("/now")
def _now() -> str:
    return "answer"


@app.post("/wait")
def _wait() -> str:
    time.sleep(WAIT)
    return "answer"


@dataclass
class Load:
    """What came of one run: seconds of each answer, and requests that were not answered."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def row(self, took: float) -> str:
        """Answers per second, p50, p99, failures."""
        if not self.seconds:
            return f"| - | - | - | {self.failed} |"
        ordered = sorted(self.seconds)
        p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
        return f"| {len(ordered) / took:,.0f} | {p50:.0f} | {p99:.0f} | {self.failed} |"


class Connection(asyncio.Protocol):
    """Asks again and again on one connection until the time is up."""

    def __init__(self, request: bytes, load: Load, until: float) -> None:
        self._request, self._load, self._until = request, load, until
        self._buffer = b""
        self._since = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._since = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """An answer, or part of one."""
        self._buffer += data
        if not self._buffer.endswith(b"answer"):
            return
        now = time.perf_counter()
        if b" 200 " in self._buffer[:20]:
            self._load.seconds.append(now - self._since)
        else:
            self._load.failed += 1
        self._buffer = b""
        if now < self._until:
            self._ask()
        else:
            self._since = 0.0
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Whatever was asked and not answered has failed."""
        self._load.failed += bool(self._since)
        if not self.done.done():
            self.done.set_result(None)


async def _fire(port: int, path: str, connections: int) -> tuple[Load, float]:
    load, began = Load(), time.perf_counter()
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    async def one() -> None:
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(
                lambda: Connection(request, load, began + SECONDS), "127.0.0.1", port
            )
            await asyncio.wait_for(protocol.done, SECONDS + 10)
        except (OSError, TimeoutError):
            load.failed += 1

    await asyncio.gather(*(one() for _ in range(connections)))
    return load, time.perf_counter() - began


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def _measure(name: str, command: str) -> None:
    port = _free_port()
    words = command.format(python=sys.executable, port=port, processes=PROCESSES, threads=THREADS).split()
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            _await(port)
            asyncio.run(_fire_once(port))
            for path in ("/now", "/wait"):
                for connections in CONNECTIONS:
                    load, took = asyncio.run(_fire(port, path, connections))
                    print(f"| {name} | {path[1:]} | {connections} {load.row(took)}", flush=True)
        finally:
            os.killpg(server.pid, signal.SIGKILL)


async def _fire_once(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    await reader.read()
    writer.close()


def main() -> None:
    """Print the table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    print(f"{date.today()}, {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}")
    print(f"{PROCESSES} processes (waitress: 1) of {THREADS} threads, {SECONDS:g} s each\n")
    print("| server | answers | connections | per second | p50 ms | p99 ms | failed |\n|---|---|---|---|---|---|---|")
    for name, command in COMMANDS.items():
        _measure(name, command)


if __name__ == "__main__":
    main()
