"""The pace of a line: even, whatever the worker's own rhythm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.callbacks.pace import LinePace

START = datetime(2025, 6, 11, 10, 0, tzinfo=UTC)


def emissions(pace: LinePace, ticks: list[datetime], last: datetime | None = None) -> list[datetime]:
    """When a worker emits who looks at these moments, as often as it may at each."""
    sent = []
    for now in ticks:
        while (slot := pace.slot(last, now)) <= now:
            last = slot
            sent.append(now)
    return sent


def every(seconds: float, for_: float) -> list[datetime]:
    return [START + timedelta(seconds=n * seconds) for n in range(int(for_ / seconds))]


@pytest.mark.parametrize("per_minute", [1, 7, 30, 60, 600])
@pytest.mark.parametrize("tick", [0.05, 0.3, 0.9])
def test_the_pace_is_held_whatever_the_rhythm_of_the_worker(per_minute: int, tick: float) -> None:
    sent = emissions(LinePace(per_minute, 10), every(tick, 600))
    assert abs(len(sent) - per_minute * 10) <= 1 + per_minute / 60 * tick * 2  # the last tick comes early


def test_the_start_is_no_burst() -> None:
    sent = emissions(LinePace(30, 10), every(0.1, 10))
    assert [(at - START).total_seconds() for at in sent] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_rest_is_not_made_up_for() -> None:
    pace = LinePace(60, 10)
    sent = emissions(pace, every(0.1, 5), last=START - timedelta(hours=3))
    assert len(sent) == 5


@given(
    st.integers(1, 600),
    st.lists(st.floats(0.01, 30), min_size=1, max_size=60),
)
def test_no_minute_has_more_than_its_share(per_minute: int, gaps: list[float]) -> None:
    pace, now, ticks = LinePace(per_minute, 10), START, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        ticks.append(now)
    sent = emissions(pace, ticks)
    most = per_minute + per_minute // 60 + 2  # a second's worth of lateness
    for first in sent:
        assert sum(first <= at < first + timedelta(minutes=1) for at in sent) <= most


def test_a_clock_set_back_does_not_stop_the_line() -> None:
    assert LinePace(30, 10).slot(START + timedelta(hours=1), START) == START
    assert LinePace(30, 10).slot(START + timedelta(seconds=1), START) == START + timedelta(seconds=3)


def test_the_room_left() -> None:
    assert [LinePace(30, 2).room(n) for n in (0, 1, 2, 5)] == [2, 1, 0, 0]


@pytest.mark.parametrize(("per_minute", "enough"), [(1, 2), (12, 2), (60, 3), (600, 30)])
def test_what_had_its_turn_and_is_not_sent_yet_does_not_pile_up(per_minute: int, enough: int) -> None:
    pace = LinePace(per_minute, 1_000)
    assert not pace.waits(enough - 1)
    assert pace.waits(enough)
