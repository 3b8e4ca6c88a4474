"""The journal of emissions: a file in the state folder that outlives the database, so that a database restored from a
backup is noticed, and what rang since that backup is known.

SQLite with fsync. It holds no phone number: of each emission the source, what its task comes from and the hash by which
it is known anyway, the line and the time. All processes of a host share one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Index, Integer, MetaData, String, Table, and_, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL
from sqlalchemy.sql.functions import func

from bridge.store.columns import UtcMoment
from bridge.store.database import Database, unprepared
from bridge.store.installation import installation_id
from bridge.store.schema import prepare_file

FILE = "emissions.db"

_metadata = MetaData()
_counters = Table(
    "counters",
    _metadata,
    Column("lineage", String, primary_key=True),
    Column("installation", String, primary_key=True),
    Column("number", Integer, nullable=False),
)
_emissions = Table(
    "emissions",
    _metadata,
    Column("lineage", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("source", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("task_key", String, nullable=False),
    Column("line", String, nullable=False),
    Column("at", UtcMoment, nullable=False),
)
Index("ix_emissions_at", _emissions.c.at)

Counters = Mapping[str, int]
"""How many emissions each installation made on one database, by its id, as far as that is known here."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A request that may have left. `number`: this installation's count on the database `lineage`; `at`: when it rings
    at the earliest, aware."""

    lineage: str
    number: int
    source: str
    origin: str
    task_key: str
    line: str
    at: datetime


class Journal:
    """See this module's docstring. `folder` is the state folder. Any number of threads may use one; each method raises
    `StoreUnavailable` where the file can't be read or written, and can be asked again."""

    def __init__(self, folder: Path, *, patience: float = 5.0) -> None:
        self._folder = folder
        self._patience = patience
        self._lock = threading.Lock()
        self._installation = ""
        self._opened: Database | None = None
        self._inode: int | None = None

    @property
    def installation(self) -> str:
        """The id of this installation."""
        with self._lock:
            self._installation = self._installation or installation_id(self._folder)
            return self._installation

    def counters(self) -> dict[str, dict[str, int]]:
        """Return the counters of each database that this installation worked on, by its lineage."""
        by_lineage: dict[str, dict[str, int]] = {}
        with self._file().read() as connection:
            for row in connection.execute(select(_counters)):
                by_lineage.setdefault(row.lineage, {})[row.installation] = row.number
        return by_lineage

    def counter(self, lineage: str) -> int | None:
        """This installation's own; None where it does not know the database."""
        query = select(_counters.c.number).where(_own(lineage, self.installation))
        with self._file().read() as connection:
            number: int | None = connection.execute(query).scalar()
        return number

    def know(self, lineage: str, counters: Counters) -> None:
        """Note a database's counters as they are there now. One's own never goes back."""
        own = self.installation
        with self._file().write() as connection:
            for installation, number in {own: 0, **counters}.items():
                _count(connection, lineage, installation, number, back=installation != own)

    def add(self, emission: JournalEntry) -> None:
        """Note an emission: on disk when it returns."""
        values = {name: getattr(emission, name) for name in emission.__dataclass_fields__}
        own = self.installation
        with self._file().write() as connection:
            connection.execute(insert(_emissions).values(values).on_conflict_do_nothing())
            _count(connection, emission.lineage, own, emission.number, back=False)

    def drop(self, emission: JournalEntry) -> None:
        """It is certain by now that nobody was rung by it. It still counts."""
        same = (_emissions.c.lineage == emission.lineage, _emissions.c.number == emission.number)
        with self._file().write() as connection:
            connection.execute(delete(_emissions).where(*same))

    def since(self, lineage: str, number: int) -> list[JournalEntry]:
        """Return those on a database after this number, in order."""
        return self._read(and_(_emissions.c.lineage == lineage, _emissions.c.number > number))

    def elsewhere(self, lineage: str) -> list[JournalEntry]:
        """Return those on other databases, in order."""
        return self._read(_emissions.c.lineage != lineage)

    def prune(self, before: datetime) -> None:
        """Let go of those before this time. They still count."""
        with self._file().write() as connection:
            connection.execute(delete(_emissions).where(_emissions.c.at < before))

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _read(self, where: ColumnElement[bool]) -> list[JournalEntry]:
        query = select(_emissions).where(where).order_by(_emissions.c.at, _emissions.c.number)
        with self._file().read() as connection:
            return [JournalEntry(**row._mapping) for row in connection.execute(query)]

    def _file(self) -> Database:
        """The file, open; not before it is needed, because what needs none of it goes on where it can't be."""
        with self._lock:
            if self._opened is not None and self._inode != self._there():
                # Deleted or replaced while it was open: what is written into it would be lost with this process. Not
                # closed, because another thread may be at it.
                self._opened = None
            if self._opened is None:
                self._opened = self._open()
                self._inode = self._there()
            return self._opened

    def _there(self) -> int | None:
        """Which file has the journal's name now, None: none has."""
        try:
            return (self._folder / FILE).stat().st_ino
        except OSError:
            return None

    def _open(self) -> Database:
        path = (self._folder / FILE).resolve()
        url = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
        opened = unprepared(url, patience=self._patience)
        try:
            prepare_file(opened)
            with opened.read() as connection:
                exists = opened.engine.dialect.has_table(connection, _emissions.name)
            if not exists:
                with opened.write() as connection:
                    _metadata.create_all(connection)
        except BaseException:
            opened.close()
            raise
        return opened


def _own(lineage: str, installation: str) -> ColumnElement[bool]:
    return and_(_counters.c.lineage == lineage, _counters.c.installation == installation)


def _count(connection: Connection, lineage: str, installation: str, number: int, *, back: bool) -> None:
    values = {"lineage": lineage, "installation": installation, "number": number}
    statement = insert(_counters).values(values)
    new: Any = statement.excluded.number if back else func.max(_counters.c.number, statement.excluded.number)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["lineage", "installation"], set_={"number": new})
    )
