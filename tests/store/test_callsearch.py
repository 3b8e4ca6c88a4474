"""Calls looked for: pages follow one another, and a search that finds little ends all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bridge.store import calls, callsearch, queries
from bridge.store.calls import Call, CallState
from bridge.store.callsearch import CallSearch
from bridge.store.database import Database
from bridge.store.folded import Diversion, FoldedCall
from tests.store.made import LINE, NOW, SOMEONE, asked


def keep(database: Database, count: int, **rare: Any) -> None:
    """So many calls, three at a moment, the oldest of them with what is `rare`."""
    with database.write() as connection:
        for number in range(count):
            start = NOW - timedelta(minutes=number // 3)
            usual = {"id": str(number), "direction": "received", "over": True, "start": start}
            folded = FoldedCall(**{**usual, **(rare if number == count - 1 else {})})
            call = Call(LINE, folded.id, CallState.OVER, folded, SOMEONE, "received", started_at=start)
            calls.save(connection, call, NOW)


def pages(database: Database, criteria: CallSearch, limit: int = 4) -> list[list[str]]:
    """What each page after the other has, until there is none."""
    all_pages, before = [], None
    with database.read() as connection:
        while True:
            result = callsearch.search(connection, criteria, limit, before)
            all_pages.append([each.call.call_sequence for each in result.calls])
            before = result.looked_to or (result.calls[-1].place if len(result.calls) == limit else None)
            if before is None:
                return all_pages


def test_pages_follow_one_another_without_a_gap_or_a_double(database: Database) -> None:
    keep(database, 10)
    seen = [call for page in pages(database, CallSearch()) for call in page]
    assert sorted(seen, key=int) == [str(number) for number in range(10)]
    assert [int(call) // 3 for call in seen] == sorted(int(call) // 3 for call in seen)


@pytest.mark.parametrize("e164", ["", SOMEONE])
@pytest.mark.parametrize(
    "criteria",
    [
        {"verdicts": frozenset({"answered"})},
        {"extension": frozenset({"101", "+34911000001"})},
        {"name": "ana per"},
    ],
)
def test_what_is_rare_is_found_step_by_step(
    database: Database, monkeypatch: pytest.MonkeyPatch, criteria: dict[str, Any], e164: str
) -> None:
    keep(database, 30, answered=True, answered_by="101", diversions=(Diversion("+34911000001", True, None),))
    with database.write() as connection:
        queries.add(database, connection, [asked("29", record_name="ANA PÉREZ")])
    for name in ("LOOKED_AT", "LOOKED_AT_NAMES", "_AT_ONCE"):
        monkeypatch.setattr(callsearch, name, 8)
    steps = pages(database, CallSearch(e164, **criteria))
    assert steps[0] == []
    assert [call for step in steps for call in step] == ["29"]
    assert len(steps) < 8


def test_what_is_open_is_found_by_its_own_index(database: Database) -> None:
    keep(database, 3)
    query = callsearch._next(CallSearch(verdicts=frozenset({"open", "talking"})), (NOW, 1), 50)
    with database.read() as connection:
        if database.postgresql:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN" if database.postgresql else "EXPLAIN QUERY PLAN"
        statement = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}"))
    assert "ix_calls_open" in plan
