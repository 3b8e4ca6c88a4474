"""The database: opening it, and transactions on it.

SQLite: WAL with `synchronous=FULL`, so a commit is on disk when it returns. Its own way of waiting for another writer
ruins the slowest answers, so the bridge's processes take turns by a `FileLock` beside the file, and SQLite's waiting is
left for foreign programs. PostgreSQL: psycopg 3 through a small pool; a connection that hangs ends by itself
(`bridge.store.postgres`).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from bridge.errors import StoreUnavailable
from bridge.store.faults import translated
from bridge.store.version import heed
from connectors.filelock import FileLock

if TYPE_CHECKING:
    from bridge.store.postgres import PostgresConnections

    # what messages call it, the file of SQLite, and what opens connections to PostgreSQL, besides
    _Opened = tuple[Engine, str, Path | None, PostgresConnections | None]

Insert = sqlite.Insert | postgresql.Insert

_OLDEST_SQLITE = (3, 35)  # RETURNING
_STEPS = 10_000
"""Of SQLite's machine, between two looks at the clock: a fraction of a millisecond."""
_LONGEST_TURN = 12
"""Times the database's patience that somebody waits for a turn, behind others of whom each may need all of it."""
_HEED_EVERY = 2.0
"""Seconds between two looks at the database's version."""


class Database:
    """A database that is open. Used from many threads; each process opens its own. Use `connect`."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        path: Path | None,
        patience: float,
        connections: PostgresConnections | None = None,
        *,
        heeds_version: bool = True,
    ) -> None:
        self.engine = engine
        self.name = name
        """What messages call it: never with a password."""
        self.path = path
        """The file of SQLite, None for PostgreSQL."""
        self.patience = patience
        """Seconds to wait for another writer."""
        self.lock = FileLock(path.with_name(f"{path.name}.lock"), fair=True) if path else None
        self._file: tuple[int, int] | None = None
        self._beside: dict[Path, tuple[int, int]] = {}
        self._heeds_version, self._heeded_until = heeds_version, 0.0
        self._turns: dict[str, threading.Lock] = {}
        self._listeners: list[Callable[[], None]] = []
        self._connections = connections

    @property
    def postgresql(self) -> bool:
        """Whether it is PostgreSQL; else SQLite."""
        return self.path is None

    @property
    def opened(self) -> bool:
        """Whether the file of SQLite has been opened by this process."""
        return self._file is not None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a transaction that may change rows: on disk when the block has ended, undone when it raised.

        Raises `StoreUnavailable` when the database can't be reached or written, or was taken over by a newer version
        (`TooOld`). Keep it short: on SQLite there is one at a time.
        """
        with translated(self.name):
            if self.lock:
                with self.lock.held(self.patience), self._begin("IMMEDIATE") as connection:
                    self._heed(connection)
                    yield connection
            else:
                with self._begin("") as connection:
                    self._heed(connection)
                    yield connection
        for listener in self._listeners:
            listener()

    @contextmanager
    def turn(self, row: str) -> Iterator[None]:
        """Have the threads of this process that are about to lock a row, named `row`, wait for one another here: in the
        server, each would hold a connection meanwhile, and nobody else would have one. Raises `StoreUnavailable`."""
        if self.lock:
            yield  # SQLite has one writer at a time anyway
            return
        lock = self._turns.setdefault(row, threading.Lock())
        if not lock.acquire(timeout=self.patience * _LONGEST_TURN):
            raise StoreUnavailable(f"{self.name}: every connection is in use; the database is slow or hangs")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a transaction that only reads, all as of one moment, on SQLite beside any writer. Raises
        `StoreUnavailable`."""
        with translated(self.name), self._begin("REPEATABLE READ" if self.postgresql else "DEFERRED") as connection:
            yield connection

    @contextmanager
    def read_within(self, seconds: float) -> Iterator[Connection]:
        """As `read`, by somebody who does not wait for longer: a statement that takes more than these seconds is
        cancelled (`StoreUnavailable`)."""
        with self.read() as connection:
            driver: Any = connection.connection.driver_connection
            milliseconds = max(1, int(seconds * 1000))
            if self.postgresql:
                connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
                yield connection
                return
            end = time.monotonic() + seconds
            driver.execute(f"PRAGMA busy_timeout = {milliseconds}")
            driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            try:
                yield connection
            finally:
                driver.set_progress_handler(None, 0)
                driver.execute(f"PRAGMA busy_timeout = {int(self.patience * 1000)}")

    @contextmanager
    def unhurried(self, connection: Connection) -> Iterator[None]:
        """Have statements on this connection take as long as the server lets them, or even for ever."""
        if not self.postgresql:
            yield
            return
        driver: Any = connection.connection.driver_connection
        within, driver.within = driver.within, None
        try:
            yield
        finally:
            driver.within = within

    def insert(self, table: Table) -> Insert:
        """Return an INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return postgresql.insert(table) if self.postgresql else sqlite.insert(table)

    def after_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each `write` of this process, in its thread; returns what ends that."""
        self._listeners = [*self._listeners, listener]

        def end() -> None:
            self._listeners = [each for each in self._listeners if each is not listener]

        return end

    def cut(self) -> None:
        """Break every connection to PostgreSQL, so that a thread that waits in one fails at once, and open no other for
        a moment."""
        if self._connections is not None:
            self._connections.cut()

    def scrub(self) -> bool:
        """Have what was deleted gone from SQLite's files: the log is written back and emptied (deleted rows are
        overwritten in any case). False when a reader that takes long held it up. Nothing to do on PostgreSQL."""
        if not self.lock:
            return True
        with translated(self.name), self.lock.held(self.patience), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            return bool(driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    def write_back(self) -> None:
        """Have what SQLite's log holds written into the file while others go on writing, so that none of their commits
        has to do it. Nothing to do on PostgreSQL. Raises `StoreUnavailable`."""
        if self.lock:
            with translated(self.name), self.engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._beside = {}  # nobody may have it open now: whoever opens it next may make others

    def _heed(self, connection: Connection) -> None:
        """Refuse what a newer version would be harmed by. It is looked at now and then only."""
        if self._heeds_version and time.monotonic() >= self._heeded_until:
            heed(connection, self.name)
            self._heeded_until = time.monotonic() + _HEED_EVERY

    def _same_file(self, path: Path) -> None:
        """Refuse to work on a file that nobody will find again, or beside who works on another one."""
        if _file(path) != self._file:
            raise StoreUnavailable(
                f"{self.name}: the file was removed, or another one put in its place, while the bridge runs; put it "
                "back, or restart the bridge"
            )
        for beside, file in self._beside.items():
            if _file(beside) != file:
                # SQLite would go on: into a file that is gone, or in two of them at once, which destroys the database
                self._save_log()
                raise StoreUnavailable(
                    f"{self.name}: {beside.name} was removed, or another one put in its place, while the bridge runs; "
                    "restart the bridge"
                )

    def _save_log(self) -> None:
        """Write the log back by a connection that has it open: nobody who comes later finds what is in it."""
        pool: Any = self.engine.pool
        if pool.checkedin():
            with suppress(StoreUnavailable):
                self.write_back()

    @contextmanager
    def _begin(self, how: str) -> Iterator[Connection]:
        if self.path is not None and self.opened:  # before SQLite makes an empty one in its place
            self._same_file(self.path)
        with self.engine.connect() as connection:
            if self.path is not None and not self.opened:
                self._file = _file(self.path)
            if how:
                option = "isolation_level" if self.postgresql else "sqlite_begin"
                connection = connection.execution_options(**{option: how})  # noqa: PLW2901 (the same connection)
            with connection.begin():
                yield connection
            if self.path is not None and not self._beside:
                self._beside = _beside(self.path)


def _beside(path: Path) -> dict[Path, tuple[int, int]]:
    """Which files of SQLite's own are beside that of a database: they last as long as somebody has it open. None of
    them, where it has not made both."""
    files = {side: _file(side) for side in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))}
    return {side: file for side, file in files.items() if file is not None and None not in files.values()}


def _file(path: Path) -> tuple[int, int] | None:
    """Which file is at this path; None: there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def unprepared(
    url: str, folder: Path | None = None, *, pool: int = 8, patience: float = 5.0, durable: bool = True,
    heeds_version: bool = True,
) -> Database:  # fmt: skip
    """Return the database at `url`, its tables as they are; touches no network. `pool`: connections to PostgreSQL at
    most; what a host has of them together is said in docs/deployment.md. `durable` false: what was committed
    last may be gone after the machine's sudden end, and no commit waits for the disk. `heeds_version` false: whoever
    has it sees by themselves that a newer version has taken it over. `StoreUnavailable` for a URL that can't be."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreUnavailable("database: write sqlite:///FILE or postgresql://user:password@host/name") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        opened = _sqlite(parsed, folder or Path(), pool, patience, "FULL" if durable else "NORMAL")
    elif kind in {"postgresql", "postgres"}:
        opened = _postgresql(parsed, pool, patience, durable)
    else:
        raise StoreUnavailable(f"database: {kind} is not supported; write sqlite:///FILE or postgresql://…")
    engine, name, path, connections = opened
    return Database(engine, name, path, patience, connections, heeds_version=heeds_version)


def _sqlite(url: URL, folder: Path, pool: int, patience: float, synchronous: str) -> _Opened:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreUnavailable(f"SQLite {sqlite3.sqlite_version} is too old; install Python with SQLite 3.35 or newer")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreUnavailable("database: name a file, such as sqlite:///bridge.db; memory forgets everything")
    path = (folder / url.database).resolve()
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        pool_size=pool,
        max_overflow=8,
        pool_timeout=patience,
        hide_parameters=True,
        connect_args={"timeout": patience, "isolation_level": None},
    )

    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (f"synchronous={synchronous}", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", _begin_sqlite)
    return engine, str(path), path, None


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('sqlite_begin', 'DEFERRED')}")


def _postgresql(url: URL, pool: int, patience: float, durable: bool) -> _Opened:
    milliseconds = int(patience * 1000)
    try:
        from bridge.store.postgres import PostgresConnections  # noqa: PLC0415 (an option)

        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=patience,
            pool_pre_ping=True,
            pool_recycle=1800,
            hide_parameters=True,
            connect_args={
                "connect_timeout": max(2, int(patience // 2)),
                "application_name": "infocaller-bridge",
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": milliseconds,
            },
        )
    except (ImportError, NoSuchModuleError):
        raise StoreUnavailable(
            "PostgreSQL needs its driver: pip install '.[distributed]', in the bridge's own folder"
        ) from None
    except ArgumentError as error:
        raise StoreUnavailable(f"database: {error}") from None

    def set_up(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(f"SET statement_timeout = {milliseconds}")
        connection.execute(f"SET lock_timeout = {milliseconds}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds * 12}")
        # A session may stay so when its database takes writes again: it is used once.
        (read_only,) = connection.execute("SELECT current_setting('transaction_read_only')").fetchone()
        connection.takes_no_writes = read_only == "on"
        if durable:
            # A server may be set to say "committed" before it is; a promise is made on this word.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
        connection.autocommit = False

    def not_durable(connection: Connection) -> None:
        # For the transaction alone: a pooler hands sessions on, and others' commits have to be durable.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    def let_go(connection: Any, record: Any) -> None:
        if connection is not None and connection.takes_no_writes:
            record.invalidate()

    connections = PostgresConnections(patience)
    event.listen(engine, "do_connect", connections.open)
    event.listen(engine, "connect", set_up)
    event.listen(engine, "checkin", let_go)
    if not durable:
        event.listen(engine, "begin", not_durable)
    return engine, url.set(drivername="postgresql").render_as_string(hide_password=True), None, connections


def in_turn(database: Database, connection: Connection, what: str) -> None:
    """Let nobody else past this line with the same `what` until the transaction ends. On SQLite there is one writer
    anyway."""
    if database.postgresql:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 7))"), {"what": what})
