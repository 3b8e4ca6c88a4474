"""Makes the index file of a CSV table: its rows in one plain form, and sorted arrays of numbers and keys that point
at them. `connectors.csv.index` looks things up in it; several processes map the same file.

    rows      for each: length and row number (two 32-bit numbers), then the cells in UTF-8 with NUL between
    arrays    64-bit numbers: sorted phones and the places of their rows; sorted key hashes and the places of theirs
    meta      JSON: columns, how many rows, where the arrays are
    trailer   magic, place of meta, size of the whole

A large table is built in a process of its own (`main`): a million rows would hold up everything else for seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import phonenumbers

from connectors.csv import reading as csvread
from connectors.phonebulk import Numbers

MAGIC = b"ICBCSV01"
ROW = struct.Struct("=II")
TRAILER = struct.Struct("=8sQQ")
_PLACE_BITS = 48  # of a place in the file; a phone number takes 50 at most, a key's hash 32
_PLACE = (1 << _PLACE_BITS) - 1
START = 8  # where the first row is
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")


@dataclass(frozen=True)
class Spec:
    """What an index depends on besides the file's content: two files of one content and one spec share an index."""

    key: str | None
    phones: tuple[str, ...]
    newest: str | None
    encoding: str | None
    delimiter: str | None
    country: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be in the header."""
        return tuple(column for column in (self.key, *self.phones, self.newest) if column)

    def fingerprint(self) -> str:
        """Different for any spec, form of the file and machine that could not read the other's."""
        said = json.dumps([MAGIC.decode(), phonenumbers.__version__, sys.byteorder, asdict(self)])
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Built:
    """What came of it: the content's digest, which the caller compares with what it expected, and what was odd."""

    digest: str
    rows: int
    oddities: str


def key_hash(key: str) -> int:
    """What a key is found by; keys that share one are told apart by their text."""
    return crc32(key.encode(errors="surrogatepass"))


def newest_rank(cell: str) -> float:
    """Larger for newer: ISO dates and times, dd/mm/yyyy, numbers; what is none of these is oldest."""
    text = cell.strip()
    try:
        if "T" in text or ":" in text or text.count("-") == 2:
            return _seconds(datetime.fromisoformat(text))
        return float(text.replace(",", "."))
    except (ValueError, OverflowError):
        found = _DAY_FIRST.fullmatch(text)
    if not found:
        return -math.inf
    day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return _seconds(datetime(year, month, day, hour, minute, second))
    except ValueError:
        return -math.inf


def _seconds(moment: datetime) -> float:
    """Since the year 1; a time without a zone counts as UTC."""
    days = date.toordinal(moment.date()) * 86400.0
    offset = moment.utcoffset()
    return days + moment.hour * 3600 + moment.minute * 60 + moment.second - (offset.total_seconds() if offset else 0.0)


def build(source: Path, spec: Spec, target: BinaryIO) -> Built:
    """Write the index of `source` to `target`. Raises `Damaged` (also when the file changes meanwhile), `OSError`."""
    with csvread.opened(source) as stream:
        before = os.fstat(stream.fileno())
        found = csvread.characters(stream, spec.encoding)
        layout = csvread.layout(stream, found.encoding, spec.delimiter, spec.columns)
        index = _Index(layout, spec, target)
        oddities = csvread.Oddities()
        lines = csvread.text(stream, found.encoding)
        try:
            index.add(csvread.rows(lines, layout, oddities), oddities)
            after = os.fstat(stream.fileno())
        finally:
            lines.detach()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise csvread.Damaged("it was changed while it was read")
    index.finish()
    return Built(found.digest, index.rows, str(oddities))


class _Index:
    """An index file while it grows."""

    def __init__(self, layout: csvread.Layout, spec: Spec, target: BinaryIO) -> None:
        self._header = layout.header
        self._phones = [layout.position(column) for column in spec.phones]
        self._key = None if spec.key is None else layout.position(spec.key)
        self._newest = None if spec.newest is None else layout.position(spec.newest)
        self._read = Numbers(spec.country)
        self._target = target
        self._place = target.write(b"\0" * START)
        self._ranks: list[tuple[float, int]] = []
        self.rows = 0
        self.phones: list[int] = []  # each with the place of its row in the lowest bits
        self.keys: list[int] = []

    def add(self, rows: Iterator[tuple[int, list[str]]], oddities: csvread.Oddities) -> None:
        """Write the rows and note where their numbers and keys are; the whole of a million's time is spent here."""
        write, pack, place, read, columns = self._target.write, ROW.pack, self._place, self._read, self._phones
        add_phone, add_key, key, newest = self.phones.append, self.keys.append, self._key, self._newest
        for number, cells in rows:
            payload = "\0".join(cells).encode()
            seen: tuple[int, ...] = ()
            for column in columns:
                cell = cells[column]
                if cell:
                    found = read(cell)
                    for phone in found:
                        if phone not in seen:
                            add_phone(phone << _PLACE_BITS | place)
                    seen += found
                    if not found and cell.strip():
                        oddities.add("phone cells without a number", number)
            if key is not None:
                text = cells[key].strip()
                if text:
                    add_key(key_hash(text) << _PLACE_BITS | place)
            if newest is not None:
                self._ranks.append((-newest_rank(cells[newest]), place))
            place += write(pack(len(payload), number) + payload)
            self.rows += 1
        self._place = place

    def finish(self) -> None:
        """Sort, and write what stands after the rows."""
        self._place += self._target.write(b"\0" * (-self._place % 8))
        rows_end = self._place
        self._ranks.sort()
        order = {place: position for position, (_, place) in enumerate(self._ranks)}
        phones = self._sorted(self.phones, order)
        keys = self._sorted(self.keys, order)
        meta = {"columns": self._header, "rows": self.rows, "rows_end": rows_end, "phones": phones, "keys": keys}
        said = json.dumps(meta).encode()
        self._target.write(said)
        self._target.write(TRAILER.pack(MAGIC, self._place, self._place + len(said) + TRAILER.size))

    def _sorted(self, pairs: list[int], order: Mapping[int, int]) -> tuple[int, int]:
        """Write the values in their order, then the places of their rows, the newest first within one; where that is
        and how many they are."""
        if order:
            pairs.sort(key=lambda pair: (pair >> _PLACE_BITS, order[pair & _PLACE]))
        else:
            pairs.sort()
        start = self._place
        for column in (
            array("Q", [pair >> _PLACE_BITS for pair in pairs]),
            array("Q", [pair & _PLACE for pair in pairs]),
        ):
            self._place += self._target.write(memoryview(column).cast("B"))
        return start, len(pairs)


def write_index(source: Path, spec: Spec, target: Path) -> Built:
    """Build into `target`, which is there whole and lasting, or not at all."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1024 * 1024) as stream:
            built = build(source, spec, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return built


def main(order: dict[str, str | int], answer: Callable[[str], object] = sys.stdout.write) -> None:
    """Build in a process of its own, behind others who need the CPU: `source`, `target`, `spec` (JSON); answers JSON,
    either a `Built` or `{"damaged" | "columns": text}`, or `{"system": errno, "file": path}`."""
    os.nice(int(order.get("nice", 0)))
    spec = json.loads(str(order["spec"]))
    spec["phones"] = tuple(spec["phones"])
    try:
        said: dict[str, object] = asdict(
            write_index(Path(str(order["source"])), Spec(**spec), Path(str(order["target"])))
        )
    except csvread.WrongColumns as error:
        said = {"columns": str(error)}
    except csvread.Damaged as error:
        said = {"damaged": str(error)}
    except OSError as error:
        said = {"system": error.errno, "file": str(error.filename or order["target"])}
    answer(json.dumps(said))
