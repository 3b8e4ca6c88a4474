"""Calls that nobody answered: by the hour, and the numbers that nobody has spoken with since."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from bridge.store import calls, figures, missed
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.figures import HourOfCalls
from bridge.store.folded import FoldedCall
from tests.store.made import LINE, NOW

HOUR = NOW.replace(minute=0, second=0, microsecond=0)


def keep(database: Database, *rows: tuple[int, str, bool | None, CallState, str]) -> None:
    """Calls: minutes before the hour's end, the other party, whether it was answered, its state and direction."""
    with database.write() as connection:
        for number, (minutes, e164, answered, state, direction) in enumerate(rows):
            start = HOUR + timedelta(minutes=60 - minutes)
            over = state is CallState.OVER
            folded = FoldedCall(str(number), direction=direction, answered=answered, over=over, start=start)
            ended = start + timedelta(seconds=30) if over else None
            calls.save(connection, Call(LINE, str(number), state, folded, e164, direction, "", start, ended), NOW)


def missed_by(e164: str, minutes: int) -> tuple[int, str, bool | None, CallState, str]:
    return minutes, e164, False, CallState.OVER, "received"


def answered_by(e164: str, minutes: int, direction: str = "received") -> tuple[int, str, bool | None, CallState, str]:
    return minutes, e164, True, CallState.OVER, direction


def test_each_hour_knows_what_became_of_its_calls(database: Database) -> None:
    keep(
        database,
        missed_by("+34600000001", 70),
        missed_by("+34600000001", 5),
        missed_by("", 6),
        answered_by("+34600000002", 7),
        answered_by("+34600000002", 8),
        answered_by("+34600000002", 8, "emitted"),
        (9, "+34600000003", True, CallState.OPEN, "received"),
        (9, "+34600000003", None, CallState.OPEN, "received"),
        (9, "+34600000003", True, CallState.INCOMPLETE, "received"),
        (9, "+34600000003", False, CallState.INCOMPLETE, "received"),
        (9, "+34600000003", False, CallState.OVER, "emitted"),
    )
    with database.read() as connection:
        assert figures.by_hour(connection, HOUR - timedelta(hours=1), 2) == [
            HourOfCalls(HOUR - timedelta(hours=1), missed=1),
            HourOfCalls(HOUR, answered=3, missed=2, other=3, emitted=2),
        ]


@pytest.mark.parametrize("at_once", [1, 2, 1000])
def test_who_was_spoken_with_since_is_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(missed, "_AT_ONCE", at_once)
    keep(
        database,
        missed_by("+34600000001", 50),
        missed_by("+34600000002", 45),
        missed_by("+34600000003", 40),
        missed_by("+34600000001", 30),
        missed_by("", 20),
        answered_by("+34600000002", 10, "emitted"),
        answered_by("+34600000003", 41),
        missed_by("+34600000004", 5000),
    )
    with database.read() as connection:
        found = missed.unanswered(connection, HOUR - timedelta(days=1), 10)
        assert [(number.e164, number.count) for number in found] == [("+34600000001", 2), ("+34600000003", 1)]
        assert found[0].first == HOUR + timedelta(minutes=10)
        assert found[0].last == HOUR + timedelta(minutes=30)
        assert [number.e164 for number in missed.unanswered(connection, HOUR - timedelta(days=1), 1)] == [
            "+34600000001"
        ]


def test_they_are_found_by_the_index_of_those_that_nobody_answered(database: Database) -> None:
    keep(database, *(answered_by("+34600000001", number) for number in range(500)), missed_by("+34600000002", 3))
    with database.write() as connection:
        if database.postgresql:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = missed.newest_missed(HOUR - timedelta(days=1), None)
        plan = query.compile(database.engine, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN" if database.postgresql else "EXPLAIN QUERY PLAN"
        rows = connection.exec_driver_sql(
            f"{explain} {plan}".replace("%", "%%") if database.postgresql else f"{explain} {plan}"
        )
        assert "ix_calls_missed" in str(rows.all())
