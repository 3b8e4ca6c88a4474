from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from bridge.store import calls
from bridge.store.calls import Call, CallFilter, CallState, Changed
from bridge.store.database import Database
from bridge.store.folded import FoldedCall
from tests.store.made import LINE, NOW, SOMEONE

HOUR = timedelta(hours=1)


def _save(database: Database, *given: Call) -> list[int]:
    with database.write() as connection:
        return [calls.save(connection, call, NOW) for call in given]


def test_a_call_comes_back_as_it_was_saved(database: Database) -> None:
    call = Call(
        LINE, "1", CallState.OVER, FoldedCall(vars={"A": "1"}), SOMEONE, "received", "77", NOW, NOW + HOUR, 60,
        Decimal("0.12"), NOW,
    )  # fmt: skip
    [number] = _save(database, call)
    with database.read() as connection:
        stored = calls.get(connection, LINE, "1")
        assert stored == replace(call, id=number, version=1, updated_at=NOW)
        assert calls.by_id(connection, number) == stored
        assert calls.get(connection, LINE, "2") is None


def test_an_idcall_of_any_length_loses_no_call(database: Database) -> None:
    _save(database, Call(LINE, "1", CallState.OVER, FoldedCall(idcall="9" * 5_000), idcall="9" * 5_000))
    with database.read() as connection:
        stored = calls.get(connection, LINE, "1")
    assert stored is not None
    assert stored.call.idcall == "9" * 5_000


def test_a_call_that_somebody_else_saved_meanwhile_is_not_overwritten(database: Database) -> None:
    _save(database, Call(LINE, "1", CallState.OPEN))
    with database.read() as connection:
        ours = theirs = calls.get(connection, LINE, "1")
    assert ours is not None
    assert theirs is not None
    _save(database, replace(theirs, seconds=5))
    with pytest.raises(Changed):
        _save(database, replace(ours, seconds=7))
    with database.read() as connection:
        stored = calls.get(connection, LINE, "1")
    assert stored is not None
    assert (stored.seconds, stored.version) == (5, 2)


def test_calls_whose_time_has_come_are_closed_longest_overdue_first(database: Database) -> None:
    _save(
        database,
        Call(LINE, "late", CallState.OPEN, close_at=NOW),
        Call(LINE, "later", CallState.OPEN, close_at=NOW - HOUR),
        Call(LINE, "not yet", CallState.OPEN, close_at=NOW + HOUR),
        Call(LINE, "over", CallState.OVER, close_at=NOW - HOUR),
    )
    with database.read() as connection:
        assert calls.to_close(connection, NOW, 10) == [(LINE, "later"), (LINE, "late")]
        assert calls.to_close(connection, NOW, 1) == [(LINE, "later")]


def test_the_calls_of_an_emission_are_found_by_its_id(database: Database) -> None:
    _save(
        database, Call(LINE, "1", CallState.OVER, idcall="77"), Call(LINE, "2", CallState.OVER, idcall="77"),
        Call(LINE, "3", CallState.OVER),
    )  # fmt: skip
    with database.read() as connection:
        assert [call.call_sequence for call in calls.by_idcall(connection, "77")] == ["1", "2"]
        assert calls.by_idcall(connection, "") == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(), ["3", "2", "1"]),
        (CallFilter(e164=SOMEONE), ["2"]),
        (CallFilter(state=CallState.OPEN), ["3"]),
        (CallFilter(line="other"), []),
        (CallFilter(since=NOW + HOUR), ["3", "2"]),
        (CallFilter(until=NOW + HOUR), ["1"]),
    ],
)
def test_calls_are_found_and_exported_by_what_is_asked(
    database: Database, wanted: CallFilter, found: list[str]
) -> None:
    _save(
        database,
        Call(LINE, "1", CallState.OVER, started_at=NOW),
        Call(LINE, "2", CallState.OVER, started_at=NOW + HOUR, e164=SOMEONE),
        Call(LINE, "3", CallState.OPEN, started_at=NOW + 2 * HOUR),
    )
    with database.read() as connection:
        assert [call.call_sequence for call in calls.find(connection, wanted)] == found
        assert [call.call_sequence for call in calls.export(connection, wanted, chunk=2)] == found[::-1]
        assert len(calls.find(connection, wanted, limit=1)) == min(1, len(found))
