"""A PostgreSQL that takes every byte and answers nothing keeps nobody for ever, and one that took no writes is written
to as soon as it takes them, without a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from bridge.errors import StoreUnavailable
from bridge.queue import queue_for
from bridge.queue.base import DELIVER
from bridge.store import overview
from bridge.store.database import Database, unprepared
from bridge.store.schema import upgrade
from tests.fakes.proxy import Proxy
from tests.waiting import until


@pytest.fixture
def database(postgres_url: str, proxy: Proxy) -> Iterator[Database]:
    with closing(unprepared(postgres_url.replace(":5432", f":{proxy.port}"), pool=1, patience=0.5)) as database:
        yield database


def _note(database: Database, value: str) -> None:
    with database.write() as connection:
        overview.note(database, connection, "tried", value)


def _can_be_written(database: Database) -> bool:
    try:
        _note(database, "again")
    except StoreUnavailable:
        return False
    return True


def test_a_connection_whose_server_falls_silent_is_given_up(proxy: Proxy, database: Database) -> None:
    """The bytes that were swallowed never come: who waited for them for ever would keep the connection from all."""
    _note(database, "before")
    proxy.swallow()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        _note(database, "swallowed")
    proxy.back()
    until(lambda: _can_be_written(database))


def test_one_that_falls_silent_in_the_midst_of_a_transaction_too(proxy: Proxy, database: Database) -> None:
    def twice() -> None:
        with database.write() as connection:
            overview.note(database, connection, "tried", "first")
            proxy.swallow()
            overview.note(database, connection, "tried", "second")

    with pytest.raises(StoreUnavailable, match="does not answer"):
        twice()
    proxy.back()
    until(lambda: _can_be_written(database))


def test_the_runner_goes_on_after_the_server_was_silent(postgres_url: str, proxy: Proxy, database: Database) -> None:
    """It has a connection of its own, over which it hears of what there is to do."""
    ran: list[str] = []
    runner = queue_for(database).runner({DELIVER: ran.append}, {"": 1}, lambda: None)
    runner.start()
    until(lambda: runner.working)
    proxy.swallow()
    until(lambda: not runner.working, 60)
    proxy.back()
    with closing(unprepared(postgres_url)) as straight, straight.write() as connection:
        queue_for(straight).wake(connection, DELIVER, "7")
    until(lambda: ran == ["7"], 60)
    assert runner.stop(30)


def test_bringing_the_tables_up_to_date_may_take_longer_than_any_answer(empty_postgres_url: str) -> None:
    """Who comes second waits for who comes first, and no program breaks that off."""
    with psycopg.connect(empty_postgres_url, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [0x1F0CA11E])
        with closing(unprepared(empty_postgres_url, patience=0.2)) as database:
            failed: list[StoreUnavailable] = []

            def second() -> None:
                try:
                    upgrade(database)
                except StoreUnavailable as error:
                    failed.append(error)

            thread = threading.Thread(target=second)
            thread.start()
            first.execute("SELECT pg_sleep(4)")  # an answer would be given up by now
            first.execute("SELECT pg_advisory_unlock_all()")
            thread.join()
            assert failed == []


def test_a_session_that_began_read_only_is_used_once(postgres_url: str) -> None:
    """It would stay read-only when the database takes writes again, for as long as it lasts."""
    name = urlsplit(postgres_url).path[1:]
    with psycopg.connect(postgres_url, autocommit=True) as admin, closing(unprepared(postgres_url, pool=1)) as database:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with database.read():
            pass
        with pytest.raises(StoreUnavailable, match="takes no writes"):
            _note(database, "refused")
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        _note(database, "taken")
