"""A clock that differs from the platform's is a trouble, by what the calls say, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.config.load import load
from bridge.store.database import Database
from bridge.store.schema import connect
from bridge.store.tables import calls, events
from bridge.troubles import Place, Trouble, current
from tests.databases import sqlite_with_tables

CONFIG = "lines: [{number: '912345678', password: '3956'}]\n"
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    sqlite_with_tables(tmp_path / "bridge.db")
    database = connect("sqlite:///bridge.db", tmp_path)
    yield Place(load(tmp_path / "config.yaml"), database, tmp_path)
    database.close()


def end(place: Place, heard_at: datetime, ended_at: datetime) -> None:
    """A call whose end was heard of at one time, and was at another one by the platform."""
    assert isinstance(place.database, Database)
    of_call = {"line": "912345678", "call_sequence": heard_at.isoformat()}
    heard = {"event": "fin", "digest": "x", "received_at": heard_at, "document": {}, "panel": {}}
    call = {"state": "closed", "call": {}, "ended_at": ended_at, "updated_at": heard_at, "direction": "received"}
    with place.database.write() as connection:
        connection.execute(events.insert(), {**of_call, **heard})
        connection.execute(events.insert(), {**of_call, **heard, "event": "inicio"})
        connection.execute(calls.insert(), {**of_call, **call})


def clock(place: Place, now: datetime) -> list[Trouble]:
    return [trouble for trouble in current(place, [], now) if trouble.kind == "clock"]


@pytest.mark.parametrize(("ahead", "words"), [(HOUR, "60 minutes ahead of"), (-HOUR, "60 minutes behind")])
def test_a_clock_that_is_wrong_by_an_hour_is_told_until_a_call_ends_at_the_right_time(
    place: Place, ahead: timedelta, words: str
) -> None:
    for number in range(3):
        assert not clock(place, NOON), number
        end(place, NOON - (9 - number) * MINUTE, NOON - (9 - number) * MINUTE - ahead)
    (trouble,) = clock(place, NOON)
    assert (trouble.id, trouble.severity) == ("clock", "warning")
    assert words in str(trouble.text)
    assert not clock(place, NOON + 3 * HOUR), "that was long ago"
    end(place, NOON - MINUTE, NOON - MINUTE)
    assert not clock(place, NOON)


@pytest.mark.parametrize("ahead", [(0, 0, 0), (60, 5, 60), (9, 9, 9), (1500, 1500, 1500)])
def test_events_that_are_late_and_calls_of_another_day_are_no_wrong_clock(place: Place, ahead: tuple[int, ...]) -> None:
    for number, minutes in enumerate(ahead):
        end(place, NOON - (9 - number) * MINUTE, NOON - (9 - number) * MINUTE - minutes * MINUTE)
    assert not clock(place, NOON)
