"""Starts bridges from a process that has loaded the program already: loading takes longer than most tests of a bridge.

`python -m tests.web.nursery SOCKET` is that process. Each bridge is forked from it, leads a session of its own, and
ends as the program does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

_LARGEST = 256 * 1024


class Started:
    """A process that somebody else started, as `subprocess.Popen` shows one; `ended` is where its exit code comes."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        return self._within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"bridge {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], seconds)[0]:
            self.returncode = int(os.read(self._ended, 16))
            os.close(self._ended)
        return self.returncode


def start(arguments: Sequence[str], environ: Mapping[str, str], stderr: int) -> Started:
    """`infocaller-bridge` with these arguments; `stderr`: the descriptor that it writes to."""
    channel = _nursery()
    ended, end = os.pipe()
    try:
        order = json.dumps([list(arguments), dict(environ)]).encode()
        socket.send_fds(channel, [order], [stderr, end])
        pid = int(channel.recv(16))
    finally:
        os.close(end)
    return Started(pid, ended)


@cache
def _nursery() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LARGEST)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        command = [sys.executable, "-m", "tests.web.nursery", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)

    def close() -> None:
        ours.close()
        process.wait()

    atexit.register(close)
    return ours


def _serve(channel: socket.socket) -> None:
    """Start what is asked for, and tell how each ended, until nobody asks any more."""
    from bridge.cli import main
    from bridge.server import serving  # noqa: F401 - to have it loaded

    _warm_up()
    heard, noted = os.pipe()
    os.set_blocking(noted, False)
    signal.set_wakeup_fd(noted)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ends: dict[int, int] = {}
    while True:
        ready = select.select([channel.fileno(), heard], [], [])[0]
        if heard in ready:
            os.read(heard, 4096)
            _reap(ends)
        if channel.fileno() not in ready:
            continue
        order, descriptors, _, _ = socket.recv_fds(channel, _LARGEST, 2)
        if not order:  # who asked has ended, or was killed
            for pid in ends:
                os.kill(pid, signal.SIGTERM)
            return
        stderr, end = descriptors
        pid = os.fork()
        if pid == 0:
            channel.close()
            for descriptor in (heard, noted, end, *ends.values()):
                os.close(descriptor)
            arguments, environ = json.loads(order)
            _become(environ, stderr)
            main(arguments)
        os.close(stderr)
        ends[pid] = end
        channel.send(b"%d" % pid)


def _warm_up() -> None:
    """Have done once what each process does only once, however often it is done again: open a configuration that has
    something of everything, with a database and a console."""
    from bridge.config.load import load
    from bridge.server.console import ConsoleProcess
    from bridge.store.schema import connect
    from bridge.web.console import passwords
    from tests.web.console.case import CONFIGURATION

    with tempfile.TemporaryDirectory() as folder, ExitStack() as closing:
        file = Path(folder, "config.yaml")
        file.write_text(CONFIGURATION, encoding="utf-8")
        file.chmod(0o600)
        connect("sqlite:///bridge.db", file.parent).close()
        ConsoleProcess(load(file), closing)
    passwords.nobodys_hash()
    gc.collect()
    gc.freeze()


def _become(environ: dict[str, str], stderr: int) -> None:
    """Be a process as a shell would have started it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(stderr, 2)
    os.close(stderr)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    tempfile.tempdir = None


def _reap(ends: dict[int, int]) -> None:
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        end = ends.pop(pid)
        os.write(end, b"%d" % os.waitstatus_to_exitcode(status))
        os.close(end)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
