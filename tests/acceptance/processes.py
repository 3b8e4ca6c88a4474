"""Bridges as process trees of their own, that are killed without warning and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import requests

from tests.waiting import until


def tree(pid: int) -> list[int]:
    """A process and all that came of it."""
    found, pids = [], [pid]
    while pids:
        pid = pids.pop()
        found.append(pid)
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


class Bridge:
    """`infocaller-bridge serve` with these options. `kill` is kill -9 of every process of it. `code`: the folder of
    another version's code, None for this one's."""

    def __init__(self, config: Path, *options: str, code: Path | None = None) -> None:
        self.code = code
        self._command = [sys.executable, "-m", "bridge", "serve", "--config", str(config), *options]
        self.log = config.parent / f"serve{'-'.join(options).replace('-', '')}.log"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._lock, self.log.open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(self.code)} if self.code else None
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.code, env=environment
            )

    def kill(self) -> None:
        with self._lock:
            if self._process is None:
                return
            os.kill(self._process.pid, signal.SIGSTOP)  # or it would start its children again while they are killed
            for pid in reversed(tree(self._process.pid)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.wait()
            self._process = None

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def pids(self) -> list[int]:
        """Its processes, the parent first."""
        return tree(self._process.pid) if self._process is not None else []

    def stop(self) -> int:
        """As an admin would: SIGTERM; the exit code."""
        with self._lock:
            if self._process is None:
                return 0
            self._process.terminate()
            try:
                return self._process.wait(40)
            finally:
                if self._process.poll() is None:
                    for pid in reversed(tree(self._process.pid)):
                        os.kill(pid, signal.SIGKILL)
                self._process = None


def ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def wait_until_ready(port: int, bridges: Sequence[Bridge]) -> None:
    try:
        until(lambda: ready(port), 40)
    except AssertionError as error:
        raise AssertionError("\n".join(bridge.log.read_text(errors="replace")[-3000:] for bridge in bridges)) from error
