"""When a call began, for a Query: from INICIO where that is known at once, and never waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.intake.starts import CallStarts
from bridge.store import events
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.fakes.proxy import Proxy
from tests.store.made import LINE, arrival
from tests.waiting import until


class Clock:
    """Goes on by a minute with each look, so that nothing is left alone for long."""

    def __init__(self) -> None:
        self.now, self.step = 1000.0, 60.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def starts(database: Database) -> Iterator[CallStarts]:
    starts = CallStarts(lambda: database, Clock())
    yield starts
    starts.close()


def known(starts: CallStarts, call: str) -> datetime:
    """When a call began; a busy machine may not know it within a tenth of a second."""
    until(lambda: starts.of(LINE, call) is not None)
    began = None
    while began is None:
        began = starts.of(LINE, call)
    return began


def store(database: Database, *received: tuple[str, str, datetime]) -> None:
    with database.write() as connection:
        events.add(
            database, connection, [arrival(call, event, str(at), received_at=at) for call, event, at in received]
        )


def test_it_is_when_the_first_inicio_came(database: Database, starts: CallStarts) -> None:
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    store(database, ("7", "fin", noon - timedelta(minutes=1)), ("7", "inicio", noon), ("8", "fin", noon))
    store(database, ("7", "inicio", noon + timedelta(minutes=2)))
    assert known(starts, "7") == noon
    assert [starts.of(*call) for call in ((LINE, "8"), (LINE, "9"), (LINE, ""), ("911111111", "7"))] == [None] * 4


def test_a_database_that_is_known_to_be_away_is_not_asked() -> None:
    starts = CallStarts(lambda: None)
    assert starts.of(LINE, "7") is None
    starts.close()


def test_a_database_that_hangs_is_left_alone_for_a_while(postgres_url: str) -> None:
    clock = Clock()
    host, _, name = postgres_url.removeprefix("postgresql://postgres@").partition("/")
    with Proxy(host.partition(":")[0], int(host.partition(":")[2])) as proxy:
        database = connect(f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}")
        store(database, ("7", "inicio", datetime(2026, 11, 27, 12, tzinfo=UTC)))
        starts = CallStarts(lambda: database, clock)
        assert known(starts, "7")
        proxy.swallow()
        assert starts.of(LINE, "7") is None
        clock.step = 0.0
        assert [starts.of(LINE, "7") for _ in range(3000)] == [None] * 3000  # that took minutes if each waited
        proxy.away()
        proxy.back()
        clock.step = 60.0
        assert known(starts, "7")
        starts.close()
        database.close()
