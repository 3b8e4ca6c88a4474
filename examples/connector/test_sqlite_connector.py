"""The connector holds to the contract of all connectors, tried on real files."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sqlite_connector import SqliteConnector, SqliteOptions

from connectors.base import Deadline, Misconfigured, NewRecord, Rejected
from connectors.testing import ConnectorContract, Contact, Harness, Order, Seen, open_connector

SCHEMA = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, phone TEXT, mobile TEXT, changed TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT, status TEXT);
CREATE TABLE surveys (id INTEGER PRIMARY KEY, phone TEXT, score TEXT NOT NULL, bridge_key TEXT UNIQUE);
CREATE TABLE calls (
  id INTEGER PRIMARY KEY, subject TEXT, note TEXT, caller TEXT, started TEXT, seconds INTEGER, contact TEXT,
  bridge_key TEXT UNIQUE
);
"""


class SqliteHarness(Harness):
    connector = SqliteConnector
    orders_newest = True
    can_hang = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "crm.db"
        self._locks = contextlib.ExitStack()

    def options(self) -> SqliteOptions:
        return SqliteOptions.model_validate(
            {
                "type": "sqlite",
                "file": "crm.db",
                "tables": {
                    "contact": {"table": "people", "phones": ["phone", "mobile"], "newest": "changed"},
                    "order": {"table": "orders", "key": "number"},
                    "survey": {"table": "surveys"},
                },
                "activities": "calls",
            }
        )

    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        with self._opened() as database:
            database.executescript(SCHEMA)
            database.executemany(
                "INSERT INTO people (name, phone, mobile, changed) VALUES (?, ?, ?, ?)",
                [(person.name, person.phone, person.mobile, person.changed) for person in contacts],
            )
            database.executemany(
                "INSERT INTO orders (number, status) VALUES (?, ?)", [(order.key, order.status) for order in orders]
            )

    def go_away(self) -> None:
        self._file.rename(self.folder / "away.db")

    def come_back(self) -> None:
        (self.folder / "away.db").rename(self._file)

    def hang(self) -> None:
        database = self._locks.enter_context(self._opened())
        database.execute("BEGIN EXCLUSIVE")

    def saved(self) -> Sequence[Mapping[str, str]]:
        return self._rows("SELECT phone, score FROM surveys")

    def activities(self) -> Sequence[Mapping[str, str]]:
        return self._rows("SELECT bridge_key AS key, subject, note FROM calls")

    def close(self) -> None:
        self._locks.close()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._file)) as database, database:
            yield database

    def _rows(self, query: str) -> list[dict[str, str]]:
        with self._opened() as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query)]


class TestSqlite(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[Harness]:
        with contextlib.closing(SqliteHarness(tmp_path)) as harness:
            yield harness

    def test_what_the_schema_forbids_is_rejected_and_an_unknown_column_is_the_admins_to_mend(
        self, harness: Harness, seen: Seen, tmp_path: Path
    ) -> None:
        harness.load()
        connector = open_connector(harness, tmp_path, seen)
        with pytest.raises(Rejected, match="NOT NULL"):
            connector.save(NewRecord("survey", "call-1", {"phone": "+34600112233"}), Deadline.after(30))
        with pytest.raises(Misconfigured, match="colour"):
            connector.save(NewRecord("survey", "call-2", {"score": "9", "colour": "red"}), Deadline.after(30))
