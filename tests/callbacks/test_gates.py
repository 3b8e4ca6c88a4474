"""Each gate before a phone rings: what it refuses, why, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.callbacks import gates
from bridge.callbacks.gates import Gate, Refusal, Shape
from bridge.callbacks.pace import LinePace
from bridge.config.emission import DAYTIME, Holidays, Opening
from bridge.config.model import Line
from bridge.hours.calendar import Calendar
from connectors.phone import parse
from connectors.units import Rate

ZONE = "Europe/Madrid"
NOON = datetime(2025, 6, 11, 12, 0, tzinfo=ZoneInfo(ZONE))


def line(**dial: Any) -> Line:
    return Line.model_validate({"number": "912345678", "password": "3956", "dial": dial})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))


def refusal(found: object) -> Refusal:
    assert isinstance(found, Refusal)
    assert found.text("en") == found.en
    assert found.text("es") == found.es
    assert found.en != found.es
    return found


def test_a_number_that_may_not_be_called_ends_the_callback() -> None:
    refused = refusal(gates.number(parse("803123456", "ES"), line()))
    assert (refused.gate, refused.final) == (Gate.NUMBER, True)
    assert "803123456" not in refused.en + refused.es
    assert gates.number(parse("600111222", "ES"), line()) is None


def test_the_do_not_call_list_ends_it_and_its_absence_holds_it() -> None:
    assert gates.listed(False, NOON) is None
    assert refusal(gates.listed(True, NOON)).final
    away = refusal(gates.listed(None, NOON))
    assert (away.gate, away.final) == (Gate.LIST_AWAY, False)
    assert away.until is not None
    assert away.until > NOON


def test_it_expires_at_its_moment() -> None:
    assert gates.expiry(NOON + timedelta(microseconds=1), NOON) is None
    assert refusal(gates.expiry(NOON, NOON)).final


OFFICE = Calendar([DAYTIME], Holidays(country="ES"))


def calling(now: str, max_wait: int = 5, retries: int = 0, zones: tuple[str, ...] = (ZONE,)) -> int | Refusal:
    return gates.calling(OFFICE, zones, at(now), Shape(max_wait, retries))


def test_within_the_hours_the_whole_wait_is_allowed() -> None:
    assert calling("2025-06-11 12:00", 300, 4) == 300
    assert calling("2025-06-11 09:00") == 5


def test_outside_of_them_it_waits_for_the_opening() -> None:
    refused = refusal(calling("2025-06-13 20:00"))
    assert (refused.gate, refused.until) == (Gate.HOURS, at("2025-06-16 09:00"))
    assert "2025-06-16 09:00" in refused.es
    assert refusal(calling("2025-12-25 12:00")).until == at("2025-12-26 09:00")
    assert refusal(calling("2025-06-11 09:30", zones=("Atlantic/Canary", ZONE))).until == at("2025-06-11 10:00")


def test_the_wait_is_cut_to_what_the_hours_leave() -> None:
    assert calling("2025-06-11 19:00", 300) == 60
    assert calling("2025-06-11 19:00", 300, 4) == 40
    assert calling("2025-06-11 19:56:30", 5) == 3
    assert calling("2025-06-11 19:59:00", 5) == 1
    assert calling("2025-06-11 19:39", 5, 4) == 1


def test_where_nothing_is_left_it_waits_for_the_next_day() -> None:
    for refused in (calling("2025-06-11 19:59:01", 5), calling("2025-06-11 19:40", 5, 4)):
        assert refusal(refused).until == at("2025-06-12 09:00")


def test_zones_that_never_meet_end_it_with_the_cure() -> None:
    refused = refusal(calling("2025-06-11 12:00", zones=("Asia/Manila", "America/Puerto_Rico")))
    assert refused.final
    assert "of: line" in refused.en


def test_hours_that_never_close_leave_the_wait_alone() -> None:
    assert gates.calling(Calendar("always"), (ZONE,), NOON, Shape(300, 4)) == 300


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 300),
    st.integers(0, 4),
)
@settings(max_examples=200, deadline=None)
def test_nothing_rings_after_the_hours_end_and_every_refusal_leads_to_a_call(
    now: datetime, max_wait: int, retries: int
) -> None:
    early = Calendar([Opening.model_validate({"days": "mon-sun", "from": "01:30", "to": "03:30"})])
    allowed = gates.calling(early, (ZONE,), now, Shape(max_wait, retries))
    for _ in range(2):
        if isinstance(allowed, int):
            break
        assert allowed.until is not None
        assert allowed.until > now
        now = allowed.until
        allowed = gates.calling(early, (ZONE,), now, Shape(max_wait, retries))
    assert isinstance(allowed, int)
    assert 1 <= allowed <= max_wait
    last_ring = now + timedelta(minutes=allowed + 5 * retries) - timedelta(microseconds=1)
    assert early.is_open(last_ring, (ZONE,))


def test_a_number_is_called_so_often_in_a_calendar_day() -> None:
    evening = [at("2025-06-10 19:00"), at("2025-06-10 19:30"), at("2025-06-10 19:50")]
    rate = Rate.parse("3/d")
    assert gates.per_number(evening, rate, ZONE, at("2025-06-11 09:00")) is None
    refused = refusal(gates.per_number(evening, rate, ZONE, at("2025-06-10 19:55")))
    assert (refused.gate, refused.until) == (Gate.PER_NUMBER, at("2025-06-11 00:00"))
    assert gates.per_number(evening[:2], rate, ZONE, at("2025-06-10 19:55")) is None
    assert gates.per_number([], rate, ZONE, NOON) is None


def test_the_25_hours_of_autumn_are_one_day() -> None:
    midnight = at("2025-10-26 00:00")
    calls = [midnight, midnight + timedelta(hours=1), midnight + timedelta(hours=2)]
    refused = refusal(gates.per_number(calls, Rate.parse("3/d"), ZONE, at("2025-10-26 23:30")))
    assert refused.until == at("2025-10-27 00:00")


def test_a_rate_by_the_hour_counts_back_from_now() -> None:
    calls = [NOON - timedelta(minutes=minutes) for minutes in (70, 50, 20)]
    rate = Rate.parse("2/h")
    refused = refusal(gates.per_number(calls, rate, ZONE, NOON))
    assert refused.until == NOON + timedelta(minutes=10)
    assert gates.per_number(calls, rate, ZONE, refused.until) is None
    assert "2/h" in refused.es


def test_a_line_calls_so_often_a_day() -> None:
    assert gates.per_day(1999, line(), NOON) is None
    refused = refusal(gates.per_day(2000, line(), NOON))
    assert (refused.gate, refused.until) == (Gate.PER_DAY, at("2025-06-12 00:00"))
    assert refusal(gates.per_day(5, line(per_day=5), NOON))


@pytest.mark.parametrize(("last", "wait"), [(None, None), (10, None), (2, None), (1.5, 0.5), (0, 2)])
def test_the_pace_gives_a_slot_or_the_moment_of_the_next(last: float | None, wait: float | None) -> None:
    before = None if last is None else NOON - timedelta(seconds=last)
    found = gates.pace(LinePace(30, 2), before, 1, NOON)
    if wait is None:
        assert isinstance(found, datetime)
    else:
        assert refusal(found).until == NOON + timedelta(seconds=wait)


def test_calls_under_way_hold_the_line() -> None:
    refused = refusal(gates.pace(LinePace(30, 2), None, 2, NOON))
    assert refused.until is not None
    assert refused.until > NOON
