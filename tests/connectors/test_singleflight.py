"""What many want at the same time is done once, and nobody waits longer than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from connectors.base import Deadline, TimedOut, Unavailable
from connectors.singleflight import SingleFlight
from connectors.steps import Steps, complete
from connectors.threads import DaemonThreadPool
from tests.waiting import until


class Work:
    """Work that ends when it may; `ends` are what its runs come to, the last one again and again."""

    def __init__(self, *ends: object) -> None:
        self.go_on = threading.Event()
        self.runs = 0
        self._ends = ends

    def __call__(self) -> object:
        self.runs += 1
        end = self._ends[min(self.runs, len(self._ends)) - 1]
        assert self.go_on.wait(60)
        if isinstance(end, Exception):
            raise end
        return end


def begun(steps: Steps[object]) -> Steps[object]:
    """The same work, which has asked already and waits for the answer."""
    first = next(steps)

    def rest() -> Steps[object]:
        yield first
        return (yield from steps)

    return rest()


@pytest.fixture
def pool() -> Iterator[DaemonThreadPool]:
    pool = DaemonThreadPool(20, "flights")
    yield pool
    pool.close()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as callers:
        yield callers


def all_ask(
    callers: ThreadPoolExecutor, pool: DaemonThreadPool, work: Work, *deadlines: Deadline
) -> list[Future[object]]:
    """One after another asks for the same, and all of them wait."""
    flights: SingleFlight[object] = SingleFlight("it", pool.run)
    waiting = [begun(flights.steps("key", work, deadline)) for deadline in deadlines]
    return [callers.submit(complete, steps) for steps in waiting]


def test_all_get_what_one_run_came_to(callers: ThreadPoolExecutor, pool: DaemonThreadPool) -> None:
    work = Work("done")
    asked = all_ask(callers, pool, work, *[Deadline.never()] * 10)
    work.go_on.set()
    assert [each.result(30) for each in asked] == ["done"] * 10
    assert work.runs == 1


def test_all_get_the_error_of_the_one_run(callers: ThreadPoolExecutor, pool: DaemonThreadPool) -> None:
    work = Work(Unavailable("away"))
    asked = all_ask(callers, pool, work, *[Deadline.never()] * 3)
    work.go_on.set()
    for each in asked:
        with pytest.raises(Unavailable, match="away"):
            each.result(30)
    assert work.runs == 1


def test_what_has_ended_is_done_anew_and_another_key_is_other_work(pool: DaemonThreadPool) -> None:
    flights: SingleFlight[object] = SingleFlight("it", pool.run)
    work = Work("done")
    work.go_on.set()
    for key in ("one", "one", "other"):
        assert flights.get(key, work, Deadline.never()) == "done"
    assert work.runs == 3


def test_work_that_ran_out_of_its_own_time_is_done_again_for_those_who_have_more(
    callers: ThreadPoolExecutor, pool: DaemonThreadPool
) -> None:
    work = Work(TimedOut("too late for the first"), "done")
    first, *others = all_ask(callers, pool, work, *[Deadline.after(60)] * 4)
    work.go_on.set()
    with pytest.raises(TimedOut, match="too late for the first"):
        first.result(30)
    assert [each.result(30) for each in others] == ["done"] * 3
    assert 2 <= work.runs <= 4


def test_whoever_can_not_wait_goes_and_the_next_one_finds_it_under_way(pool: DaemonThreadPool) -> None:
    flights: SingleFlight[object] = SingleFlight("it", pool.run)
    work = Work("done")
    with pytest.raises(TimedOut, match="it did not answer in time"):
        flights.get("key", work, Deadline.after(0.05))
    assert flights.under_way("key")
    work.go_on.set()
    assert flights.get("key", work, Deadline.never()) == "done"
    until(lambda: not flights.under_way("key"))
    assert work.runs <= 2


def test_work_that_may_be_left_behind_is_left_once_and_started_anew(pool: DaemonThreadPool) -> None:
    flights: SingleFlight[object] = SingleFlight("it", pool.run)
    hanging, anew, left = Work("late"), Work("done"), []
    with pytest.raises(TimedOut):
        flights.get("key", hanging, Deadline.after(0.05), lambda: left.append("hanging"))
    assert left == ["hanging"]
    assert not flights.under_way("key")
    anew.go_on.set()
    assert flights.get("key", anew, Deadline.never(), lambda: left.append("anew")) == "done"
    hanging.go_on.set()
    assert (left, hanging.runs, anew.runs) == (["hanging"], 1, 1)


def test_without_a_pool_the_first_one_does_it_itself() -> None:
    flights: SingleFlight[int] = SingleFlight("it")
    assert flights.get("key", threading.get_ident, Deadline.never()) == threading.get_ident()


def test_a_deadline_that_has_passed_starts_nothing(pool: DaemonThreadPool) -> None:
    flights: SingleFlight[object] = SingleFlight("it", pool.run)
    work = Work("done")
    with pytest.raises(TimedOut, match="no time left"):
        flights.get("key", work, Deadline(time.monotonic() - 1))
    assert work.runs == 0


def test_a_pool_that_is_closed_takes_nothing_and_leaves_nothing_under_way() -> None:
    pool = DaemonThreadPool(1, "flights")
    pool.close()
    flights: SingleFlight[object] = SingleFlight("it", pool.run)
    with pytest.raises(Unavailable, match="closed"):
        flights.get("key", Work("done"), Deadline.never())
    assert not flights.under_way("key")


def test_what_comes_just_after_the_deadline_is_taken() -> None:
    """Whoever waits may hear late that the time is over. What came meanwhile is an answer all the same."""
    work, now = Work("the answer"), [0.0]
    pool = DaemonThreadPool(1, "test")
    flights: SingleFlight[object] = SingleFlight("crm", pool.run)
    steps = flights.steps("key", work, Deadline(1.0, lambda: now[0]))
    future, _ = next(steps)
    now[0] = 2.0
    work.go_on.set()
    assert future.result(30) == "the answer"
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert ended.value.value == "the answer"
