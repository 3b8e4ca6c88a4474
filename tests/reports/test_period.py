from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from bridge.reports.period import LONGEST, PERIOD_TITLES, PERIODS, NoPeriod, Period, chosen, today_in

TODAY = date(2026, 3, 1)  # a Sunday


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-03-01", "2026-03-01"),
        ("yesterday", "2026-02-28", "2026-02-28"),
        ("this-week", "2026-02-23", "2026-03-01"),
        ("last-week", "2026-02-16", "2026-02-22"),
        ("this-month", "2026-03-01", "2026-03-31"),
        ("last-month", "2026-02-01", "2026-02-28"),
    ],
)
def test_the_usual_periods(name: str, first: str, last: str) -> None:
    assert PERIODS[name](TODAY) == Period(date.fromisoformat(first), date.fromisoformat(last))
    assert PERIODS.keys() == PERIOD_TITLES.keys()


def test_a_day_of_a_clock_change_is_as_long_as_it_is() -> None:
    spring, autumn = Period(date(2026, 3, 29), date(2026, 3, 29)), Period(date(2026, 10, 25), date(2026, 10, 25))
    zone = "Europe/Madrid"
    assert spring.until(zone) - spring.since(zone) == timedelta(hours=23)
    assert autumn.until(zone) - autumn.since(zone) == timedelta(hours=25)
    assert today_in(zone, datetime(2026, 2, 28, 23, 30, tzinfo=UTC)) == TODAY


def test_days_that_somebody_chooses() -> None:
    assert chosen(None, None, TODAY) == Period(TODAY, TODAY)
    assert chosen(date(2026, 2, 3), None, TODAY) == Period(date(2026, 2, 3), TODAY)
    assert chosen(None, date(2026, 2, 3), TODAY) == Period(date(2026, 2, 1), date(2026, 2, 3))
    assert chosen(date(2026, 5, 1), None, TODAY) == Period(date(2026, 5, 1), date(2026, 5, 1))
    assert len(list(chosen(TODAY, TODAY + timedelta(days=LONGEST - 1), TODAY).days())) == LONGEST


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), "it ends before it begins"),
        (date(2024, 1, 1), date(2026, 3, 1), "a report is of 366 days at most"),
        (date(1, 1, 1), date(1, 3, 1), "write a year from 1970 to 2999"),
        (date(9999, 12, 1), date(9999, 12, 31), "write a year from 1970 to 2999"),
    ],
)
def test_days_that_can_be_none(first: date, last: date, why: str) -> None:
    with pytest.raises(NoPeriod, match=why):
        chosen(first, last, TODAY)


def test_it_is_called_as_people_write_days() -> None:
    assert Period(TODAY, TODAY).title.render("es") == "01/03/2026"
    assert Period(date(2026, 2, 1), TODAY).title.render("en") == "2026-02-01 to 2026-03-01"
