from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy.exc import StatementError

from bridge.store import calls, events
from bridge.store.calls import Call, CallState
from bridge.store.columns import storable
from bridge.store.database import Database
from tests.store.made import LINE, NOW, arrival


def test_times_come_back_aware_to_the_microsecond_whatever_their_zone(database: Database) -> None:
    madrid = NOW.astimezone(timezone(timedelta(hours=1)))
    with database.write() as connection:
        calls.save(connection, Call(LINE, "1", CallState.OVER, started_at=madrid), NOW)
    with database.read() as connection:
        stored = calls.get(connection, LINE, "1")
    assert stored is not None
    assert stored.started_at == NOW
    assert stored.started_at is not None
    assert stored.started_at.tzinfo is UTC or stored.started_at.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 3, 1, 12, 0)  # the very thing
    with pytest.raises(StatementError, match="zone"), database.write() as connection:
        calls.save(connection, Call(LINE, "1", CallState.OVER, started_at=naive), NOW)


@pytest.mark.parametrize("amount", ["0.12", "12345678901234567890.000000001", "-0.1", "1E-7", "0"])
def test_amounts_come_back_exactly(database: Database, amount: str) -> None:
    with database.write() as connection:
        calls.save(connection, Call(LINE, "1", CallState.OVER, cost=Decimal(amount)), NOW)
    with database.read() as connection:
        stored = calls.get(connection, LINE, "1")
    assert stored is not None
    assert stored.cost == Decimal(amount)


def test_text_that_a_database_refuses_is_stored_without_the_offending_characters(database: Database) -> None:
    with database.write() as connection:
        events.add(database, connection, [arrival("1", text="{}", document={"note": "a\0b\ud800c"})])
        events.add(database, connection, [arrival("2\0", diverted_to="\udfff")])
    with database.read() as connection:
        assert events.of_call(connection, LINE, "1")[0].document == {"note": "a\0b\ud800c"}
        assert events.of_call(connection, LINE, "2\ufffd")[0].diverted_to in {"?", "\ufffd"}


def test_ordinary_text_is_left_as_it_is() -> None:
    for text in ("", "Peña, 50 €", "👍", "a\tb\n"):
        assert storable(text) == text
