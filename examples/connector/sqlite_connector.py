"""A connector for a SQLite file, such as one that a small program of your own keeps: the example in CONTRIBUTING.md."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.base import (
    Activity,
    Capabilities,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    Misconfigured,
    NewRecord,
    ProbeResult,
    Record,
    Rejected,
    TimedOut,
    Unavailable,
    WriteResult,
)
from connectors.phone import parse_all

_ERRORS: dict[int, type[ConnectorError]] = {  # what SQLite says, as the bridge has to know it
    sqlite3.SQLITE_BUSY: TimedOut,
    sqlite3.SQLITE_INTERRUPT: TimedOut,
    sqlite3.SQLITE_CONSTRAINT: Rejected,
    sqlite3.SQLITE_ERROR: Misconfigured,  # no such table or column
}
_NAME = r"^[A-Za-z_]\w*$"  # of a table or column: it becomes part of an SQL statement


class TableOptions(BaseModel):
    """One table. It needs a column `id`, and `bridge_key TEXT UNIQUE` if the bridge writes to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str = Field(pattern=_NAME, description="The table's name in the file")
    phones: tuple[str, ...] = Field((), description="The columns that hold phone numbers, in any spelling")
    key: str | None = Field(None, pattern=_NAME, description="The column that records are looked up by")
    newest: str | None = Field(None, pattern=_NAME, description="The column that says which record is newest")


class SqliteOptions(ConnectorOptions):
    """A section `type: sqlite` of the configuration."""

    type: Literal["sqlite"]
    file: Path = Field(description="The SQLite file")
    tables: dict[str, TableOptions] = Field(description="Each table under the name that the configuration uses")
    activities: str | None = Field(None, pattern=_NAME, description="The table that calls are logged in")

    def abilities(self) -> Capabilities:
        """Return what can be asked of it: `check` refuses a configuration that asks for more."""
        return Capabilities(
            by_phone=frozenset(kind for kind, table in self.tables.items() if table.phones),
            by_key=frozenset(kind for kind, table in self.tables.items() if table.key),
            saves=frozenset(self.tables),
            activities=self.activities is not None,
            updates_activities=True,
        )


class SqliteConnector(Connector):
    """Opens the file anew for each call, so that any number of threads and processes can share it."""

    Options = SqliteOptions

    def __init__(self, name: str, options: SqliteOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self._options = options
        self._path = context.folder / options.file

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        """Return the records that have the phone or the key."""
        table = self._options.tables[query.kind]
        if query.phone is not None:
            condition = " OR ".join(f"has_phone({column}, ?1)" for column in table.phones)
            value = query.phone.e164 or "none"  # hidden, or no number: nobody has it
        else:
            condition, value = f"{table.key} = ?1", query.key or ""
        order = f" ORDER BY {table.newest} DESC" if table.newest and query.newest else ""
        with self._open(deadline) as database:
            rows = database.execute(
                f"SELECT * FROM {table.table} WHERE {condition}{order} LIMIT ?2",
                (value, query.limit),
            ).fetchall()
        self.context.see(f"{table.table}: {len(rows)} rows for {'a phone' if query.phone else 'a key'}")
        return [self._record(query.kind, dict(row)) for row in rows]

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """Insert a row, once for each key: the table's UNIQUE column sees to it, also between processes."""
        return self._write(self._options.tables[record.kind].table, record.key, record.fields, deadline)

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Insert a call, or update the row of an earlier version of it."""
        values = {
            "subject": activity.subject,
            "note": activity.note,
            "caller": activity.caller.e164 if activity.caller else None,
            "started": activity.start.isoformat() if activity.start else None,
            "seconds": activity.seconds,
            "contact": activity.contact.id if activity.contact else None,
        }
        return self._write(self._options.activities or "", activity.key, values, deadline, update=True)

    def probe(self, deadline: Deadline) -> Iterator[ProbeResult]:
        """Count each table's rows, for `check --connect`."""
        for kind, table in self._options.tables.items():
            try:
                with self._open(deadline) as database:
                    [count] = database.execute(f"SELECT count(*) FROM {table.table}").fetchone()
            except (Unavailable, Misconfigured) as error:
                yield ProbeResult(kind, ok=False, text=str(error))
            else:
                yield ProbeResult(kind, ok=True, text=f"{count} rows")

    @contextlib.contextmanager
    def _open(self, deadline: Deadline) -> Iterator[sqlite3.Connection]:
        """Yield the open file; commit at the end. An error becomes the one that tells the bridge what to do next."""
        if deadline.passed:
            raise TimedOut(f"{self._path.name}: no time left")
        address = f"{self._path.absolute().as_uri()}?mode=rw"  # rw: a file that is away is not made anew
        try:
            database = sqlite3.connect(address, uri=True, timeout=min(deadline.remaining, 60))
            with contextlib.closing(database), database:
                database.row_factory = sqlite3.Row
                database.create_function("has_phone", 2, self._has_phone)
                database.set_progress_handler(lambda: deadline.passed, 10_000)
                yield database
        except sqlite3.Error as error:
            text = f"{self._path.name}: {error}"
            kind = _ERRORS.get(error.sqlite_errorcode & 0xFF, Unavailable)
            raise kind(text) from error

    def _has_phone(self, cell: object, e164: str) -> bool:
        return any(phone.e164 == e164 for phone in parse_all(str(cell or ""), self.context.country))

    def _record(self, kind: str, row: dict[str, object]) -> Record:
        cells = [str(row[column] or "") for column in self._options.tables[kind].phones]
        phones = tuple(phone for cell in cells for phone in parse_all(cell, self.context.country))
        return Record(self.name, kind, str(row["id"]), row, phones)

    def _write(
        self, table: str, key: str, values: Mapping[str, object], deadline: Deadline, *, update: bool = False
    ) -> WriteResult:
        with self._open(deadline) as database:
            database.execute("BEGIN IMMEDIATE")  # from here on, no other process writes
            row = database.execute(f"SELECT id FROM {table} WHERE bridge_key = ?", (key,)).fetchone()
            if row is None:
                columns = ", ".join(map(_quoted, [*values, "bridge_key"]))
                marks = ", ".join("?" * (len(values) + 1))
                written = database.execute(
                    f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id", (*values.values(), key)
                ).fetchone()
                return WriteResult(str(written["id"]))
            if update:
                changes = ", ".join(f"{_quoted(column)} = ?" for column in values)
                database.execute(f"UPDATE {table} SET {changes} WHERE id = ?", (*values.values(), row["id"]))
        return WriteResult(str(row["id"]), created=False)


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
