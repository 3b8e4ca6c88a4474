from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.queue import queue_for
from bridge.queue.base import Queue
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.fakes.proxy import Proxy


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = connect(database_url)
    yield database
    database.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    return queue_for(database)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A way to PostgreSQL that can be cut."""
    with Proxy("127.0.0.1", 5432) as proxy:
        yield proxy
