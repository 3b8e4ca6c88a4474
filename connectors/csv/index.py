"""The index of a table: one SQLite file for each content, made once, then only read, by all processes at once.

    rows      each row's number in the file, its rank by age, its key, the first number of each phone column, its cells
    phones    every number with the rank and the row, in this order: a lookup reads one run of it
    meta      the columns, how many rows there are, and how many numbers

Whatever rows come from, `write_index` takes them with their header. A file that is replaced or deleted meanwhile serves
whoever has it open to the end.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from pathlib import Path

import phonenumbers

from connectors import dates
from connectors.csv.columns import Columns
from connectors.csv.reading import NO_NUMBER
from connectors.csv.source import FileForm, NumberedRow
from connectors.errors import Unavailable
from connectors.phonebulk import Numbers

NoteOddity = Callable[[str, int], None]
"""Gets what is odd about a row, and the row's number."""

_FORMAT = 2
_MAPPED = 1 << 40  # bytes: all of any file, as far as SQLite maps files at all
_WRITTEN_ONCE = """
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;
"""
_BY_PHONE = """
    SELECT rows.row, rows.cells FROM phones JOIN rows ON rows.row = phones.row
    WHERE phones.phone = ? ORDER BY phones.rank {order}, phones.row {order} LIMIT ?
"""
_BY_KEY = "SELECT row, cells FROM rows WHERE key = ? ORDER BY rank {order}, row {order} LIMIT ?"
_TO_COME_BY_PHONE = """
    SELECT rows.row, rows.cells FROM phones JOIN rows ON rows.row = phones.row
    WHERE phones.phone = ? AND phones.rank <= ? ORDER BY phones.rank DESC, phones.row LIMIT ?
"""
_TO_COME_BY_KEY = "SELECT row, cells FROM rows WHERE key = ? AND rank <= ? ORDER BY rank DESC, row LIMIT ?"
_ORDERS = ("ASC", "DESC")
_NEXT_PAGE = "SELECT row, cells FROM rows WHERE row > ? ORDER BY row LIMIT ?"
_PAGE = 1000
_ANY_ZONE = 14 * 3600.0
"""Seconds that a clock anywhere on earth may be ahead of UTC."""


class NoIndex(Exception):
    """It is no whole index file of this version."""


@dataclass(frozen=True)
class Spec:
    """What an index depends on besides the file's content: two files of one content and one spec share an index."""

    key: str | None
    phones: tuple[str, ...]
    newest: str | None
    encoding: str | None
    delimiter: str | None
    country: str
    sheet: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    """Names of ours with those in the file, see `Columns`."""

    @property
    def form(self) -> FileForm:
        """How the file is read."""
        return FileForm(self.encoding, self.delimiter, self.sheet)

    @property
    def columns(self) -> Columns:
        """The columns that must be in the header."""
        named = dict(self.named)
        needed = dict.fromkeys(column for column in (self.key, *self.phones, self.newest, *named) if column)
        return Columns(tuple(needed), named)

    def to_json(self) -> str:
        """Return it as text, which `from_json` reads again."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Return what `to_json` made the text of."""
        values = json.loads(text)
        pairs = tuple((ours, theirs) for ours, theirs in values["named"])
        return cls(**{**values, "phones": tuple(values["phones"]), "named": pairs})

    def fingerprint(self) -> str:
        """Return a text that is different for any spec, and for any form of the index."""
        identity = json.dumps([_FORMAT, phonenumbers.__version__, asdict(self)])
        return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


def newest_rank(cell: str) -> float:
    """Return a larger number for a newer cell: dates and times as `connectors.dates` reads them, numbers; what is none
    of these is oldest."""
    text = cell.strip()
    when = dates.read(text)
    try:
        if when is not None:
            return _seconds(when if isinstance(when, datetime) else datetime.combine(when, time()))
        if "T" in text or ":" in text or text.count("-") == 2:
            return _seconds(datetime.fromisoformat(text))
        number = float(text.replace(",", "."))
        return -math.inf if math.isnan(number) else number
    except (ValueError, OverflowError):
        return -math.inf


def _seconds(moment: datetime) -> float:
    """Since the year 1; a time without a zone counts as UTC."""
    days = date.toordinal(moment.date()) * 86400.0
    offset = moment.utcoffset()
    return days + moment.hour * 3600 + moment.minute * 60 + moment.second - (offset.total_seconds() if offset else 0.0)


def write_index(
    target: Path, header: tuple[str, ...], rows: Iterable[NumberedRow], spec: Spec, report: NoteOddity
) -> int:
    """Make the index of these rows in `target`, on disk when this returns; how many rows there were. Raises `OSError`
    and whatever `rows` raises; what is in `target` then is no index."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as database:
            count = _Writer(database, header, spec, report).write(rows)
    except sqlite3.Error as error:
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        number = errno.ENOSPC if full else errno.EIO
        raise OSError(number, os.strerror(number), str(target)) from error
    with target.open("rb") as stream:
        os.fsync(stream.fileno())
    return count


class _Writer:
    """An index while it is made."""

    def __init__(self, database: sqlite3.Connection, header: tuple[str, ...], spec: Spec, report: NoteOddity) -> None:
        self._database, self._header, self._report = database, header, report
        columns = spec.columns
        self._phones = [columns.place(column, header) for column in spec.phones]
        self._key = None if spec.key is None else columns.place(spec.key, header)
        self._newest = None if spec.newest is None else columns.place(spec.newest, header)
        self._numbers = Numbers(spec.country)
        self._more: list[tuple[int, float, int]] = []

    def write(self, rows: Iterable[NumberedRow]) -> int:
        """Write all tables. SQLite sorts, which takes a fraction of what it takes in Python."""
        run = self._database.execute
        firsts = [f"phone{place}" for place in range(len(self._phones))]
        self._database.executescript(_WRITTEN_ONCE)
        run("BEGIN")
        run(f"CREATE TABLE rows (row INTEGER PRIMARY KEY, rank REAL NOT NULL, key TEXT, "
            f"{''.join(f'{first} INTEGER, ' for first in firsts)} cells TEXT NOT NULL)")  # fmt: skip
        run("CREATE TABLE phones (phone INTEGER, rank REAL, row INTEGER, PRIMARY KEY (phone, rank, row)) WITHOUT ROWID")
        run("CREATE TABLE meta (columns TEXT, rows INTEGER, numbers INTEGER)")
        self._database.executemany(
            f"INSERT INTO rows VALUES ({', '.join('?' * (4 + len(firsts)))})",  # noqa: S608 - question marks
            self._written(rows),
        )
        if self._key is not None:
            run("CREATE INDEX keys ON rows (key, rank) WHERE key IS NOT NULL")
        if firsts:
            columns = [f"SELECT {name}, rank, row FROM rows WHERE {name} IS NOT NULL" for name in firsts]  # noqa: S608 - names of our own
            run(f"INSERT OR IGNORE INTO phones {' UNION ALL '.join(columns)} ORDER BY 1, 2, 3")
            self._database.executemany("INSERT OR IGNORE INTO phones VALUES (?, ?, ?)", sorted(self._more))
        run("INSERT INTO meta SELECT ?, (SELECT count(*) FROM rows), (SELECT count(*) FROM phones)",
            (json.dumps(self._header),))  # fmt: skip
        run(f"PRAGMA user_version = {_FORMAT}")
        [(count,)] = run("SELECT rows FROM meta")
        run("COMMIT")
        return int(count)

    def _written(self, rows: Iterable[NumberedRow]) -> Iterator[tuple[object, ...]]:
        """What stands in the table `rows`; most of a million's time is spent here."""
        read, columns, key, newest = self._numbers, self._phones, self._key, self._newest
        rank, text = 0.0, None
        for number, cells in rows:
            if newest is not None:
                rank = -newest_rank(cells[newest])
            if key is not None:
                text = cells[key].strip() or None
            firsts: list[int | None] = []
            for column in columns:
                cell = cells[column]
                phones = read(cell) if cell else ()
                if phones:
                    firsts.append(phones[0])
                    if len(phones) > 1:
                        self._more.extend((more, rank, number) for more in phones[1:])
                else:
                    firsts.append(None)
                    if cell and not cell.isspace():
                        self._report(NO_NUMBER, number)
            yield number, rank, text, *firsts, "\0".join(cells)


class Content:
    """What a table held when its index was made. Any number of threads may look things up in it; SQLite answers them
    one after the other, for from Python 3.12 on two threads in one statement get each other's rows.

    `damaged`: the file turned out to be damaged, and is deleted.
    """

    def __init__(self, path: Path) -> None:
        """Raises `NoIndex`, `OSError`."""
        self._path = path
        self._one = threading.Lock()
        self.damaged = False
        size = path.stat().st_size
        try:
            self._database = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
                isolation_level=None,
            )
        except sqlite3.Error:
            raise NoIndex from None
        weakref.finalize(self, self._database.close)  # when nobody looks anything up in it any more
        try:
            self._database.execute(f"PRAGMA mmap_size = {_MAPPED}")
            (columns, self.rows, self.numbers), whole = self._meta()
        except (sqlite3.Error, ValueError):
            raise NoIndex from None
        if whole != size:
            raise NoIndex
        self.columns: tuple[str, ...] = tuple(json.loads(columns))

    def _meta(self) -> tuple[tuple[str, int, int], int]:
        """What the index says of the table, and its own size."""
        read = self._database.execute
        [(version,)], [(pages,)], [(page,)] = (
            read(f"PRAGMA {name}").fetchall() for name in ("user_version", "page_count", "page_size")
        )
        [meta] = read("SELECT columns, rows, numbers FROM meta").fetchall()
        return meta, pages * page if version == _FORMAT else 0

    def by_phone(
        self, number: int, limit: int, *, last: bool = False, since: datetime | None = None
    ) -> list[NumberedRow]:
        """Return rows with this number (34600111222): the newest first where the table says what is newest, else in the
        file's order; `last`: from the end. With `since` (aware) those from then on, give or take a day, the soonest
        first."""
        if since is not None:
            return self._rows(_TO_COME_BY_PHONE, number, _ANY_ZONE - _seconds(since), limit)
        return self._rows(_PHONE_STATEMENTS[last], number, limit)

    def by_key(self, key: str, limit: int, *, last: bool = False, since: datetime | None = None) -> list[NumberedRow]:
        """Return rows whose key is this text, spaces around it aside; in the same order."""
        try:
            if since is not None:
                return self._rows(_TO_COME_BY_KEY, key, _ANY_ZONE - _seconds(since), limit)
            return self._rows(_KEY_STATEMENTS[last], key, limit)
        except UnicodeEncodeError:  # half a character, which no file holds
            return []

    def all(self) -> Iterator[NumberedRow]:
        """Yield every row in the file's order."""
        last = 0
        while page := self._rows(_NEXT_PAGE, last, _PAGE):
            yield from page
            last = page[-1][0]

    def _rows(self, statement: str, *values: float | str) -> list[NumberedRow]:
        """Raises `Unavailable` where the index is damaged."""
        try:
            with self._one:
                rows = self._database.execute(statement, values).fetchall()
        except sqlite3.DatabaseError:
            self.damaged = True
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            raise Unavailable(f"{self._path.name} is damaged; it is made anew") from None
        return [(number, cells.split("\0")) for number, cells in rows]


_PHONE_STATEMENTS = tuple(_BY_PHONE.format(order=order) for order in _ORDERS)
_KEY_STATEMENTS = tuple(_BY_KEY.format(order=order) for order in _ORDERS)
