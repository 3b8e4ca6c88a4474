"""`person export` and `forget`: all that is kept of somebody, and all of it gone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.delivery import saves
from bridge.intake.inbox import store
from bridge.store import queries
from bridge.store.deliveries import NewDelivery
from bridge.store.schema import connect
from bridge.store.spool import Spool
from tests.cli.conftest import CONFIGURATION, Run
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange, arrival, document, final
from tests.store.made import asked

ANA, EVA = "+34600111222", "+34600222333"


@pytest.fixture
def people(exchange: Exchange, crm: Handheld) -> Exchange:
    """Ana called, was found, was logged, and left a survey that is not delivered; Eva called."""
    exchange.tell(arrival("inicio", document()), arrival("fin", final()))
    exchange.tell(arrival("fin", final(call_sequence="8", caller_number="600222333")))
    exchange.work()
    survey = saves.new("k", "crm", "survey", {"score": "9"}, e164=ANA)
    with exchange.database.write() as connection:
        store(exchange.database, connection, exchange.queue, [survey], exchange.now)
        queries.add(exchange.database, connection, [asked("7"), asked("8", caller=EVA)])
    return exchange


@pytest.mark.parametrize("spelling", ["600111222", "+34 600 11 12 22", "0034-600-111-222"])
def test_export_is_all_that_is_stored_of_a_number(run: Run, people: Exchange, spelling: str) -> None:
    said = run("person", "export", spelling)
    assert said.code == 0
    stored = json.loads(said.out)
    assert stored["number"] == ANA
    counts = {name: len(rows) for name, rows in stored.items() if isinstance(rows, list)}
    assert counts == {
        "calls": 1, "events": 2, "deliveries": 2, "attempts": 1, "callbacks": 0, "queries": 1, "oppositions": 0,
        "exclusions": 0, "evidence": 0, "spooled": 0,
    }  # fmt: skip
    assert "600222333" not in said.out


def test_export_of_a_stranger_is_empty(run: Run, people: Exchange) -> None:
    stored = json.loads(run("person", "export", "699999999").out)
    assert not any(stored[name] for name in ("calls", "events", "deliveries"))


@pytest.mark.parametrize("command", [("person", "export"), ("forget",)])
def test_what_is_no_number_is_wrong_usage(run: Run, people: Exchange, command: tuple[str, ...]) -> None:
    said = run(*command, "Ana")
    assert said.code == 2
    assert "no phone number of ES" in said.err


def csv_outputs(folder: Path) -> None:
    (folder / "activities.csv").write_text(
        "caller,note,bridge_key\n"
        "+34600111222,Ana called,k1\n"
        "600 11 12 22,written by a person,\n"
        "+34600222333,Eva called,k2\n",
        encoding="utf-8",
    )
    (folder / "survey.csv").write_text("phone,score,bridge_key\n600-111-222,9,k3\n600222333,8,k4\n", encoding="utf-8")


def test_forget_erases_database_and_files_and_says_what_is_left(
    run: Run, people: Exchange, crm: Handheld, tmp_path: Path
) -> None:
    csv_outputs(tmp_path)
    said = run("forget", "600 111 222")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(
        f"Erased of {ANA}: calls: 1; events: 2; Queries: 1; activities and records, done or on their way: 2; "
        "rows in the files of crm: 2\n"
        "Left elsewhere, for you to see to:\n"
    )
    assert "backups" in said.out
    assert "address book" in said.out
    activities = (tmp_path / "activities.csv").read_text(encoding="utf-8")
    assert "Ana called" not in activities
    assert "written by a person" in activities
    assert "Eva called" in activities
    assert (tmp_path / "survey.csv").read_text(encoding="utf-8").splitlines()[1:] == ["600222333,8,k4"]
    assert (tmp_path / "contacts.csv").read_text(encoding="utf-8") == "phone,name\n600111222,Ana\n"
    assert not any(json.loads(run("person", "export", ANA).out)[name] for name in ("calls", "events", "deliveries"))
    assert len(json.loads(run("person", "export", EVA).out)["calls"]) == 1
    people.work()
    assert crm.saved == {}


def test_nothing_of_the_number_is_left_in_the_databases_files(run: Run, people: Exchange, tmp_path: Path) -> None:
    people.close()
    assert run("forget", ANA).code == 0
    for file in tmp_path.glob("bridge.db*"):
        assert b"600111222" not in file.read_bytes()


def test_forgetting_twice_says_that_nothing_was_there(run: Run, people: Exchange) -> None:
    run("forget", ANA)
    said = run("forget", ANA)
    assert said.code == 0
    assert said.out.startswith(f"Nothing was stored about {ANA}\n")


def test_files_of_answers_that_a_test_plays_are_named(run: Run, people: Exchange, config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    query = "queries: {Q: {find: {contact: {in: crm, phone: '{{ caller }}'}}}}\n"
    config.write_text(f"{text}{query}tests: [{{ask: Q, replay: answers/ana.yaml}}]\n", encoding="utf-8")
    said = run("forget", ANA)
    assert said.code == 0
    assert "answers/ana.yaml: the CRMs' answers" in said.out


def test_forget_for_scripts(run: Run, people: Exchange, tmp_path: Path) -> None:
    csv_outputs(tmp_path)
    told = json.loads(run("forget", ANA, "--json").out)
    assert told["number"] == ANA
    assert told["erased"]["calls"] == 1
    assert told["erased"]["files"] == {"crm": 2}
    assert told["failed"] == {}
    assert told["left"]


def test_a_file_that_cant_be_changed_is_said_and_the_rest_is_erased(run: Run, people: Exchange, tmp_path: Path) -> None:
    csv_outputs(tmp_path)
    (tmp_path / ".survey.csv.tmp").mkdir()  # where its new content has to go
    said = run("forget", ANA)
    assert said.code == 1
    assert said.err.startswith("error: crm: ")
    assert "survey.csv" in said.err
    assert "calls: 1" in said.out


REST = """
  shop:
    type: rest
    base_url: http://127.0.0.1:9
    records: {contact: {search: {path: /c, params: {q: "{{ phone }}"}}, items: data}}
"""


def test_a_crm_elsewhere_is_named(run: Run, people: Exchange, config: Path) -> None:
    config.write_text(CONFIGURATION.replace("activities:\n  - in", f"{REST.strip(chr(10))}\nactivities:\n  - in"))
    said = run("forget", ANA)
    assert said.code == 0, said.err
    assert "shop (rest): contacts, and what was logged there" in said.out


def test_the_spool_of_postgresql_is_exported_and_erased_too(run: Run, config: Path, postgres_url: str) -> None:
    config.write_text(f"{CONFIGURATION}\ndatabase: {postgres_url}\n", encoding="utf-8")
    connect(postgres_url).close()
    state = config.parent / ".infocaller-bridge"
    state.mkdir()
    spool = Spool(state / "spool.db")
    spool.append([NewDelivery("save", "k", "crm", {}, e164=ANA), NewDelivery("save", "k2", "crm", {}, e164=EVA)])
    assert len(json.loads(run("person", "export", ANA).out)["spooled"]) == 1
    said = run("forget", ANA)
    assert "kept in the spool: 1" in said.out
    assert "spools of other machines" in said.out
    assert spool.count() == 1
    spool.close()


def test_the_program_itself(people: Exchange, config: Path) -> None:
    command = [sys.executable, "-m", "bridge", "forget", ANA, "-c", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"Erased of {ANA}: calls: 1; events: 2")
