from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bridge.store import deliveries
from bridge.store.database import Database
from bridge.store.deliveries import Attempt, Delivery, DeliveryFilter, Failure, NewDelivery, State, Took
from tests.store.made import NOW, SOMEONE, delivery

MINUTE = timedelta(minutes=1)
TOOK = Took(NOW, 120)
FAILED = Failure("HTTP 503", "Unavailable", "POST https://crm…")


def _add(database: Database, *given: NewDelivery) -> list[int]:
    with database.write() as connection:
        added = deliveries.add(database, connection, given, NOW)
    return [added[each.key] for each in given if each.key in added]


def _claim(database: Database, id_: int, owner: str = "us", now: datetime = NOW) -> Delivery | None:
    with database.write() as connection:
        return deliveries.claim(connection, id_, owner, now, now + MINUTE)


def _get(database: Database, id_: int) -> Delivery:
    with database.read() as connection:
        found = deliveries.get(connection, id_)
    assert found is not None
    return found


def _done(database: Database, id_: int, revision: int = 1, owner: str = "us") -> State | None:
    with database.write() as connection:
        return deliveries.done(connection, id_, owner, revision, TOOK, written_id="T-1", exchange="201")


def test_what_is_there_already_is_not_added_again(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    [other] = _add(database, delivery("1", payload={"other": 1}), delivery("2"))
    assert _get(database, other).key == "2"
    assert _get(database, number).payload == {"subject": "1"}


def test_it_goes_from_pending_over_running_to_done(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    assert _get(database, number).state is State.PENDING
    claimed = _claim(database, number)
    assert claimed is not None
    assert (claimed.state, claimed.attempts, claimed.first_at, claimed.owner) == (State.RUNNING, 1, NOW, "us")
    assert claimed.lease_until == NOW + MINUTE
    assert _done(database, number) is State.DONE
    stored = _get(database, number)
    assert (stored.state, stored.written_revision, stored.written_id) == (State.DONE, 1, "T-1")
    assert (stored.owner, stored.lease_until, stored.next_at, stored.settled_at) == ("", None, None, NOW)
    with database.read() as connection:
        assert deliveries.attempts_of(connection, number) == [Attempt(NOW, 120, "done", "")]


def test_only_one_can_claim_it_until_the_lease_runs_out(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    assert _claim(database, number)
    assert _claim(database, number, "them") is None
    again = _claim(database, number, "them", NOW + 2 * MINUTE)
    assert again is not None
    assert again.attempts == 2
    assert _done(database, number) is None, "the lease is theirs"
    assert _get(database, number).state is State.RUNNING


def test_a_lease_that_is_renewed_does_not_run_out(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    _claim(database, number)
    with database.write() as connection:
        deliveries.renew(connection, [number], "us", NOW + 5 * MINUTE)
        deliveries.renew(connection, [number], "them", NOW)
    assert _claim(database, number, "them", NOW + 2 * MINUTE) is None


def test_what_failed_is_not_due_before_its_time(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    _claim(database, number)
    with database.write() as connection:
        assert deliveries.later(connection, number, "us", NOW + MINUTE, TOOK, FAILED)
    stored = _get(database, number)
    assert (stored.state, stored.error, stored.error_class, stored.exchange) == (
        State.PENDING, "HTTP 503", "Unavailable", "POST https://crm…",
    )  # fmt: skip
    assert _claim(database, number) is None
    again = _claim(database, number, now=NOW + MINUTE)
    assert again is not None
    assert (again.attempts, again.first_at) == (2, NOW)
    assert _done(database, number) is State.DONE
    assert _get(database, number).error == ""


def test_what_is_dead_stays_so_until_a_person_retries_or_discards_it(database: Database) -> None:
    one, two = _add(database, delivery("1"), delivery("2"))
    for number in (one, two):
        _claim(database, number)
        with database.write() as connection:
            assert deliveries.dead(connection, number, "us", TOOK, FAILED)
    assert _claim(database, one, now=NOW + 1000 * MINUTE) is None
    with database.write() as connection:
        again = deliveries.retry(connection, one, NOW + MINUTE)
        assert deliveries.discard(connection, two, NOW)
        assert not deliveries.discard(connection, two, NOW)
        assert deliveries.retry(connection, two, NOW) is None
    assert again is not None
    assert (again.state, again.first_at, again.attempts) == (State.PENDING, None, 1)
    claimed = _claim(database, one, now=NOW + MINUTE)
    assert claimed is not None
    assert (claimed.first_at, claimed.attempts) == (NOW + MINUTE, 2)
    assert _get(database, two).state is State.DISCARDED


def test_what_was_not_asked_does_not_count(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    _claim(database, number)
    with database.write() as connection:
        assert deliveries.release(connection, number, "us", NOW + MINUTE, FAILED)
        assert deliveries.attempts_of(connection, number) == []
    assert _get(database, number).attempts == 0


def test_nothing_of_another_is_settled(database: Database) -> None:
    [number] = _add(database, delivery("1"))
    _claim(database, number)
    with database.write() as connection:
        assert not deliveries.later(connection, number, "them", NOW, TOOK, FAILED)
        assert not deliveries.dead(connection, number, "them", TOOK, FAILED)
        assert not deliveries.release(connection, number, "them", NOW)
        assert deliveries.attempts_of(connection, number) == []
    assert _get(database, number).state is State.RUNNING


def test_when_nobody_is_at_work_every_lease_ends(database: Database) -> None:
    one, two = _add(database, delivery("1"), delivery("2"))
    _claim(database, one, "someone long gone")
    with database.write() as connection:
        assert deliveries.free(connection, NOW) == 1
    assert _claim(database, one)
    assert _claim(database, two)


def _want(database: Database, revision: int, now: datetime = NOW) -> tuple[int, State] | None:
    with database.write() as connection:
        new = delivery("1", revision=revision, payload={"revision": revision})
        return deliveries.upsert(database, connection, new, now)


def test_a_newer_revision_of_what_is_done_is_pending_again(database: Database) -> None:
    wanted = _want(database, 1)
    assert wanted is not None
    number = wanted[0]
    _claim(database, number)
    _done(database, number)
    assert _want(database, 1) is None
    assert _want(database, 2, NOW + MINUTE) == (number, State.PENDING)
    claimed = _claim(database, number, now=NOW + MINUTE)
    assert claimed is not None
    assert (claimed.wanted_revision, claimed.written_revision, claimed.written_id, claimed.attempts) == (2, 1, "T-1", 1)
    assert (claimed.payload, claimed.first_at) == ({"revision": 2}, NOW + MINUTE)
    assert _done(database, number, 2) is State.DONE


def test_a_newer_revision_of_what_runs_is_delivered_after_it(database: Database) -> None:
    wanted = _want(database, 1)
    assert wanted is not None
    number = wanted[0]
    _claim(database, number)
    assert _want(database, 2) == (number, State.RUNNING)
    assert _done(database, number, 1) is State.PENDING
    claimed = _claim(database, number)
    assert claimed is not None
    assert (claimed.wanted_revision, claimed.written_revision) == (2, 1)
    assert _done(database, number, 2) is State.DONE


@pytest.mark.parametrize("state", [State.DEAD, State.DISCARDED])
def test_a_newer_revision_wakes_nothing_that_a_person_has_to_decide(database: Database, state: State) -> None:
    wanted = _want(database, 1)
    assert wanted is not None
    number = wanted[0]
    _claim(database, number)
    with database.write() as connection:
        deliveries.dead(connection, number, "us", TOOK, FAILED)
        if state is State.DISCARDED:
            deliveries.discard(connection, number, NOW)
    assert _want(database, 2) == (number, state)
    assert _get(database, number).payload == {"revision": 2}


def test_what_is_overdue_is_found_with_its_connector(database: Database) -> None:
    one, two, three = _add(database, delivery("1"), delivery("2", "shop"), delivery("3"))
    _claim(database, two)
    _claim(database, three)
    _done(database, three)
    with database.read() as connection:
        assert deliveries.overdue(connection, NOW, 10) == []
        assert deliveries.overdue(connection, NOW + MINUTE / 2, 10) == [(one, "crm")]
        assert sorted(deliveries.overdue(connection, NOW + 2 * MINUTE, 10)) == [(one, "crm"), (two, "shop")]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (DeliveryFilter(), ["1", "2", "3"]),
        (DeliveryFilter(states=deliveries.OPEN), ["1", "3"]),
        (DeliveryFilter(states=frozenset({State.DONE})), ["2"]),
        (DeliveryFilter(kind="save"), ["3"]),
        (DeliveryFilter(connector="shop"), ["3"]),
        (DeliveryFilter(e164=SOMEONE), ["1", "2"]),
        (DeliveryFilter(failed=True), ["1"]),
    ],
)
def test_deliveries_are_found_by_what_is_asked(database: Database, wanted: DeliveryFilter, found: list[str]) -> None:
    one, two, _ = _add(database, delivery("1"), delivery("2"), delivery("3", "shop", kind="save", e164="+34600999888"))
    _claim(database, one)
    _claim(database, two)
    _done(database, two)
    with database.write() as connection:
        deliveries.later(connection, one, "us", NOW + MINUTE, TOOK, FAILED)
    with database.read() as connection:
        assert [each.key for each in deliveries.find(connection, wanted)] == found
        assert len(deliveries.find(connection, wanted, limit=1)) == 1
        assert deliveries.counts(connection) == {
            ("crm", State.PENDING): 1, ("crm", State.DONE): 1, ("shop", State.PENDING): 1,
        }  # fmt: skip
        assert deliveries.by_key(connection, "2") == _get(database, two)
