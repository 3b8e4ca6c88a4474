"""A lock between processes, held by an open file: the kernel lets go of it when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FIRST_PAUSE = 0.0002
_LONGEST_PAUSE = 0.005


class FileLock:
    """One holder at a time, over all threads of all processes that name the same file.

    The file is made where there is none, and open only while the lock is wanted or held: it may be deleted meanwhile.
    `fair`: waiting processes stand in a turnstile (a second file), so that one that lets go and comes again at once
    can't keep the others out.
    """

    def __init__(self, path: Path, *, fair: bool = False) -> None:
        self._path = path
        self._turnstile = path.with_name(f"{path.name}.turn") if fair else None
        self._inside = threading.Lock()
        self._file = -1

    def acquire(self, timeout: float) -> bool:
        """Take the lock; false when it was not to be had within `timeout` seconds. OSError when the file can't be
        opened."""
        timeout = min(max(0.0, timeout), threading.TIMEOUT_MAX)
        until = time.monotonic() + timeout
        if not self._inside.acquire(timeout=timeout):
            return False
        file = None
        try:
            file = self._take(until)
        finally:
            if file is None:
                self._inside.release()
        if file is None:
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Release the lock."""
        _free(self._file)
        self._inside.release()

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold it for a block; `TimeoutError` when it was not to be had in time."""
        if not self.acquire(timeout):
            raise TimeoutError(
                f"{self._path} was held by another process for {timeout:g} s; see which one hangs: fuser {self._path}"
            )
        try:
            yield
        finally:
            self.release()

    def _take(self, until: float) -> int | None:
        """The open file, locked; None when that took too long."""
        if self._turnstile is None:
            return _locked(self._path, until)
        turn = _locked(self._turnstile, until)
        if turn is None:
            return None
        try:
            return _locked(self._path, until)
        finally:
            _free(turn)


def _locked(path: Path, until: float) -> int | None:
    """The file, open and locked; None when that took too long."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    locked = False
    try:
        pause = _FIRST_PAUSE
        while not (locked := _try(file)) and time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
    finally:
        if not locked:
            os.close(file)
    return file if locked else None


def _try(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free(file: int) -> None:
    fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked meanwhile has the file open as well
    os.close(file)
