from __future__ import annotations

from datetime import timedelta

from bridge.store import events
from bridge.store.database import Database
from tests.store.made import LINE, NOW, arrival

SECOND = timedelta(seconds=1)


def test_a_calls_events_come_in_the_order_of_their_arrival(database: Database) -> None:
    with database.write() as connection:
        events.add(database, connection, [arrival("1", "fin", received_at=NOW + SECOND)])
        events.add(database, connection, [arrival("1", "inicio"), arrival("2", "inicio")])
    with database.read() as connection:
        assert [each.event for each in events.of_call(connection, LINE, "1")] == ["inicio", "fin"]
        assert events.of_call(connection, "other line", "1") == []


def test_what_is_folded_is_no_longer_waiting(database: Database) -> None:
    with database.write() as connection:
        added = events.add(database, connection, [arrival("1", "inicio"), arrival("1"), arrival("2")])
        events.folded(connection, [id_ for (_, call, event, *_), id_ in added.items() if (call, event) == ("1", "fin")])
    with database.read() as connection:
        assert [each.event for each in events.of_call(connection, LINE, "1") if not each.folded] == ["inicio"]
        assert len(events.of_call(connection, LINE, "1")) == 2
        assert sorted(events.waiting(connection, NOW + SECOND, 10)) == [(LINE, "1"), (LINE, "2")]
        assert events.waiting(connection, NOW, 10) == []
        assert len(events.waiting(connection, NOW + SECOND, 1)) == 1
