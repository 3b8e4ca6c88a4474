"""`campaign numbers` and `campaign permitted`: the round trip with an exclusion list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.store import exclusions
from bridge.store.database import Database
from bridge.store.exclusions import NumberStanding
from tests.cli.conftest import Run
from tests.fakes.exchange import Exchange

SOURCES = """
callbacks:
  - name: people
    line: "912345678"
    rule_group: callbacks
    purpose: commercial
    hours: {days: mon-fri, from: "09:00", to: "20:00"}
    consent: {basis: "{{ task.basis }}", date: "{{ task.since }}"}
"""
ANA, EVA, LEO = "+34600111222", "+34600999888", "+34912000111"
ROWS = "id,phone,basis\n1,600 111 222,\n2,+34 600-999-888,\n3,0034600111222,\n4,nobody,\n5,912000111,\n"


@pytest.fixture(autouse=True)
def sources(config: Path) -> None:
    config.write_text(config.read_text("utf-8") + SOURCES, "utf-8")


@pytest.fixture
def database(exchange: Exchange) -> Database:
    return exchange.database


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(ROWS, encoding="utf-8")
    return file


def known(database: Database, source: str = "people") -> dict[str, NumberStanding]:
    with database.read() as connection:
        return exclusions.known(connection, source, [ANA, EVA, LEO])


def test_numbers_go_out_and_those_that_come_back_may_be_called(
    run: Run, database: Database, people: Path, tmp_path: Path
) -> None:
    said = run("campaign", "numbers", str(people))
    assert (said.code, said.out.split()) == (0, [ANA, EVA, LEO])
    back = tmp_path / "back.csv"
    back.write_text(f"{ANA}\n{LEO}\n", encoding="utf-8")
    said = run("campaign", "permitted", str(back), "--checked-on", "20/11/2026", "--json")
    report = json.loads(said.out)
    assert (said.code, report["permitted"], report["listed"], report["checked_on"]) == (0, 2, 1, "2026-11-20")
    standings = known(database)
    assert [number for number in (ANA, EVA, LEO) if standings[number].permitted is not None] == [ANA, LEO]
    assert str(standings[EVA].denied_on) == "2026-11-20"


@pytest.mark.usefixtures("database")
def test_numbers_are_written_to_a_file_that_nobody_else_reads(run: Run, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    said = run("campaign", "numbers", str(people), "-o", str(file), "--national")
    assert (said.code, said.out) == (0, "")
    assert file.read_text("utf-8") == "600111222\n600999888\n912000111\n"
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("database")
def test_a_source_that_takes_its_own_way_to_the_number_is_followed(run: Run, config: Path, people: Path) -> None:
    text = config.read_text("utf-8")
    rule = "when: \"{{ task.id != '2' }}\""
    config.write_text(text.replace("    purpose: commercial", f"    {rule}\n    purpose: commercial"), "utf-8")
    assert run("campaign", "numbers", str(people)).out.split() == [ANA, LEO]


@pytest.mark.usefixtures("database")
def test_whom_the_call_is_about_goes_out_beside_who_is_rung(run: Run, config: Path, tmp_path: Path) -> None:
    text = config.read_text("utf-8")
    config.write_text(text.replace("    purpose:", "    customer: '{{ task.owner }}'\n    purpose:"), "utf-8")
    file = tmp_path / "owners.csv"
    file.write_text("id,phone,owner\n1,600111222,600999888\n2,912000111,912000111\n", encoding="utf-8")
    assert run("campaign", "numbers", str(file)).out.split() == [ANA, EVA, LEO]


FILES: dict[str, bytes] = {
    "as it was sent": b"600111222\n",
    "a CSV file of Windows": "Teléfono;Resultado\r\n600111222;Sí\r\n".encode("cp1252"),
    "UTF-16": "telefono\tfecha\n600111222\t2026-11-20\n".encode("utf-16"),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_what_comes_back_may_have_any_form(
    run: Run, database: Database, people: Path, tmp_path: Path, content: bytes
) -> None:
    run("campaign", "numbers", str(people))
    file = tmp_path / "back.csv"
    file.write_bytes(content)
    report = json.loads(run("campaign", "permitted", str(file), "--checked-on", "2026-11-20", "--json").out)
    assert (report["permitted"], report["listed"]) == (1, 2)
    assert known(database)[ANA].permitted is not None


@pytest.mark.parametrize("content", [b"", b"phone\n"])
def test_where_nobody_comes_back_all_are_in_the_list(
    run: Run, database: Database, people: Path, tmp_path: Path, content: bytes
) -> None:
    run("campaign", "numbers", str(people))
    file = tmp_path / "back.csv"
    file.write_bytes(content)
    said = run("campaign", "permitted", str(file), "--checked-on", "2999-01-01")
    assert said.code == 2
    assert known(database) == {}
    day = exchange_day(database)
    said = run("campaign", "permitted", str(file), "--checked-on", day, "--json")
    assert (said.code, json.loads(said.out)["listed"]) == (1, 3)
    assert all(each.permitted is None for each in known(database).values())


def exchange_day(database: Database) -> str:
    """The day on which the numbers went out."""
    with database.read() as connection:
        return exclusions.checks(connection)[-1].at.date().isoformat()


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "options",
    [("--checked-on", "2999-01-01"), ("--checked-on", "soon"), (), ("--checked-on", "2026-11-20", "--source", "x")],
)
def test_wrong_usage(run: Run, tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "back.csv"
    file.write_text("600111222\n", encoding="utf-8")
    assert run("campaign", "permitted", str(file), *options).code == 2


def test_a_check_for_one_source_holds_for_it_alone(run: Run, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "back.csv"
    file.write_text("600111222\n", encoding="utf-8")
    assert run("campaign", "permitted", str(file), "--checked-on", "2026-11-20", "--source", "people").code == 0
    assert (list(known(database)), known(database, "others")) == ([ANA], {})


@pytest.mark.usefixtures("database")
def test_a_file_that_cant_be_read_changes_nothing(run: Run, people: Path, tmp_path: Path) -> None:
    people.write_text("name\nAna\n", encoding="utf-8")
    said = run("campaign", "numbers", str(people))
    assert (said.code, "phone" in said.err) == (1, True)
    file = tmp_path / "back.csv"
    file.write_text("name,city\nAna,Madrid\n", encoding="utf-8")
    assert run("campaign", "permitted", str(file), "--checked-on", "2026-11-20").code == 1
