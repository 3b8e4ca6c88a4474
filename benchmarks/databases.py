"""What is measured on: empty databases, and a loop that times what is asked of one."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import psycopg
from sqlalchemy import text

from bridge.store.database import Database

_SERVER = "postgresql://postgres@127.0.0.1:5432"


def empty_databases(name: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the URL of an empty SQLite database and, where there is a PostgreSQL server at 127.0.0.1:5432,
    of one there, of the name `bridge_benchmark_NAME`. Each is gone when the next one is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        yield "SQLite", f"sqlite:///{folder}/bridge.db"
    name = f"bridge_benchmark_{name}"
    try:
        server = psycopg.connect(_SERVER, autocommit=True)
    except psycopg.OperationalError:
        print("no PostgreSQL at 127.0.0.1:5432", file=sys.stderr)
        return
    with server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield "PostgreSQL", f"{_SERVER}/{name}"
        finally:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def at_rest(database: Database) -> None:
    """Have PostgreSQL do now what it does by itself some time after a table was filled."""
    if database.postgresql:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))


def timed(times: int, ask: Callable[[], object]) -> list[float]:
    """Return the milliseconds that each of so many turns takes."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return took
