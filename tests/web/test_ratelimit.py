"""Failed attempts are limited by sender."""

from __future__ import annotations

from bridge.web.ratelimit import Failures


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_beyond_the_limit_are_over_until_the_window_ends() -> None:
    clock = Clock()
    failures = Failures(3, 60, clock=clock)
    assert [failures.failed("a") for _ in range(3)] == [None] * 3
    clock.now = 20
    assert failures.failed("a") == 40
    assert failures.failed("b") is None
    clock.now = 60
    assert failures.failed("a") is None


def test_a_sender_that_goes_on_failing_stays_over_only_as_long_as_its_window() -> None:
    clock = Clock()
    failures = Failures(1, 60, clock=clock)
    overs = []
    for _ in range(120):
        overs.append(failures.failed("a") is not None)
        clock.now += 1
    assert overs.count(False) == 2


def test_no_more_senders_are_remembered_than_fit_and_the_quiet_ones_go_first() -> None:
    failures = Failures(1, 60, senders=100)
    failures.failed("loud")
    for number in range(500):
        failures.failed(str(number))
        assert failures.failed("loud") is not None
    assert len(failures) == 100
