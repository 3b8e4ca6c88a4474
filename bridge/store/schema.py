"""Brings the tables up to date when a process starts, under a lock, so that several may start at once."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from bridge.errors import StoreUnavailable
from bridge.store.database import Database, unprepared
from bridge.store.faults import translated
from bridge.store.tables import REVISION, metadata
from bridge.store.version import alembic_version, heed, note_oldest

_LOCK = 0x1F0CA11E
"""The number of the bridge's advisory lock on PostgreSQL."""
_PATIENCE = 60.0


def connect(
    url: str, folder: Path | None = None, *, pool: int = 8, patience: float = 5.0, heeds_version: bool = True
) -> Database:
    """Open the database at `url` (`sqlite:///FILE`, `postgresql://user:password@host/name`) and bring its tables up to
    date; several processes may do so at once.

    `folder`: where a relative FILE starts from. `pool`: connections at most. `patience`: seconds to wait for a
    connection, another writer or a statement. `heeds_version`: see `unprepared`. Raises `StoreUnavailable` with what to
    do about it.
    """
    database = unprepared(url, folder, pool=pool, patience=patience, heeds_version=heeds_version)
    try:
        upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def upgrade(database: Database) -> None:
    """Make the tables, or bring those of an older version up to date. Does nothing when they are as they should be, or
    of a newer version beside which this one may work.

    Raises `StoreUnavailable`: the database is away, or can't be written; `TooOld`, which is one, where it is of a newer
    version that wants no other beside it.
    """
    if database.path:
        prepare_file(database)
    with database.read() as connection:
        current = heed(connection, database.name)
    if current is None or current < REVISION:
        _upgrade(database)
    if database.postgresql:
        from bridge.store.foreign import upgrade_procrastinate  # noqa: PLC0415 (only with PostgreSQL)

        upgrade_procrastinate(database, _LOCK)


def prepare_file(database: Database) -> None:
    """Make the file of an SQLite database, for its owner alone, and switch it to WAL, which stays with the file."""
    path, lock = database.path, database.lock
    if path is None or lock is None:
        raise ValueError(f"{database.name} is no file")
    with translated(database.name):
        if not path.parent.is_dir():
            raise StoreUnavailable(f"{path}: the folder does not exist; make it, or change `database:`")
        with suppress(FileExistsError):
            # never an existing file: closing it would let go of every lock that SQLite holds on it in this process
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if driver.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            with lock.held(_PATIENCE):
                mode = driver.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StoreUnavailable(f"{path}: SQLite can't keep it in WAL mode; put it on a local disk")


def _upgrade(database: Database) -> None:
    with database.write() as connection, database.unhurried(connection):
        if database.postgresql:
            connection.execute(text(f"SET LOCAL lock_timeout = {int(_PATIENCE * 1000)}"))
            connection.execute(text(f"SET LOCAL statement_timeout = {int(_PATIENCE * 1000)}"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = heed(connection, database.name)  # another process may have been faster
        if before is None:
            _make(connection)
        elif before < REVISION:
            _migrate(connection)
        else:
            return
        note_oldest(connection)


def _make(connection: Connection) -> None:
    """Make the newest tables where there are none, in one step and without Alembic, which takes long to load. A test
    holds them to what the migrations make."""
    metadata.create_all(connection, checkfirst=False)
    alembic_version.create(connection)
    connection.execute(alembic_version.insert().values(version_num=REVISION))


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 (half of a process's start, and seldom needed)
    from alembic.config import Config  # noqa: PLC0415

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
