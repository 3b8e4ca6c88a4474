"""Columns are known by what their names look like, whatever program wrote them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Deadline, LookupQuery, NewRecord
from connectors.phone import parse
from connectors.spelling import plain_name
from tests.connectors.csvcase import SOON, connector, options, table
from tests.connectors.sheetcase import workbook

APART = unicodedata.normalize("NFD", "Móvil")
ODD = [APART, "Tel.\u00a0fijo", "Nombre\ny  apellidos", "\u200bMédico\u00ad"]
ROW = ["600111222", "911223344", "Ana Peña", "101"]


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (APART, "Móvil"), ("Tel.\u00a0fijo", "Tel. fijo"), ("Tel.\u202ffijo ", "Tel. fijo"), ("\ufeffid", "id"),
        ("Nombre\r\ny\tapellidos", "Nombre y apellidos"), (" a  b ", "a b"), ("\u200bid\u200e", "id"), ("", ""),
        ("Nº", "Nº"), ("ID", "ID"),
    ],
)  # fmt: skip
def test_a_name_is_what_it_looks_like(written: str, seen: str) -> None:
    assert plain_name(written) == seen


def odd_file(path: Path) -> None:
    if path.suffix == ".xlsx":
        workbook(path, [["Clientes"], [], ODD, ROW])
    else:
        path.write_text(";".join(f'"{cell}"' for cell in ODD) + "\n" + ";".join(ROW) + "\n", encoding="utf-8")


@pytest.mark.parametrize("form", [".xlsx", ".csv"])
@pytest.mark.parametrize("spelled", [str, lambda name: unicodedata.normalize("NFD", name)])
def test_a_column_is_found_by_what_its_name_looks_like(tmp_path: Path, form: str, spelled: Any) -> None:
    odd_file(tmp_path / f"people{form}")
    section = {
        "file": f"people{form}",
        "phones": [spelled("Móvil"), "Tel. fijo"],
        "key": spelled("Médico"),
        "columns": {"name": "Nombre y apellidos"},
    }
    checked = options(tables={"contact": section})
    assert list(checked.problems(tmp_path)) == []
    assert {"Móvil", "Tel. fijo", "name", "Nombre y apellidos", APART} <= checked.abilities().fields["contact"]
    with connector(tmp_path, tables={"contact": section}) as opened:
        for number in ROW[:2]:
            query = LookupQuery("contact", phone=parse(number, "ES"))
            [record] = opened.find(query, Deadline.after(SOON))
            assert record.id == "101"
            assert record.fields["name"] == record.fields["Nombre y apellidos"] == record.fields[ODD[2]] == "Ana Peña"
            assert record.fields["Móvil"] == record.fields[APART] == "600111222"


def test_what_is_saved_goes_into_the_column_that_looks_alike(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text(f"bridge_key,{APART},Tel.\u00a0fijo\n", encoding="utf-8")
    with connector(tmp_path, tables={"survey": {"file": path.name}}) as opened:
        opened.save(NewRecord("survey", "1", {"Móvil": "600111222", "Tel. fijo": "911"}), Deadline.after(SOON))
    assert table(path) == [{"bridge_key": "1", APART: "600111222", "Tel.\u00a0fijo": "911"}]


def test_a_column_that_is_written_as_it_is_named_comes_before_one_that_looks_alike(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"{APART},Móvil\n600111222,600333444\n", encoding="utf-8")
    with connector(tmp_path, tables={"contact": {"file": "people.csv", "phones": ["Móvil"]}}) as opened:
        [record] = opened.find(LookupQuery("contact", phone=parse("600333444", "ES")), Deadline.after(SOON))
        assert record.fields == {APART: "600111222", "Móvil": "600333444"}
        assert opened.find(LookupQuery("contact", phone=parse("600111222", "ES")), Deadline.after(SOON)) == []
