"""`ask` and `check --connect` of what is looked up in the bridge's own calls: they need the database alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.store import calls
from bridge.store.calls import Call, CallState
from bridge.store.folded import FoldedCall
from bridge.store.schema import connect
from tests.cli.conftest import Run

CONFIGURATION = """
lines: [{number: "912345678", password: "3956", extensions: ["101", "102"]}]
queries:
  DESVIO:
    deadline: 1m
    find: {previous: {in: calls, table: answered, phone: "{{ caller }}"}}
    answer: {DESTINO: "{{ previous.answered_by | dial }}", HACE: "{{ previous.days_ago | round(2) }}"}
    not_found: {DESTINO: "910000000"}
"""
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
"""In Madrid."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    return file


@pytest.fixture
def answered(config: Path) -> None:
    """Ana's call was answered by 101 at noon, and by 102 a day later."""
    database = connect("sqlite:///bridge.db", config.parent)
    with database.write() as connection:
        for number, agent in enumerate(("101", "102")):
            end = NOON + timedelta(days=number)
            call = FoldedCall(
                id=str(number), line="912345678", direction="received", e164="+34600111222", start=end, end=end,
                over=True, answered=True, answered_by=agent,
            )  # fmt: skip
            whole = Call("912345678", call.id, CallState.OVER, call, call.e164, "received", "", end, end)
            calls.save(connection, whole, end)
    database.close()


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-24T11:59", ["DESTINO = 910000000"]),
        ("2026-11-24T18:00", ["DESTINO = 101", "HACE = 0.25"]),
        ("2026-11-25T12:00", ["DESTINO = 102", "HACE = 0.0"]),
        ("2026-11-27T00:00", ["DESTINO = 102", "HACE = 1.5"]),
    ],
)
def test_what_a_caller_did_before_is_as_of_the_moment_that_is_asked_about(
    run: Run, moment: str, told: list[str]
) -> None:
    said = run("ask", "DESVIO", "--caller", "600111222", "--at", moment)
    assert (said.code, said.err) == (0, "")
    assert [line.strip() for line in said.out.splitlines() if " = " in line] == told


def test_before_the_first_start_nobody_called(run: Run, config: Path) -> None:
    assert "DESTINO = 910000000" in run("ask", "DESVIO", "--caller", "600111222").out
    assert not (config.parent / "bridge.db").exists()


@pytest.mark.usefixtures("answered")
def test_check_connect_asks_the_database(run: Run) -> None:
    said = run("check", "--connect")
    assert (said.code, "ok   calls: look up calls: its own database answers" in said.out) == (0, True)


def test_check_connect_says_that_it_does_not_answer(run: Run, config: Path) -> None:
    (config.parent / "bridge.db").write_bytes(b"this is no database, it is a letter to a friend" * 100)
    said = run("check", "--connect")
    assert said.code == 1
    assert "FAIL calls: look up calls: " in said.out
