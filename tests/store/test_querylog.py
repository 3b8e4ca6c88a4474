"""The record of Queries: written behind the answers, without secrets, within its room, whatever the database does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.config.load import Loaded, load_to_serve
from bridge.infocaller import events
from bridge.infocaller.messages import Document, Format
from bridge.intake.querylog import QueryLog
from bridge.lookups.finding import TrailEntry
from bridge.queries.answering import Answered
from bridge.store import panelurls, queries
from bridge.store.panelurls import LastCalled, PanelUrl
from bridge.store.queries import QueryFilter, StoredQuery
from bridge.store.schema import connect
from bridge.troubles import Troubles
from bridge.web.infocaller import question
from connectors.base import Record
from tests.web.bridge_process import until

LINE = "912345678"
AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC).timestamp()
ANA = Record("crm", "contact", "12", {"name": "Ana Pérez"})

Make = Callable[..., Loaded]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def loaded(url: str, more: str = "") -> Loaded:
        file = tmp_path / "config.yaml"
        file.write_text(
            f"database: {url}\nlines: [{{number: '{LINE}', password: '3956'}}]\n"
            f"queries: {{DESVIO: {{answer: {{DESTINO: '1'}}}}}}\n{more}"
        )
        file.chmod(0o600)
        return load_to_serve(file)

    return loaded


def ask(
    log: QueryLog,
    loaded: Loaded,
    call: str = "1",
    result: int = 0,
    variables: Mapping[str, str] = {"PEDIDO": "77"},
    **fields: object,
) -> None:
    """Have a Query noted that was answered just now."""
    document = Document(
        Format.JSON, LINE, call, signature="c0ffee" * 5, call_type="R", caller_number="600111222",
        query_name="DESVIO", variables=variables, source="x" * 100,
    )  # fmt: skip
    usual = Answered(
        "DESVIO", result, "", {"DESTINO": "910000000"}, "found", 250.0,
        (TrailEntry("contact", "crm", "found", 240.0),), ANA,
    )  # fmt: skip
    given = {name: fields.get(name, getattr(usual, name)) for name in Answered.__struct_fields__}
    line = loaded.configuration.lines[0]
    asked = question(document, line, "DESVIO", events.panel({}))
    log.answered(asked, document, Answered(**given), loaded.configuration)  # type: ignore[arg-type]


def stored(url: str) -> list[StoredQuery]:
    database = connect(url)
    try:
        with database.read() as connection:
            return queries.find(connection, QueryFilter())[::-1]
    finally:
        database.close()


def urls(url: str) -> list[LastCalled]:
    database = connect(url)
    try:
        with database.read() as connection:
            return panelurls.last_called(connection)
    finally:
        database.close()


def test_a_query_is_kept_with_who_matched_and_what_went_out(database_url: str, make: Make) -> None:
    loaded = make(database_url)
    log = QueryLog(loaded, clock=lambda: AT)
    log.start()
    ask(log, loaded)
    log.close()
    (query,) = stored(database_url)
    assert query.at == datetime.fromtimestamp(AT - 0.25, UTC)
    assert query[1:8] == (LINE, "1", "DESVIO", "received", "+34600111222", LINE, {"PEDIDO": "77"})
    assert query[8:12] == ("found", 0, "", {"DESTINO": "910000000"})
    assert query[12:18] == ("crm", "contact", "12", "Ana Pérez", None, 250.0)
    assert query.trail == [("contact", "crm", "found", 240.0, "")]


def test_it_is_written_soon_without_anybody_ending_it(database_url: str, make: Make) -> None:
    loaded = make(database_url)
    log = QueryLog(loaded, every=0.02)
    log.start()
    try:
        for number in range(450):
            ask(log, loaded, str(number))
        until(lambda: len(stored(database_url)) == 100)  # the newest page of them
        until(lambda: sum(each.number for each in _counts(database_url)) == 450)
    finally:
        log.close()


def _counts(url: str) -> list[queries.QueryCount]:
    database = connect(url)
    try:
        with database.read() as connection:
            return queries.by_outcome(connection, datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC))
    finally:
        database.close()


def test_nothing_sensitive_is_kept_wherever_it_went(database_url: str, make: Make) -> None:
    loaded = make(database_url, "sensitive: [PIN, ECO]\n")
    log = QueryLog(loaded)
    ask(
        log, loaded, variables={"PIN": "987654", "PEDIDO": "77"}, text="PIN 987654", matched=Record(
            "crm", "card", "987654", {"name": "card 987654"}
        ), trail=(TrailEntry("card", "crm", "found", 1.0, "987654 was asked for"),),
    )  # fmt: skip
    ask(log, loaded, "2", variables={"PEDIDO": "C0FFEE" * 5})
    log.close()
    first, second = stored(database_url)
    assert first.variables == {"PIN": "", "PEDIDO": "77"}
    assert "987654" not in repr(first)
    assert second.variables == {"PEDIDO": ""}


def test_what_a_crm_answers_under_a_sensitive_name_is_not_kept(database_url: str, make: Make) -> None:
    loaded = make(database_url, "sensitive: [DESTINO]\n")
    log = QueryLog(loaded)
    ask(log, loaded)
    log.close()
    assert stored(database_url)[0].answer == {"DESTINO": ""}


def test_what_is_huge_is_cut(database_url: str, make: Make) -> None:
    loaded = make(database_url)
    log = QueryLog(loaded)
    ask(
        log, loaded, variables={f"V{n}": "x" * 5000 for n in range(500)}, text="t" * 5000, query="Q" * 5000,
        outcome="unknown_query", trail=(TrailEntry("s", "c", "down", 1.0, "n" * 5000),) * 500,
        matched=Record("c" * 500, "k" * 500, "i" * 500, {"name": "n" * 500}),
    )  # fmt: skip
    log.close()
    (query,) = stored(database_url)
    assert len(query.variables) == 40
    assert {len(value) for value in query.variables.values()} == {200}
    assert (len(query.text), len(query.query), len(query.trail), len(query.trail[0].note)) == (200, 40, 40, 200)


def test_without_the_record_queries_are_counted_and_their_urls_noted(database_url: str, make: Make) -> None:
    loaded = make(database_url, "log_queries: false\n")
    log = QueryLog(loaded)
    ask(log, loaded)
    log.close()
    assert stored(database_url) == []
    assert _counts(database_url) == [("found", 1, 250.0)]
    assert [(each.url, each.outcome) for each in urls(database_url)] == [(PanelUrl(LINE, "query", "DESVIO"), "found")]


def test_urls_are_noted_with_their_last_error(database_url: str, make: Make) -> None:
    loaded = make(database_url)
    log = QueryLog(loaded, clock=lambda: AT)
    log.kept(LINE, "fin")
    log.refused(LINE, "event", "fin", "the signature is wrong" + "!" * 5000)
    ask(log, loaded, outcome="unknown_query", query="NADA", text="Query 'NADA' is not in the configuration")
    log.close()
    fin, unknown = urls(database_url)
    assert (fin.url, fin.called_at, fin.outcome) == (
        PanelUrl(LINE, "event", "fin"),
        datetime.fromtimestamp(AT, UTC),
        "kept",
    )
    assert fin.error.startswith("the signature is wrong")
    assert len(fin.error) == 300
    assert (unknown.url, unknown.called_at) == (PanelUrl(LINE, "query", ""), None)
    assert "NADA" in unknown.error


def test_what_came_while_the_database_was_away_is_written_when_it_is_back(empty_database_url: str, make: Make) -> None:
    loaded = make(empty_database_url)
    log = QueryLog(loaded)
    ask(log, loaded)
    log.kept(LINE, "fin")
    assert log._turn(urls=True) is False
    if empty_database_url.startswith("sqlite"):
        assert not loaded.folder.joinpath("bridge.db").exists()  # whoever makes it sees to its rights
    connect(empty_database_url).close()
    ask(log, loaded, "2")
    log.close()
    assert [query.call_sequence for query in stored(empty_database_url)] == ["1", "2"]
    assert len(urls(empty_database_url)) == 2


def test_what_finds_no_room_is_counted_and_told_until_there_is_room(empty_database_url: str, make: Make) -> None:
    lost: list[int] = []
    loaded, troubles = make(empty_database_url), Troubles()
    log = QueryLog(loaded, troubles, lost.append, room=10_000)
    for number in range(5):
        ask(log, loaded, str(number))
    assert log._turn(urls=False) is False
    assert lost == [2]
    assert [trouble.id for trouble in troubles.all()] == ["query_log"]
    connect(empty_database_url).close()
    assert log._turn(urls=False)
    assert troubles.all() == []
    ask(log, loaded, "5")
    log.close()
    assert [query.call_sequence for query in stored(empty_database_url)] == ["0", "1", "2", "5"]
    assert lost == [2]


def test_what_the_database_never_took_is_counted_at_the_end(empty_database_url: str, make: Make) -> None:
    lost: list[int] = []
    loaded = make(empty_database_url)
    log = QueryLog(loaded, lost=lost.append)
    log.start()
    ask(log, loaded)
    log.close()
    assert lost == [1]


def test_a_server_that_is_away_keeps_nobody_waiting_and_is_asked_again(make: Make) -> None:
    lost: list[int] = []
    loaded = make("postgresql://nobody@127.0.0.1:1/nothing")
    log = QueryLog(loaded, lost=lost.append, every=0.01)
    log.start()
    for number in range(300):
        ask(log, loaded, str(number))
    until(lambda: len(log._rows) == 300)
    log.close()
    assert lost == [300]


def test_a_link_that_fails_costs_the_other_queries_nothing(database_url: str, make: Make) -> None:
    def fails(_record: Record) -> str:
        raise RuntimeError("this connector's link is at fault")

    lost: list[int] = []
    loaded = make(database_url)
    log = QueryLog(loaded, lost=lost.append)
    ask(log, loaded, "1", matched=replace(ANA, opens=fails))
    ask(log, loaded, "2", matched=replace(ANA, opens=lambda record: f"https://crm.example.com/{record.id}"))
    log.close()
    assert [(query.call_sequence, query.record_link) for query in stored(database_url)] == [
        ("2", "https://crm.example.com/12")
    ]
    assert lost == [1]


def test_a_row_that_the_database_refuses_takes_no_other_along(postgres_url: str, make: Make) -> None:
    lost: list[int] = []
    loaded = make(postgres_url)
    log = QueryLog(loaded, lost=lost.append)
    ask(log, loaded, "1")
    ask(log, loaded, "2", result=1 << 40)
    ask(log, loaded, "3")
    log.close()
    assert [query.call_sequence for query in stored(postgres_url)] == ["1", "3"]
    assert lost == [1]
    assert _counts(postgres_url) == [("found", 3, 750.0)]
