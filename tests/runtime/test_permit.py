"""One thread computes at a time, nobody is passed over for long, and who waits for the outside lets go."""

from __future__ import annotations

import threading
import time

import pytest

from bridge.runtime.permit import ComputePermit


def until(holds: object) -> None:
    end = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


def test_only_one_thread_holds_it() -> None:
    permit, inside, most = ComputePermit(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with permit:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1
            with permit, permit.waiting():
                time.sleep(0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not permit.mine


def test_it_is_handed_over_in_the_order_of_waiting() -> None:
    permit, order, threads = ComputePermit(), [], []

    def work(number: int) -> None:
        with permit:
            order.append(number)

    with permit:
        for number in range(10):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            threads.append(thread)
            until(lambda expected=number + 1: len(permit._waiting) == expected)
    for thread in threads:
        thread.join()
    assert order == list(range(10))


def _one_waits(permit: ComputePermit, order: list[str]) -> threading.Thread:
    def work() -> None:
        with permit:
            order.append("waited")

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: permit._waiting)
    return thread


def test_who_has_waited_long_is_next_whoever_comes_meanwhile() -> None:
    now = [0.0]
    order: list[str] = []
    permit = ComputePermit(0.025, lambda: now[0])
    with permit:
        thread = _one_waits(permit, order)
        now[0] = 0.026
    with permit:
        order.append("came later")
    thread.join()
    assert order == ["waited", "came later"]


def test_one_who_was_woken_in_vain_keeps_its_place() -> None:
    permit, order, threads = ComputePermit(3600.0), [], []

    def work(number: int) -> None:
        with permit:
            order.append(number)

    with permit:
        for number in range(3):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            until(lambda expected=number + 1: len(permit._waiting) == expected)
        permit._awake = True
        permit._waiting[0].turn.release()
        until(lambda: not permit._awake)
        assert len(permit._waiting) == 3
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2]


def test_others_compute_while_its_holder_waits_for_the_outside() -> None:
    permit, done = ComputePermit(), threading.Event()

    def other() -> None:
        with permit:
            done.set()

    with permit:
        thread = threading.Thread(target=other)
        thread.start()
        with permit.waiting():
            assert not permit.mine
            assert done.wait(20)
        assert permit.mine
    thread.join()


def test_a_thread_that_does_not_hold_it_may_wait_too_and_takes_it_from_nobody() -> None:
    permit, waited = ComputePermit(), threading.Event()

    def other() -> None:
        with permit.waiting():
            waited.set()
        assert not permit.mine

    with permit:
        thread = threading.Thread(target=other)
        thread.start()
        assert waited.wait(20)
        thread.join()
        assert permit.mine


def test_what_goes_wrong_inside_gives_it_back() -> None:
    permit = ComputePermit()
    with pytest.raises(ZeroDivisionError), permit, permit.waiting():
        raise ZeroDivisionError
    with permit:
        assert permit.mine
