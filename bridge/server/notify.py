"""What systemd is told (sd_notify): that the bridge answers, that each of its processes still does, that it ends.

Without `NOTIFY_SOCKET` in the environment nobody is told, and nothing of this runs.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

_log = logging.getLogger("bridge.server.notify")
_BEAT = struct.Struct("=I")  # who beats, by its process id
_EVERY = 0.5  # seconds from one beat to the next
_STARTING = 600.0
"""Seconds that a process has until its first beat: it may wait for another that brings the database up to date."""
_LONGEST_PAUSE = 5.0


class ServiceManager:
    """Whoever started us and wants to hear of us. `watchdog`: seconds within which it must hear of us again and again,
    None where it need not. `environ`: the process's variables."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = _watchdog(environ) if address else None

    @property
    def listens(self) -> bool:
        """Whether systemd waits for messages."""
        return bool(self._address)

    def tell(self, *assignments: str) -> None:
        """Send what has changed, such as `READY=1`. One that can't be reached is no reason to end: it ends us."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            _log.warning("systemd can't be told %s: %s", assignments[0], error)


def _watchdog(environ: Mapping[str, str]) -> float | None:
    try:
        seconds = int(environ.get("WATCHDOG_USEC", "")) / 1_000_000
        ours = int(environ.get("WATCHDOG_PID") or os.getpid()) == os.getpid()
    except ValueError:
        return None
    return seconds if ours and seconds > 0 else None


class Heartbeats:
    """A pipe into which each process of ours writes that it goes on. Forked processes have it by themselves, others by
    the descriptor `writer`."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        for end in (self._reader, self.writer):
            os.set_blocking(end, False)

    def latest(self) -> set[int]:
        """Return who has beaten since this was asked last, by process id."""
        try:
            data = os.read(self._reader, 1 << 20)
        except BlockingIOError:
            return set()
        return {pid for (pid,) in _BEAT.iter_unpack(data)}

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


def beat(writer: int) -> None:
    """Say that this process goes on."""
    with suppress(BlockingIOError):  # nobody has read for long: nobody listens, or the parent is the one that hangs
        os.write(writer, _BEAT.pack(os.getpid()))


def beat_on_loop(writer: int) -> None:
    """Beat from the event loop that runs, as long as it does: one that is held up falls silent."""
    loop = asyncio.get_running_loop()

    def again() -> None:
        beat(writer)
        loop.call_later(_EVERY, again)

    again()


def beat_in_thread(writer: int) -> None:
    """Beat from a thread, as long as this process goes on at all."""

    def again() -> None:
        while True:
            beat(writer)
            time.sleep(_EVERY)

    threading.Thread(target=again, name="heartbeat", daemon=True).start()


class Pulse:
    """Which processes have fallen silent. `patience`: seconds that may pass between two beats of one."""

    def __init__(self, patience: float, starting: float = _STARTING) -> None:
        self._patience, self._starting = patience, starting
        self._last: dict[int, tuple[float, bool]] = {}  # when each was last heard of, or first seen; whether it beat

    def silent(self, processes: Mapping[int, str], beaten: set[int], now: float) -> list[str]:
        """Return the names of those of `processes` (by id) that should have beaten by now. `beaten`: who has, since
        this was asked last."""
        before = self._last
        self._last = {pid: (now, True) if pid in beaten else before.get(pid, (now, False)) for pid in processes}
        return [
            name
            for pid, name in processes.items()
            if now - self._last[pid][0] > (self._patience if self._last[pid][1] else self._starting)
        ]


class Reporter:
    """The thread that tells the service manager how we are. Once each of `processes` (by id, with their names) has
    beaten and `answers` is true, that is `READY=1`; from then on `WATCHDOG=1` follows, as long as none is silent."""

    def __init__(
        self,
        manager: ServiceManager,
        answers: Callable[[], bool],
        processes: Callable[[], Mapping[int, str]] = dict,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._manager, self._answers, self._processes, self._heartbeats = manager, answers, processes, heartbeats
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="systemd", daemon=True)

    def start(self) -> None:
        if self._manager.listens:
            self._thread.start()

    def stopping(self) -> None:
        """Say that we end, once; nothing is said after it."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._manager.tell("STOPPING=1", "STATUS=stopping")

    def _run(self) -> None:
        beaten = self._beaten()
        while not (self._processes().keys() <= beaten and self._answers()):
            if self._stop.wait(0.1):
                return
            beaten |= self._beaten()
        self._manager.tell("READY=1", "STATUS=running")
        if self._manager.watchdog is not None:
            self._watch(self._manager.watchdog, beaten)

    def _beaten(self) -> set[int]:
        return set() if self._heartbeats is None else self._heartbeats.latest()

    def _watch(self, watchdog: float, beaten: set[int]) -> None:
        pulse, before = Pulse(watchdog / 2), ""
        while True:
            silent = ", ".join(pulse.silent(self._processes(), beaten, time.monotonic()))
            if silent != before:
                self._manager.tell(f"STATUS={silent} does not answer" if silent else "STATUS=running")
            if silent and not before:
                _log.error("%s does not answer: systemd hears no more of us, and starts us anew unless it does", silent)
            before = silent
            if not silent:
                self._manager.tell("WATCHDOG=1")
            if self._stop.wait(min(watchdog / 4, _LONGEST_PAUSE)):
                return
            beaten = self._beaten()


def answering(address: str, port: int) -> Callable[[], bool]:
    """Return what asks whether a bridge that listens here answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - what is listened on, not by us

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask
