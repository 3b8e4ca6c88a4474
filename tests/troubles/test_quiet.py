"""Silence is a trouble where there was none in the weeks before, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.config.load import load
from bridge.store.database import Database
from bridge.store.schema import connect
from bridge.store.tables import calls
from bridge.troubles import Place, Trouble, Troubles, current
from bridge.troubles.ledger import HOUR, Ledger
from tests.databases import sqlite_with_tables

MADRID = ZoneInfo("Europe/Madrid")
WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
CONFIG = "lines: [{number: '912345678', password: '3956'}]\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    sqlite_with_tables(tmp_path / "bridge.db")
    database = connect("sqlite:///bridge.db", tmp_path)
    yield Place(load(tmp_path / "config.yaml"), database, tmp_path)
    database.close()


def office(monday: datetime) -> list[datetime]:
    """When the calls of a week came: Monday to Friday from nine to six, every ten minutes."""
    opened = [monday + day * DAY + timedelta(hours=9) for day in range(5)]
    return [opens + number * timedelta(minutes=10) for opens in opened for number in range(54)]


def weeks_before(monday: datetime) -> list[datetime]:
    return [call for week in range(1, 6) for call in office(monday - week * WEEK)]


def receive(database: Database, moments: list[datetime], direction: str = "received") -> None:
    rows = [
        {"line": "912345678", "call_sequence": f"{moment.isoformat()}{direction}", "state": "closed", "call": {},
         "started_at": moment, "updated_at": moment, "direction": direction}
        for moment in moments
    ]  # fmt: skip
    with database.write() as connection:
        connection.execute(calls.insert(), rows)


def hear(place: Place, moments: list[datetime]) -> None:
    """The same as Queries."""
    for moment in moments:
        Ledger(place.state).hear(int(moment.timestamp()) // HOUR, 1)


def quiet(place: Place, now: datetime) -> list[Trouble]:
    return [one for one in current(place, [], now) if one.kind == "quiet"]


def at(monday: datetime, day: int, hour: int, minute: int = 0) -> datetime:
    return monday + day * DAY + timedelta(hours=hour, minutes=minute)


def test_an_ordinary_week_is_never_quiet(place: Place) -> None:
    monday = datetime(2026, 6, 15, tzinfo=MADRID)
    assert place.database is not None
    receive(place.database, [*weeks_before(monday), *office(monday)])
    for hours in range(0, 7 * 24, 3):
        assert not quiet(place, monday + timedelta(hours=hours, minutes=5)), hours


def test_a_morning_without_calls_is_quiet_within_hours(place: Place) -> None:
    monday = datetime(2026, 6, 15, tzinfo=MADRID)
    assert place.database is not None
    receive(place.database, [*weeks_before(monday)])
    receive(place.database, [at(monday, 0, 10)], "emitted")
    assert not quiet(place, at(monday, 0, 9, 30)), "too few would have come by now"
    (found,) = quiet(place, at(monday, 0, 11))
    assert found.since == at(monday, -3, 17, 50)
    assert "since 2026-06-12 17:50" in str(found.text)
    assert "at least 13 came in that time" in str(found.text)
    assert quiet(place, at(monday, 1, 3)), "it does not end with the day"
    receive(place.database, [at(monday, 1, 9)])
    assert not quiet(place, at(monday, 1, 9, 30))


def test_when_the_clocks_change_nothing_is_quiet(place: Place) -> None:
    monday = datetime(2026, 10, 26, tzinfo=MADRID)  # since Sunday it is winter time
    assert place.database is not None
    receive(place.database, weeks_before(monday))
    hear(place, weeks_before(monday))
    assert not quiet(place, at(monday, 0, 9, 5)), "an hour more than before would have been open"
    assert quiet(place, at(monday, 0, 12))


def test_a_holiday_is_not_quiet_nor_is_the_morning_after(place: Place) -> None:
    monday = datetime(2026, 10, 12, tzinfo=MADRID)
    assert place.database is not None
    receive(place.database, weeks_before(monday))
    for hour in range(9, 24, 3):
        assert not quiet(place, at(monday, 0, hour)), hour
    assert not quiet(place, at(monday, 1, 9, 5))
    assert quiet(place, at(monday, 1, 12))


def test_a_bridge_that_is_new_or_has_few_calls_is_never_quiet(place: Place) -> None:
    monday = datetime(2026, 6, 15, tzinfo=MADRID)
    assert place.database is not None
    receive(place.database, [call for week in (1, 2, 3) for call in office(monday - week * WEEK)])
    receive(place.database, [at(monday - 4 * WEEK, 0, 12)])
    assert not quiet(place, at(monday, 0, 17))


def test_queries_that_stop_are_noticed_though_calls_go_on(place: Place) -> None:
    monday = datetime(2026, 6, 15, tzinfo=MADRID)
    assert place.database is not None
    receive(place.database, [*weeks_before(monday), *office(monday)])
    hear(place, [*weeks_before(monday), *office(monday)[:6]])
    assert not quiet(place, at(monday, 0, 11, 30)), "an hour and a half: too few would have come"
    (found,) = quiet(place, at(monday, 0, 13))
    assert found.id == "quiet:queries"


def test_queries_are_counted_by_the_hour(tmp_path: Path) -> None:
    troubles = Troubles(tmp_path, lambda: 1_800_000_000.0)
    for _ in range(3):
        troubles.heard()
    troubles.close()
    assert Ledger(tmp_path).heard() == {1_800_000_000 // HOUR: 3}
