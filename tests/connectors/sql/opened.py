"""A connector on a database of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.base import Context, Deadline, LookupQuery, Record
from connectors.phone import parse
from connectors.sql.connector import SqlConnector
from connectors.sql.options import SqlOptions
from connectors.testing import GENEROUS
from tests.connectors.sql.case import section
from tests.connectors.sql.servers import SqliteFile, SqlServer


def folder_of(server: SqlServer) -> Path:
    """Where a configuration of it stands."""
    return server.path.parent if isinstance(server, SqliteFile) else Path("/nowhere")


def options(server: SqlServer, **changed: object) -> SqlOptions:
    return SqlOptions.model_validate(section(server, **changed))


@contextmanager
def connector(server: SqlServer, context: Context | None = None, **changed: Any) -> Iterator[SqlConnector]:
    """The connector, closed at the end."""
    context = replace(context or Context(folder=folder_of(server)), folder=folder_of(server))
    opened = SqlConnector("erp", options(server, **changed), context)
    try:
        yield opened
    finally:
        opened.close()


def by_key(opened: SqlConnector, key: str, kind: str = "order", seconds: float = GENEROUS) -> list[Record]:
    return list(opened.find(LookupQuery(kind, key=key), Deadline.after(seconds)))


def by_phone(opened: SqlConnector, number: str, kind: str = "contact") -> list[Record]:
    return list(opened.find(LookupQuery(kind, phone=parse(number, "ES")), Deadline.after(GENEROUS)))
