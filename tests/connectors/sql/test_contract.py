"""SQL databases hold to the contract of all connectors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from connectors.base import Connector
from connectors.sql.connector import SqlConnector
from connectors.sql.options import SqlOptions
from connectors.testing import ConnectorContract, Contact, Harness, Order
from tests.connectors.sql.case import section
from tests.connectors.sql.conftest import Shared
from tests.connectors.sql.servers import PASSWORD, SqliteFile, SqlServer
from tests.fakes.proxy import Proxy


class SqlHarness(Harness):
    connector: type[Connector] = SqlConnector
    secrets: ClassVar[Sequence[str]] = (PASSWORD,)
    can_task: ClassVar[bool] = True
    orders_newest: ClassVar[bool] = True

    def __init__(self, folder: Path, server: SqlServer) -> None:
        self.folder = folder
        self.server = server

    def options(self) -> SqlOptions:
        return SqlOptions.model_validate(section(self.server))

    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        people = [(each.name, each.phone, each.mobile, each.changed) for each in contacts]
        if people:
            self.server.many("INSERT INTO customers (name, phone, mobile, changed) VALUES (?, ?, ?, ?)", people)
        if orders:
            rows = [(each.key, each.status) for each in orders]
            self.server.many("INSERT INTO orders (number, status) VALUES (?, ?)", rows)

    def saved(self) -> Sequence[Mapping[str, str]]:
        return [{"phone": phone, "score": score} for phone, score in self.server.run("SELECT phone, score FROM survey")]

    def activities(self) -> Sequence[Mapping[str, str]]:
        rows = self.server.run("SELECT bridge_key, subject, note FROM calls")
        return [{"key": key, "subject": subject, "note": note} for key, subject, note in rows]

    def add_task(self, phone: str) -> str:
        self.server.run("INSERT INTO callbacks (phone) VALUES (?)", [phone])
        return str(self.server.run("SELECT max(id) FROM callbacks")[0][0])

    def outcomes(self, task: str) -> Sequence[str]:
        rows = self.server.run("SELECT status FROM callbacks WHERE id = ? AND status <> 'open'", [int(task)])
        return [status for (status,) in rows]


class FileHarness(SqlHarness):
    secrets = ()

    def __init__(self, folder: Path, server: SqliteFile) -> None:
        super().__init__(folder, server)
        self.path = server.path

    def go_away(self) -> None:
        self.path.rename(self.path.with_suffix(".away"))

    def come_back(self) -> None:
        self.path.with_suffix(".away").rename(self.path)


class ServerHarness(SqlHarness):
    can_hang = True

    def __init__(self, folder: Path, server: SqlServer, proxy: Proxy) -> None:
        super().__init__(folder, server)
        self.proxy = proxy
        server.proxy = proxy

    def go_away(self) -> None:
        self.proxy.away()

    def come_back(self) -> None:
        self.proxy.back()

    def hang(self) -> None:
        self.proxy.swallow()

    def lose_answer(self) -> bool:
        self.proxy.lose_answer(b"INSERT", b"COMMIT")
        return True


@contextlib.contextmanager
def behind_proxy(server: SqlServer, port: int, folder: Path) -> Iterator[ServerHarness]:
    with Proxy("127.0.0.1", port) as proxy:
        yield ServerHarness(folder, server, proxy)


class TestSqlite(ConnectorContract):
    @pytest.fixture
    def harness(self, shared: Shared) -> Harness:
        server = shared("sqlite")
        assert isinstance(server, SqliteFile)
        return FileHarness(server.path.parent, server)


class TestPostgresql(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path, shared: Shared) -> Iterator[Harness]:
        with behind_proxy(shared("postgresql"), 5432, tmp_path) as harness:
            yield harness


class TestMariaDb(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path, shared: Shared) -> Iterator[Harness]:
        with behind_proxy(shared("mariadb"), 3306, tmp_path) as harness:
            yield harness
