"""A pooler between the bridge and PostgreSQL hands sessions on: what one leaves in them must harm nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from bridge.errors import StoreUnavailable
from bridge.store.database import Database, unprepared


@pytest.fixture
def postgresql(database: Database) -> Database:
    if not database.postgresql:
        pytest.skip("SQLite has no sessions to hand on")
    return database


def test_a_session_whose_commits_may_be_lost_is_as_it_was_after_each(postgresql: Database, database_url: str) -> None:
    hasty = unprepared(database_url, pool=1, durable=False)
    try:
        with hasty.write() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "off"
            session = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with hasty.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.autocommit = True
            assert driver.execute("SELECT pg_backend_pid()").fetchone()[0] == session
            assert driver.execute("SHOW synchronous_commit").fetchone()[0] == "on"
            driver.autocommit = False
    finally:
        hasty.close()


def test_a_pooler_in_transaction_mode_is_named(postgresql: Database) -> None:
    """Its next transaction is another session's, which does not know what the first prepared."""

    def another() -> None:
        with postgresql.read() as connection:
            connection.execute(text("SELECT 1"))
            connection.execute(text("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"))

    with pytest.raises(StoreUnavailable, match=r"pooler in transaction mode .* use its session mode"):
        repeat_until_refused(another)


def repeat_until_refused(transaction: Callable[[], None]) -> None:
    for _ in range(20):
        transaction()
