"""`calls`: lists, one call whole, and the accountant's export."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bridge.cli.callrows import COLUMNS
from bridge.store import queries
from bridge.store.queries import TrailStep
from tests.cli.conftest import Run
from tests.fakes.connector import Handheld
from tests.fakes.exchange import LINE, NOON, STARTED, Exchange, arrival, document, entry, final
from tests.store.made import asked

MARCH = datetime(2026, 3, 31, 23, 59, 59)


@pytest.fixture
def calls(exchange: Exchange) -> Exchange:
    """Four calls: a whole one, a hidden one that lasts, an emitted one, and one at the very end of March."""
    status = (entry(2, "101", "", "", "9", "0,01", after=20), entry(4, "PEDIDO", "77", after=5))
    exchange.tell(arrival("inicio", document(call_sequence="a")))
    exchange.tell(arrival("fin", final(call_sequence="a", status=status, variables={"PEDIDO": "77"})))
    exchange.tell(arrival("inicio", document(call_sequence="b", caller_number="X")))
    said = final(call_sequence="c", call_type="E", caller_number=LINE, outbound_number="600222333", idcall="=998")
    exchange.tell(arrival("fin", said))
    exchange.tell(arrival("fin", final(call_sequence="d", start=MARCH, end=MARCH, cost_rx=Decimal("1E-6"))))
    return exchange


def listed(run: Run, *arguments: object) -> list[str]:
    """The CallSequences of what is listed, newest first."""
    said = run("calls", "list", "--json", *arguments)
    assert said.code == 0, said.err
    return [call["call_sequence"] for call in json.loads(said.out)]


def test_list_is_for_people(run: Run, calls: Exchange) -> None:
    said = run("calls", "list")
    head, *rows = said.out.splitlines()
    assert head.split() == ["ID", "START", "DIRECTION", "NUMBER", "LINE", "SECONDS", "COST", "STATE", "ANSWERED", "BY"]
    assert len(rows) == 4
    whole = next(row for row in rows if row.startswith("1 "))
    assert whole.split() == [
        "1", "2026-03-02", "12:58:45", "received", "+34600111222", LINE, "75", "0.0465", "over", "101"
    ]  # fmt: skip
    assert "hidden" in said.out


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), ["d", "b", "c", "a"]),
        (("--number", "600 22 23 33"), ["c"]),
        (("--number", "0034600111222"), ["d", "a"]),
        (("--state", "open"), ["b"]),
        (("--limit", "1"), ["d"]),
        (("--since", "2026-03-31"), ["d"]),
        (("--until", "2026-03-31"), ["d", "b", "c", "a"]),
        (("--until", "2026-03-31T23:59"), ["b", "c", "a"]),
        (("--since", "2026-03-02T12:58:46", "--until", "2026-03-30"), ["b"]),
        (("--line", LINE), ["d", "b", "c", "a"]),
        (("--line", "933000000"), []),
    ],
)
def test_list_filters(run: Run, calls: Exchange, filters: tuple[str, ...], expected: list[str]) -> None:
    found = listed(run, *filters)
    assert sorted(found) == sorted(expected)
    assert found[0:1] == expected[0:1]


@pytest.mark.parametrize(
    "arguments",
    [("--since", "yesterday"), ("--until", "2026-13-01"), ("--number", "abc"), ("--since", "2026-03-01T00:00Z")],
)
def test_what_cant_be_read_is_wrong_usage(run: Run, calls: Exchange, arguments: tuple[str, ...]) -> None:
    said = run("calls", "list", *arguments)
    assert said.code == 2
    assert "write" in said.err


def test_no_calls(run: Run, exchange: Exchange) -> None:
    assert run("calls", "list").out == "no calls\n"


def test_show_tells_a_call_whole(run: Run, calls: Exchange) -> None:
    calls.work()
    said = run("calls", "show", "a")
    assert said.code == 0
    assert said.out == (
        "Call 1, CallSequence a, over\n"
        "Call received from +34 600 11 12 22, to 912345678\n"
        "2026-03-02 12:58:45, 1 min 15 s, answered at 101, cost €0.0465\n"
        "12:59:05 Call: 101, 9 s, €0.01\n"
        "12:58:50 Keyed in: PEDIDO = 77\n"
        "Variables: PEDIDO = 77\n"
        "Events:\n"
        "  2026-03-02 13:00:00  inicio\n"
        "  2026-03-02 13:00:00  fin\n"
        "What it left in the CRMs:\n"
        "  done: activity in crm for call a of line 912345678, with +34600111222 (job 1)\n"
    )
    assert run("calls", "show", 1).out == said.out
    assert "It left nothing" in run("calls", "show", "b").out


def test_show_says_as_whom_the_caller_was_found(run: Run, crm: Handheld, calls: Exchange) -> None:
    crm.records = {"contact": [{"id": "1", "name": "Ana", "phone": "600 111 222"}]}
    crm.pages = "https://crm.example.com"
    calls.work()
    line = "found as Ana, contact 1 of crm: https://crm.example.com/1"
    assert f"(job 1)\n    {line}\n" in run("calls", "show", "a").out
    found = {"connector": "crm", "kind": "contact", "id": "1", "name": "Ana", "link": "https://crm.example.com/1"}
    assert json.loads(run("calls", "show", "a", "--json").out)["found"] == [found]
    assert json.loads(run("calls", "show", "b", "--json").out)["found"] == []
    assert f"  caller    {line}\n" in run("jobs", "show", 1).out


def test_what_a_crm_calls_a_caller_does_nothing_to_the_terminal(run: Run, crm: Handheld, calls: Exchange) -> None:
    crm.records = {"contact": [{"id": "1\r", "name": "Ana\x1b[2J", "phone": "600 111 222"}]}
    calls.work()
    assert "found as Ana\ufffd[2J, contact 1\ufffd of crm" in run("calls", "show", "a").out


def test_show_as_json(run: Run, calls: Exchange) -> None:
    call = json.loads(run("calls", "show", "c", "--json").out)
    assert (call["number"], call["direction"], call["cost"]) == ("+34600222333", "emitted", "0.0465")
    assert call["call"]["over"] is True


@pytest.fixture
def asking(calls: Exchange) -> Exchange:
    """The whole call asked twice, and a call of which nothing else is known once."""
    made = [
        asked("a", NOON - timedelta(seconds=9), variables={"PEDIDO": "77"}, record_link="https://crm.example.com/12"),
        asked(
            "a", NOON + timedelta(seconds=9), query="PEDIDO", outcome="on_timeout", result=2, ms=1500.4, connector="",
            answer={}, text="luego\x1b[2J", trail=[TrailStep("order", "shop", "late", 1500, "no time was left")],
        ),
        asked("z", NOON, caller=""),
    ]  # fmt: skip
    with calls.database.write() as connection:
        queries.add(calls.database, connection, made)
    return calls


def test_show_tells_what_was_asked_and_answered(run: Run, asking: Exchange) -> None:
    said = run("calls", "show", "a").out
    assert said[said.index("Events") : said.index("What it left")] == (
        "Events and Queries:\n"
        "  2026-03-02 12:59:51  Query DESVIO: found, Result 0, 12.5 ms\n"
        "    asked with PEDIDO=77\n"
        "    matched contact 12 Ana Pérez of crm, https://crm.example.com/12\n"
        "    answered DESTINO=+34911000001\n"
        "  2026-03-02 13:00:00  inicio\n"
        "  2026-03-02 13:00:00  fin\n"
        "  2026-03-02 13:00:09  Query PEDIDO: on_timeout, Result 2, 1500.4 ms\n"
        "    order in shop late: no time was left\n"
        "    ResultText luego\N{REPLACEMENT CHARACTER}[2J\n"
    )
    first, second = json.loads(run("calls", "show", "a", "--json").out)["queries"]
    assert first["at"] == "2026-03-02T12:59:51.000+01:00"
    assert (first["vars"], first["variables"]) == ({"PEDIDO": "77"}, {"DESTINO": "+34911000001"})
    assert first["matched"] == {
        "connector": "crm", "kind": "contact", "id": "12", "name": "Ana Pérez", "link": "https://crm.example.com/12"
    }  # fmt: skip
    assert (second["outcome"], second["matched"], second["ms"]) == ("on_timeout", None, 1500.4)
    assert second["trail"] == [
        {"step": "order", "connector": "shop", "outcome": "late", "ms": 1500, "note": "no time was left"}
    ]


def test_a_call_of_which_no_event_came_shows_its_queries(run: Run, asking: Exchange) -> None:
    said = run("calls", "show", "z")
    assert said.code == 0
    assert said.out.startswith("CallSequence z: none of its events has come, or is taken up yet\nEvents and Queries:\n")
    assert json.loads(run("calls", "show", "z", "--json").out)["queries"][0]["caller"] is None


def test_an_unknown_call_is_said(run: Run, calls: Exchange) -> None:
    said = run("calls", "show", "999")
    assert (said.code, said.out) == (1, "")
    assert "there is no call 999" in said.err


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_export_is_exact_and_in_the_lines_time(run: Run, calls: Exchange) -> None:
    said = run("calls", "export", "--csv")
    assert said.code == 0
    whole, hidden, emitted, late = rows(said.out)
    assert list(whole) == list(COLUMNS)
    assert whole == {
        "id": "1", "line": LINE, "call_sequence": "a", "direction": "received", "number": "+34600111222",
        "our_number": LINE, "start": "2026-03-02 12:58:45", "end": "2026-03-02 13:00:00", "utc_offset": "+01:00",
        "seconds": "75", "answered": "yes", "answered_by": "101", "cost_rx": "0.012", "cost_tx": "0.0345",
        "cost": "0.0465", "state": "over", "idcall": "",
    }  # fmt: skip
    assert (hidden["number"], hidden["seconds"], hidden["cost"], hidden["answered"]) == ("", "", "", "")
    assert emitted["number"] == "+34600222333"
    assert (late["start"], late["utc_offset"], late["cost_rx"], late["cost"]) == (
        "2026-03-31 23:59:59", "+02:00", "0.000001", "0.034501",
    )  # fmt: skip


def test_export_holds_nothing_that_a_spreadsheet_would_run(run: Run, exchange: Exchange) -> None:
    evil = "=HYPERLINK(1)"
    status = (entry(2, "@SUM(A1)", "", "", "5"),)
    exchange.tell(arrival("fin", final(call_sequence=evil, idcall="-1+1", status=status)))
    (call,) = rows(run("calls", "export").out)
    assert (call["call_sequence"], call["idcall"], call["answered_by"]) == (f"'{evil}", "'-1+1", "'@SUM(A1)")
    assert call["number"] == "+34600111222"


def test_export_as_spreadsheets_of_half_europe_open_it(run: Run, calls: Exchange, tmp_path: Path) -> None:
    said = run("calls", "export", "--excel", "-o", tmp_path / "calls.csv")
    assert (said.code, said.out) == (0, "")
    data = (tmp_path / "calls.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert rows(data.decode("utf-8-sig"), ";")[0]["cost"] == "0,0465"


def test_export_of_a_month(run: Run, calls: Exchange) -> None:
    april = run("calls", "export", "--since", "2026-04-01", "--until", "2026-04-30")
    assert rows(april.out) == []
    assert april.out.strip() == ",".join(COLUMNS)
    march = run("calls", "export", "--since", "2026-03-01", "--until", "2026-03-31", "--line", LINE)
    assert len(rows(march.out)) == 4


def test_export_as_json_is_an_object_a_line(run: Run, calls: Exchange) -> None:
    lines = [json.loads(line) for line in run("calls", "export", "--json").out.splitlines()]
    assert [line["call_sequence"] for line in lines] == ["a", "b", "c", "d"]
    assert (lines[0]["seconds"], lines[0]["cost"], lines[1]["seconds"]) == (75, "0.0465", None)
    assert run("calls", "export", "--json", "--excel").code == 2


def test_export_to_where_nothing_can_be_written_is_said(run: Run, calls: Exchange, tmp_path: Path) -> None:
    said = run("calls", "export", "-o", tmp_path / "no" / "calls.csv")
    assert said.code == 1
    assert "No such file" in said.err


def test_export_to_a_reader_who_leaves_blames_no_database(calls: Exchange, config: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from bridge.cli import main; main()", "calls", "export", "-c", str(config)]
    try:
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writer)
    assert b"bridge.db" not in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == 1


def test_export_of_many_calls_is_all_of_them(run: Run, exchange: Exchange) -> None:
    exchange.configure(activities=[])
    for number in range(520):
        start = STARTED + timedelta(minutes=number)
        exchange.keep(arrival("fin", final(call_sequence=str(number), start=start, end=start)))
    for number in range(520):
        exchange.advance(str(number))
    assert [row["call_sequence"] for row in rows(run("calls", "export").out)] == [str(n) for n in range(520)]


def test_the_help_says_what_the_columns_mean(run: Run, exchange: Exchange) -> None:
    said = run("calls", "export", "--help")
    assert said.code == 0
    assert all(meaning in " ".join(said.out.split()) for meaning in COLUMNS.values())
