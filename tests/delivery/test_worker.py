from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.delivery.retry import LONGEST, NotNow
from bridge.delivery.worker import Deliverer, Sender, Worker, WorkerSettings
from bridge.queue.base import ADVANCE, DELIVER, Queue
from bridge.store import calls, deliveries, events, overview
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.deliveries import Attempt, Delivery, DeliveryFilter, NewDelivery, State
from bridge.store.schema import connect
from connectors.base import Ambiguous, Misconfigured, Rejected, Unavailable, WriteResult
from tests.queue.child import quick
from tests.store.made import LINE, arrival, delivery
from tests.waiting import until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = connect(database_url, pool=16)
    yield database
    database.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    return quick(database)


def _now() -> datetime:
    return datetime.now(UTC)


def _nothing(_: str) -> None:
    return None


def _sent(_: Delivery) -> WriteResult:
    return WriteResult("T-1", exchange="POST … 201")


def _deliverer(database: Database, queue: Queue, send: Sender, lease: float = 20.0) -> Deliverer:
    return Deliverer(database, queue, {"activity": send}, lambda: 1.0, lease=lease)


@contextmanager
def _working(
    database: Database,
    queue: Queue,
    send: Sender,
    *,
    pace: WorkerSettings | None = None,
    advance: Callable[[str], None] = _nothing,
) -> Iterator[Worker]:
    pace = pace or WorkerSettings()
    deliverer = _deliverer(database, queue, send, lease=pace.lease)
    worker = Worker(database, queue, {ADVANCE: advance}, deliverer, ("crm", "shop"), pace=pace)
    worker.start()
    try:
        until(lambda: worker.working)
        yield worker
    finally:
        assert worker.stop()


def _add(database: Database, queue: Queue | None, *new: NewDelivery) -> list[int]:
    with database.write() as connection:
        added = deliveries.add(database, connection, new, _now())
        for each in new:
            if queue:
                queue.wake(connection, DELIVER, str(added[each.key]), lane=each.connector)
    return [added[each.key] for each in new]


def _get(database: Database, id_: int) -> Delivery:
    with database.read() as connection:
        found = deliveries.get(connection, id_)
    assert found is not None
    return found


def _states(database: Database) -> Counter[State]:
    with database.read() as connection:
        return Counter(each.state for each in deliveries.find(connection, DeliveryFilter()))


def test_deliveries_reach_their_crm_once(database: Database, queue: Queue) -> None:
    sent: Counter[str] = Counter()

    def send(delivery: Delivery) -> WriteResult:
        sent[delivery.key] += 1
        return _sent(delivery)

    with _working(database, queue, send):
        [number, *_] = _add(database, queue, *[delivery(str(number)) for number in range(40)])
        until(lambda: _states(database) == {State.DONE: 40})
    assert set(sent.values()) == {1}
    stored = _get(database, number)
    assert (stored.written_id, stored.exchange, stored.attempts) == ("T-1", "POST … 201", 1)


def test_that_somebody_works_is_noted_as_soon_as_they_do(database: Database, queue: Queue) -> None:
    """Else a bridge that comes back after a weekend would be said to do nothing."""
    hourly = WorkerSettings(sign=3600.0)
    deliverer = _deliverer(database, queue, _sent)
    second = Worker(database, queue, {ADVANCE: _nothing}, deliverer, ("crm", "shop"), pace=hourly)
    with _working(database, queue, _sent):
        second.start()
        time.sleep(0.5)  # on SQLite it waits for the first
        weekend = _now() - timedelta(days=3)
        with database.write() as connection:
            overview.note(database, connection, overview.WORKED, weekend.isoformat())
    if not database.postgresql:

        def noted() -> bool:
            with database.read() as connection:
                return datetime.fromisoformat(str(overview.noted(connection, overview.WORKED))) > weekend

        until(noted)
    assert second.stop()


@pytest.mark.parametrize(
    ("error", "state", "seconds"),
    [
        (Unavailable("HTTP 503", exchange="POST … 503"), State.PENDING, 2),
        (Unavailable("busy", retry_after=60, exchange="POST … 503"), State.PENDING, 66),
        (Misconfigured("no such field", exchange="POST … 503"), State.PENDING, LONGEST),
        (Rejected("bad phone", exchange="POST … 503"), State.DEAD, None),
        (Ambiguous("may be there", exchange="POST … 503"), State.DEAD, None),
    ],
)
def test_what_a_crm_says_decides_what_follows(
    database: Database,
    queue: Queue,
    error: Exception,
    state: State,
    seconds: float | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def send(_: Delivery) -> WriteResult:
        raise error

    [number] = _add(database, None, delivery("1"))
    began = _now()
    with caplog.at_level(logging.CRITICAL):
        _deliverer(database, queue, send)(str(number))
    stored = _get(database, number)
    assert stored.state is state
    assert stored.error.startswith(str(error))
    assert (stored.error_class, stored.exchange) == (type(error).__name__, "POST … 503")
    with database.read() as connection:
        [attempt] = deliveries.attempts_of(connection, number)
    assert isinstance(attempt, Attempt)
    assert attempt.outcome == ("dead" if state is State.DEAD else "later")
    if seconds is None:
        assert stored.next_at is None
    else:
        assert stored.next_at is not None
        assert timedelta(seconds=seconds) <= stored.next_at - began <= timedelta(seconds=seconds + 20)


def test_a_fault_of_the_bridge_is_tried_again_with_its_traceback_in_the_log(
    database: Database, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def send(_: Delivery) -> WriteResult:
        raise KeyError("subject")

    one, two = _add(database, None, delivery("1"), delivery("2", kind="unheard of"))
    deliver = _deliverer(database, queue, send)
    deliver(str(one))
    deliver(str(two))
    assert (_get(database, one).state, _get(database, one).error) == (State.PENDING, "KeyError: 'subject'")
    assert "nothing here delivers unheard of" in _get(database, two).error
    assert "Traceback" in caplog.text


def test_a_passing_outage_ends_in_one_delivery(
    database: Database, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[int] = []

    def send(delivery: Delivery) -> WriteResult:
        attempts.append(delivery.attempts)
        if delivery.attempts == 1:
            raise Unavailable("away")
        return _sent(delivery)

    with caplog.at_level(logging.CRITICAL), _working(database, queue, send):
        [number] = _add(database, queue, delivery("1"))
        until(lambda: _get(database, number).state is State.DONE)
    assert attempts == [1, 2]


def test_a_crm_that_is_left_alone_is_not_an_attempt(database: Database, queue: Queue) -> None:
    asked: list[int] = []

    def send(delivery: Delivery) -> WriteResult:
        asked.append(delivery.attempts)
        if len(asked) == 1:
            raise NotNow("the breaker of crm is open", 0.2)
        return _sent(delivery)

    with _working(database, queue, send):
        [number] = _add(database, queue, delivery("1"))
        until(lambda: _get(database, number).state is State.DONE)
    assert asked == [1, 1]


def test_one_crm_that_hangs_holds_up_no_other(database: Database, queue: Queue) -> None:
    go_on = threading.Event()

    def send(delivery: Delivery) -> WriteResult:
        if delivery.connector == "crm":
            go_on.wait(60)
        return _sent(delivery)

    try:
        with _working(database, queue, send, pace=WorkerSettings(threads=2, per_connector=2)):
            _add(database, queue, *[delivery(f"crm-{number}") for number in range(20)])
            shop = _add(database, queue, *[delivery(f"shop-{number}", "shop") for number in range(10)])
            until(lambda: all(_get(database, number).state is State.DONE for number in shop))
            assert _states(database)[State.DONE] == 10
            go_on.set()
            until(lambda: _states(database) == {State.DONE: 30})
    finally:
        go_on.set()


def test_a_newer_revision_that_comes_while_it_runs_is_delivered_too(database: Database, queue: Queue) -> None:
    running, go_on = threading.Event(), threading.Event()
    sent: list[tuple[int, str | None]] = []

    def send(delivery: Delivery) -> WriteResult:
        sent.append((delivery.wanted_revision, delivery.written_id))
        running.set()
        go_on.wait(30)
        return _sent(delivery)

    with _working(database, queue, send):
        [number] = _add(database, queue, delivery("1"))
        assert running.wait(30)
        with database.write() as connection:
            assert deliveries.upsert(database, connection, delivery("1", revision=2), _now()) == (number, State.RUNNING)
        go_on.set()
        until(lambda: _get(database, number).written_revision == 2)
        until(lambda: _get(database, number).state is State.DONE)
    assert sent == [(1, None), (2, "T-1")]


def test_lost_wakeups_lose_nothing(database: Database, queue: Queue) -> None:
    folded: list[str] = []
    with database.write() as connection:
        events.add(database, connection, [arrival("heard", received_at=_now() - timedelta(minutes=1))])
        calls.save(connection, Call(LINE, "no fin", CallState.OPEN, close_at=_now() - timedelta(minutes=1)), _now())
        events.add(database, connection, [arrival("just now", received_at=_now())])
    [number] = _add(database, None, delivery("1"))
    gone = _add(database, None, delivery("2", "no longer configured"))[0]
    pace = WorkerSettings(sweep=0.2, grace=0.5)
    with _working(database, queue, _sent, pace=pace, advance=folded.append):
        until(lambda: {f"{LINE}:heard", f"{LINE}:no fin"} <= set(folded))
        until(lambda: _get(database, number).state is State.DONE)
        until(lambda: _get(database, gone).state is State.DONE)


def test_a_lease_that_ran_out_is_taken_up_again(database: Database, queue: Queue) -> None:
    [number] = _add(database, None, delivery("1"))
    with database.write() as connection:
        now = _now()
        assert deliveries.claim(connection, number, "someone who died", now, now + timedelta(seconds=5))
        queue.wake(connection, DELIVER, str(number), lane="crm")
    _deliverer(database, queue, _sent)(str(number))
    assert _get(database, number).owner == "someone who died", "its lease still runs"
    with _working(database, queue, _sent):
        until(lambda: _get(database, number).state is State.DONE)
    assert _get(database, number).attempts == 2


def test_whoever_works_alone_waits_for_a_lease_of_the_dead_but_no_longer_than_one_takes(tmp_path: Path) -> None:
    """The CRM may still be at it. A clock that was wrong may have made a lease of hours."""
    database = connect(f"sqlite:///{tmp_path}/bridge.db")
    queue = quick(database)
    short, long = _add(database, queue, delivery("1"), delivery("2"))
    began, sent = _now(), dict[int, datetime]()

    def send(delivery: Delivery) -> WriteResult:
        sent[delivery.id] = _now()
        return _sent(delivery)

    with database.write() as connection:
        assert deliveries.claim(connection, short, "someone who died", began, began + timedelta(seconds=1.5))
        assert deliveries.claim(connection, long, "someone who died", began, began + timedelta(hours=1))
    with _working(database, queue, send, pace=WorkerSettings(lease=3)):
        until(lambda: _states(database) == {State.DONE: 2})
    assert began + timedelta(seconds=1.5) <= sent[short]
    assert began + timedelta(seconds=3) <= sent[long]
    database.close()


def test_a_lease_is_renewed_for_as_long_as_its_attempt_takes(database: Database, queue: Queue) -> None:
    began: list[float] = []

    def send(delivery: Delivery) -> WriteResult:
        began.append(time.monotonic())
        time.sleep(2.5)
        return _sent(delivery)

    with _working(database, queue, send, pace=WorkerSettings(lease=0.8, sweep=0.2, grace=0.1)):
        [number] = _add(database, queue, delivery("1"))
        until(lambda: _get(database, number).state is State.DONE)
    assert len(began) == 1


def test_stopping_finishes_what_runs(database: Database, queue: Queue) -> None:
    running = threading.Event()

    def send(delivery: Delivery) -> WriteResult:
        running.set()
        time.sleep(0.5)
        return _sent(delivery)

    with _working(database, queue, send):
        [number] = _add(database, queue, delivery("1"))
        assert running.wait(30)
    assert _get(database, number).state is State.DONE


def test_old_data_is_let_go_in_the_background(database: Database, queue: Queue) -> None:
    long_ago = _now() - timedelta(days=100)
    with database.write() as connection:
        added = events.add(database, connection, [arrival("old", received_at=long_ago)])
        events.folded(connection, added.values())
        calls.save(connection, Call(LINE, "old", CallState.OVER), long_ago)
        calls.save(connection, Call(LINE, "new", CallState.OVER), _now())

    def left() -> list[str]:
        with database.read() as connection:
            return list(connection.execute(text("SELECT call_sequence FROM calls")).scalars())

    pace = WorkerSettings(purge=0.2, retention=200 * 86400.0)
    with _working(database, queue, _sent, pace=pace) as worker:
        time.sleep(0.6)
        assert sorted(left()) == ["new", "old"]
        worker.take_up((), replace(pace, retention=90 * 86400.0))
        until(lambda: left() == ["new"])
