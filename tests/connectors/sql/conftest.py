"""Databases of the tests: one of each kind for all of a process, emptied for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.connectors.sql.case import TABLES, tables
from tests.connectors.sql.servers import KINDS, SqliteFile, SqlServer, served

Shared: TypeAlias = Callable[[str], SqlServer]


@pytest.fixture(scope="session")
def _servers() -> Iterator[dict[str, SqlServer]]:
    servers: dict[str, SqlServer] = {}
    try:
        yield servers
    finally:
        for server in servers.values():
            server.drop()


@pytest.fixture
def shared(_servers: dict[str, SqlServer], tmp_path: Path) -> Shared:
    """Returns the database of a kind, with the invoicing program's tables, empty. SQLite is a file of this test."""

    def server(kind: str) -> SqlServer:
        if kind == "sqlite":
            path = tmp_path / "crm" / "erp.db"
            path.parent.mkdir()
            file = SqliteFile(path)
            tables(file)
            return file
        if kind not in _servers:
            _servers[kind] = served(kind, tmp_path)
            tables(_servers[kind])
        else:
            _servers[kind].each(f"DELETE FROM {table}" for table in TABLES)
        _servers[kind].proxy = None
        return _servers[kind]

    return server


@pytest.fixture(params=KINDS)
def erp(request: pytest.FixtureRequest, shared: Shared) -> SqlServer:
    """An invoicing program's database, of each kind."""
    return shared(str(request.param))
