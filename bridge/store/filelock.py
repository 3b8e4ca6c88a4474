"""A lock between processes, held by an open file: the kernel lets go of it when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import StoreUnavailable

_FIRST_PAUSE = 0.0002
_LONGEST_PAUSE = 0.005


class FileLock:
    """One holder at a time, over all threads of all processes that name the same file.

    Waiting is fair between processes: whoever waits stands in a turnstile (a second file), so that one that lets go and
    comes again at once can't keep the others out. Each instance is for one process; don't carry it over a fork.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn_path = path.with_name(f"{path.name}.turn")
        self._inside = threading.Lock()
        self._file = -1
        self._turn = -1

    def acquire(self, timeout: float) -> bool:
        """Take the lock; false when it was not to be had within `timeout` seconds. OSError when the files can't be
        opened."""
        until = time.monotonic() + timeout
        if not self._inside.acquire(timeout=max(0.0, timeout)):
            return False
        taken = False
        try:
            self._open()
            if _take(self._turn, until):
                try:
                    taken = _take(self._file, until)
                finally:
                    fcntl.flock(self._turn, fcntl.LOCK_UN)
        finally:
            if not taken:
                self._inside.release()
        return taken

    def release(self) -> None:
        """Let go of it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._inside.release()

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold it for a block; `StoreUnavailable` when it was not to be had in time."""
        if not self.acquire(timeout):
            raise StoreUnavailable(
                f"{self._path} was held by another process for {timeout:g} s; see which one hangs: fuser {self._path}"
            )
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Close the files. The lock must not be held."""
        with self._inside:
            for file in (self._file, self._turn):
                if file >= 0:
                    os.close(file)
            self._file = self._turn = -1

    def _open(self) -> None:
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._turn < 0:
            self._turn = os.open(self._turn_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(file: int, until: float) -> bool:
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        else:
            return True
