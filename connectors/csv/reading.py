"""CSV files as people and programs really leave them: which characters, which delimiter, and row by row to the end.

Whatever is wrong with a file as a whole is `Damaged`, with the place; what is odd about single rows is counted in
`Oddities` and the rows are kept.
"""

from __future__ import annotations

import codecs
import csv
import errno
import hashlib
import io
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

DELIMITERS = ",;\t|"
_CHUNK = 256 * 1024
_SAMPLE = 64 * 1024
_LONG_ROW = 100  # lines of one row from which on a missing quote is likelier than a long text
_END = "\0end"  # follows the last line; read as a row of its own unless a quote is still open
_EXCEL_HINT = re.compile(r'"?sep=(.)"?\r?\n?')
_NOT_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_NO_TEXT = (
    (b"PK\x03\x04", "a spreadsheet of Excel or LibreOffice, or another zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet of an old Excel"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"%PDF-", "a PDF"),
)


class Damaged(Exception):
    """The file can't be used as it is now: half written, broken, or not text. The message says where."""


class WrongColumns(Damaged):
    """The header, or the sheets, are not what the configuration says; a person has to mend the one or the other."""


@dataclass(frozen=True)
class Characters:
    """What a pass over the bytes told: the `encoding`, and a `digest` by which to know the content again."""

    encoding: str
    digest: str


@dataclass(frozen=True)
class Layout:
    """How to read a file: `header` are its column names, stripped, empty where a column has none; `first` is how many
    rows come before the data (the header, and Excel's `sep=` line)."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    first: int = 1


NO_NUMBER = "phone cells that hold no number"


@dataclass
class Oddities:
    """What was odd about rows: how many of each kind, and where the first was."""

    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, oddity: str, row: int, line: int = 0) -> None:
        """Count one more row of that kind."""
        self.counts[oddity] = self.counts.get(oddity, 0) + 1
        self.places.setdefault(oddity, f"in row {row}, line {line}" if line else f"in row {row}")

    def __str__(self) -> str:
        return "\n".join(f"{oddity}: {count}, the first {self.places[oddity]}" for oddity, count in self.counts.items())


def opened(path: Path) -> BinaryIO:
    """Return the file, for reading. A pipe or a device, which would be waited for or read without end, raises
    `Damaged`; else `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        refuse_special(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def refuse_special(status: os.stat_result, path: Path) -> None:
    """Raise `Damaged` unless `status` is that of a file; for a folder `IsADirectoryError`."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise Damaged("it is a pipe or a device, where a file is needed")


def digest(stream: BinaryIO) -> str:
    """Return a fingerprint of the content; costs no more than reading it."""
    seen = hashlib.blake2b(digest_size=16)
    while chunk := stream.read(_CHUNK):
        seen.update(chunk)
    return seen.hexdigest()


def characters(stream: BinaryIO, configured: str | None = None) -> Characters:
    """Return the encoding of a whole file: the configured one, that of its byte order mark, else UTF-8 where every byte
    fits, else cp1252 where every byte has a character, else ISO-8859-1. Raises `Damaged`."""
    stream.seek(0)
    start = stream.read(8)
    _refuse_no_text(start)
    fixed = _fixed(start, configured)
    try:
        return Characters(fixed or "utf-8", _decoded(stream, fixed or "utf-8"))
    except UnicodeError as error:
        if fixed:
            raise Damaged(
                f"a byte does not belong in {fixed} text ({error.args[-1]}); is its encoding another?"
            ) from None
    stream.seek(0)
    return Characters(_single_byte(stream), _decoded(stream, "iso-8859-1"))


def _fixed(start: bytes, configured: str | None) -> str | None:
    """The encoding that is known without looking at the text."""
    fixed = configured or next((encoding for mark, encoding in _BOMS if start.startswith(mark)), None)
    return "utf-8-sig" if fixed and codecs.lookup(fixed).name == "utf-8" else fixed


def _decoded(stream: BinaryIO, encoding: str) -> str:
    """The digest of a stream all of which is text in that encoding. Raises `Damaged`, `UnicodeError`."""
    stream.seek(0)
    seen, decoder, size = hashlib.blake2b(digest_size=16), codecs.getincrementaldecoder(encoding)(), 0
    while chunk := stream.read(_CHUNK):
        seen.update(chunk)
        _refuse_nul(decoder.decode(chunk), size)
        size += len(chunk)
    decoder.decode(b"", final=True)
    if not size:
        raise Damaged("it is empty, without even a header")
    return seen.hexdigest()


def _refuse_no_text(start: bytes) -> None:
    for mark, reason in _NO_TEXT:
        if start.startswith(mark):
            raise Damaged(f"it is {reason}, not text; save it as CSV (UTF-8), from where it was made")


def _refuse_nul(text: str, where: int) -> None:
    if "\0" in text:
        raise Damaged(
            f"there are NUL bytes after byte {where}: it is damaged or no text; "
            "if it is UTF-16 without a byte order mark, say `encoding: utf-16-le`"
        )


def _single_byte(stream: BinaryIO) -> str:
    while chunk := stream.read(_CHUNK):
        if _NOT_CP1252.search(chunk):
            return "iso-8859-1"
    return "cp1252"


def text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Return the stream as text whose line breaks are left as they are, for the csv module. Closing it closes the
    stream."""
    stream.seek(0)
    return io.TextIOWrapper(stream, encoding=encoding, newline="")


def layout(stream: BinaryIO, encoding: str, delimiter: str | None = None, columns: Iterable[str] = ()) -> Layout:
    """Return what the start of the file tells. `columns` that must be there help to tell the delimiter. Raises
    `Damaged`."""
    stream.seek(0)
    sample = codecs.getincrementaldecoder(encoding)(errors="replace").decode(stream.read(_SAMPLE))
    return _layout(sample, encoding, delimiter, frozenset(columns))


def _layout(sample: str, encoding: str, delimiter: str | None, columns: frozenset[str]) -> Layout:
    lines = io.StringIO(sample, newline="").readlines()
    hint = _EXCEL_HINT.fullmatch(lines[0]) if lines else None
    lines = lines[1:] if hint else lines
    chosen = delimiter or (hint[1] if hint else None) or _guess(lines, columns)
    header = next(csv.reader(lines, delimiter=chosen), None)
    names = tuple(name.strip().strip("\ufeff") for name in header or ())
    if not any(names):
        raise Damaged("the first row is empty; it must name the columns")
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise WrongColumns(f"the header has {', '.join(twice)} more than once; each column needs a name of its own")
    return Layout(encoding, chosen, names, 2 if hint else 1)


def _guess(lines: Sequence[str], columns: frozenset[str]) -> str:
    """The delimiter by which the header has the columns that it must have, and rows are as wide as the header."""
    return max(DELIMITERS, key=lambda delimiter: _plausible(lines, delimiter, columns))


def _plausible(lines: Sequence[str], delimiter: str, columns: frozenset[str]) -> tuple[int, bool, float, int]:
    try:
        rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), 200) if row]
    except csv.Error:
        return (0, False, 0.0, 0)
    if not rows:
        return (0, False, 0.0, 0)
    width = len(rows[0])
    alike = sum(len(row) == width for row in rows) / len(rows)
    return (len(columns & {name.strip() for name in rows[0]}), width > 1, alike, width)


def rows(lines: Iterable[str], layout: Layout, oddities: Oddities) -> Iterator[tuple[int, list[str]]]:
    """Yield the data rows with their number as a spreadsheet counts them (the header's is 1), each as wide as the
    header. Empty rows are left out. Raises `Damaged` where the file can't be read to its end."""
    width = len(layout.header)
    reader = csv.reader(chain(lines, (_END,)), delimiter=layout.delimiter)
    number, line = 0, 0
    row: list[str] = []
    try:
        for following in reader:
            if number > layout.first and any(row):
                if len(row) != width:
                    _even(row, width, number, line, oddities)
                yield number, row
            if reader.line_num - line > _LONG_ROW:
                oddities.add("rows of very many lines, is a quote missing?", number + 1, line + 1)
            row, number, line = following, number + 1, reader.line_num
    except csv.Error as error:
        raise Damaged(f"row {number + 1}, line {line + 1}: {error}; is a quote opened there and not closed?") from None
    except UnicodeError:
        raise Damaged(f"after row {number}, line {line}: a byte does not belong in {layout.encoding} text") from None
    if row != [_END]:
        raise Damaged(f"row {number}: a quote is opened there and not closed before the end of the file")


def _even(row: list[str], width: int, number: int, line: int, oddities: Oddities) -> None:
    """Missing cells are empty, surplus ones are left out (a delimiter at the end of each line is none)."""
    if len(row) < width:
        oddities.add("rows with fewer columns than the header", number, line)
        row.extend([""] * (width - len(row)))
        return
    if any(cell.strip() for cell in row[width:]):
        oddities.add("rows with more columns than the header", number, line)
    del row[width:]


def header(path: Path, encoding: str | None, delimiter: str | None, columns: Iterable[str] = ()) -> Layout:
    """Return the layout of a file from its start alone, quickly; its end may hold surprises. Raises `Damaged`,
    `OSError`."""
    with opened(path) as stream:
        start = stream.read(_SAMPLE)
        if not start:
            raise Damaged("it is empty, without even a header")
        _refuse_no_text(start)
        guess = _fixed(start, encoding) or _guessed(start)
        _refuse_nul(codecs.getincrementaldecoder(guess)(errors="replace").decode(start), 0)
        return layout(stream, guess, delimiter, columns)


def _guessed(start: bytes) -> str:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeError:
        return _single_byte(io.BytesIO(start))
    return "utf-8"
