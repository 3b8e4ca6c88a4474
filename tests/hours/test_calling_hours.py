"""Windows for calls: exact by the clock on the wall, in every zone, across every clock change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bridge.config.hours import DAYTIME, Holidays, Hours, Opening
from bridge.hours.calendar import MIDNIGHT, Calendar, HolidaysUnknown, shortest
from bridge.hours.zones import resolve, start_of, zones_of
from connectors.phone import HIDDEN, Phone, parse

MADRID = ("Europe/Madrid",)
SPAIN = ("Atlantic/Canary", "Europe/Madrid")


def hours(*blocks: dict[str, Any]) -> list[Opening]:
    return [Opening.model_validate(block) for block in blocks]


def block(days: object, start: str, end: str) -> dict[str, Any]:
    return {"days": days, "from": start, "to": end}


def calendar(days: object, start: str, end: str) -> Calendar:
    return Calendar(hours(block(days, start, end)))


def local(text: str, zone: str = "Europe/Madrid", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- as they are written


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("Lun-Vie", {0, 1, 2, 3, 4}),
        ("sat", {5}),
        ("sábado, domingo", {5, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("mon, wed ,fri-sat", {0, 2, 4, 5}),
        (["mar", "thursday"], {1, 3}),
        ("miércoles", {2}),
    ],
)
def test_days_are_read_in_both_languages(written: object, days: set[int]) -> None:
    assert hours(block(written, "09:00", "20:00"))[0].days == days


@pytest.mark.parametrize(
    "wrong",
    [
        block("", "09:00", "20:00"),
        block("workdays", "09:00", "20:00"),
        block([], "09:00", "20:00"),
        block("mon", "9", "20:00"),
        block("mon", "09:60", "20:00"),
        block("mon", "25:00", "20:00"),
        block("mon", "24:00", "20:00"),
        block("mon", "09:00", "09:00"),
        {"days": "mon", "from": "09:00"},
        {"days": "mon", "from": "09:00", "to": "10:00", "till": "11:00"},
    ],
)
def test_hours_that_make_no_sense_are_faults(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        hours(wrong)


def test_one_block_a_list_or_always_may_be_written() -> None:
    adapter = TypeAdapter(Hours)
    one = block("mon-fri", "9:00", "24:00")
    assert adapter.validate_python(one) == hours(one)
    assert hours(one)[0].to == MIDNIGHT
    assert adapter.validate_python([one, one]) == hours(one, one)
    assert adapter.validate_python("always") == "always"
    with pytest.raises(ValidationError):
        adapter.validate_python("sometimes")
    with pytest.raises(ValidationError):
        adapter.validate_python([])


# --- windows


def test_office_hours() -> None:
    office = Calendar([DAYTIME])
    during = office.window(local("2025-06-11 12:00"), MADRID)
    assert during == (local("2025-06-11 09:00"), local("2025-06-11 20:00"))
    assert office.is_open(local("2025-06-11 09:00"), MADRID)
    assert not office.is_open(local("2025-06-11 20:00"), MADRID)
    assert office.window(local("2025-06-13 20:00"), MADRID) == (local("2025-06-16 09:00"), local("2025-06-16 20:00"))
    assert office.following(local("2025-06-13 12:00"), MADRID) == local("2025-06-16 09:00")
    assert office.following(local("2025-06-13 21:00"), MADRID) == local("2025-06-16 09:00")


def test_a_siesta_makes_two_windows() -> None:
    siesta = Calendar(hours(block("mon-fri", "16:30", "20:00"), block("mon-fri", "09:00", "14:00")))
    assert siesta.window(local("2025-06-11 14:00"), MADRID) == (local("2025-06-11 16:30"), local("2025-06-11 20:00"))
    assert siesta.following(local("2025-06-11 10:00"), MADRID) == local("2025-06-11 16:30")


def test_hours_over_midnight_are_one_window() -> None:
    night = calendar("fri", "22:00", "02:00")
    assert night.window(local("2025-06-14 01:00"), MADRID) == (local("2025-06-13 22:00"), local("2025-06-14 02:00"))
    assert not night.is_open(local("2025-06-13 01:00"), MADRID)
    whole = calendar("sat-sun", "00:00", "24:00")
    assert whole.window(local("2025-06-14 12:00"), MADRID) == (local("2025-06-14 00:00"), local("2025-06-16 00:00"))


def test_several_zones_have_to_be_open_all_at_once() -> None:
    office = Calendar([DAYTIME])
    assert not office.is_open(local("2025-06-11 09:59"), SPAIN)
    assert office.window(local("2025-06-11 08:00"), SPAIN) == (local("2025-06-11 10:00"), local("2025-06-11 20:00"))


def test_zones_that_never_meet_have_no_window() -> None:
    office = Calendar([DAYTIME])
    far = ("Asia/Manila", "America/Puerto_Rico")
    assert office.window(local("2025-06-11 12:00"), far) is None
    assert office.following(local("2025-06-11 12:00"), far) is None
    assert office.opening(date(2025, 6, 11), far) is None
    assert not office.is_open(local("2025-06-11 12:00"), far)


def test_holidays_of_country_and_region_are_closed() -> None:
    madrid = Calendar([DAYTIME], Holidays(country="ES", region="md"))
    spain = Calendar([DAYTIME], Holidays(country="es"))
    assert madrid.window(local("2025-05-02 12:00"), MADRID).start == local("2025-05-05 09:00")  # type: ignore[union-attr]
    # mypy can't know that there is one
    assert spain.is_open(local("2025-05-02 12:00"), MADRID)
    assert not spain.is_open(local("2025-05-01 12:00"), MADRID)
    assert not spain.is_open(local("2025-12-25 12:00"), MADRID)


def test_a_holiday_closes_the_end_of_a_night_that_reaches_into_it() -> None:
    night = Calendar(hours(block("mon-sun", "22:00", "02:00")), Holidays(country="ES"))
    assert night.window(local("2025-12-24 23:00"), MADRID) == (local("2025-12-24 22:00"), local("2025-12-25 00:00"))
    assert night.following(local("2025-12-24 23:00"), MADRID) == local("2025-12-26 00:00")


def test_always_closes_on_holidays_only() -> None:
    always = Calendar("always", Holidays(country="ES"))
    assert always.is_open(local("2025-06-15 03:00"), MADRID)
    assert not always.is_open(local("2025-12-25 03:00"), MADRID)
    window = always.window(local("2025-01-20 12:00"), MADRID)
    assert window is not None
    assert window.end == local("2025-04-18 00:00")  # Good Friday


def test_hours_that_cover_the_week_are_always() -> None:
    whole = Calendar(hours(block("mon-sun", "08:00", "20:00"), block("mon-sun", "20:00", "08:00")))
    assert whole.never_closes
    assert not Calendar(hours(block("mon-sun", "08:00", "20:00"), block("mon-sun", "20:01", "08:00"))).never_closes
    assert not Calendar(hours(block("mon-sun", "00:00", "24:00")), Holidays(country="ES")).never_closes


def test_what_never_closes_comes_again_the_next_day_at_the_same_local_time() -> None:
    always = Calendar("always")
    assert always.never_closes
    assert always.is_open(local("2025-12-25 03:00"), MADRID)
    assert always.following(local("2025-03-29 12:00"), MADRID) == local("2025-03-30 12:00")
    assert always.following(local("2025-03-29 02:30"), MADRID) == local("2025-03-30 03:30")


@pytest.mark.parametrize("wrong", [{"country": "XX"}, {"country": "ES", "region": "ZZ"}, {"country": "Spain"}])
def test_unknown_holidays_are_a_fault(wrong: dict[str, str]) -> None:
    with pytest.raises(HolidaysUnknown):
        Calendar("always", Holidays.model_validate(wrong))


def test_a_day_without_a_time_means_when_that_day_opens() -> None:
    office = Calendar([DAYTIME], Holidays(country="ES"))
    assert office.opening(date(2025, 6, 11), MADRID) == local("2025-06-11 09:00")
    assert office.opening(date(2025, 6, 14), MADRID) == local("2025-06-16 09:00")
    assert office.opening(date(2025, 12, 25), MADRID) == local("2025-12-26 09:00")
    assert office.opening(date(2025, 6, 11), SPAIN) == local("2025-06-11 10:00")
    assert Calendar("always").opening(date(2025, 6, 11), MADRID) == local("2025-06-11 00:00")


@pytest.mark.parametrize("day", [date.min, date(1, 1, 2), date(9999, 12, 31)])
def test_the_dates_by_which_crms_say_never_do_no_harm(day: date) -> None:
    for hours_ in (Calendar([DAYTIME], Holidays(country="ES")), Calendar("always")):
        for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
            assert hours_.opening(day, (zone,)) is not None
            assert resolve(datetime.combine(day, time(23, 59)), zone)
            assert hours_.window(datetime.combine(day, time(12), tzinfo=UTC), (zone,)) is not None


# --- clock changes


def test_spring_skips_no_opening() -> None:
    """Madrid, 30 March 2025: 02:00 to 03:00 is missing."""
    early = calendar("sun", "02:30", "04:00")
    assert early.window(utc("2025-03-29 12:00"), MADRID) == (utc("2025-03-30 01:00"), utc("2025-03-30 02:00"))
    office = calendar("mon-sun", "09:00", "20:00")
    assert office.following(utc("2025-03-29 12:00"), MADRID) == utc("2025-03-30 07:00")
    lost = calendar("mon-sun", "02:15", "02:45")  # nobody's clock shows it on that day
    assert lost.following(utc("2025-03-29 01:20"), MADRID) == utc("2025-03-31 00:15")


def test_autumn_repeats_what_the_clocks_repeat() -> None:
    """Madrid, 26 October 2025: 02:00 to 03:00 comes twice."""
    early = calendar("sun", "02:00", "02:30")
    first = early.window(utc("2025-10-25 12:00"), MADRID)
    assert first == (utc("2025-10-26 00:00"), utc("2025-10-26 00:30"))
    assert early.window(utc("2025-10-26 00:30"), MADRID) == (utc("2025-10-26 01:00"), utc("2025-10-26 01:30"))
    through = calendar("sun", "01:00", "04:00")
    assert through.window(utc("2025-10-25 12:00"), MADRID) == (utc("2025-10-25 23:00"), utc("2025-10-26 03:00"))
    assert through.opening(date(2025, 10, 26), MADRID) == utc("2025-10-25 23:00")


def test_a_local_time_means_one_moment_even_where_it_is_missing_or_doubled() -> None:
    assert resolve(datetime(2025, 3, 30, 2, 30), "Europe/Madrid") == utc("2025-03-30 01:30")
    assert resolve(datetime(2025, 10, 26, 2, 30), "Europe/Madrid") == utc("2025-10-26 00:30")
    assert resolve(datetime(2025, 10, 26, 2, 30, fold=1), "Europe/Madrid") == utc("2025-10-26 00:30")


def test_days_begin_where_midnight_is_missing() -> None:
    assert start_of(date(2024, 9, 8), "America/Santiago") == utc("2024-09-08 04:00")  # 00:00 is 01:00
    assert start_of(date(2011, 12, 31), "Pacific/Apia") == utc("2011-12-30 10:00")  # the 30th never was


def test_a_day_that_never_was_has_no_hours() -> None:
    friday = calendar("fri", "09:00", "20:00")
    apia = ("Pacific/Apia",)
    assert friday.window(utc("2011-12-29 12:00"), apia) == (
        local("2012-01-06 09:00", "Pacific/Apia"),
        local("2012-01-06 20:00", "Pacific/Apia"),
    )


ZONES = [
    "Europe/Madrid",
    "Atlantic/Canary",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Antarctica/Troll",
    "America/Scoresbysund",
    "Asia/Gaza",
    "UTC",
]
MINUTES = st.integers(0, 24 * 60 - 1)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@st.composite
def openings(draw: st.DrawFn) -> list[Opening]:
    found = []
    for _ in range(draw(st.integers(1, 3))):
        start, end = draw(st.lists(MINUTES, min_size=2, max_size=2, unique=True))
        days = draw(
            st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, unique=True)
        )
        found.append(block(days, f"{start // 60}:{start % 60:02}", f"{end // 60}:{end % 60:02}"))
    return hours(*found)


def on_the_wall(openings_: list[Opening], moment: datetime, zone: str) -> bool:
    """Whether a clock in `zone` shows a time within the hours: the definition, without any arithmetic on UTC."""
    shown = moment.astimezone(ZoneInfo(zone))
    minutes, today, yesterday = shown.time(), shown.weekday(), (shown.weekday() - 1) % 7
    for opening in openings_:
        if opening.from_ < opening.to:
            if today in opening.days and opening.from_ <= minutes < opening.to:
                return True
        elif (today in opening.days and minutes >= opening.from_) or (
            yesterday in opening.days and minutes < opening.to
        ):
            return True
    return False


@given(openings(), MOMENTS, st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True))
@settings(max_examples=150, deadline=None)
def test_open_is_what_the_clocks_show(openings_: list[Opening], moment: datetime, zones: list[str]) -> None:
    subject = Calendar(openings_)
    for step in range(40):
        at = moment + step * timedelta(minutes=37)
        assert subject.is_open(at, zones) == all(on_the_wall(openings_, at, zone) for zone in zones)


@given(openings(), MOMENTS, st.sampled_from(ZONES))
@settings(max_examples=100, deadline=None)
def test_windows_follow_each_other_without_a_gap_in_between(
    openings_: list[Opening], moment: datetime, zone: str
) -> None:
    subject = Calendar(openings_)
    assume(not subject.never_closes)
    for _ in range(5):
        window = subject.window(moment, (zone,))
        assert window is not None
        assert window.end > moment
        assert on_the_wall(openings_, window.start, zone)
        assert not on_the_wall(openings_, window.end, zone)
        if window.start > moment:
            assert not on_the_wall(openings_, moment, zone)
            assert not on_the_wall(openings_, window.start - timedelta(microseconds=1), zone)
            middle = moment + (window.start - moment) / 2
            assert not on_the_wall(openings_, middle, zone)
        following = subject.following(moment, (zone,))
        assert following is not None
        assert following > moment
        moment = following


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), MINUTES, st.sampled_from(ZONES))
@settings(max_examples=300, deadline=None)
def test_a_daily_time_comes_once_on_each_day(day: date, minute: int, zone: str) -> None:
    at = time(minute // 60, minute % 60)
    moments = [resolve(datetime.combine(day + timedelta(days=n), at), zone) for n in range(4)]
    assert moments == sorted(set(moments)) or zone == "Pacific/Apia"
    assert len(set(moments)) == 4 or (zone == "Pacific/Apia" and day.year == 2011)


def test_one_calendar_serves_many_threads() -> None:
    subject = Calendar([DAYTIME], Holidays(country="ES", region="MD"))
    moments = [utc("2000-01-01 12:00") + timedelta(days=9 * n) for n in range(400)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda at: subject.window(at, SPAIN), moments))
    alone = Calendar([DAYTIME], Holidays(country="ES", region="MD"))
    assert together == [alone.window(at, SPAIN) for at in moments]


# --- what fits in, and where people are


def test_the_shortest_opening_is_found_over_midnight_too() -> None:
    assert shortest([DAYTIME]) == timedelta(hours=11)
    assert shortest(hours(block("fri", "22:00", "02:00"), block("mon", "09:00", "14:00"))) == timedelta(hours=4)
    assert shortest(hours(block("sun", "22:00", "02:00"))) == timedelta(hours=4)
    assert shortest(hours(block("mon-sun", "00:00", "24:00"))) is None
    assert shortest("always") is None


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        (parse("912345678", "ES"), MADRID),
        (parse("928123456", "ES"), ("Atlantic/Canary",)),
        (parse("600111222", "ES"), SPAIN),
        (parse("+351912345678", "ES"), ("Atlantic/Azores", "Europe/Lisbon")),
        (parse("+881612345678", "ES"), ("America/Lima",)),
        (Phone(""), ("America/Lima",)),
        (HIDDEN, ("America/Lima",)),
    ],
)
def test_the_zones_of_a_number_are_those_where_its_owner_may_be(phone: Phone, zones: tuple[str, ...]) -> None:
    assert zones_of(phone, "America/Lima") == zones
