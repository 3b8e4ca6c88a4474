"""Many deliveries tried again or given up at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.delivery import bulk
from bridge.delivery.bulk import BulkChoice, BulkRunner
from bridge.queue import queue_for
from bridge.store import bulkruns, deliveries
from bridge.store.bulkruns import BulkRun, BulkState
from bridge.store.database import Database
from bridge.store.deliveries import Failure, NewDelivery, State, Took
from bridge.store.schema import connect

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
DEAD = BulkChoice("dead")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = connect(database_url, patience=60)  # of those who wait for each other on a busy machine
    try:
        yield opened
    finally:
        opened.close()


def dead(database: Database, count: int, connector: str = "crm", prefix: str = "") -> list[int]:
    """Deliveries that failed for good."""
    new = [NewDelivery("activity", f"{prefix}{connector}{n}", connector, {}) for n in range(count)]
    with database.write() as connection:
        ids = sorted(deliveries.add(database, connection, new, NOW).values())
        for id_ in ids:
            deliveries.claim(connection, id_, "w", NOW, NOW + timedelta(minutes=1))
            deliveries.dead(connection, id_, "w", Took(NOW, 1), Failure("no", "Rejected"))
    return ids


def started(database: Database, action: str, choice: BulkChoice = DEAD) -> int:
    until = bulk.plan(database, choice).until
    return bulk.start(database, queue_for(database), action, choice, until, "ana", NOW)


def runner(database: Database) -> BulkRunner:
    return BulkRunner(database, queue_for(database), lambda: NOW)


def run_of(database: Database, id_: int) -> BulkRun:
    with database.read() as connection:
        run = bulkruns.get(connection, id_)
    assert run is not None
    return run


def states(database: Database, ids: list[int]) -> dict[int, State]:
    with database.read() as connection:
        return {id_: job.state for id_ in ids if (job := deliveries.get(connection, id_)) is not None}


def test_a_plan_says_how_many_and_changes_nothing(database: Database) -> None:
    ids, others = dead(database, 3), dead(database, 2, "other")
    plan = bulk.plan(database, BulkChoice("dead", connector="crm"))
    assert (plan.total, plan.capped, plan.until) == (3, False, others[-1])
    assert run_of(database, started(database, bulk.RETRY)).total == 5
    assert [job.id for job in plan.sample] == ids
    assert set(states(database, ids).values()) == {State.DEAD}


def test_a_run_goes_on_lot_after_lot_and_ends_where_it_was_planned(database: Database) -> None:
    ids = dead(database, 2 * bulk.LOT + 1)
    id_ = started(database, bulk.RETRY)
    later = dead(database, 1, prefix="later")
    done = []
    for _ in range(4):
        runner(database)(str(id_))
        done.append(run_of(database, id_).done)
    assert done == [bulk.LOT, 2 * bulk.LOT, 2 * bulk.LOT + 1, 2 * bulk.LOT + 1]
    assert run_of(database, id_).state is BulkState.FINISHED
    assert set(states(database, ids).values()) == {State.PENDING}
    assert states(database, later) == {later[0]: State.DEAD}


def test_only_what_was_chosen_is_changed(database: Database) -> None:
    ids, others = dead(database, 2), dead(database, 2, "other")
    runner(database)(str(started(database, bulk.DISCARD, BulkChoice("dead", connector="other"))))
    assert set(states(database, ids).values()) == {State.DEAD}
    assert set(states(database, others).values()) == {State.DISCARDED}


def test_a_run_that_was_stopped_does_no_further_lot(database: Database) -> None:
    ids = dead(database, bulk.LOT + 5)
    id_ = started(database, bulk.DISCARD)
    runner(database)(str(id_))
    assert bulk.stop(database, id_, NOW)
    runner(database)(str(id_))
    assert not bulk.stop(database, id_, NOW)
    assert list(states(database, ids).values()).count(State.DEAD) == 5
    assert run_of(database, id_).state is BulkState.STOPPED


def test_what_one_worker_does_no_other_does_again(database: Database) -> None:
    dead(database, 3 * bulk.LOT)
    id_ = started(database, bulk.DISCARD)
    workers = [threading.Thread(target=lambda: [runner(database)(str(id_)) for _ in range(4)]) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    run = run_of(database, id_)
    assert (run.state, run.done, run.total) == (BulkState.FINISHED, 3 * bulk.LOT, 3 * bulk.LOT)


def test_a_run_whose_wake_up_was_lost_is_found(database: Database) -> None:
    dead(database, 1)
    id_ = started(database, bulk.RETRY)
    with database.read() as connection:
        assert bulkruns.forgotten(connection, NOW + timedelta(minutes=1)) == [id_]
        assert bulkruns.forgotten(connection, NOW) == []
    runner(database)(str(id_))
    with database.read() as connection:
        assert bulkruns.forgotten(connection, NOW + timedelta(minutes=1)) == []
