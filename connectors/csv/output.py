"""Adds rows to a CSV file that people open, sort and edit meanwhile: each key once, no row half, whatever crashes.

The key stands in the row, in the column `bridge_key`. Writers take turns (`connectors.csv.journal`). A file that a
person made keeps its encoding, delimiter and order of columns; columns that it lacks are added at the end of its
header.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.base import ConnectorError, Deadline, Misconfigured, Unavailable
from connectors.csv.journal import Turn, Turns
from connectors.csv.reading import Damaged, refuse_special
from connectors.csv.rows import Format, Row, find_format, new_format, rows
from connectors.phone import Phone

KEY = "bridge_key"
"""The column by which the bridge knows its rows."""

_BEGINS = r"(?:\A|(?<=[;,|\t\r\n]))"  # a cell, for a spreadsheet that takes another delimiter, too
_SIGN = '[ "]*(?:[=+\\-@\t\uff1d\uff0b\uff0d\uff20]|\r(?!\n))'  # the last four: = + - @, fullwidth
_NUMBER = r"[ \"]*[+\-]\d+(?:\.\d+)*[ \"]*(?=[;,|\t\r\n]|\Z)"
_FORMULA = re.compile(rf"\A(?=[\r\n])|{_BEGINS}(?={_SIGN})(?!{_NUMBER})")
_GUARDED = re.compile(rf"\A'(?=[\r\n])|{_BEGINS}'(?={_SIGN})")
_TAIL = 4096  # bytes before the end by which a file that only grew is told from one that was rewritten
_MENDABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}

Follow = tuple[str, Callable[[Any, Mapping[str, str]], Any]]
Change = Callable[[Mapping[str, str]], Mapping[str, str] | None]
"""What a row, given by column, becomes: the same mapping to leave it as it is, None to remove it."""


def cell(value: object) -> str:
    """A value as it stands in a cell. What a spreadsheet could take for a formula, at the start or after what may be a
    delimiter to it, gets a `'` before it; numbers and phone numbers in E.164 stay as they are."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Phone):
        return value.e164
    text = str(value).replace("\0", " ")
    return _FORMULA.sub("'", text) if isinstance(value, str) else text


def plain(text: str) -> str:
    """A cell's text without the marks that `cell` puts in: by it, what earlier versions wrote is known again."""
    return _GUARDED.sub("", text)


def translated(error: OSError, path: Path) -> ConnectorError:
    """What a failure of the system means: somebody has to mend a path or a right, or it passes (a full disk)."""
    said = f"{path} can't be written: {error.strerror}"
    return Misconfigured(said) if error.errno in _MENDABLE else Unavailable(said)


class Output:
    """A file that rows are added to; safe with many threads and processes at once."""

    def __init__(
        self,
        path: Path,
        encoding: str | None,
        delimiter: str | None,
        log: logging.Logger,
        *,
        last: str = "",
        follow: Follow | None = None,
    ) -> None:
        """`last`: the column that stays at the end of a new file's header; `follow`: what `latest` tells: the column
        whose values it is by, and what each row makes of what the rows before it came to."""
        self.path = path = Path(os.path.realpath(path))  # a link stays a link
        self._encoding, self._delimiter, self._log, self._last = encoding, delimiter, log, last
        self._turns = Turns(path, log)
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._follow = follow
        self._latest: dict[str, Any] = {}
        self._keys: set[int] = set()
        self._known: os.stat_result | None = None
        self._tail = b""
        self._format: Format | None = None

    def append(
        self,
        key: str,
        values: Mapping[str, object],
        deadline: Deadline,
        allow: Callable[[Mapping[str, Any]], bool] = lambda _latest: True,
    ) -> bool:
        """Add a row, on disk when this returns; False when the key is there already. `allow` is asked first, with what
        `latest` tells, while nobody else can write: where it says no, nothing is added. Raises `ConnectorError`, and
        what `allow` raises."""
        with self._turn(deadline) as turn:
            missing = self._missing()
            if not missing:
                self._read()
            if not allow({} if missing else self._latest):
                return False
            return self._append(turn, key, values)

    def correct(self, key: str, values: Mapping[str, object], deadline: Deadline) -> bool:
        """Put the values into the row with that key, unless its `revision` is higher; add one where there is none.
        False when it was there. Raises `ConnectorError`."""
        with self._turn(deadline) as turn:
            if self._missing() or not self._has(key):
                return self._append(turn, key, values)
            known = plain(key)
            self._widen([KEY, *values])

            def change(there: Mapping[str, str]) -> Mapping[str, str]:
                if plain(there.get(KEY, "")) != known or _number(there.get("revision")) > _number(
                    values.get("revision")
                ):
                    return there
                return {**there, **{name: cell(value) for name, value in values.items()}}

            self._rewrite(change)
            return False

    def fill(self, column: str, key: str, values: Mapping[str, object], deadline: Deadline) -> bool:
        """Put the values into the first row whose cell in `column` is `key`, whoever wrote it; all other rows stay byte
        for byte, and so does the file where there is no such row. Whether it was changed. Raises `ConnectorError`."""
        changed = False

        def lines(found: Format, names: Sequence[str]) -> Iterator[bytes]:
            nonlocal changed
            yield from islice(found.with_header(self.path, found.wider(names[len(found.header) :])), 2)
            place, done = found.header.index(column), False
            for row in rows(self.path, found):
                if done or len(row.cells) <= place or row.cells[place].strip() != key:
                    yield found.encoded(row.text)
                    continue
                there = [*row.cells[: len(names)], *[""] * (len(names) - len(row.cells))]
                now = [cell(values[name]) if name in values else old for name, old in zip(names, there, strict=True)]
                done, changed = True, now != there
                yield found.line(now + row.cells[len(names) :]) if changed else found.encoded(row.text)

        if self._missing():
            raise Unavailable(f"there is no file {self.path}")
        with self._turn(deadline):
            before = self.path.stat()
            found = find_format(self.path, self._encoding, self._delimiter)
            if column not in found.header:
                raise Misconfigured(f"{self.path} has no column {column}")
            names = [*found.header, *(name for name in values if name not in found.header)]
            self._replace(lines(found, names), before, lambda: changed)
        return changed

    def remove(self, matches: Callable[[Mapping[str, str]], bool], deadline: Deadline) -> int:
        """Take out the bridge's own rows that match; how many there were. Raises `ConnectorError`."""
        removed = 0

        def change(there: Mapping[str, str]) -> Mapping[str, str] | None:
            nonlocal removed
            if there.get(KEY) and matches(there):
                removed += 1
                return None
            return there

        if self._missing():
            return 0
        with self._turn(deadline):
            self._read()
            self._rewrite(change)
            self._known = None  # keys that are gone may come again
        return removed

    def latest(self, deadline: Deadline) -> Mapping[str, Any]:
        """By the column of `follow` (as `plain` reads it), what all rows that have it came to. Raises
        `ConnectorError`."""
        if self._missing():
            return {}
        with self._turn(deadline):
            self._read()
            return self._latest

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[Turn]:
        """Alone with the file; what the system or the file refuse is said as a `ConnectorError`."""
        try:
            with self._turns.take(deadline) as turn:
                self._temporary.unlink(missing_ok=True)
                yield turn
        except OSError as error:
            self._known = None
            raise translated(error, self.path) from error
        except Damaged as error:
            self._known = None
            raise Misconfigured(f"{self.path}: {error}") from None

    # what is there

    def _missing(self) -> bool:
        """Whether there is no file, or nothing in it."""
        try:
            found = self.path.stat()
            refuse_special(found, self.path)  # before it is waited for, or a device replaced by a file
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            raise translated(error, self.path) from error
        except Damaged as error:
            raise Misconfigured(f"{self.path}: {error}") from None
        return not found.st_size

    def _has(self, key: str) -> bool:
        self._read()
        return _hash(plain(key)) in self._keys

    def _read(self) -> Format:
        """Know the file's format and all its keys, reading no more than what was added since the last time."""
        now = self.path.stat()
        known, found = self._known, self._format
        if known and found and _same(known, now):
            return found
        if known and found and known.st_ino == now.st_ino and now.st_size > known.st_size and self._only_grew(known):
            start = known.st_size
        else:
            self._keys.clear()
            self._latest = {}
            _drop_nul(self.path)
            found, start = find_format(self.path, self._encoding, self._delimiter), 0
        self._format = found
        place = found.header.index(KEY) if KEY in found.header else None
        last: Row | None = None
        for row in rows(self.path, found, start):
            self._note(last, found)
            last = row
        if last is not None and last.unfinished:
            last = self._finish(last, place, found)
        self._note(last, found)
        if last is None and not start:
            self._finish_header(found)
        self._remember()
        return found

    def _finish_header(self, found: Format) -> None:
        """A header alone may lack its line break."""
        if not found.start(self.path).endswith((found.encoded("\n"), found.encoded("\r"))):
            with self.path.open("ab") as stream:
                stream.write(found.encoded(found.newline))

    def _note(self, row: Row | None, found: Format) -> None:
        if row is None:
            return
        there = dict(zip(found.header, row.cells, strict=False))
        if there.get(KEY):
            self._keys.add(_hash(plain(there[KEY])))
        if self._follow and there.get(self._follow[0]):
            column, fold = self._follow
            key = plain(there[column])
            self._latest[key] = fold(self._latest.get(key), there)

    def _finish(self, row: Row, place: int | None, found: Format) -> Row | None:
        """The last row has no line break. A row of the bridge that is torn goes (it comes again, whole); a person's
        row is ended."""
        ours = place is not None and len(row.cells) > place and row.cells[place] != ""
        torn = row.open_quote or (ours and len(row.cells) < len(found.header))
        with self.path.open("r+b") as stream:
            if torn and ours:
                stream.truncate(self.path.stat().st_size - len(found.encoded(row.text)))
                self._log.warning("%s: a row that was half written is taken out; it comes again", self.path)
            else:
                stream.seek(0, os.SEEK_END)
                stream.write(found.encoded(('"' if row.open_quote else "") + found.newline))
            stream.flush()
            os.fsync(stream.fileno())
        return None if torn and ours else row

    def _only_grew(self, known: os.stat_result) -> bool:
        with self.path.open("rb") as stream:
            stream.seek(max(0, known.st_size - _TAIL))
            return stream.read(min(_TAIL, known.st_size)) == self._tail

    def _remember(self) -> None:
        """This is what the file looks like, as far as this process knows."""
        with self.path.open("rb") as stream:
            self._known = os.fstat(stream.fileno())
            stream.seek(max(0, self._known.st_size - _TAIL))
            self._tail = stream.read(_TAIL)

    # writing

    def _append(self, turn: Turn, key: str, values: Mapping[str, object]) -> bool:
        columns = [KEY, *(name for name in values if name != self._last)]
        if self._last in values:
            columns.append(self._last)
        if self._missing():
            self._begin(columns)
        if self._has(key):
            return False
        found = self._widen(columns)
        row = {name: cell(value) for name, value in values.items()} | {KEY: cell(key)}
        cells = [row.get(name, "") for name in found.header]
        turn.append(found.line(cells))
        self._remember()
        self._note(Row(cells, ""), found)
        return True

    def _begin(self, columns: list[str]) -> None:
        """A new file, whole with its header."""
        found = new_format(self._encoding, self._delimiter, tuple(columns))
        self._known = None
        self._replace(iter([found.mark, found.line(list(columns))]), None)

    def _widen(self, columns: list[str]) -> Format:
        """The format, once the header has these columns; other lines stay as they are, byte for byte."""
        found = self._read()
        missing = [name for name in columns if name not in found.header]
        if not missing:
            return found
        wider = found.wider(missing)
        self._log.info("%s: the header gets the columns %s", self.path, ", ".join(missing))
        self._replace(found.with_header(self.path, wider), self._known)
        self._format = wider
        self._remember()
        return wider

    def _rewrite(self, change: Change) -> None:
        found = self._read()
        changed = False

        def lines() -> Iterator[bytes]:
            nonlocal changed
            yield found.start(self.path)
            for row in rows(self.path, found):
                there = dict(zip(found.header, [*row.cells, *[""] * len(found.header)], strict=False))
                now = change(there)
                changed = changed or now != there
                if now == there:
                    yield found.encoded(row.text)
                elif now is not None:
                    surplus = row.cells[len(found.header) :]
                    yield found.line([now.get(name, "") for name in found.header] + surplus)

        self._replace(lines(), self._known, lambda: changed)
        self._remember()

    def _replace(
        self, parts: Iterator[bytes], before: os.stat_result | None, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Put a new file in the place of the old, whole or not at all, unless somebody changed the old meanwhile."""
        try:
            with self._temporary.open("wb") as stream:
                if before:
                    os.fchmod(stream.fileno(), before.st_mode & 0o7777)
                    with suppress(PermissionError):  # only root may give a file away
                        os.fchown(stream.fileno(), before.st_uid, before.st_gid)
                for part in parts:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
            if not wanted():
                return
            if before and not _same(before, self.path.stat()):
                raise Unavailable(f"{self.path} was changed by somebody meanwhile")
            self._temporary.replace(self.path)
            _sync_folder(self.path.parent)
        finally:
            self._temporary.unlink(missing_ok=True)


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def _number(value: object) -> int:
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_ino, one.st_size, one.st_mtime_ns) == (other.st_ino, other.st_size, other.st_mtime_ns)


def _drop_nul(path: Path) -> None:
    """Blocks that a power failure left empty at the end of a file are no text."""
    with path.open("r+b") as stream:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return
        size = end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _TAIL)
            stream.seek(start)
            kept = stream.read(end - start).rstrip(b"\0")
            end = start + len(kept)
            if kept:
                break
        if end < size:
            stream.truncate(end)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
