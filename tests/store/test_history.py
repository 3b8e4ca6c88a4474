"""The calls of a number: found as of a moment, by the index, whoever wrote them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from bridge.store import calls, history
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.folded import FoldedCall
from bridge.store.history import History
from bridge.store.schema import connect
from bridge.store.tables import calls as table
from tests.store.made import LINE, SOMEONE, at_revision

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def call(
    name: str,
    minutes: float,
    *,
    answered: bool | None = None,
    direction: str = "received",
    state: CallState = CallState.OVER,
    e164: str = SOMEONE,
    lasted: float = 1,
) -> Call:
    """A call that was over so many minutes after noon."""
    end = NOON + timedelta(minutes=minutes)
    start = end - timedelta(minutes=lasted)
    folded = FoldedCall(id=name, line=LINE, direction=direction, e164=e164, start=start, answered=answered)
    over = state is CallState.OVER
    folded = replace(folded, end=end if over else None, over=over, answered_by="101" if answered else "")
    return Call(
        LINE, name, state, folded, e164, direction, started_at=start, ended_at=end if over else None, seconds=60
    )


def keep(database: Database, *kept: Call) -> None:
    with database.write() as connection:
        for each in kept:
            calls.save(connection, each, NOON)


def of(database: Database, minutes: float = 60, *, but: str = "", since: datetime = NOON - DAY) -> History:
    with database.read() as connection:
        return history.of_number(connection, SOMEONE, NOON + timedelta(minutes=minutes), since, (LINE, but))


def named(found: History) -> tuple[str | None, str | None, str | None]:
    """The ids of last, answered and missed."""
    ids = [None if one is None else one.call.id for one in (found.last, found.answered, found.missed)]
    return ids[0], ids[1], ids[2]


def test_of_a_stranger_there_is_nothing(database: Database) -> None:
    keep(database, call("1", 0, e164="+34600999999"))
    assert of(database) == History(None, None, None)


def test_the_newest_of_each_counts(database: Database) -> None:
    keep(
        database, call("1", 0, answered=True), call("2", 1), call("3", 2, answered=False), call("0", -5, answered=True)
    )
    found = of(database)
    assert named(found) == ("3", "1", "3")
    assert (found.count, found.today) == (4, 4)


def test_missed_is_what_came_after_the_last_conversation_either_way(database: Database) -> None:
    keep(database, call("1", 0), call("2", 1, answered=True, direction="emitted"))
    assert named(of(database)) == ("2", "2", None)
    keep(database, call("3", 2))
    assert named(of(database)) == ("3", "2", "3")


def test_who_was_missed_while_somebody_spoke_to_them_was_not_missed_since(database: Database) -> None:
    keep(database, call("1", 10, answered=True, lasted=20), call("2", 5))
    assert named(of(database)) == ("1", "1", None)


def test_a_call_of_ours_that_nobody_answered_is_neither_missed_nor_answered(database: Database) -> None:
    keep(database, call("1", 0, answered=False, direction="emitted"))
    found = of(database)
    assert named(found) == ("1", None, None)
    assert (found.count, found.today) == (1, 0)


def test_a_call_that_goes_on_does_not_count_and_one_without_fin_is_not_missed(database: Database) -> None:
    keep(database, call("1", 0, state=CallState.OPEN), call("2", 1, answered=True, state=CallState.OPEN))
    assert of(database) == History(None, None, None)
    keep(database, call("3", 2, state=CallState.INCOMPLETE))
    assert named(of(database)) == ("3", None, None)
    keep(database, call("4", 3, answered=True, state=CallState.INCOMPLETE))
    assert named(of(database)) == ("4", "4", None)


def test_it_is_as_of_a_moment_and_without_the_call_that_asks(database: Database) -> None:
    keep(database, call("1", 0, answered=True), call("2", 10), call("3", 20))
    assert named(of(database, 15)) == ("2", "1", "2")
    assert of(database, 15).count == 2
    assert named(of(database, but="3")) == ("2", "1", "2")
    assert of(database, but="3").count == 2
    assert named(of(database, -1)) == (None, None, None)


def test_today_are_those_received_since_a_moment(database: Database) -> None:
    keep(database, call("1", -2000), call("2", 1), call("3", 2, answered=True), call("4", 3, direction="emitted"))
    assert of(database, since=NOON).today == 2


def _plan(database: Database) -> str:
    """How the database finds them, where it is not told that there are few."""
    about = {"number": SOMEONE, "at": NOON, "but_line": "", "but_call": ""}
    with database.read() as connection:
        if database.postgresql:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN" if database.postgresql else "EXPLAIN QUERY PLAN"
        query = history._NEWEST.params(about).compile(connection, compile_kwargs={"literal_binds": True})
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {query}"))


def test_each_is_found_by_one_look_into_the_index(database: Database) -> None:
    keep(database, call("1", 0))
    plan = _plan(database)
    assert plan.count("ix_calls_history") == 3
    assert "Sort" not in plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_calls_of_the_version_before_are_found_after_the_migration(empty_database_url: str, tmp_path: Path) -> None:
    old = at_revision("0004", empty_database_url, tmp_path)
    answered, missed = call("1", 0, answered=True), call("2", 5, answered=False)
    with old.write() as connection:
        connection.execute(insert(table), [{**calls._values(one), "updated_at": NOON} for one in (answered, missed)])
    old.close()
    database = connect(empty_database_url, tmp_path)
    try:
        assert named(of(database)) == ("2", "1", "2")
        assert _plan(database).count("ix_calls_history") == 3
    finally:
        database.close()


def test_what_a_caller_keyed_in_keeps_no_call_out_of_the_index(empty_database_url: str, tmp_path: Path) -> None:
    odd = replace(call("1", 0, answered=True), call=replace(call("1", 0, answered=True).call, vars={"V": "a\0b"}))
    missed = replace(call("2", 5), call=replace(call("2", 5).call, vars={"V": "a\0b", "ANSWERED": '"answered": true'}))
    old = at_revision("0004", empty_database_url, tmp_path)
    with old.write() as connection:
        connection.execute(insert(table), [{**calls._values(odd), "updated_at": NOON}])
    old.close()
    database = connect(empty_database_url, tmp_path)
    try:
        keep(database, missed)
        assert named(of(database)) == ("2", "1", "2")
    finally:
        database.close()


@pytest.mark.parametrize("seconds", [0.2])
def test_whoever_does_not_wait_has_the_statement_cancelled(database: Database, seconds: float) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(Exception, match=r"timeout|interrupted"), database.read_within(seconds) as connection:
        connection.execute(text(endless))
    with database.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
