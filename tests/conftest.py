"""What tests of several parts need."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.sql import SQL, Identifier, Literal

from bridge.store.schema import connect
from tests.databases import sqlite_with_tables

_ACCEPTANCE = Path(__file__).parent / "acceptance"
POSTGRES = "postgresql://postgres@127.0.0.1:5432"
_ROOM = 4 << 30
_TOGETHER = ("tests/web/", "tests/texts/test_catalogue.py")
"""Places of files whose tests share a bridge, or what was read of all of the code."""
_GATHERED = 100_000
"""Objects between two rounds of the garbage collector, as in the commands."""

# A machine that is busy with something else makes no test fail.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Spare every test what only takes time. Files go to memory where there is room for them: thousands of commits wait
    for the disk otherwise (acceptance runs keep theirs on it). Each program that a test starts finds our modules
    compiled."""
    memory = Path("/dev/shm")
    apart = config.getoption("markexpr") == "acceptance"
    if not apart and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):  # commands speak English unless a test says otherwise
        os.environ.pop(name, None)
    os.environ["LANG"] = "C.UTF-8"
    sys.dont_write_bytecode = False
    gc.disable()  # until all is loaded: looking at that over and over takes a fifth of the time


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Load no acceptance runs that are not to run."""
    left_out = config.getoption("markexpr") == "not acceptance"
    return True if left_out and collection_path == _ACCEPTANCE else None


@pytest.hookimpl(optionalhook=True)  # there is no xdist everywhere
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:  # `-n auto`
    """Three for each core, but no more than six beside them: tests wait for two thirds of their time."""
    cores = os.cpu_count() or 1
    return min(3 * cores, cores + 6)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Of test processes that begin together, each loads the tests from another place on, and finds compiled what the
    others have been at: pytest compiles tests by itself, which takes longer than all the rest of a first start."""
    worker = getattr(session.config, "workerinput", None)
    folders = [Path(argument) for argument in session.config.args]
    if worker is None or not all(folder.is_dir() for folder in folders):
        return
    root = session.config.rootpath
    found = (file.resolve() for folder in folders for file in folder.rglob("test_*.py"))
    files = sorted(file.relative_to(root) for file in found if file.parent != _ACCEPTANCE)
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        with suppress(Exception, pytest.skip.Exception):  # said when it is collected
            importlib.import_module(".".join(file.with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave what has been loaded, which stays, out of what the garbage collector looks at again and again."""
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GATHERED)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Tests of a file that shares what takes long to make run in one test process: each process would make it anew. By
    the name of the file, since marks (`xdist_group`) get lost on the way where pytest is new and xdist is not."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # there is no xdist everywhere

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0] if nodeid.startswith(_TOGETHER) else nodeid

    return Together(config, log)


_CLEARED = """
DO $$
DECLARE
    place record;
    filled boolean;
BEGIN
    FOR place IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ({kept}) LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', place.name) INTO filled;
        IF filled THEN
            EXECUTE format('TRUNCATE %I CASCADE', place.name);
        END IF;
    END LOOP;
    FOR place IN SELECT sequencename AS name FROM pg_sequences WHERE last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', place.name);
    END LOOP;
END $$
"""
_EMPTIED = """
DO $$
DECLARE
    place name;
BEGIN
    FOR place IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', place);
    END LOOP;
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
_SHAPE = """
SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
    SELECT concat_ws(' ', relname, relkind, attname, atttypid::regtype, attnotnull, atthasdef) FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid WHERE relnamespace = 'public'::regnamespace AND attnum > 0
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index
        JOIN pg_class ON indexrelid = pg_class.oid WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
) parts (part)
"""
_VERSION = ("alembic_version", "meta")
"""The tables in which there are rows from the beginning."""
_Row = tuple[Any, ...]


def _rows(connection: psycopg.Connection, table: str) -> list[_Row]:
    return sorted(connection.execute(SQL("SELECT * FROM {}").format(Identifier(table))))


def _put_back(connection: psycopg.Connection, table: str, rows: list[_Row]) -> None:
    """Have these rows in a table again, and no others."""
    if _rows(connection, table) != rows:
        connection.execute(SQL("DELETE FROM {}").format(Identifier(table)))
        for row in rows:
            values = SQL(", ").join(map(Literal, row))
            connection.execute(SQL("INSERT INTO {} VALUES ({})").format(Identifier(table), values))


class _Server:
    """Databases of this test process on the PostgreSQL server, one with nothing in it and one with the bridge's tables.
    They are cleared for each test rather than made anew: to drop one, the server first writes all that it has in memory
    to the disk."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._name = f"bridge_{uuid4().hex[:16]}"
        self._with_tables = f"{self._name}_tables"
        self._made: dict[str, tuple[object, dict[str, list[_Row]]]] = {}
        """How the tables of each are made, and what is in them from the beginning."""

    def empty(self) -> str:
        """The URL of a database with nothing in it and nobody on it."""
        if self._name not in self._made:
            self._make(self._name)
            self._made[self._name] = None, {}
        with self._alone(self._name) as connection:
            connection.execute(_EMPTIED)
        return f"{POSTGRES}/{self._name}"

    def with_tables(self) -> str:
        """The URL of a database of this version, without rows and with nobody on it."""
        name = self._with_tables
        if name in self._made:
            shape, rows = self._made[name]
            with self._alone(name) as connection:
                if connection.execute(_SHAPE).fetchone() == shape:
                    connection.execute(SQL(_CLEARED).format(kept=Literal(list(_VERSION))))
                    for table in _VERSION:
                        _put_back(connection, table, rows[table])
                    return f"{POSTGRES}/{name}"
        self._make(name)
        connect(f"{POSTGRES}/{name}").close()
        with self._alone(name) as connection:
            rows = {table: _rows(connection, table) for table in _VERSION}
            self._made[name] = connection.execute(_SHAPE).fetchone(), rows
        return f"{POSTGRES}/{name}"

    def drop(self) -> None:
        """Leave nothing behind."""
        for name in self._made:
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _make(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._execute("CREATE DATABASE {} TEMPLATE template0", name)

    @contextmanager
    def _alone(self, name: str) -> Iterator[psycopg.Connection]:
        """The only connection to a database: whoever else was on it is gone, and how it was set up too."""
        gone = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
        self._connection.execute(gone, [name])
        self._execute("ALTER DATABASE {} RESET ALL", name)
        with psycopg.connect(f"{POSTGRES}/{name}", autocommit=True) as connection:
            yield connection

    def _execute(self, statement: LiteralString, *names: str) -> None:
        self._connection.execute(SQL(statement).format(*map(Identifier, names)))


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[_Server]:
    """Skips where no server answers, but never in CI."""
    try:
        connection = psycopg.connect(f"{POSTGRES}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL at {POSTGRES}: {error}")
    with connection:
        server = _Server(connection)
        try:
            yield server
        finally:
            server.drop()


@pytest.fixture
def empty_postgres_url(_postgres_server: _Server) -> str:
    """A PostgreSQL database with nothing in it."""
    return _postgres_server.empty()


@pytest.fixture
def postgres_url(_postgres_server: _Server) -> str:
    """A PostgreSQL database with the bridge's tables and no rows."""
    return _postgres_server.with_tables()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bridge.db"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the bridge's tables and no rows: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{sqlite_with_tables(tmp_path / 'bridge.db')}"
    return str(request.getfixturevalue("postgres_url"))
