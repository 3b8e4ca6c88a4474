"""`evidence`: what allowed calls, and that nobody changed it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bridge.store import evidence
from bridge.store.evidence import Grounds
from tests.cli.conftest import Run
from tests.fakes.exchange import LINE, Exchange

ANA, EVA = "+34600111222", "+34600999888"
HOST = "0123456789abcdef"
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def called(exchange: Exchange) -> Exchange:
    """Two calls to Ana, of which one was not sent, and one to Eva."""
    for number, phone in enumerate((ANA, ANA, EVA)):
        grounds = Grounds(
            phone, phone, LINE, "people", number + 1, 1, "commercial", "consent", "2026-01-02", "form 7",
            gates=["consent", "opposed"], lists={"permitted_on": "2026-11-20", "check": 3}, rules="es-2026-10",
        )  # fmt: skip
        with exchange.database.write() as connection:
            evidence.add(exchange.database, connection, HOST, grounds, AT + timedelta(days=number))
    evidence.annul(exchange.database, HOST, 2, "commercial", AT + timedelta(days=1))
    return exchange


def test_what_allowed_the_calls_to_a_number_is_shown(run: Run, called: Exchange) -> None:
    said = run("evidence", "600 111 222", "--json")
    [row] = json.loads(said.out)
    shown = {name: row[name] for name in ("number", "at", "purpose", "basis", "consent_date", "proof", "rules")}
    assert shown == {
        "number": ANA, "at": "2026-11-23T09:00:00+00:00", "purpose": "commercial", "basis": "consent",
        "consent_date": "2026-01-02", "proof": "form 7", "rules": "es-2026-10",
    }  # fmt: skip
    assert (row["gates"], row["lists"]) == (["consent", "opposed"], {"permitted_on": "2026-11-20", "check": 3})
    table = run("evidence", ANA).out
    assert all(word in table for word in ("es-2026-10", "form 7", "2026-11-23 10:00"))


def test_of_a_stranger_there_is_none(run: Run, called: Exchange) -> None:
    assert json.loads(run("evidence", "600000001", "--json").out) == []
    assert run("evidence", "600000001").code == 0
    assert run("evidence", "nobody").code == 2


def test_it_is_exported_by_time(run: Run, called: Exchange) -> None:
    rows = list(csv.DictReader(io.StringIO(run("evidence", "export").out)))
    assert [(row["number"], row["sent"]) for row in rows] == [(ANA, "yes"), (ANA, "no"), (EVA, "yes")]
    assert rows[0]["gates"] == "consent opposed"
    assert json.loads(rows[0]["lists"]) == {"check": 3, "permitted_on": "2026-11-20"}
    later = run("evidence", "export", "--from", "2026-11-24", "--to", "2026-11-24").out
    assert [row["callback"] for row in csv.DictReader(io.StringIO(later))] == ["2"]


def test_a_chain_that_nobody_touched_is_good_and_its_head_can_be_noted(run: Run, called: Exchange) -> None:
    said = run("evidence", "verify", "--json")
    verified = json.loads(said.out)
    assert (said.code, verified["good"], verified["chains"][0]["rows"]) == (0, True, 4)
    head = verified["chains"][0]["head"]
    assert head in run("evidence", "verify").out
    with called.database.write() as connection:
        connection.execute(text("UPDATE evidence SET hash = :hash WHERE seq = 4"), {"hash": "f" * 64})
    assert run("evidence", "verify", "--head", head).code == 1


@pytest.mark.parametrize("statement", ["DELETE FROM evidence WHERE seq = 2", "UPDATE evidence SET number = ''"])
def test_what_was_changed_is_named(run: Run, called: Exchange, statement: str) -> None:
    with called.database.write() as connection:
        connection.execute(text(statement))
    said = run("evidence", "verify", "--language", "es")
    assert said.code == 1
    assert "fallo: " in said.out
    faults = json.loads(run("evidence", "verify", "--json").out)["chains"][0]["faults"]
    assert faults[0]["what"] in ("missing", "changed")


def test_before_the_first_call_there_is_nothing_to_verify(run: Run, exchange: Exchange) -> None:
    said = run("evidence", "verify")
    assert (said.code, bool(said.out.strip())) == (0, True)


@pytest.mark.parametrize("head", ["x", "a:1:b"])
def test_what_is_no_head_is_wrong_usage(run: Run, called: Exchange, head: str) -> None:
    assert run("evidence", "verify", "--head", head).code == 2


def test_of_a_forgotten_person_it_is_kept_and_said_so(run: Run, called: Exchange) -> None:
    said = run("forget", ANA, "--json")
    report = json.loads(said.out)
    assert report["erased"]["blocked"] == 2
    assert len(json.loads(run("evidence", ANA, "--json").out)) == 1
    assert run("evidence", "verify").code == 0
