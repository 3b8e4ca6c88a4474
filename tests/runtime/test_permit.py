"""One computes at a time, and whoever waits keeps it from nobody."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.runtime.permit import ComputePermit


def test_one_holds_it_at_a_time() -> None:
    permit, inside, most = ComputePermit(), 0, 0

    def compute() -> None:
        nonlocal inside, most
        for _ in range(50):
            with permit:
                inside += 1
                most = max(most, inside)
                inside -= 1
            with permit, permit.waiting():
                assert not permit.mine

    with ThreadPoolExecutor(20) as threads:
        for each in [threads.submit(compute) for _ in range(20)]:
            each.result(60)
    assert most == 1
    assert not permit.mine


def test_it_is_given_back_while_the_holder_waits() -> None:
    permit, computed = ComputePermit(), threading.Event()

    def compute() -> None:
        with permit:
            computed.set()

    with permit:
        other = threading.Thread(target=compute)
        other.start()
        assert not computed.is_set()
        with permit.waiting():
            assert computed.wait(60)
        assert permit.mine
    other.join()


def test_who_does_not_hold_it_may_wait_too() -> None:
    permit = ComputePermit()
    with permit.waiting():
        assert not permit.mine
    with ThreadPoolExecutor(1) as threads, permit:
        assert threads.submit(_waits_beside, permit).result(60)
        assert permit.mine


def _waits_beside(permit: ComputePermit) -> bool:
    with permit.waiting():
        return not permit.mine


def test_an_error_while_waiting_leaves_it_in_order() -> None:
    permit = ComputePermit()
    with pytest.raises(ZeroDivisionError), permit, permit.waiting():
        raise ZeroDivisionError
    with permit:
        assert permit.mine
