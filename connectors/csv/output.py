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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.base import ConnectorError, Deadline, Misconfigured, Unavailable
from connectors.csv.columns import Columns
from connectors.csv.journal import AppendJournal, JournalSession
from connectors.csv.reading import Damaged, refuse_special
from connectors.csv.rows import CsvFormat, CsvRow, find_format, new_format, rows
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

Followed = tuple[str, Callable[[Any, Mapping[str, str]], Any]]
RowChange = Callable[[Mapping[str, str]], Mapping[str, str] | None]
"""What a row, given by column, becomes: the same mapping to leave it as it is, None to remove it."""


def cell(value: object) -> str:
    """Return a value as it stands in a cell. What a spreadsheet could take for a formula, at the start or after what
    may be a delimiter to it, gets a `'` before it; numbers and phone numbers in E.164 stay as they are."""
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
    """Return a cell's text without the marks that `cell` puts in: by it, what earlier versions wrote is known again."""
    return _GUARDED.sub("", text)


def translated(error: OSError, path: Path) -> ConnectorError:
    """Return what a failure of the system means: somebody has to mend a path or a right, or it passes (a full disk)."""
    text = f"{path} can't be written: {error.strerror}"
    return Misconfigured(text) if error.errno in _MENDABLE else Unavailable(text)


@dataclass(frozen=True)
class Snapshot:
    """What a file held when it was last read or written: its status, its last bytes, its format, the hashes of the
    bridge's keys, and what `Followed` makes of its rows. The next snapshot takes over `keys` and `latest`, and adds
    what is new."""

    status: os.stat_result
    tail: bytes
    format: CsvFormat
    keys: set[int]
    latest: dict[str, Any]

    def is_of(self, status: os.stat_result) -> bool:
        """Return whether the file is unchanged."""
        before = self.status
        return (before.st_ino, before.st_size, before.st_mtime_ns) == (
            status.st_ino, status.st_size, status.st_mtime_ns
        )  # fmt: skip

    def grew(self, path: Path, status: os.stat_result) -> bool:
        """Return whether something was added to the end of the file, and nothing else was changed."""
        size = self.status.st_size
        if self.status.st_ino != status.st_ino or status.st_size <= size:
            return False
        with path.open("rb") as stream:
            stream.seek(max(0, size - _TAIL))
            return stream.read(min(_TAIL, size)) == self.tail


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
        follow: Followed | None = None,
        columns: Columns = Columns(),  # noqa: B008 - immutable
    ) -> None:
        """`last`: the column that stays at the end of a new file's header; `follow`: what `latest` tells: the column
        whose values it is by, and what each row makes of what the rows before it came to; `columns`: the names of ours
        for columns of the file."""
        self.path = path = Path(os.path.realpath(path))  # a link stays a link
        self._encoding, self._delimiter, self._log, self._last = encoding, delimiter, log, last
        self._turns = AppendJournal(path, log)
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._follow, self._columns = follow, columns
        self._snapshot: Snapshot | None = None

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
            if not allow({} if self._missing() else self._read().latest):
                return False
            return self._append(turn, key, values)

    def correct(self, key: str, values: Mapping[str, object], deadline: Deadline) -> bool:
        """Put the values into the row with that key, unless its `revision` is higher; add one where there is none.
        False when it was there. Raises `ConnectorError`."""
        with self._turn(deadline) as turn:
            if self._missing() or not self._has(key):
                return self._append(turn, key, values)
            plain_key = plain(key)
            header = self._widen([KEY, *self._columns.ours(values)]).format.header
            cells = {name: cell(value) for name, value in self._placed(values, header).items()}

            def change(fields: Mapping[str, str]) -> Mapping[str, str]:
                if plain(fields.get(KEY, "")) != plain_key or _number(fields.get("revision")) > _number(
                    values.get("revision")
                ):
                    return fields
                return {**fields, **cells}

            self._rewrite(change)
            return False

    def remove(self, matches: Callable[[Mapping[str, str]], bool], deadline: Deadline) -> int:
        """Take out the bridge's own rows that match; how many there were. Raises `ConnectorError`."""
        removed = 0

        def change(fields: Mapping[str, str]) -> Mapping[str, str] | None:
            nonlocal removed
            if fields.get(KEY) and matches(fields):
                removed += 1
                return None
            return fields

        if self._missing():
            return 0
        with self._turn(deadline):
            self._read()
            self._rewrite(change)
            self._snapshot = None  # keys that are gone may come again
        return removed

    def latest(self, deadline: Deadline) -> Mapping[str, Any]:
        """Return, by the column of `follow` (as `plain` reads it), what all rows that have it came to. Raises
        `ConnectorError`."""
        if self._missing():
            return {}
        with self._turn(deadline):
            return self._read().latest

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[JournalSession]:
        """Alone with the file; what the system or the file refuse is said as a `ConnectorError`."""
        try:
            with self._turns.take(deadline) as turn:
                self._temporary.unlink(missing_ok=True)
                yield turn
        except OSError as error:
            self._snapshot = None
            raise translated(error, self.path) from error
        except Damaged as error:
            self._snapshot = None
            raise Misconfigured(f"{self.path}: {error}") from None

    # what is there

    def _missing(self) -> bool:
        """Whether there is no file, or nothing in it."""
        try:
            status = self.path.stat()
            refuse_special(status, self.path)  # before it is waited for, or a device replaced by a file
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            raise translated(error, self.path) from error
        except Damaged as error:
            raise Misconfigured(f"{self.path}: {error}") from None
        return not status.st_size

    def _has(self, key: str) -> bool:
        return _hash(plain(key)) in self._read().keys

    def _read(self) -> Snapshot:
        """What the file holds, reading no more than what was added since the last time."""
        now, snapshot = self.path.stat(), self._snapshot
        if snapshot is not None and snapshot.is_of(now):
            return snapshot
        if snapshot is not None and snapshot.grew(self.path, now):
            format_, start, keys, latest = snapshot.format, snapshot.status.st_size, snapshot.keys, snapshot.latest
        else:
            _drop_nul(self.path)
            format_, start, keys, latest = find_format(self.path, self._encoding, self._delimiter), 0, set(), {}
        self._snapshot = None  # until all is read
        place = format_.header.index(KEY) if KEY in format_.header else None
        last: CsvRow | None = None
        for row in rows(self.path, format_, start):
            self._note(last, format_, keys, latest)
            last = row
        if last is not None and last.unfinished:
            last = self._finish(last, place, format_)
        self._note(last, format_, keys, latest)
        if last is None and not start:
            self._finish_header(format_)
        return self._remember(format_, keys, latest)

    def _finish_header(self, format_: CsvFormat) -> None:
        """A header alone may lack its line break."""
        if not format_.start(self.path).endswith((format_.encoded("\n"), format_.encoded("\r"))):
            with self.path.open("ab") as stream:
                stream.write(format_.encoded(format_.newline))

    def _note(self, row: CsvRow | None, format_: CsvFormat, keys: set[int], latest: dict[str, Any]) -> None:
        """Add what a row tells to `keys` and `latest`."""
        if row is None:
            return
        fields = dict(zip(format_.header, row.cells, strict=False))
        if fields.get(KEY):
            keys.add(_hash(plain(fields[KEY])))
        if self._follow and fields.get(self._follow[0]):
            column, fold = self._follow
            key = plain(fields[column])
            latest[key] = fold(latest.get(key), fields)

    def _finish(self, row: CsvRow, place: int | None, format_: CsvFormat) -> CsvRow | None:
        """The last row has no line break. A row of the bridge that is torn goes (it comes again, whole); a person's
        row is ended."""
        ours = place is not None and len(row.cells) > place and row.cells[place] != ""
        torn = row.open_quote or (ours and len(row.cells) < len(format_.header))
        with self.path.open("r+b") as stream:
            if torn and ours:
                stream.truncate(self.path.stat().st_size - len(format_.encoded(row.text)))
                self._log.warning("%s: a row that was half written is taken out; it comes again", self.path)
            else:
                stream.seek(0, os.SEEK_END)
                stream.write(format_.encoded(('"' if row.open_quote else "") + format_.newline))
            stream.flush()
            os.fsync(stream.fileno())
        return None if torn and ours else row

    def _remember(self, format_: CsvFormat, keys: set[int], latest: dict[str, Any]) -> Snapshot:
        """This is what the file looks like, as far as this process knows."""
        with self.path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            stream.seek(max(0, status.st_size - _TAIL))
            self._snapshot = Snapshot(status, stream.read(_TAIL), format_, keys, latest)
        return self._snapshot

    # writing

    def _append(self, turn: JournalSession, key: str, values: Mapping[str, object]) -> bool:
        values = self._columns.ours(values)
        columns = [KEY, *(name for name in values if name != self._last)]
        if self._last in values:
            columns.append(self._last)
        if self._missing():
            self._begin(columns)
        if self._has(key):
            return False
        snapshot = self._widen(columns)
        placed = self._placed(values, snapshot.format.header)
        row = {name: cell(value) for name, value in placed.items()} | {KEY: cell(key)}
        cells = [row.get(name, "") for name in snapshot.format.header]
        turn.append(snapshot.format.line(cells))
        self._note(CsvRow(cells, ""), snapshot.format, snapshot.keys, snapshot.latest)
        self._remember(snapshot.format, snapshot.keys, snapshot.latest)
        return True

    def _placed(self, values: Mapping[str, object], header: tuple[str, ...]) -> dict[str, object]:
        """Values by the names that their columns have in the file; the header has them all."""
        ours = self._columns.ours(values)
        return {self._columns.in_header(name, header) or name: value for name, value in ours.items()}

    def _begin(self, columns: list[str]) -> None:
        """A new file, whole with its header."""
        format_ = new_format(self._encoding, self._delimiter, tuple(columns))
        self._snapshot = None
        self._replace(iter([format_.mark, format_.line(list(columns))]), None)

    def _widen(self, columns: list[str]) -> Snapshot:
        """The file, once the header has these columns; other lines stay as they are, byte for byte."""
        snapshot = self._read()
        header = snapshot.format.header
        missing = [name for name in columns if self._columns.in_header(name, header) is None]
        if not missing:
            return snapshot
        wider = snapshot.format.wider(missing)
        self._log.info("%s: the header gets the columns %s", self.path, ", ".join(missing))
        self._replace(snapshot.format.with_header(self.path, wider), snapshot)
        return self._remember(wider, snapshot.keys, snapshot.latest)

    def _rewrite(self, change: RowChange) -> None:
        snapshot = self._read()
        format_, changed = snapshot.format, False

        def lines() -> Iterator[bytes]:
            nonlocal changed
            yield format_.start(self.path)
            for row in rows(self.path, format_):
                fields = dict(zip(format_.header, [*row.cells, *[""] * len(format_.header)], strict=False))
                now = change(fields)
                changed = changed or now != fields
                if now == fields:
                    yield format_.encoded(row.text)
                elif now is not None:
                    surplus = row.cells[len(format_.header) :]
                    yield format_.line([now.get(name, "") for name in format_.header] + surplus)

        self._replace(lines(), snapshot, lambda: changed)
        self._remember(format_, snapshot.keys, snapshot.latest)

    def _replace(
        self, parts: Iterator[bytes], before: Snapshot | None, needed: Callable[[], bool] = lambda: True
    ) -> None:
        """Put a new file in the place of the old, whole or not at all, unless somebody changed the old meanwhile."""
        try:
            with self._temporary.open("wb") as stream:
                if before:
                    os.fchmod(stream.fileno(), before.status.st_mode & 0o7777)
                    with suppress(PermissionError):  # only root may give a file away
                        os.fchown(stream.fileno(), before.status.st_uid, before.status.st_gid)
                for part in parts:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
            if not needed():
                return
            if before and not before.is_of(self.path.stat()):
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
