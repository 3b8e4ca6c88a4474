from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.store.database import Database
from bridge.store.schema import connect


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = connect(database_url)
    yield database
    database.close()
