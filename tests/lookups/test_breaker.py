"""The circuit breaker by itself; how lookups use it is in test_lookup.py."""

from __future__ import annotations

import threading

import pytest

from bridge.lookups.breaker import CircuitBreaker
from connectors.base import Rejected, Unavailable
from tests.waiting import until


def opened(again: object, failures: int = 2) -> CircuitBreaker:
    breaker = CircuitBreaker("crm", failures, 0.01)
    for _ in range(failures):
        assert not breaker.open
        breaker.failed(again)  # type: ignore[arg-type]
    return breaker


def test_it_stays_open_while_probes_fail_and_closes_when_one_is_answered() -> None:
    asked: list[int] = []
    there = threading.Event()

    def again() -> None:
        asked.append(1)
        if not there.is_set():
            raise Unavailable("away")

    breaker = opened(again)
    until(lambda: len(asked) >= 3)
    assert breaker.open
    there.set()
    until(lambda: not breaker.open)
    breaker.failed(again)
    assert not breaker.open  # it counts from the start again
    breaker.close()


@pytest.mark.parametrize("error", [Rejected("no such field"), KeyError("a fault of ours")])
def test_any_other_word_of_the_crm_closes_it(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def again() -> None:
        raise error

    breaker = opened(again)
    until(lambda: not breaker.open)
    assert caplog.records
    breaker.close()


def test_closing_ends_the_probing() -> None:
    asked: list[int] = []

    def again() -> None:
        asked.append(1)
        raise Unavailable("away")

    breaker = opened(again)
    until(lambda: asked)
    breaker.close()
    until(lambda: not any(thread.name == "probe-crm" for thread in threading.enumerate()))
    breaker.failed(again)
    breaker.failed(again)
    assert not breaker.open
