"""Taking turns at a file that is written, and putting right what a writer that was killed had begun.

Beside `FILE` stands the hidden `.FILE.lock`. Who writes holds a lock on it, and what is about to be appended stands in
it until it is on disk: the next one in turn finds a half row and writes the rest.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connectors.base import Deadline, TimedOut
from connectors.filelock import FileLock


class JournalSession:
    """Somebody's turn: nobody else writes the file."""

    def __init__(self, path: Path, side: int) -> None:
        self._path, self._side = path, side

    def append(self, row: bytes) -> None:
        """Add a row to the end of the file: all of it and on disk, or nothing. Raises `OSError`."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            place = os.fstat(descriptor).st_size
            note = {"at": place, "row": base64.b64encode(row).decode()}
            _write(self._side, json.dumps(note).encode())
            try:
                _write(descriptor, row)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, place)  # if this fails too, the note stays and the next writer mends it
                raise
            finally:
                if os.fstat(descriptor).st_size in (place, place + len(row)):
                    self.forget()
        finally:
            os.close(descriptor)

    def forget(self) -> None:
        """Note that nothing is under way."""
        os.ftruncate(self._side, 0)
        os.lseek(self._side, 0, os.SEEK_SET)


class AppendJournal:
    """The turns at one file, among the threads of this process and all others."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self._path, self._log = path, log
        self._side = path.with_name(f".{path.name}.lock")
        self._lock = FileLock(self._side)

    @contextmanager
    def take(self, deadline: Deadline) -> Iterator[JournalSession]:
        """Wait for a turn. Raises `TimedOut`, `OSError`."""
        if deadline.passed or not self._lock.acquire(deadline.remaining):
            raise TimedOut(f"{self._path} was not free in time")
        try:
            side = os.open(self._side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                turn = JournalSession(self._path, side)
                self._recover(side)
                turn.forget()
                yield turn
            finally:
                os.close(side)
        finally:
            self._lock.release()

    def _recover(self, side: int) -> None:
        """Finish what a process that was killed had begun."""
        noted = os.read(side, os.fstat(side).st_size)
        if not noted:
            return
        # a note that is itself half was before any write
        with suppress(ValueError, TypeError, KeyError, FileNotFoundError):
            note = json.loads(noted)
            row, place = base64.b64decode(note["row"]), int(note["at"])
            with self._path.open("r+b") as stream:
                stream.seek(place)
                text = stream.read()
                if text and text != row and row.startswith(text):
                    stream.write(row[len(text) :])
                    stream.flush()
                    os.fsync(stream.fileno())
                    self._log.warning("%s: the last row was half written and is whole now", self._path)


def _write(descriptor: int, data: bytes) -> None:
    """All of it; a disk that fills up in the middle takes a part and then says so."""
    while data:
        data = data[os.write(descriptor, data) :]
