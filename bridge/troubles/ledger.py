"""The file that the processes of a host share their troubles in, `troubles.db` of the state folder.

It has to work when nothing else does: on a disk that is full, too. So its pages and those of its journal are taken from
the file system when it is made, and written over from then on. Nothing is lost by losing it: what is still wrong is
reported again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.texts import Text, from_json
from bridge.troubles.rows import TroubleRow
from bridge.troubles.trouble import Severity

NAME = "troubles.db"
_PATIENCE = 2.0
_SPARE = 64
"""Pages that are taken from the file system beforehand."""
_VERSION = 1
HOUR = 3600
_KEPT = 35 * 24
"""Hours for which it is kept how many Queries came."""
_TABLES = """
CREATE TABLE IF NOT EXISTS reported (
    id TEXT, owner TEXT, severity TEXT, text TEXT, action TEXT, count INTEGER, since REAL, last REAL, recent TEXT,
    begun INTEGER, PRIMARY KEY (id, owner)
);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, since REAL, severity TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS heard (hour INTEGER PRIMARY KEY, count INTEGER);
CREATE TABLE IF NOT EXISTS spare (bytes BLOB);
"""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """A trouble as the watcher saw it last; `since` is Unix time."""

    since: float
    severity: Severity
    text: Text


_Rows = dict[tuple[str, str], TroubleRow]


class LedgerUnusable(Exception):
    """The file can't be read or written now; the text says why."""


class Ledger:
    """The file in `folder`. It is opened for each access, so any thread of any process may come."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def rows(self) -> _Rows:
        """Return all rows; none where the file was not made yet. Raises `LedgerUnusable`."""
        if not self.path.exists():
            return {}
        with self._open() as connection:
            return _read(connection)

    def change(self, how: Callable[[_Rows], _Rows]) -> _Rows:
        """Put what `how` makes of its rows in their place, nobody else writing meanwhile; the rows after that. The file
        is made where it is missing. Raises `LedgerUnusable`."""
        self.make()
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            before = _read(connection)
            after = how(before)
            for key in before.keys() - after.keys():
                connection.execute("DELETE FROM reported WHERE id = ? AND owner = ?", key)
            for key, row in after.items():
                if before.get(key) != row:
                    connection.execute("INSERT OR REPLACE INTO reported VALUES (?,?,?,?,?,?,?,?,?,?)", _written(row))
            connection.execute("COMMIT")
            return after

    def seen(self) -> dict[str, LastSeen]:
        """Return what the watcher saw last, by id; nothing where none watched so far. Raises `LedgerUnusable`."""
        if not self.path.exists():
            return {}
        with self._open() as connection:
            rows = connection.execute("SELECT id, since, severity, text FROM seen").fetchall()
        return {id_: LastSeen(since, Severity(severity), _text(text)) for id_, since, severity, text in rows}

    def see(self, seen: dict[str, LastSeen]) -> None:
        """Put what the watcher sees in place of what it saw. Raises `LedgerUnusable`."""
        self.make()
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM seen")
            rows = [(id_, sight.since, sight.severity.value, _kept(sight.text)) for id_, sight in seen.items()]
            connection.executemany("INSERT INTO seen VALUES (?,?,?,?)", rows)
            connection.execute("COMMIT")

    def hear(self, hour: int, count: int) -> None:
        """Add so many Queries that came in this hour (of Unix time). Raises `LedgerUnusable`."""
        self.make()
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO heard VALUES (?, ?) ON CONFLICT (hour) DO UPDATE SET count = count + excluded.count",
                (hour, count),
            )
            connection.execute("DELETE FROM heard WHERE hour < ?", (hour - _KEPT,))
            connection.execute("COMMIT")

    def heard(self) -> dict[int, int]:
        """Return how many Queries came in each hour of the last weeks. Raises `LedgerUnusable`."""
        if not self.path.exists():
            return {}
        with self._open() as connection:
            return dict(connection.execute("SELECT hour, count FROM heard").fetchall()) if _version(connection) else {}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode = PERSIST")
                connection.execute("PRAGMA synchronous = OFF")
                yield connection
        except sqlite3.Error as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._remove()
            raise LedgerUnusable(f"{self.path}: {error}") from error

    def make(self) -> None:
        """Make the file where it is missing. Raises `LedgerUnusable`."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise LedgerUnusable(f"{self.path}: {error.strerror}") from error
        with self._open() as connection:
            if _version(connection) == _VERSION:
                return
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) == 0:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.executemany("INSERT INTO spare VALUES (randomblob(3000))", [()] * _SPARE)
                connection.execute("COMMIT")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE spare SET bytes = randomblob(3000)")  # now the journal is as large
                connection.execute("DELETE FROM spare")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")

    def _remove(self) -> None:
        for path in (self.path, self.path.with_name(f"{NAME}-journal")):
            with suppress(OSError):
                path.unlink()


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _read(connection: sqlite3.Connection) -> _Rows:
    stored = connection.execute("SELECT * FROM reported").fetchall() if _version(connection) else []
    rows = [
        TroubleRow(
            id_,
            owner,
            Severity(severity),
            _text(text),
            _text(action),
            count,
            since,
            last,
            tuple(json.loads(recent)),
            bool(begun),
        )
        for id_, owner, severity, text, action, count, since, last, recent, begun in stored
    ]
    return {(row.id, row.owner): row for row in rows}


def _kept(text: Text) -> str:
    return json.dumps(text.to_json())


def _text(kept: str) -> Text:
    """The text that `_kept` gave; earlier versions kept mere words."""
    return from_json(json.loads(kept) if kept.startswith("{") else kept)


def _written(row: TroubleRow) -> tuple[object, ...]:
    return (
        row.id, row.owner, row.severity.value, _kept(row.text), _kept(row.action), row.count, row.since, row.last,
        json.dumps(row.recent), int(row.begun),
    )  # fmt: skip
