"""`callbacks`, `lines` and `campaign`: what admins see and do, by the commands alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.callbacks import Accepted, CallbackService, states
from bridge.config.load import load
from bridge.queue import queue_for
from bridge.store import callbacks as store
from bridge.store.callbacks import Change
from bridge.store.schema import connect
from connectors.base import Task
from tests.cli.conftest import Run
from tests.connectors.sheetcase import workbook
from tests.databases import sqlite_with_tables

CONFIGURATION = """
language: en
lines:
  - {number: "912345678", password: "3956", dial: {per_day: 100000}}
  - {number: "912345679", password: "3956"}
connectors:
  agenda: {type: csv, tables: {robinson: {file: robinson.csv, phones: [phone]}}, tasks: {file: tasks.csv}}
callbacks:
  - {name: web, line: "912345678", rule_group: g, hours: always, do_not_call: {in: agenda, table: robinson}}
  - {from: agenda, line: "912345679", rule_group: g}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "robinson.csv").write_text("phone\n600999888\n")
    (tmp_path / "tasks.csv").write_text("id,phone\n")
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    sqlite_with_tables(tmp_path / "bridge.db")
    return file


class Desk:
    """Callbacks of the configuration, in whatever state a test wants them."""

    def __init__(self, config: Path) -> None:
        self.database = connect("sqlite:///bridge.db", config.parent)
        configuration = load(config).configuration
        self.callbacks = CallbackService(self.database, queue_for(self.database), lambda: configuration, _now)

    def accept(self, id_: str, phone: str = "600111222", source: str = "web") -> Accepted:
        return self.callbacks.intake.accept(source, Task(id_, {"id": id_, "phone": phone}))

    def make(self, id_: int, *changes: Change) -> None:
        with self.database.write() as connection:
            for change in changes:
                assert store.change(connection, id_, change, _now())

    def may_have_rung(self, id_: str) -> int:
        number = self.accept(id_).id
        later = _now() + timedelta(minutes=1)
        sent = states.send(_now(), _now(), {"number": "+34600111222"}, "us", later, 1)
        self.make(number, states.queue(_now(), "912345678", _now()), sent, states.unknown("lost"))
        return number


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def desk(config: Path) -> Iterator[Desk]:
    desk = Desk(config)
    yield desk
    desk.database.close()


def test_list_shows_what_is_asked_for(run: Run, desk: Desk) -> None:
    desk.accept("T1")
    desk.accept("T2", "600333444")
    unsure = desk.may_have_rung("T3")
    shown = run("callbacks", "list").out
    assert shown.splitlines()[0].split() == ["ID", "STATE", "SOURCE", "NUMBER", "WHEN", "AGE", "REASON"]
    assert len(shown.splitlines()) == 4
    assert "+34600333444" not in run("callbacks", "list", "--number", "600 11 12 22").out
    found = json.loads(run("callbacks", "list", "--unsettled", "--json").out)
    assert [(one["id"], one["state"], one["task"]) for one in found] == [(unsure, "may_have_rung", "T3")]
    assert json.loads(run("callbacks", "list", "--state", "busy", "--json").out) == []
    assert [one["task"] for one in json.loads(run("callbacks", "list", "--json", "--limit", "2").out)] == ["T1", "T2"]
    assert run("callbacks", "list", "--task", "none").out == "there are none\n"
    assert "… and more" in run("callbacks", "list", "--limit", "1").err


def test_show_says_all_and_what_to_do(run: Run, desk: Desk) -> None:
    unsure = desk.may_have_rung("T3")
    shown = run("callbacks", "show", unsure).out
    assert f"callbacks confirm {unsure} --rang yes" in shown
    assert "lost" in shown
    whole = json.loads(run("callbacks", "show", unsure, "--json").out)
    assert whole["fields"] == {"id": "T3", "phone": "600111222"}
    assert run("callbacks", "show", 999).code == 1


def test_what_waits_says_which_gate_keeps_it_back_and_until_when(run: Run, desk: Desk) -> None:
    first, second = desk.accept("T1").id, desk.accept("T2").id
    shown = run("callbacks", "show", str(second)).out
    assert "kept back by pace: up to 1 other of the line goes first, 30 a minute (per_minute)" in shown
    tomorrow = _now() + timedelta(days=1)
    desk.make(first, states.wait(tomorrow, "per_number", "called 3 times already"))
    shown = run("callbacks", "show", str(first)).out
    assert "kept back by per_number until " in shown
    assert ": called 3 times already" in shown
    run("lines", "pause", "912345678", "--reason", "mad monday")
    story = run("callbacks", "show", str(second)).out
    assert "kept back by line: line 912345678 is paused by a person (mad monday); it goes on by" in story
    assert "mad monday" in run("callbacks", "list", "--task", "T2").out
    run("lines", "resume", "912345678")
    run("callbacks", "pause", "web")
    kept = json.loads(run("callbacks", "show", str(first), "--json").out)["kept_back"]
    assert [(one["gate"], one["until"] is not None) for one in kept] == [("per_number", True), ("source", False)]


def test_confirm_settles_what_may_have_rung_and_nothing_else(run: Run, desk: Desk) -> None:
    rang, silent, waits = desk.may_have_rung("T1"), desk.may_have_rung("T2"), desk.accept("T3").id
    assert run("callbacks", "confirm", rang, "--rang", "yes").code == 0
    assert run("callbacks", "confirm", silent, "--rang", "no").code == 0
    found = {one["id"]: one["state"] for one in json.loads(run("callbacks", "list", "--json").out)}
    assert (found[rang], found[silent]) == ("no_outcome", "waiting")
    again = run("callbacks", "confirm", rang, "--rang", "no")
    assert (again.code, "nothing to confirm" in again.err) == (1, True)
    assert run("callbacks", "confirm", waits, "--rang", "no").code == 1
    assert run("callbacks", "confirm", 999, "--rang", "no").code == 1
    assert run("callbacks", "confirm", rang).code == 2


def test_cancel_keeps_what_waits_from_being_called_and_says_when_it_is_too_late(run: Run, desk: Desk) -> None:
    waits, unsure, other = desk.accept("T1").id, desk.may_have_rung("T2"), desk.accept("T3").id
    said = run("callbacks", "cancel", waits, unsure, "--reason", "no longer needed")
    assert said.code == 1
    assert f"callback {waits} is not called" in said.out
    assert f"too late, callback {unsure} is may_have_rung" in said.err
    assert "no longer needed" in run("callbacks", "show", waits).out
    assert run("callbacks", "cancel", "--source", "web").out == "1 is not called any more\n"
    assert "cancelled" in run("callbacks", "show", other).out
    assert run("callbacks", "cancel").code == 2
    assert run("callbacks", "cancel", "--source", "none").code == 2


def test_sources_and_lines_are_paused_and_resumed_by_name(run: Run, desk: Desk) -> None:
    desk.accept("T1")
    assert run("callbacks", "pause", "web", "--reason", "holidays").code == 0
    assert "web: held, holidays: 1 waiting" in run("callbacks", "sources").out
    assert run("callbacks", "resume", "web").code == 0
    found = {one["name"]: one for one in json.loads(run("callbacks", "sources", "--json").out)}
    assert (found["web"]["mode"], found["web"]["states"]) == ("running", {"waiting": 1})
    assert found["agenda"]["states"] == {}
    assert run("lines", "pause", "912345678", "--reason", "fire").code == 0
    modes = {one["name"]: one["mode"] for one in json.loads(run("lines", "list", "--json").out)}
    assert modes == {"912345678": "held", "912345679": "running"}
    assert "fire" in run("lines", "list").out
    assert run("lines", "resume", "912345678").code == 0
    assert "fire" not in run("lines", "list").out
    for wrong in (("lines", "pause", "1"), ("lines", "resume", "1"), ("callbacks", "pause", "x")):
        assert run(*wrong).code == 2


def people(folder: Path, name: str = "spring.csv") -> Path:
    file = folder / name
    file.write_text("id,phone\n1,600111001\n2,12\n3,600999888\n4,600111004\n")
    return file


def test_a_dry_run_keeps_nothing_and_says_what_would_be(run: Run, config: Path) -> None:
    file = people(config.parent)
    said = run("campaign", file, "--dry-run")
    assert said.code == 0
    assert "4 rows: 2 would be called, by line 912345678" in said.out
    assert "never: 1 (do_not_call)" in said.out
    assert "without --dry-run: 3 rows taken, 1 refused" in said.out
    assert "row 3: " in said.err
    told = json.loads(run("campaign", "--dry-run", "--json", file).out)
    assert (told["rows"], told["called"], told["never"]) == (4, 2, {"task": 1, "do_not_call": 1})
    assert run("campaign", "list").out == "there are none\n"
    assert run("callbacks", "list").out == "there are none\n"


def test_a_campaign_from_its_file_to_its_end(run: Run, config: Path) -> None:
    faults = config.parent / "faults.csv"
    said = run("campaign", people(config.parent), "--faults", faults)
    assert said.code == 0
    assert "campaign spring: 3 rows taken, 1 refused (" in said.out
    assert [row["row"] for row in csv.DictReader(io.StringIO(faults.read_text()))] == ["3"]
    assert run("campaign", "pause", "spring").out == "campaign spring is paused: 3 are kept back\n"
    shown = run("campaign", "status", "spring").out
    assert "spring: paused, 0 of 3 done" in shown
    assert "kept back: 3 by campaign" in shown
    assert run("campaign", "status", "spring", "--watch").out.startswith("spring: paused")
    assert run("campaign", "resume", "spring").out == "campaign spring goes on: 3 are to be called\n"
    assert run("campaign", "cancel", "spring").out == "campaign spring is cancelled: 3 are not called any more\n"
    told = json.loads(run("campaign", "status", "spring", "--json").out)
    assert (told["state"], told["total"], told["left"]) == ("cancelled", 3, 0)
    rows = list(csv.DictReader(io.StringIO(run("campaign", "results", "spring").out)))
    assert [(row["id"], row["number"], row["status"]) for row in rows] == [
        ("1", "+34600111001", "cancelled"),
        ("3", "+34600999888", "cancelled"),
        ("4", "+34600111004", "cancelled"),
    ]
    assert "spring" in run("campaign", "list").out
    assert run("campaign", "resume", "spring").code == 1
    assert run("campaign", people(config.parent)).code == 1


def test_a_file_given_again_says_how_many_rows_were_known(run: Run, config: Path) -> None:
    file = people(config.parent)
    first = json.loads(run("campaign", file, "--json").out)
    assert (first["taken"], first["known"], first["refused"]) == (3, 0, 1)
    with file.open("a") as stream:
        stream.write("5,600111005\n6,600111006\n7,1\n")
    again = json.loads(run("campaign", file, "--json", "--dry-run").out)
    assert (again["rows"], again["taken"], again["known"], again["refused"]) == (7, 2, 3, 2)
    said = run("campaign", file, "--dry-run").out
    assert "7 rows: 4 would be called, by line 912345678" in said
    assert "without --dry-run: 2 rows taken, 3 known already, 2 refused" in said
    assert "never: 2 (task: what the row says can't be used, as said above)" in said
    assert "campaign spring: 2 rows taken, 3 known already, 2 refused (" in run("campaign", file).out
    assert "campaign spring: 0 rows taken, 5 known already, 2 refused (" in run("campaign", file).out
    one = config.parent / "one.csv"
    one.write_text("phone\n600111001\n")
    assert "1 row: 1 would be called" in run("campaign", one, "--dry-run").out
    assert "campaign one: 1 row taken (" in run("campaign", one).out


def test_a_file_without_the_column_of_numbers_is_told_once_and_nothing_is_taken(run: Run, config: Path) -> None:
    file = config.parent / "spring.csv"
    file.write_text("id;Nombre;Móvil\n1;Ana;600111001\n2;Eva;600111002\n")
    for more in ((), ("--dry-run",)):
        said = run("campaign", file, *more)
        assert (said.code, len(said.err.splitlines())) == (1, 1)
        assert "there is no phone" in said.err
        assert "Móvil, Nombre, id" in said.err
        assert 'number: "{{ task.Móvil }}"' in said.err


def test_what_a_spreadsheet_would_compute_is_text_in_results_and_faults(run: Run, config: Path) -> None:
    file = config.parent / "spring.csv"
    file.write_text('id,phone\n"a;=b",600111001\n\uff1dc,600111002\n')
    assert run("campaign", file).code == 0
    rows = list(csv.DictReader(io.StringIO(run("campaign", "results", "spring").out)))
    assert [(row["id"], row["number"]) for row in rows] == [("a;'=b", "+34600111001"), ("'\uff1dc", "+34600111002")]


def test_several_sources_are_named_as_they_are_chosen(run: Run, config: Path) -> None:
    other = CONFIGURATION + '  - {name: other, line: "912345678", rule_group: g}\n'
    config.write_text(other)
    said = run("campaign", people(config.parent))
    assert said.code == 2
    assert "choose the source that sets line and hours: --source web or --source other" in said.err


def test_wrong_files_names_and_sources_are_told(run: Run, config: Path) -> None:
    file = people(config.parent)
    assert run("campaign", config.parent / "none.csv").code == 2
    wrong = run("campaign", file, "--source", "agenda")
    assert (wrong.code, "without from:" in wrong.err) == (1, True)
    assert run("campaign", file, "--source", "none").code == 1
    assert run("campaign", file, "--name", "a b").code == 1
    assert run("campaign", "status", "none").code == 1
    (config.parent / "bad.csv").write_bytes(b"\x00\x00")
    assert "bad.csv" in run("campaign", config.parent / "bad.csv").err


def test_without_a_source_for_it_a_campaign_says_what_to_add(run: Run, config: Path) -> None:
    config.write_text(CONFIGURATION.replace("  - {name: web,", "  - {name: web, from: agenda, when: no,"))
    said = run("campaign", people(config.parent))
    assert said.code == 2
    assert "add to callbacks:" in said.err


def test_what_waits_for_a_person_is_called_when_one_says_so(run: Run, config: Path, desk: Desk) -> None:
    config.write_text(config.read_text().replace("name: web,", "name: web, dial: by_hand,"))
    desk.callbacks = CallbackService(desk.database, queue_for(desk.database), lambda: load(config).configuration, _now)
    first, second, ended = (desk.accept(name).id for name in ("T1", "T2", "T3"))
    listed = {one["id"]: one for one in json.loads(run("callbacks", "list", "--json").out)}
    assert (listed[first]["state"], listed[first]["gate"]) == ("waiting", "by_hand")
    assert 0 <= listed[first]["age"] < 3600
    assert f"callbacks call {first}" in run("callbacks", "show", first).out
    run("callbacks", "cancel", ended)
    assert json.loads(run("callbacks", "show", ended, "--json").out)["age"] is None
    said = run("callbacks", "call", first, second)
    assert (said.code, len(said.out.splitlines())) == (0, 2)
    assert {one["gate"] for one in json.loads(run("callbacks", "list", "--state", "waiting", "--json").out)} == {""}
    assert run("callbacks", "call", ended).code == 1
    assert "is cancelled; it is not called any more" in run("callbacks", "call", ended).err
    assert run("callbacks", "call", 999, first).code == 1
    desk.make(first, states.queue(_now(), "912345678", _now()))
    assert run("callbacks", "call", first).code == 0
    assert run("callbacks", "call").code == 2


def test_a_campaign_from_a_spreadsheet(run: Run, config: Path) -> None:
    rows: list[list[Any]] = [["Primavera"], ["id", "phone"], [1, 600111001], [2, 600111002]]
    file = workbook(config.parent / "spring.xlsx", rows, sheet="Gente")
    assert "2 rows: 2 would be called" in run("campaign", file, "--dry-run").out
    said = run("campaign", file, "--sheet", "Gent", "--dry-run")
    assert (said.code, said.err.count("did you mean Gente?")) == (1, 1)
    assert "campaign spring: 2 rows taken (" in run("campaign", file, "--sheet", "Gente").out
    wrong = run("campaign", file, "--delimiter", ";")
    assert (wrong.code, "which has no delimiter" in wrong.err) == (2, True)
    wrong = run("campaign", people(config.parent), "--sheet", "Gente")
    assert (wrong.code, "it has no sheets" in wrong.err) == (2, True)


SELLING = """
  - name: sell
    purpose: commercial
    consent: {basis: "{{ task.basis }}", date: "{{ task.on }}"}
    line: "912345678"
    rule_group: g
    expires: 60d
"""


def test_a_dry_run_of_a_commercial_campaign_names_the_rows_to_renew(run: Run, config: Path) -> None:
    config.write_text(CONFIGURATION + SELLING, encoding="utf-8")
    file, renewals = config.parent / "offer.csv", config.parent / "renewals.csv"
    recent = datetime.now(UTC).date().isoformat()
    rows = f"phone,basis,on\n911111001,consent,{recent}\n911111002,consent,2020-01-01\n911111003,,\n"
    file.write_text(f"{rows}911111004,legitimate_interest,{recent}\n", encoding="utf-8")
    dry = run("campaign", file, "--source", "sell", "--dry-run", "--renewals", renewals)
    assert "4 rows: 1 would be called, by line 912345678" in dry.out
    assert "kept back: 1 (consent_old: what allowed the call is too old)" in dry.out
    assert "kept back: 1 (exclusion_list: " in dry.out
    assert "if their consent were renewed, 2 more rows would be called:\n  row 3: its consent of 2020-01-01" in dry.out
    assert [row["row"] for row in csv.DictReader(io.StringIO(renewals.read_text("utf-8")))] == ["3", "4"]
    told = json.loads(run("campaign", file, "--source", "sell", "--dry-run", "--json").out)
    assert (told["kept"], told["renewable"]) == ({"consent_old": 1, "consent": 1, "exclusion_list": 1}, 2)
    assert told["renewable_rows"] == [3, 4]
    assert run("campaign", "list").out == "there are none\n"
    assert "911111002" not in dry.out + dry.err


def test_renewals_are_of_a_dry_run(run: Run, config: Path) -> None:
    wrong = run("campaign", people(config.parent), "--renewals", config.parent / "r.csv")
    assert wrong.code == 2
    assert "--dry-run" in wrong.err


def test_a_check_names_the_rules_that_commercial_calls_are_held_to(run: Run, config: Path) -> None:
    assert "commercial calls" not in run("check").out
    config.write_text(CONFIGURATION + SELLING, encoding="utf-8")
    assert "commercial calls: rules es-20" in run("check").out
    config.write_text(CONFIGURATION.replace("language: en", "language: es") + SELLING, encoding="utf-8")
    assert "llamadas comerciales: reglas es-20" in run("check").out
