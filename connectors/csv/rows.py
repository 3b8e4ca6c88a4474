"""The rows of a CSV file with their exact text, for files that are changed in place: what is not changed stays as it
is, byte for byte."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from connectors.csv import reading as csvread
from connectors.csv.reading import Damaged

_END = "\0end"  # follows the last line; a row of its own unless a quote is still open
_SAMPLE = 64 * 1024
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True)
class CsvRow:
    """A row's cells and its text as it stands in the file, line break included. `unfinished`: it is the last and has
    no line break; `open_quote`: it even ends inside quotes."""

    cells: list[str]
    text: str
    unfinished: bool = False
    open_quote: bool = False


@dataclass(frozen=True)
class CsvFormat:
    """How a file is written. `codec` without the byte order `mark`; `first`: how many rows come before the data."""

    codec: str
    mark: bytes
    delimiter: str
    newline: str
    header: tuple[str, ...]
    first: int = 1

    def encoded(self, text: str) -> bytes:
        """Text in the file's encoding. What it lacks is written as `\\u20ac`; bytes that were no text are as before."""
        try:
            return text.encode(self.codec, errors="surrogateescape")
        except UnicodeError:
            return text.encode(self.codec, errors="backslashreplace")

    def line(self, cells: Sequence[str]) -> bytes:
        written = io.StringIO()
        # with this terminator the csv module quotes both kinds of line breaks
        csv.writer(written, delimiter=self.delimiter, lineterminator="\r\n").writerow(cells)
        return self.encoded(written.getvalue().removesuffix("\r\n") + self.newline)

    def wider(self, columns: Sequence[str]) -> CsvFormat:
        """Return the format with more columns at the end."""
        return replace(self, header=(*self.header, *columns))

    def start(self, path: Path) -> bytes:
        """Return what comes before the first data row."""
        return self.mark + b"".join(self.encoded(row.text) for row in self._before(path))

    def with_header(self, path: Path, wider: CsvFormat) -> Iterator[bytes]:
        """Yield the file with another header; data rows are as they were."""
        *hints, header = self._before(path)
        yield self.mark + b"".join(self.encoded(row.text) for row in hints)
        cells = header.cells + list(wider.header[len(self.header) :])
        yield wider.line(cells)
        for row in rows(path, self):
            yield self.encoded(row.text)

    def _before(self, path: Path) -> list[CsvRow]:
        with csvread.opened(path) as stream:
            stream.seek(len(self.mark))
            return list(islice(_rows(stream, self), self.first))


def find_format(path: Path, encoding: str | None, delimiter: str | None) -> CsvFormat:
    """Return how an existing file is written. Raises `Damaged`, `OSError`."""
    with csvread.opened(path) as stream:
        characters = csvread.characters(stream, encoding)
        layout = csvread.layout(stream, characters.encoding, delimiter)
        stream.seek(0)
        start = stream.read(_SAMPLE)
    mark, codec = _mark(start, characters.encoding)
    text = codecs.getincrementaldecoder(codec)(errors="replace").decode(start)
    newline = next((kind for kind in ("\r\n", "\n", "\r") if kind in text), "\n")
    return CsvFormat(codec, mark, layout.delimiter, newline, layout.header, layout.first)


def new_format(encoding: str | None, delimiter: str | None, header: tuple[str, ...]) -> CsvFormat:
    """Return how a new file is written: UTF-8 and commas, unless said otherwise."""
    name = codecs.lookup(encoding or "utf-8").name
    marks = {"utf-8-sig": codecs.BOM_UTF8, "utf-16": codecs.BOM_UTF16_LE, "utf-32": codecs.BOM_UTF32_LE}
    mark, codec = _mark(marks.get(name, b""), name)
    return CsvFormat(codec, mark, delimiter or ",", "\n", header)


def _mark(start: bytes, encoding: str) -> tuple[bytes, str]:
    """The byte order mark that is there, and the codec for what follows."""
    name = codecs.lookup(encoding).name
    if name in ("utf-8", "utf-8-sig"):
        return (codecs.BOM_UTF8 if start.startswith(codecs.BOM_UTF8) else b""), "utf-8"
    if name not in ("utf-16", "utf-32"):
        return b"", name
    little, big = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) if name == "utf-16" else _UTF32
    mark = little if start.startswith(little) else big if start.startswith(big) else b""
    return mark, f"{name}-{'be' if mark == big else 'le'}"


def rows(path: Path, format_: CsvFormat, start: int = 0) -> Iterator[CsvRow]:
    """Yield the data rows, or those from a byte on at which a row starts. Raises `Damaged`, `OSError`."""
    with csvread.opened(path) as stream:
        stream.seek(start or len(format_.mark))
        yield from islice(_rows(stream, format_), 0 if start else format_.first, None)


def _rows(stream: BinaryIO, format_: CsvFormat) -> Iterator[CsvRow]:
    text = io.TextIOWrapper(stream, encoding=format_.codec, errors="surrogateescape", newline="")
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text:
            taken.append(line)
            yield line
        yield _END

    try:
        for cells in csv.reader(lines(), delimiter=format_.delimiter):
            raw = "".join(taken)
            taken.clear()
            if cells == [_END] and not raw:
                return
            if cells and cells[-1].endswith(_END):
                cells[-1] = cells[-1].removesuffix(_END)
                yield CsvRow(cells, raw, unfinished=True, open_quote=True)
                return
            yield CsvRow(cells, raw, unfinished=not raw.endswith(("\n", "\r")))
    except csv.Error as error:
        raise Damaged(f"{error}; is a quote opened and not closed?") from None
    finally:
        text.detach()
