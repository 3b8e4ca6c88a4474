"""`oppositions`: who does not want to be called for business."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from bridge.store.oppositions import read_reference
from tests.cli.conftest import Run

ANA = "+34600111222"

pytestmark = pytest.mark.usefixtures("exchange")


def listed(run: Run, *options: str) -> list[dict[str, str]]:
    said = run("oppositions", "list", "--json", *options)
    assert said.code == 0
    return json.loads(said.out)  # type: ignore[no-any-return]


def test_a_number_opposes_once_and_its_reference_is_printed(run: Run) -> None:
    said = run("oppositions", "add", "600 111 222")
    reference = said.out.strip()
    assert (said.code, read_reference(reference)) == (0, reference)
    assert json.loads(run("oppositions", "add", ANA, "--json").out) == {"reference": reference, "number": ANA}
    [row] = listed(run)
    assert (row["reference"], row["number"], row["source"]) == (reference, ANA, "cli")
    assert listed(run, "--number", "600111222") == listed(run, "--reference", reference) == [row]
    assert listed(run, "--number", "600999888") == []
    assert ANA in run("oppositions", "list").out


def test_the_number_of_a_forgotten_person_is_gone_and_still_opposes(run: Run) -> None:
    reference = run("oppositions", "add", ANA).out.strip()
    said = run("forget", ANA)
    assert "opposes commercial calls" in said.out
    [row] = listed(run, "--number", ANA)
    assert row["reference"] == reference
    assert "number" not in row
    assert "forgotten" in run("oppositions", "list").out
    assert run("oppositions", "add", ANA).out.strip() == reference


def test_all_are_exported_with_their_references(run: Run, tmp_path: Path) -> None:
    first = run("oppositions", "add", ANA).out.strip()
    second = run("oppositions", "add", "600999888").out.strip()
    assert run("oppositions", "withdraw", f"{second[:5]} {second[5:]}").code == 0
    printed = run("oppositions", "export").out
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["reference"], row["number"], bool(row["withdrawn_at"])) for row in rows] == [
        (first, ANA, False),
        (second, "+34600999888", True),
    ]
    file = tmp_path / "out.csv"
    file.touch(0o644)
    assert run("oppositions", "export", "-o", str(file)).code == 0
    assert list(csv.DictReader(io.StringIO(file.read_text("utf-8")))) == rows
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("command", ["oppositions", "evidence"])
def test_an_export_to_where_nothing_can_be_written_is_said_in_a_line(run: Run, tmp_path: Path, command: str) -> None:
    said = run(command, "export", "-o", str(tmp_path / "no" / "out.csv"))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "No such file" in said.err


@pytest.mark.parametrize(("reference", "code"), [("1234567890", 2), ("nobody", 2)])
def test_what_is_no_reference_is_wrong_usage(run: Run, reference: str, code: int) -> None:
    assert run("oppositions", "withdraw", reference).code == code


def test_what_is_withdrawn_twice_is_said(run: Run) -> None:
    reference = run("oppositions", "add", ANA).out.strip()
    assert run("oppositions", "withdraw", reference).code == 0
    assert run("oppositions", "withdraw", reference).code == 1


FILES: dict[str, bytes] = {
    "a list": b"600111222\n+34 600-999-888\n\n600111222\n",
    "a list with a mark at its start": "\ufeff600111222\n600999888\n".encode(),
    "a list from Windows in UTF-16": "600111222\r\n600999888\r\n".encode("utf-16"),
    "a CSV file": "Nombre;Teléfono;Fecha\nAna;600111222;2026-01-02\nEva;600999888;2026-01-02\n".encode("cp1252"),
    "an Excel hint": b"sep=;\nphone;note\n600111222;x\n0034600999888;600\n",
    "cells without a number": b"id,phone\n1,600111222\n2,none\n3,600999888\n",
    "two numbers in a cell": b"name,phones\nAna,600111222 / 600999888\n",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_file_is_imported_whatever_form_it_has(run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bajas.csv"
    file.write_bytes(content)
    counts = json.loads(run("oppositions", "import", str(file), "--json").out)
    assert counts["new"] == 2
    assert {row["number"] for row in listed(run)} == {ANA, "+34600999888"}
    again = json.loads(run("oppositions", "import", str(file), "--json").out)
    assert again["new"] == 0
    assert again["known"] >= 2


def test_a_file_in_which_no_column_holds_numbers_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bajas.csv"
    file.write_text("name,city\nAna,Madrid\n", encoding="utf-8")
    said = run("oppositions", "import", str(file))
    assert (said.code, "no phone numbers" in said.err) == (1, True)
    assert listed(run) == []


def test_two_columns_of_numbers_are_not_guessed_between(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bajas.csv"
    file.write_text("ours,theirs\n912345678,600111222\n912345678,600999888\n", encoding="utf-8")
    said = run("oppositions", "import", str(file))
    assert (said.code, "--column" in said.err) == (1, True)
    assert run("oppositions", "import", str(file), "--column", "theirs").code == 0
    assert {row["number"] for row in listed(run)} == {ANA, "+34600999888"}
    assert run("oppositions", "import", str(file), "--column", "nobody").code == 1


def test_a_second_phone_that_some_people_have_is_not_left_out_in_silence(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bajas.csv"
    file.write_text("mobile,landline\n600111222,912000111\n600999888,\n600999777,\n600999666,-\n", encoding="utf-8")
    said = run("oppositions", "import", str(file))
    assert (said.code, "mobile" in said.err, "landline" in said.err) == (1, True, True)
    assert listed(run) == []
    assert run("oppositions", "import", str(file), "--column", "mobile").code == 0
    assert run("oppositions", "import", str(file), "--column", "landline").code == 0
    assert {"+34600111222", "+34912000111"} < {row["number"] for row in listed(run)}


@pytest.mark.parametrize("content", [b"", b"phone\n"])
def test_a_file_without_anybody_imports_nobody(run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bajas.csv"
    file.write_bytes(content)
    assert run("oppositions", "import", str(file)).code == 1


def test_a_person_is_added_with_a_configuration_that_is_at_fault(run: Run, config: Path) -> None:
    config.write_text(config.read_text("utf-8") + "nonsense: true\n", "utf-8")
    assert run("oppositions", "add", ANA).code == 0


def test_before_the_first_start_there_are_none(run: Run, config: Path) -> None:
    config.write_text(config.read_text("utf-8") + "database: sqlite:///other.db\n", "utf-8")
    assert listed(run) == []
