from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bridge.store import calls, deliveries, events, privacy, queries
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.deliveries import Failure, State, Took
from bridge.store.folded import FoldedCall
from bridge.store.privacy import Erased
from bridge.store.spool import Spool
from tests.store.made import LINE, NOW, SOMEONE, arrival, asked, delivery

DAY = timedelta(days=1)
OTHER = "+34600999888"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db")
    yield spool
    spool.close()


def _call(database: Database, name: str, e164: str, at: datetime = NOW, state: State = State.DONE) -> int:
    """A call with two events (one hears of no number), a Query that says none, and an activity in `state`."""
    with database.write() as connection:
        added = events.add(
            database, connection,
            [arrival(name, "inicio", received_at=at, e164=""), arrival(name, received_at=at, e164=e164)],
        )  # fmt: skip
        events.folded(connection, added.values())
        call = Call(LINE, name, CallState.OVER, FoldedCall(caller=e164), e164, started_at=at, cost=Decimal("0.12"))
        number = calls.save(connection, call, at)
        queries.add(database, connection, [asked(name, at, caller="")])
        new = replace(delivery(name), e164="", call_id=number)
        [id_] = deliveries.add(database, connection, [new], at).values()
        if state is not State.PENDING:
            deliveries.claim(connection, id_, "us", at, at + DAY)
            deliveries.later(connection, id_, "us", at, Took(at, 1), Failure("HTTP 503"))
            deliveries.claim(connection, id_, "us", at, at + DAY)
        if state is State.DONE:
            deliveries.done(connection, id_, "us", 1, Took(at, 1), written_id=None, exchange="")
        if state is State.DEAD:
            deliveries.dead(connection, id_, "us", Took(at, 1), Failure("no"))
    return id_


def _left(database: Database) -> dict[str, list[str]]:
    with database.read() as connection:
        return {
            "calls": [each.call_sequence for each in calls.export(connection, calls.CallFilter())],
            "deliveries": [each.key for each in deliveries.find(connection, deliveries.DeliveryFilter())],
        }


def test_everything_about_a_number_is_shown_and_nothing_about_others(database: Database, spool: Spool) -> None:
    _call(database, "1", SOMEONE)
    _call(database, "2", OTHER)
    spool.append([arrival("3")])
    found = privacy.person(database, SOMEONE, spool)
    assert {kind: len(rows) for kind, rows in found.items()} == {
        "calls": 1, "events": 2, "deliveries": 1, "attempts": 2, "callbacks": 0, "queries": 1,
        "oppositions": 0, "exclusions": 0, "evidence": 0, "spooled": 1,
    }  # fmt: skip
    text = json.dumps(found)
    assert OTHER not in text
    assert '"cost": "0.12"' in text
    assert NOW.isoformat() in text


def test_a_number_is_erased_everywhere_and_others_are_left(database: Database, spool: Spool) -> None:
    _call(database, "1", SOMEONE)
    _call(database, "2", OTHER)
    spool.append([arrival("3"), arrival("4", e164=OTHER)])
    assert privacy.forget(database, SOMEONE, spool) == Erased(events=2, calls=1, deliveries=1, spooled=1, queries=1)
    assert all(not rows for rows in privacy.person(database, SOMEONE, spool).values())
    assert {kind: len(rows) for kind, rows in privacy.person(database, OTHER, spool).items()} == {
        "calls": 1, "events": 2, "deliveries": 1, "attempts": 2, "callbacks": 0, "queries": 1,
        "oppositions": 0, "exclusions": 0, "evidence": 0, "spooled": 1,
    }  # fmt: skip
    assert privacy.forget(database, SOMEONE, spool).total == 0


def test_after_forgetting_the_number_is_in_none_of_sqlites_files(tmp_path: Path) -> None:
    from bridge.store.schema import connect

    database = connect(f"sqlite:///{tmp_path}/bridge.db")
    for number in range(30):
        _call(database, f"{number}", SOMEONE)
    held = [path for path in tmp_path.iterdir() if SOMEONE.encode() in path.read_bytes()]
    assert held
    assert privacy.forget(database, SOMEONE).scrubbed
    assert [path for path in tmp_path.iterdir() if SOMEONE.encode() in path.read_bytes()] == []
    database.close()


def test_what_is_old_and_done_goes_and_nothing_else(database: Database) -> None:
    _call(database, "old", SOMEONE, NOW - 10 * DAY)
    _call(database, "old but pending", OTHER, NOW - 10 * DAY, State.PENDING)
    _call(database, "old but dead", "+34600000001", NOW - 10 * DAY, State.DEAD)
    _call(database, "very old and dead", "+34600000002", NOW - 30 * DAY, State.DEAD)
    _call(database, "new", "+34600000003", NOW)
    erased = privacy.purge(database, NOW - 5 * DAY, NOW - 20 * DAY)
    kept = ["new", "old but dead", "old but pending"]
    assert {kind: sorted(rows) for kind, rows in _left(database).items()} == {"calls": kept, "deliveries": kept}
    assert erased == Erased(events=4, calls=2, deliveries=2, queries=4)


def test_an_open_call_and_an_event_not_yet_folded_stay_however_old(database: Database) -> None:
    with database.write() as connection:
        events.add(database, connection, [arrival("1", received_at=NOW - 100 * DAY)])
        calls.save(connection, Call(LINE, "1", CallState.OPEN), NOW - 100 * DAY)
    assert privacy.purge(database, NOW, NOW).total == 0


def test_more_than_a_batch_is_purged(database: Database) -> None:
    with database.write() as connection:
        deliveries.add(database, connection, [delivery(str(number)) for number in range(1100)], NOW - DAY)
        for each in deliveries.find(connection, deliveries.DeliveryFilter(), limit=2000):
            deliveries.discard(connection, each.id, NOW - DAY)
    assert privacy.purge(database, NOW, NOW).deliveries == 1100
