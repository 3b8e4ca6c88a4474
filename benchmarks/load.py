"""A load of HTTP requests from this machine, and what the benchmarks print of it.

Connections are kept alive: each asks again as soon as it has its answer (closed loop), all ask at one moment, or
requests go out at fixed moments whether earlier ones were answered or not (open loop).
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


@dataclass
class Load:
    """What came of one run: seconds of each answer, in order of arrival, and requests without a good answer."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    took: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    processor: float = 0.0
    """Seconds of the processor that the server used meanwhile, where they were looked at."""

    def at(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("nan")

    @property
    def each(self) -> float:
        """Microseconds of the server's processor for an answer."""
        return self.processor / len(self.seconds) * 1e6 if self.seconds else float("nan")

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.seconds) / self.took if self.took else 0.0


class _Connection(asyncio.Protocol):
    """One kept-alive connection; `answered` is called with the status when an answer is whole, with 0 where `expect` is
    not in it."""

    def __init__(
        self, answered: Callable[[_Connection, int], None], lost: Callable[[_Connection], None], expect: bytes = b""
    ) -> None:
        self._answered, self._lost, self._expect = answered, lost, expect
        self._buffer = b""
        self.since = 0.0
        self.transport: asyncio.Transport | None = None

    def ask(self, request: bytes, since: float | None = None) -> None:
        """Send a request; `since`: when it should have gone out, if that was earlier."""
        assert self.transport is not None
        self.since = time.perf_counter() if since is None else since
        self.transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember how to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """An answer, or part of one."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head + 2)
        if len(self._buffer) >= head + 4 + (int(length[1]) if length else 0):
            status = int(self._buffer[9:12]) if self._expect in self._buffer else 0
            self._buffer = b""
            self._answered(self, status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Whatever was asked and not answered has failed."""
        self._lost(self)


def request(path: str, body: bytes, content_type: str) -> bytes:
    """A POST, as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def closed_loop(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Each connection asks again as soon as it was answered, for so long; requests are taken in turn."""
    load, began, number = Load(), time.perf_counter(), 0
    done: list[asyncio.Future[None]] = []

    def ask(connection: _Connection) -> None:
        nonlocal number
        number += 1
        connection.ask(requests[number % len(requests)])

    def answered(connection: _Connection, status: int) -> None:
        now = time.perf_counter()
        _count(load, status, now - connection.since)
        connection.since = 0.0
        if now < began + seconds:
            ask(connection)
        elif connection.transport is not None:
            connection.transport.close()

    async def one() -> None:
        ended = asyncio.get_running_loop().create_future()
        done.append(ended)

        def lost(connection: _Connection) -> None:
            load.failed += bool(connection.since)
            if not ended.done():
                ended.set_result(None)

        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(answered, lost), "127.0.0.1", port)
        ask(connection)
        await asyncio.wait_for(ended, seconds + 30)

    for outcome in await asyncio.gather(*(one() for _ in range(connections)), return_exceptions=True):
        load.failed += isinstance(outcome, BaseException)
    load.took = time.perf_counter() - began
    return load


async def all_at_once(port: int, requests: Sequence[bytes], patience: float = 30.0, expect: bytes = b"") -> Load:
    """Every request on a connection of its own, all at the same moment. An answer without `expect` in it is none."""
    load, loop = Load(), asyncio.get_running_loop()
    connections: list[_Connection] = []
    ended: dict[_Connection, asyncio.Future[None]] = {}

    def answered(connection: _Connection, status: int) -> None:
        _count(load, status, time.perf_counter() - connection.since)
        connection.since = 0.0
        if connection.transport is not None:
            connection.transport.close()

    def lost(connection: _Connection) -> None:
        load.failed += bool(connection.since)
        if not ended[connection].done():
            ended[connection].set_result(None)

    for _ in requests:
        _, connection = await loop.create_connection(lambda: _Connection(answered, lost, expect), "127.0.0.1", port)
        ended[connection] = loop.create_future()
        connections.append(connection)
    began = time.perf_counter()
    for connection, each in zip(connections, requests, strict=True):
        connection.ask(each, began)
    _, late = await asyncio.wait(ended.values(), timeout=patience)
    load.failed += len(late)
    load.took = time.perf_counter() - began
    return load


async def open_loop(
    port: int, requests: Sequence[bytes], per_second: float, seconds: float, expect: bytes = b""
) -> Load:
    """`per_second` requests, evenly, whether earlier ones were answered or not; times count from when each was due. An
    answer without `expect` in it is none."""
    load, loop, began = Load(), asyncio.get_running_loop(), time.perf_counter()
    idle: list[_Connection] = []
    busy: set[_Connection] = set()

    def answered(connection: _Connection, status: int) -> None:
        _count(load, status, time.perf_counter() - connection.since)
        connection.since = 0.0
        busy.discard(connection)
        idle.append(connection)

    def lost(connection: _Connection) -> None:
        load.failed += bool(connection.since)
        busy.discard(connection)
        if connection in idle:
            idle.remove(connection)

    async def one(number: int, due: float) -> None:
        if idle:
            connection = idle.pop()
        else:
            try:
                _, connection = await loop.create_connection(
                    lambda: _Connection(answered, lost, expect), "127.0.0.1", port
                )
            except OSError:
                load.failed += 1
                return
        busy.add(connection)
        connection.ask(requests[number % len(requests)], due)

    tasks = []
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(one(number, due)))
    await asyncio.gather(*tasks)
    end = time.perf_counter() + 30
    while busy and time.perf_counter() < end:
        await asyncio.sleep(0.01)
    load.failed += len(busy)
    load.took = time.perf_counter() - began
    for connection in idle:
        if connection.transport is not None:
            connection.transport.close()
    return load


def _count(load: Load, status: int, seconds: float) -> None:
    load.statuses[status] = load.statuses.get(status, 0) + 1
    if status == 200:
        load.seconds.append(seconds)
    else:
        load.failed += 1


def machine() -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{date.today()}, {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process of its own, ended afterwards; waits until it listens on `port` and has come to rest."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port, process)
            _rest(process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.02)
    raise SystemExit(f"{process.args!r} did not start")


def _rest(process: subprocess.Popen[bytes], patience: float = 30.0) -> None:
    """Wait until all of its processes together use a tenth of a core at most: what starts is not what serves."""
    end, before = time.monotonic() + patience, processor_seconds(process)
    while time.monotonic() < end:
        time.sleep(0.5)
        now = processor_seconds(process)
        if now - before <= 0.05:
            return
        before = now


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """Seconds of the processor that a process and its children have used so far, from /proc."""
    return sum(process_seconds(pid) for pid in _tree(process))


def process_seconds(pid: int) -> float:
    """Seconds of the processor that one process has used so far; 0 where it has ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _tree(process: subprocess.Popen[bytes]) -> list[int]:
    """The process and all that stand below it."""
    pids = [process.pid]
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                pids += map(int, task.read_text().split())
    return pids


def memory(process: subprocess.Popen[bytes]) -> int:
    """Bytes that a process and its children have for themselves (unshared), from /proc."""
    total = 0
    for pid in _tree(process):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Private"))
    return total
