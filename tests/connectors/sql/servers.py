"""Real databases to test with: SQLite, PostgreSQL and MariaDB, each with a database of its own that is dropped."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import psycopg
import pymysql
import pytest

from tests.fakes.proxy import Proxy

PASSWORD = "s3cret-of-the-erp"
KINDS = ("sqlite", "postgresql", "mariadb")


class SqlServer(ABC):
    """A database. `url`: as a configuration has it; by `proxy` where there is one."""

    backend: ClassVar[str]
    serial: ClassVar[str]
    proxy: Proxy | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def connect(self) -> Any:
        """A connection of the driver, each of whose statements is kept."""

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(self.spelled(statement), tuple(values)) if values else cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def each(self, statements: Iterable[str]) -> None:
        """Run them on one connection: opening one takes longer than they do."""
        with closing(self.connect()) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        with closing(self.connect()) as connection:
            connection.cursor().executemany(self.spelled(statement), [tuple(row) for row in rows])

    def spelled(self, statement: str) -> str:
        return statement.replace("?", "%s")

    def drop(self) -> None:  # noqa: B027 - a file goes with its folder
        """Leave nothing behind."""


class SqliteFile(SqlServer):
    backend = "sqlite"
    serial = "INTEGER PRIMARY KEY"

    def __init__(self, path: Path) -> None:
        self.path = path
        sqlite3.connect(path).close()
        path.touch()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path.name}"

    def connect(self) -> Any:
        return sqlite3.connect(self.path, isolation_level=None)

    def spelled(self, statement: str) -> str:
        return statement


class Postgres(SqlServer):
    backend = "postgresql"
    serial = "SERIAL PRIMARY KEY"

    def __init__(self) -> None:
        self.name = f"bridge_sql_{uuid4().hex[:16]}"
        self._admin(f"CREATE DATABASE {self.name} TEMPLATE template0")

    @property
    def port(self) -> int:
        return self.proxy.port if self.proxy is not None else 5432

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{self.name}"

    def connect(self) -> Any:
        return psycopg.connect(f"postgresql://postgres@127.0.0.1:5432/{self.name}", autocommit=True)

    def drop(self) -> None:
        self._admin(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def _admin(self, statement: str) -> None:
        with psycopg.connect(
            "postgresql://postgres@127.0.0.1:5432/postgres", autocommit=True, connect_timeout=3
        ) as admin:
            admin.execute(statement.encode())


class MariaDb(SqlServer):
    backend = "mariadb"
    serial = "INTEGER AUTO_INCREMENT PRIMARY KEY"

    def __init__(self) -> None:
        self.name = f"bridge_sql_{uuid4().hex[:16]}"
        self._admin(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        self._admin(f"CREATE USER {self.name}@'%' IDENTIFIED BY '{PASSWORD}'")
        self._admin(f"GRANT ALL ON {self.name}.* TO {self.name}@'%'")

    @property
    def port(self) -> int:
        return self.proxy.port if self.proxy is not None else 3306

    @property
    def url(self) -> str:
        return f"mariadb://{self.name}:{PASSWORD}@127.0.0.1:{self.port}/{self.name}"

    def connect(self) -> Any:
        return _mariadb(database=self.name)

    def drop(self) -> None:
        self._admin(f"DROP DATABASE IF EXISTS {self.name}")
        self._admin(f"DROP USER IF EXISTS {self.name}@'%'")

    def _admin(self, statement: str) -> None:
        with closing(_mariadb()) as admin:
            admin.cursor().execute(statement)


def _mariadb(database: str | None = None) -> Any:
    """A connection without TLS, whose certificates take a hundred times as long to load as the rest."""
    return pymysql.connect(
        host="127.0.0.1", user="root", database=database, autocommit=True, connect_timeout=3, ssl_disabled=True
    )


def served(kind: str, folder: Path) -> SqlServer:
    """A database of that kind, empty. Skips where no server answers, but never in CI."""
    if kind == "sqlite":
        return SqliteFile(folder / "erp.db")
    try:
        return Postgres() if kind == "postgresql" else MariaDb()
    except (psycopg.OperationalError, pymysql.err.OperationalError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no {kind} here: {error}")
