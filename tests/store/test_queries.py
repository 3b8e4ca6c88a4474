"""Queries that were answered: kept, found by call, time and caller, counted; calls on the line; the panel's URLs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Select, select, text

from bridge.store import calls, events, live, panelurls, privacy, queries
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.folded import FoldedCall
from bridge.store.panelurls import Happened, PanelUrl
from bridge.store.queries import QueryFilter, StoredQuery, TrailStep
from bridge.store.tables import queries as table
from tests.store.made import LINE, NOW, SOMEONE, arrival, asked

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def keep(database: Database, *rows: StoredQuery) -> None:
    with database.write() as connection:
        queries.add(database, connection, rows)


def find(database: Database, criteria: QueryFilter, *more: Any) -> list[StoredQuery]:
    with database.read() as connection:
        return queries.find(connection, criteria, *more)


def test_what_was_kept_is_read_as_it_was(database: Database) -> None:
    whole = asked(
        "1", variables={"DATO": "ñ\0\ud800"}, text="no\0", record_link="https://crm.example.com/12", result=-3,
        trail=[TrailStep("contact", "agenda", "down", 0.25, "HTTP 503: «x»"), TrailStep("contact", "crm", "found", 3)],
    )  # fmt: skip
    bare = asked("1", NOW + SECOND, answer={}, trail=[], connector="", outcome="on_timeout")
    keep(database, whole, bare)
    with database.read() as connection:
        first, second = queries.of_call(connection, LINE, "1")
        assert queries.of_call(connection, "933000000", "1") == []
    assert first._replace(id=0, variables={}, text="") == whole._replace(variables={}, text="")
    assert first.variables["DATO"].startswith("ñ")
    assert second._replace(id=0) == bare
    assert (first.late, second.late) == (False, True)


def test_pages_follow_one_another_without_a_gap_or_a_double(database: Database) -> None:
    made = [asked(str(n), NOW + SECOND * (n // 3)) for n in range(10)]  # three at the same moment
    keep(database, *reversed(made))
    seen: list[str] = []
    before = None
    while page := find(database, QueryFilter(), 4, before):
        seen += [query.call_sequence for query in page]
        before = (page[-1].at, page[-1].id)
    assert len(seen) == 10
    assert sorted(seen, key=lambda call: (-(int(call) // 3), int(call))) == seen


def test_they_are_found_by_time_by_caller_and_by_what_went_wrong(database: Database) -> None:
    other = asked("3", NOW + HOUR, caller="+34600999888")
    keep(database, asked("1"), asked("2", NOW + SECOND, outcome="on_error"), other)

    def named(criteria: QueryFilter) -> list[str]:
        return [query.call_sequence for query in find(database, criteria)]

    assert named(QueryFilter()) == ["3", "2", "1"]
    assert named(QueryFilter(since=NOW + SECOND)) == ["3", "2"]
    assert named(QueryFilter(until=NOW + SECOND)) == ["1"]
    assert named(QueryFilter(caller=SOMEONE)) == ["2", "1"]
    assert named(QueryFilter(unusual=True)) == ["2"]


def test_they_are_counted_by_hour_whoever_counts(database: Database) -> None:
    hour = queries.hour_of(NOW)
    for counted in (
        {(hour, "DESVIO", "found"): (3, 30.0), (hour, "PEDIDO", "found"): (1, 5.0)},
        {(hour, "DESVIO", "found"): (2, 20.0), (hour + HOUR, "DESVIO", "on_error"): (4, 8.0)},
        {},
    ):
        with database.write() as connection:
            queries.count(database, connection, counted)
    with database.read() as connection:
        assert queries.by_outcome(connection, NOW, NOW + DAY) == [("found", 6, 55.0), ("on_error", 4, 8.0)]
        assert queries.by_outcome(connection, NOW, hour + HOUR) == [("found", 6, 55.0)]
        assert queries.by_outcome(connection, NOW + DAY, NOW + DAY) == []
        assert queries.by_outcome(connection, hour + HOUR, NOW + DAY) == [("on_error", 4, 8.0)]


# On the line


def call(name: str, at: datetime, state: CallState = CallState.OPEN) -> Call:
    folded = FoldedCall(id=name, line=LINE, direction="received", e164=SOMEONE, start=at)
    return Call(LINE, name, state, folded, SOMEONE, "received", started_at=at)


def test_calls_are_on_the_line_until_their_fin_comes(database: Database) -> None:
    with database.write() as connection:
        for each in (call("open", NOW), call("over", NOW, CallState.OVER), call("old", NOW - DAY)):
            calls.save(connection, each, NOW)
        calls.save(connection, call("ended", NOW), NOW)  # its FIN is not folded yet
        begun = [arrival("begun", "inicio", received_at=NOW + SECOND), arrival("ended", "fin")]
        events.add(database, connection, begun)
    keep(
        database,
        asked("asks", NOW + 3 * SECOND), asked("asks", NOW + 5 * SECOND, query="PEDIDO"), asked("open", NOW + SECOND),
        asked("over", NOW + SECOND), asked("ended", NOW + SECOND), asked("asked long ago", NOW - DAY),
    )  # fmt: skip
    with database.read() as connection:
        on_line = live.on_line(connection, NOW - HOUR)
        assert [each.call_sequence for each in live.on_line(connection, NOW - HOUR, 2)] == ["asks", "begun"]
    assert [each.call_sequence for each in on_line] == ["asks", "begun", "open"]
    asking, begins, opened = on_line
    assert (asking.began, asking.call) == (NOW + 3 * SECOND, None)
    assert asking.query is not None
    assert asking.query.query == "PEDIDO"
    assert (begins.began, begins.query) == (NOW + SECOND, None)
    assert opened.call is not None
    assert opened.call.e164 == SOMEONE
    assert opened.query is not None
    assert opened.query.record_name == "Ana Pérez"


def test_nobody_is_on_the_line(database: Database) -> None:
    with database.read() as connection:
        assert live.on_line(connection, NOW) == []


# The panel's URLs


def test_the_newest_that_happened_to_a_url_stays(database: Database) -> None:
    desvio, fin = PanelUrl(LINE, "query", "DESVIO"), PanelUrl(LINE, "event", "fin")
    stranger = PanelUrl("", "other", "")
    for called, errors in (
        ({desvio: Happened(NOW, "found")}, {stranger: Happened(NOW, "nothing at this URL")}),
        ({desvio: Happened(NOW - SECOND, "on_error"), fin: Happened(NOW, "kept")}, {}),
        ({}, {desvio: Happened(NOW + SECOND, "the signature is wrong")}),
    ):
        with database.write() as connection:
            panelurls.note(database, connection, called, errors)
    with database.read() as connection:
        rows = panelurls.last_called(connection)
    assert [(each.url, each.called_at, each.outcome, each.error_at, each.error) for each in rows] == [
        (stranger, None, "", NOW, "nothing at this URL"),
        (fin, NOW, "kept", None, ""),
        (desvio, NOW, "found", NOW + SECOND, "the signature is wrong"),
    ]


def test_what_is_older_than_the_retention_goes(database: Database) -> None:
    keep(database, *(asked(str(n), NOW - DAY) for n in range(501)), asked("new", NOW + DAY))
    hour = queries.hour_of(NOW)
    old, new = PanelUrl(LINE, "query", "GONE"), PanelUrl(LINE, "query", "DESVIO")
    with database.write() as connection:
        queries.count(database, connection, {(hour - DAY, "", "found"): (1, 1), (hour + DAY, "", "found"): (1, 1)})
        panelurls.note(
            database, connection, {old: Happened(NOW - DAY, "found")},
            {old: Happened(NOW - DAY, "no"), new: Happened(NOW + DAY, "no")},
        )  # fmt: skip
    assert privacy.purge(database, NOW, NOW).queries == 501
    with database.read() as connection:
        assert [query.call_sequence for query in queries.find(connection, QueryFilter())] == ["new"]
        assert queries.by_outcome(connection, NOW - 9 * DAY, hour + DAY) == []
        assert queries.by_outcome(connection, hour + DAY, NOW + 9 * DAY) == [("found", 1, 1.0)]
        assert [each.url for each in panelurls.last_called(connection)] == [new]


# Indexes


def plan(database: Database, query: Select[Any]) -> str:
    """How the database finds it, where it is not told that there is little."""
    with database.read() as connection:
        if database.postgresql:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_sort = off"))
        explain = "EXPLAIN" if database.postgresql else "EXPLAIN QUERY PLAN"
        literal = query.compile(connection, compile_kwargs={"literal_binds": True})
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {literal}"))


PAGE = (100, (NOW, 5))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (queries._of_call(LINE, "1"), "ix_queries_call"),
        (queries._last_of([(LINE, "1"), (LINE, "2")]), "ix_queries_call"),
        (queries._page(QueryFilter(), *PAGE), "ix_queries_at"),
        (queries._page(QueryFilter(since=NOW - DAY, until=NOW), *PAGE), "ix_queries_at"),
        (queries._page(QueryFilter(caller=SOMEONE), *PAGE), "ix_queries_caller"),
        (queries._page(QueryFilter(unusual=True), *PAGE), "ix_queries_unusual"),
        (live._only_asked(NOW - HOUR, 100), "ix_queries_at"),
        (live._open_calls(NOW - HOUR, 100), "ix_calls_open|ix_calls_started_at"),
        (live._inicios(NOW - HOUR, 100), "ix_events_unfolded"),
        (live._ended([(LINE, "1"), (LINE, "2")]), "uq_events_once|sqlite_autoindex_events"),
    ],
)
def test_each_is_found_by_an_index(database: Database, query: Select[Any], index: str) -> None:
    keep(database, asked("1"))
    how = plan(database, query)
    assert any(each in how for each in index.split("|")), how
    assert "Seq Scan" not in how
    assert "SCAN queries" not in how  # also of an index from end to end
    assert "SCAN events" not in how


def test_a_persons_are_found_by_indexes(database: Database) -> None:
    how = plan(database, select(table.c.id).where(privacy._queries_of(SOMEONE)))
    assert "ix_queries_caller" in how
    assert "ix_queries_call " in how
    assert "Seq Scan" not in how
    assert "SCAN queries" not in how


def test_the_same_call_sequence_on_another_line_is_another_call(database: Database) -> None:
    other = "933000000"
    with database.write() as connection:
        calls.save(connection, call("1", NOW), NOW)
        elsewhere = replace(arrival("1", "fin"), line=other)
        events.add(database, connection, [elsewhere, replace(arrival("2", "inicio"), line=other)])
    keep(database, asked("1", line=other, query="OTHER"), asked("1", query="OURS"), asked("2", query="NOBODYS"))
    with database.read() as connection:
        on_line = {(each.line, each.call_sequence): each.query for each in live.on_line(connection, NOW - HOUR)}
        last = queries.last_of(connection, [(LINE, "1"), (other, "2")])
    assert {key: query.query if query else None for key, query in on_line.items()} == {
        (LINE, "1"): "OURS", (LINE, "2"): "NOBODYS", (other, "2"): None
    }  # fmt: skip
    assert {key: query.query for key, query in last.items()} == {(LINE, "1"): "OURS"}


def test_pages_need_no_sorting(database: Database) -> None:
    for criteria in (QueryFilter(), QueryFilter(caller=SOMEONE), QueryFilter(unusual=True, since=NOW)):
        how = plan(database, queries._page(criteria, *PAGE))
        assert "TEMP B-TREE" not in how
        assert "Sort" not in how


def test_counts_by_hour_are_found_by_their_key(database: Database) -> None:
    how = plan(database, queries._outcomes(NOW - DAY, NOW))
    assert "pk_query_hours" in how or "sqlite_autoindex_query_hours" in how
