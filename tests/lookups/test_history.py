"""The bridge's own calls as a connector: what a Query finds, and what it does while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from bridge.config.load import load
from bridge.lookups.gateway import ConnectorGateway
from bridge.lookups.history import HistoryGateway
from bridge.queries.answering import Answered, Question
from bridge.service.composition import Service
from bridge.store import calls
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.folded import FoldedCall
from bridge.store.schema import connect
from connectors.base import Context, Deadline, LookupQuery
from connectors.dates import timed
from connectors.phone import Phone, parse
from tests.config.files import told, warned
from tests.waiting import until

LINE = "912345678"
ANA = parse("600111222", "ES")
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")
CONFIGURATION = """
database: "{database}"
lines: [{{number: "912345678", password: "3956", extensions: ["101"]}}]
queries:
  DESVIO:
    find: {{previous: {{in: calls, table: {table}, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "{{{{ previous.answered_by | dial }}}}", LLAMADAS: "{{{{ previous.count }}}}"}}
    not_found: {{DESTINO: "910000001"}}
    on_error: {{DESTINO: "910000002"}}
    on_timeout: {{DESTINO: "910000003"}}
    deadline: {deadline}
"""


def keep(database: Database, name: str, minutes: float, *, answered: bool = False, line: str = LINE) -> None:
    """A call from Ana that was over so many minutes after noon."""
    end = NOON + timedelta(minutes=minutes)
    start = (end - timedelta(minutes=2)).astimezone(MADRID)
    folded = FoldedCall(
        id=name, line=line, direction="received", e164=ANA.e164, called="910000009", start=start, seconds=120,
        answered=answered, answered_by="101" if answered else "", over=True,
    )  # fmt: skip
    whole = Call(line, name, CallState.OVER, replace(folded, end=end), ANA.e164, "received",
                 started_at=start, ended_at=end, seconds=120)  # fmt: skip
    with database.write() as connection:
        calls.save(connection, whole, NOON)


@contextmanager
def serving(folder: Path, database: str, table: str = "answered", deadline: str = "10s") -> Iterator[Service]:
    path = folder / "config.yaml"
    path.write_text(CONFIGURATION.format(database=database, table=table, deadline=deadline), encoding="utf-8")
    service = Service.open(load(path))
    try:
        yield service
    finally:
        service.close()


def ask(service: Service, caller: Phone = ANA, call: str = "") -> Answered:
    line = service.configuration.lines[0]
    return service.queries.answer(Question("DESVIO", line, caller, line.number, {"id": call}))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = connect(database_url)
    yield database
    database.close()


def test_a_query_finds_who_answered_last(database: Database, database_url: str, tmp_path: Path) -> None:
    keep(database, "1", 0, answered=True)
    keep(database, "2", 5)
    with serving(tmp_path, database_url) as service:
        answered = ask(service)
        assert answered.variables == {"DESTINO": "101", "LLAMADAS": "2"}
        assert [(one.step, one.connector, one.outcome) for one in answered.trail] == [("previous", "calls", "found")]
        assert ask(service, parse("600999999", "ES")).variables == {"DESTINO": "910000001"}
        assert ask(service, Phone("X", hidden=True)).variables == {"DESTINO": "910000001"}


def test_nothing_of_it_is_kept_for_the_next_question(database: Database, database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url, "last") as service:
        assert ask(service).outcome == "not_found"
        keep(database, "1", 0, answered=True)
        assert ask(service).variables["LLAMADAS"] == "1"
        keep(database, "2", 5, answered=True)
        assert ask(service).variables["LLAMADAS"] == "2"
        assert ask(service, call="2").variables["LLAMADAS"] == "1"


def _asked(database_url: str, kind: str, scope: dict[str, object]) -> dict[str, object]:
    """The fields of what is found, with a clock at half past noon."""
    gateway = HistoryGateway(connect(database_url), Context(Path()), clock=lambda: NOON + timedelta(minutes=30))
    try:
        query = gateway.wanted(LookupQuery(kind, phone=ANA), scope)
        records, _ = gateway.find(query, Deadline.after(30), None)
        assert len(records) <= 1
        return dict(records[0].fields) if records else {}
    finally:
        gateway.close()


class _Line:
    number, timezone = LINE, "Europe/Madrid"


def test_a_call_is_told_on_the_clock_of_the_line_that_asks(database: Database, database_url: str) -> None:
    keep(database, "1", -14 * 60)  # 23:00 of the day before, in Madrid
    keep(database, "2", 0)
    fields = _asked(database_url, "last", {"line": _Line()})
    assert fields == {
        "id": "2",
        "start": datetime(2026, 11, 24, 12, 58, tzinfo=MADRID),
        "days_ago": pytest.approx(32 / 1440),
        "direction": "received",
        "seconds": 120,
        "answered_by": "",
        "line": LINE,
        "called": "910000009",
        "count": 2,
        "today": 1,
    }
    start = fields["start"]
    assert isinstance(start, datetime)
    assert start.tzinfo == MADRID


def test_it_is_as_of_the_moment_of_what_asks(database: Database, database_url: str) -> None:
    keep(database, "1", 0)
    keep(database, "2", 20)
    assert _asked(database_url, "last", timed(NOON + timedelta(minutes=10), "en"))["id"] == "1"
    own = timed(NOON + timedelta(minutes=10), "en") | {"now": "what a step called so found"}
    assert _asked(database_url, "last", own)["id"] == "1"
    of_activity = {"call": {"id": "2", "end": NOON + timedelta(minutes=20)}, "line": _Line(), **timed(NOON, "en")}
    assert _asked(database_url, "last", of_activity)["id"] == "1"
    assert _asked(database_url, "last", timed(NOON - timedelta(minutes=1), "en")) == {}


def test_while_no_database_was_made_there_are_no_calls_and_none_is_made(tmp_path: Path) -> None:
    with serving(tmp_path, "sqlite:///bridge.db") as service:
        assert ask(service).outcome == "not_found"
    assert not (tmp_path / "bridge.db").exists()


@pytest.mark.parametrize("database", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:///letter.db"])
def test_a_database_that_refuses_is_on_error(database: str, tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_bytes(b"this is no database, it is a letter to a friend" * 100)
    with serving(tmp_path, database) as service:
        assert ask(service).variables == {"DESTINO": "910000002"}


def test_a_database_that_says_nothing_is_on_timeout_and_its_statement_ends(postgres_url: str, tmp_path: Path) -> None:
    database = connect(postgres_url)
    keep(database, "1", 0, answered=True)
    database.close()
    with serving(tmp_path, postgres_url, deadline="700ms") as service, psycopg.connect(postgres_url) as holder:
        holder.execute("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
        assert ask(service).variables == {"DESTINO": "910000003"}
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            waits = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'relation'"
            )
            until(lambda: watcher.execute(waits).fetchone() == (0,))
        holder.rollback()
        until(lambda: ask(service).variables.get("DESTINO") == "101")


def test_a_locked_sqlite_file_is_on_timeout(tmp_path: Path) -> None:
    database = connect("sqlite:///bridge.db", tmp_path)
    keep(database, "1", 0, answered=True)
    with serving(tmp_path, "sqlite:///bridge.db", deadline="500ms") as service:
        with database.engine.connect() as holder:
            holder.exec_driver_sql("PRAGMA locking_mode = EXCLUSIVE")
            holder.exec_driver_sql("UPDATE calls SET version = version")
            holder.commit()
            assert ask(service).outcome == "on_timeout"
            holder.exec_driver_sql("PRAGMA locking_mode = NORMAL")
            holder.exec_driver_sql("SELECT count(*) FROM calls").fetchall()
            holder.commit()
        until(lambda: ask(service).variables.get("DESTINO") == "101")
    database.close()


def test_after_several_failures_it_is_not_asked_for_a_while(tmp_path: Path) -> None:
    with serving(tmp_path, "postgresql://nobody@127.0.0.1:1/none") as service:
        for _ in range(5):
            ask(service)
        assert service.sources["calls"].breaker.open
        assert "is not asked until it answers again" in ask(service).trail[0].note


def test_a_changed_configuration_goes_on_with_it(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url) as before:
        path = tmp_path / "config.yaml"
        path.write_text(path.read_text().replace("910000001", "910000007"))
        after = Service.open(load(path), previous=before)
        assert after.sources["calls"] is before.sources["calls"]
        assert ask(after).variables == {"DESTINO": "910000007"}


THEIRS = """
lines: [{number: "912345678", password: "3956"}]
connectors:
  calls: {type: csv, tables: {answered: {file: theirs.csv, phones: [phone]}}}
queries:
  DESVIO:
    find: {previous: {in: calls, table: answered, phone: "{{ caller }}"}}
    answer: {NOMBRE: "{{ previous.name }}"}
"""


def test_a_connector_that_somebody_called_so_stays_theirs(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text("phone,name\n600111222,Ana\n")
    [warning] = [one for one in warned(tmp_path, THEIRS) if "calls" in one]
    assert "3:3: connectors.calls: calls means this connector, not the bridge's own calls" in warning
    service = Service.open(load(tmp_path / "bridge.yaml"))
    try:
        assert type(service.sources["calls"]) is ConnectorGateway
        assert ask(service).variables == {"NOMBRE": "Ana"}
    finally:
        service.close()


@pytest.mark.parametrize(
    ("step", "answer", "fault"),
    [
        ("table: answerd, phone: '{{ caller }}'", "{{ previous.id }}", "did you mean answered?"),
        ("phone: '{{ caller }}'", "{{ previous.id }}", "what can be looked up by phone there: answered, last, missed"),
        ("table: last, phone: '{{ caller }}'", "{{ previous.day_ago }}", "previous has no field day_ago; did you mean"),
        ("table: last, key: '{{ vars.X }}'", "{{ previous.id }}", "it can be looked up by phone"),
    ],
)
def test_check_knows_its_tables_and_fields(step: str, answer: str, fault: str, tmp_path: Path) -> None:
    text = f"""
    lines: [{{number: "912345678", password: "3956"}}]
    queries: {{DESVIO: {{find: {{previous: {{in: calls, {step}}}}}, answer: {{X: "{answer}"}}}}}}
    """
    [said] = told(tmp_path, text)
    assert fault in said


def test_check_says_what_was_meant(tmp_path: Path) -> None:
    text = """
    lines: [{number: "912345678", password: "3956"}]
    queries: {DESVIO: {find: {last: {in: call, phone: "{{ caller }}"}}, answer: {X: "{{ last.id }}"}}}
    """
    assert [said.partition("; ")[2] for said in told(tmp_path, text)] == ["did you mean calls?"]


def test_check_says_that_it_keeps_no_activities(tmp_path: Path) -> None:
    text = """
    lines: [{number: "912345678", password: "3956"}]
    activities: [{in: calls}]
    """
    [said] = told(tmp_path, text)
    assert "there is no connector calls" in said


def test_no_call_of_the_past_is_still_to_come(tmp_path: Path) -> None:
    text = CONFIGURATION.format(database="sqlite:///bridge.db", table="last, many: next", deadline="1s")
    [fault] = told(tmp_path, text)
    assert fault.endswith(
        "many: the bridge's own calls are over, none is still to come: leave many: out, last is one call"
    )
