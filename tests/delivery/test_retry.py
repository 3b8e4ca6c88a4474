from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.delivery.retry import GIVE_UP_AFTER, LONGEST, LONGEST_ASKED, OUT_OF_ORDER, Later, Never, decide
from bridge.errors import StoreUnavailable
from bridge.lookups.outage import OutOfOrder
from connectors.base import Ambiguous, Misconfigured, Rejected, TimedOut, Unavailable


def never_random() -> float:
    return 1.0


def _seconds(age: float, attempt: int, error: Exception) -> float:
    verdict = decide(age, attempt, error, never_random)
    assert isinstance(verdict, Later)
    return verdict.seconds


def test_delays_grow_from_seconds_to_a_quarter_of_an_hour() -> None:
    delays = [_seconds(0, attempt, Unavailable("away")) for attempt in range(1, 12)]
    assert delays[:4] == [2, 4, 8, 16]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST == 900


@given(
    age=st.floats(0, GIVE_UP_AFTER - 1),
    attempt=st.integers(1, 10_000),
    seed=st.integers(0, 10_000),
    error=st.sampled_from([Unavailable("x"), TimedOut("x"), Misconfigured("x"), RuntimeError("x")]),
)
def test_a_passing_fault_is_tried_again_within_bounds(age: float, attempt: int, seed: int, error: Exception) -> None:
    verdict = decide(age, attempt, error, random.Random(seed).random)
    assert isinstance(verdict, Later)
    assert 1 <= verdict.seconds <= LONGEST


def test_jitter_spreads_them_over_half_of_the_delay() -> None:
    numbers = iter([0.0, 0.5, 1.0])
    delays = [decide(0, 5, Unavailable("away"), lambda: next(numbers)) for _ in range(3)]
    assert delays == [Later(16), Later(24), Later(32)]


@pytest.mark.parametrize("error", [Unavailable("x"), TimedOut("x"), Misconfigured("x"), ValueError("a bug")])
def test_after_72_hours_it_is_given_up(error: Exception) -> None:
    assert isinstance(decide(GIVE_UP_AFTER - 1, 500, error, never_random), Later)
    verdict = decide(GIVE_UP_AFTER, 500, error, never_random)
    assert isinstance(verdict, Never)
    assert "72 hours" in verdict.reason


def test_what_waits_for_a_connector_that_is_out_of_order_is_never_given_up() -> None:
    assert _seconds(10 * GIVE_UP_AFTER, 5000, OutOfOrder("its token is not set")) == OUT_OF_ORDER


@pytest.mark.parametrize("error", [Rejected("no such field"), Ambiguous("may be there")])
def test_what_cant_be_helped_by_trying_is_left_to_a_person_at_once(error: Exception) -> None:
    assert isinstance(decide(0, 1, error, never_random), Never)


def test_a_crm_that_says_when_is_heeded_within_reason() -> None:
    assert 120 <= _seconds(0, 1, Unavailable("busy", retry_after=120)) <= 132
    assert _seconds(0, 1, Unavailable("busy", retry_after=0.5)) == 2
    assert _seconds(0, 1, Unavailable("busy", retry_after=-5)) == 2
    assert _seconds(0, 1, Unavailable("busy", retry_after=1e9)) <= LONGEST_ASKED * 1.1


def test_what_the_admin_has_to_mend_is_tried_again_slowly() -> None:
    assert _seconds(0, 1, Misconfigured("wrong password")) == LONGEST


def test_a_fault_of_our_own_is_tried_again_like_an_outage() -> None:
    for error in (KeyError("x"), StoreUnavailable("disk full")):
        assert _seconds(0, 1, error) == _seconds(0, 1, Unavailable("away"))
