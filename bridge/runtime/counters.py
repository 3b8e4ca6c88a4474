"""Numbers that several processes count and any of them can add up: in memory that they share, never on a disk."""

from __future__ import annotations

import fcntl
import json
import logging
import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Iterator, Sequence

_log = logging.getLogger("bridge.runtime.counters")
_NAMES = 512 * 1024
_VALUES = 512 * 1024
_SLOT = _NAMES + _VALUES
_HEAD = struct.Struct("=II")  # bytes of names that are written, numbers that are in use
_NAME = struct.Struct("=HH")  # bytes of a name, numbers that it stands for
_DOUBLE = 8

CounterName = tuple[str, ...]
"""What a row of numbers is called."""

_forks = 0
"""How many forks led to this process: it tells whose a slot is without a call of the system."""


def _forked() -> None:
    global _forks  # noqa: PLW0603 - the process is the one that it is about
    _forks += 1


os.register_at_fork(after_in_child=_forked)


class SharedCounters:
    """Rows of numbers by name, counted by up to `processes` processes that were forked from the one that made this.

    Each process counts in a slot of its own, so none waits for another. A slot is locked by its process (POSIX record
    locks), so the system frees it however the process ends; the next process goes on from its numbers, and no sum
    ever gets smaller. Memory is taken page by page, as names come. The memory belongs to no file system: a full disk
    cannot take it away, and nothing is left behind. Where the system has no such memory, an unnamed temporary file
    that is allocated whole serves instead.

    A row that finds no room is not counted, which is logged once.
    """

    def __init__(self, processes: int = 1) -> None:
        self._slots = processes
        self._file = _unnamed(processes * _SLOT)
        self._memory = mmap.mmap(self._file, processes * _SLOT)
        self._lock = threading.Lock()
        self._places: dict[CounterName, int] = {}
        self._values: memoryview[float] | None = None
        self._at = 0
        self._full = False
        self._owner = -1

    def add(self, name: CounterName, *, length: int = 1, changes: Sequence[tuple[int, float]] = ((0, 1.0),)) -> None:
        """Add to numbers of the row `name`: (place, how much) each. `length`: how many numbers the row has."""
        with self._lock:
            values, place = self._row(name, length)
            if values is not None:
                for number, much in changes:
                    values[place + number] += much

    def put(self, name: CounterName, value: float) -> None:
        """Set the one number of this process's row `name`."""
        with self._lock:
            values, place = self._row(name, 1)
            if values is not None:
                values[place] = value

    def rows(self) -> Iterator[tuple[CounterName, tuple[float, ...]]]:
        """Yield each process's rows, those of processes that have ended included; a name comes once for each of
        them."""
        for slot in range(self._slots):
            yield from ((name, values) for name, _, values in self._read(slot * _SLOT))

    def _row(self, name: CounterName, length: int) -> tuple[memoryview[float] | None, int]:
        """This process's numbers, and where the row begins in them; None where there is no room."""
        if self._owner != _forks:
            self._claim()
        place = self._places.get(name)
        if place is None:
            place = self._appended(name, length)
            if place is None:
                return None, 0
            self._places[name] = place
        return self._values, place

    def _claim(self) -> None:
        """Take a free slot, with what an earlier process has counted there."""
        self._owner, self._places, self._values = _forks, {}, None
        for slot in range(self._slots):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            except OSError:
                continue
            self._at = slot * _SLOT
            self._values = memoryview(self._memory)[self._at + _NAMES : self._at + _SLOT].cast("d")
            self._places = {name: place for name, place, _ in self._read(self._at)}
            return

    def _appended(self, name: CounterName, length: int) -> int | None:
        written, used = _HEAD.unpack_from(self._memory, self._at) if self._values is not None else (0, 0)
        text = json.dumps(name, ensure_ascii=False).encode()
        entry = _NAME.pack(len(text) & 0xFFFF, length) + text
        begin = self._at + _HEAD.size + written
        if (
            self._values is None
            or len(text) > 0xFFFF
            or begin + len(entry) > self._at + _NAMES
            or (used + length) * _DOUBLE > _VALUES
        ):
            if not self._full:
                self._full = True
                _log.warning("there is no room to count more: some figures of /metrics are missing")
            return None
        self._memory[begin : begin + len(entry)] = entry
        _HEAD.pack_into(self._memory, self._at, written + len(entry), used + length)
        return int(used)

    def _read(self, at: int) -> Iterator[tuple[CounterName, int, tuple[float, ...]]]:
        written, _ = _HEAD.unpack_from(self._memory, at)
        place, position, end = 0, at + _HEAD.size, at + _HEAD.size + written
        while position < end:
            size, length = _NAME.unpack_from(self._memory, position)
            position += _NAME.size
            name = tuple(json.loads(self._memory[position : position + size]))
            yield name, place, struct.unpack_from(f"={length}d", self._memory, at + _NAMES + place * _DOUBLE)
            position += size
            place += length


def _unnamed(size: int) -> int:
    """A descriptor of shared memory of this size, all zero."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("infocaller-bridge-metrics")
        os.ftruncate(file, size)
        return file
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    os.write(descriptor, bytes(size))  # allocated now: a sparse file on a full disk would end us with SIGBUS later
    return descriptor
