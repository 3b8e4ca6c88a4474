"""`now` and `hours` in expressions: on the line's clock, across its changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.config.model import Configuration
from bridge.expressions.moment import of_time
from connectors.expression import ExpressionError, Template

MADRID, CANARY = "Europe/Madrid", "Atlantic/Canary"
RECEPTION = {
    "open": [{"days": "mon-fri", "from": "09:00", "to": "20:00"}, {"days": "sat", "from": "10:00", "to": "14:00"}]
}


def seen(text: str, at: str, zone: str = MADRID, *, fold: int = 0, hours: Mapping[str, Any] | None = None) -> object:
    """What an expression comes to at a moment of a line's clock."""
    configuration = Configuration.model_validate(
        {"lines": [{"number": "912345678", "password": "3956", "timezone": zone}], "hours": hours or {}}
    )
    now = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return Template(text).value(of_time(configuration, configuration.lines[0], now))


def told(calendar: Mapping[str, Any], at: str, zone: str = MADRID, *, fold: int = 0) -> tuple[object, str, str]:
    """Whether a calendar is open, when it opens next, and when it closes, on the line's clock with its offset."""
    form = "%Y-%m-%d %H:%M %z"
    moments = (f"{{{{ hours.it.{name} | date('{form}') }}}}" for name in ("opens_at", "closes_at"))
    opens, closes = (str(seen(text, at, zone, fold=fold, hours={"it": calendar}) or "") for text in moments)
    return seen("{{ hours.it.open }}", at, zone, fold=fold, hours={"it": calendar}), opens, closes


def daily(start: str, end: str, **more: Any) -> dict[str, Any]:
    return {"open": {"days": "mon-sun", "from": start, "to": end}, **more}


def test_now_is_the_moment_on_the_lines_clock() -> None:
    assert seen("{{ now | date('%H:%M %z') }}", "2026-07-01T21:30", CANARY) == "21:30 +0100"
    assert seen("{{ now.hour == 21 and now.weekday == 3 }}", "2026-07-01T21:30") is True
    assert seen("{{ now }}!", "2026-07-01T21:30:15.250000") == "2026-07-01 21:30:15+02:00!"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-27T08:59:59", (False, "2026-11-27 09:00 +0100", "2026-11-27 20:00 +0100")),
        ("2026-11-27T09:00", (True, "2026-11-28 10:00 +0100", "2026-11-27 20:00 +0100")),
        ("2026-11-27T19:59:59.999", (True, "2026-11-28 10:00 +0100", "2026-11-27 20:00 +0100")),
        ("2026-11-27T20:00", (False, "2026-11-28 10:00 +0100", "2026-11-28 14:00 +0100")),
        ("2026-11-28T14:00", (False, "2026-11-30 09:00 +0100", "2026-11-30 20:00 +0100")),
    ],
)
def test_a_calendar_tells_whether_it_is_open_and_when_next(at: str, expected: tuple[object, str, str]) -> None:
    assert told(RECEPTION, at) == expected


def test_holidays_and_closed_days_are_left_out() -> None:
    holidays = {"country": "ES", "region": "MD"}
    kept = {**RECEPTION, "holidays": holidays, "closed": ["2026-12-24", "07/12/2026", "2026-12-28 to 2026-12-30"]}
    assert told(kept, "2026-12-05T18:00")[1] == "2026-12-09 09:00 +0100"  # the 7th is closed, the 8th a holiday
    assert told(kept, "2026-12-23T21:00")[1] == "2026-12-26 10:00 +0100"
    assert told(kept, "2026-12-27T12:00")[1] == "2026-12-31 09:00 +0100"
    assert told(RECEPTION, "2026-12-24T12:00")[0] is True
    assert told(RECEPTION, "2026-12-08T12:00")[0] is True, "without holidays none are kept"


def test_hours_may_run_past_midnight() -> None:
    night = {"open": {"days": "fri", "from": "22:00", "to": "06:00"}}
    assert told(night, "2026-11-28T05:59") == (True, "2026-12-04 22:00 +0100", "2026-11-28 06:00 +0100")
    assert told({**night, "closed": ["2026-11-28"]}, "2026-11-27T23:00")[2] == "2026-11-28 00:00 +0100"


def test_what_never_opens_or_never_closes_tells_no_moment() -> None:
    assert told({"open": "always"}, "2026-11-27T12:00") == (True, "", "")
    assert told({"open": "always", "closed": ["2020-01-01"]}, "2026-11-27T12:00") == (True, "", "")
    assert told({"open": "always", "closed": ["2026-12-25"]}, "2026-11-27T12:00") == (
        True,
        "2026-12-26 00:00 +0100",
        "2026-12-25 00:00 +0100",
    )


@pytest.mark.parametrize(
    ("zone", "at", "expected"),
    [
        # 02:00 becomes 03:00 in Madrid, 01:00 becomes 02:00 on the Canaries, both on 29 March 2026 at 01:00 UTC
        (MADRID, "2026-03-28T21:00", (False, "2026-03-29 09:00 +0200", "2026-03-29 20:00 +0200")),
        (CANARY, "2026-03-28T21:00", (False, "2026-03-29 09:00 +0100", "2026-03-29 20:00 +0100")),
        (MADRID, "2026-03-29T20:00", (False, "2026-03-30 09:00 +0200", "2026-03-30 20:00 +0200")),
        # 03:00 becomes 02:00, and 02:00 becomes 01:00, on 25 October 2026
        (MADRID, "2026-10-24T21:00", (False, "2026-10-25 09:00 +0100", "2026-10-25 20:00 +0100")),
        (CANARY, "2026-10-24T21:00", (False, "2026-10-25 09:00 +0000", "2026-10-25 20:00 +0000")),
        (MADRID, "2026-10-24T19:00", (True, "2026-10-25 09:00 +0100", "2026-10-24 20:00 +0200")),
    ],
)
def test_hours_are_the_same_by_the_clock_on_the_days_of_change(
    zone: str, at: str, expected: tuple[object, str, str]
) -> None:
    assert told(daily("09:00", "20:00"), at, zone) == expected


@pytest.mark.parametrize(
    ("zone", "start", "end", "at", "expected"),
    [
        # an opening at a time that the clock skips is at the first moment after it
        (MADRID, "02:30", "04:00", "2026-03-29T01:59", (False, "2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200")),
        (CANARY, "01:30", "03:00", "2026-03-29T00:59", (False, "2026-03-29 02:00 +0100", "2026-03-29 03:00 +0100")),
        # hours that lie in the lost hour are not there on that day
        (MADRID, "02:00", "03:00", "2026-03-29T01:30", (False, "2026-03-30 02:00 +0200", "2026-03-30 03:00 +0200")),
        (CANARY, "01:00", "02:00", "2026-03-29T00:30", (False, "2026-03-30 01:00 +0100", "2026-03-30 02:00 +0100")),
        # a closing in the lost hour comes when the clock jumps over it
        (MADRID, "00:00", "02:30", "2026-03-29T01:59", (True, "2026-03-30 00:00 +0200", "2026-03-29 03:00 +0200")),
    ],
)
def test_the_lost_hour_of_spring(zone: str, start: str, end: str, at: str, expected: tuple[object, str, str]) -> None:
    assert told(daily(start, end), at, zone) == expected


@pytest.mark.parametrize(
    ("zone", "fold", "at", "expected"),
    [
        # open from half past, twice: the clock shows it twice
        (MADRID, 0, "2026-10-25T02:29", (False, "2026-10-25 02:30 +0200", "2026-10-25 03:00 +0200")),
        (MADRID, 0, "2026-10-25T02:30", (True, "2026-10-25 02:30 +0100", "2026-10-25 03:00 +0200")),
        (MADRID, 1, "2026-10-25T02:15", (False, "2026-10-25 02:30 +0100", "2026-10-25 04:00 +0100")),
        (MADRID, 1, "2026-10-25T02:30", (True, "2026-10-26 02:30 +0100", "2026-10-25 04:00 +0100")),
    ],
)
def test_the_doubled_hour_of_autumn(zone: str, fold: int, at: str, expected: tuple[object, str, str]) -> None:
    opens, closes = expected[1:]
    seen_open, seen_opens, seen_closes = told(daily("02:30", "04:00"), at, zone, fold=fold)
    assert (seen_open, seen_opens) == (expected[0], opens)
    # the first of the two ends when the clock goes back, which it then shows as the hour that begins anew
    assert seen_closes == closes.replace("03:00 +0200", "02:00 +0100")


def test_a_calendar_that_opens_in_the_doubled_hour_of_the_canaries() -> None:
    assert told(daily("01:30", "03:00"), "2026-10-25T00:30", CANARY)[1] == "2026-10-25 01:30 +0100"
    assert told(daily("01:30", "03:00"), "2026-10-25T01:45", CANARY, fold=1) == (
        True,
        "2026-10-26 01:30 +0000",
        "2026-10-25 03:00 +0000",
    )


def test_two_calendars_of_one_file_are_told_apart_by_a_variable() -> None:
    calendars = {"norte": daily("09:00", "12:00"), "sur": daily("09:00", "18:00")}
    assert seen("{{ hours['sur'].open }}", "2026-11-27T15:00", hours=calendars) is True
    assert seen("{{ hours.norte.open }}", "2026-11-27T15:00", hours=calendars) is False
    assert seen("{{ hours['no' ~ 'rte'].closes_at | spoken }}", "2026-11-27T10:00", hours=calendars) == (
        "hoy a las doce del mediodía"
    )
    assert seen("{{ hours[' Sur '].open }}", "2026-11-27T15:00", hours=calendars) is True


def test_a_calendar_that_is_not_there_does_not_pass_for_one_that_is_closed() -> None:
    calendars = {"norte": daily("09:00", "12:00"), "sur": daily("09:00", "18:00")}
    with pytest.raises(ExpressionError, match="there are norte, sur"):
        seen("{{ not hours['600111222'].open }}", "2026-11-27T10:00", hours=calendars)
    assert seen("{{ hours[nothing.site].opens_at or 'x' }}", "2026-11-27T10:00", hours=calendars) == "x"
    assert seen("{{ hours[''].opens_at or 'x' }}", "2026-11-27T10:00", hours=calendars) == "x"


def test_own_names_win() -> None:
    configuration = Configuration.model_validate({"lines": [{"number": "912345678", "password": "3956"}]})
    now = datetime(2026, 11, 27, tzinfo=ZoneInfo(MADRID))
    assert "now" not in of_time(configuration, configuration.lines[0], now, own={"now": object()})
