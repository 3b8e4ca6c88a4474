"""Looks rows up in an index file that `connectors.csv.build` made. The file is mapped, not read: its pages are shared
by all processes, and a file that is replaced or deleted meanwhile serves whoever has it open to the end."""

from __future__ import annotations

import json
import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from connectors.csv.build import MAGIC, ROW, START, TRAILER, key_hash

Row = tuple[int, list[str]]
"""A row's number in the file (the header's is 1) and its cells, one for each column."""


class NoIndex(Exception):
    """It is no whole index file of this version."""


class Content:
    """What a CSV file held when the index was made."""

    def __init__(self, path: Path) -> None:
        """Raises `NoIndex`, `OSError`."""
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size < TRAILER.size:
                raise NoIndex
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        magic, place, whole = TRAILER.unpack_from(self._map, size - TRAILER.size)
        if magic != MAGIC or whole != size:
            raise NoIndex
        meta = json.loads(self._map[place : size - TRAILER.size])
        self.columns: tuple[str, ...] = tuple(meta["columns"])
        self.rows: int = meta["rows"]
        self._rows_end: int = meta["rows_end"]
        self._phones, self._phone_rows = self._arrays(*meta["phones"])
        self._keys, self._key_rows = self._arrays(*meta["keys"])

    @property
    def numbers(self) -> int:
        """How many phone numbers its rows have."""
        return len(self._phones)

    def _arrays(self, place: int, count: int) -> tuple[memoryview, memoryview]:
        values = memoryview(self._map)[place : place + 16 * count].cast("Q")
        return values[:count], values[count:]

    def by_phone(self, number: int, limit: int, *, last: bool = False) -> list[Row]:
        """Rows with this number (34600111222): the newest first where the table says what is newest, else in the
        file's order; `last`: from the end."""
        return [self._row(place) for place in islice(_at(self._phones, self._phone_rows, number, last), limit)]

    def by_key(self, key: str, column: int, limit: int, *, last: bool = False) -> list[Row]:
        """Rows whose cell in that column is this text, spaces around it aside; in the same order."""
        rows = map(self._row, _at(self._keys, self._key_rows, key_hash(key), last))
        return list(islice((row for row in rows if row[1][column].strip() == key), limit))

    def all(self) -> Iterator[Row]:
        """Every row in the file's order."""
        place = START
        while place + ROW.size < self._rows_end:  # what is left at the end is padding
            length, number = ROW.unpack_from(self._map, place)
            start = place + ROW.size
            yield number, self._map[start : start + length].decode().split("\0")
            place = start + length

    def _row(self, place: int) -> Row:
        length, number = ROW.unpack_from(self._map, place)
        start = place + ROW.size
        return number, self._map[start : start + length].decode().split("\0")


def _at(values: memoryview, places: memoryview, wanted: int, last: bool) -> Iterator[int]:
    """The places that belong to a value in a sorted array."""
    if last:
        at, step, end = bisect_left(values, wanted + 1) - 1, -1, -1
    else:
        at, step, end = bisect_left(values, wanted), 1, len(values)
    while at != end and values[at] == wanted:
        yield places[at]
        at += step
