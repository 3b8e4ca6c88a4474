"""Reports as CSV and as a workbook."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from bridge.reports import csvform, sheets
from bridge.reports.cells import CellKind, shown
from bridge.store.schema import connect
from bridge.texts import Language
from tests.databases import sqlite_with_tables
from tests.reports.conftest import DAY, Switchboard, at

EVIL = '=HYPERLINK("http://evil.example";"101")'


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[Switchboard]:
    """Somebody's extension is a formula, and one is a number with zeros before it."""
    database = connect(f"sqlite:///{sqlite_with_tables(tmp_path / 'bridge.db')}")
    switchboard = Switchboard(database)
    switchboard.call(at(9), wait=12, by=EVIL)
    switchboard.call(at(9, 30), wait=12, by="0077")
    switchboard.call(at(10), rang="@101;=1+1")
    yield switchboard
    database.close()


def written(switchboard: Switchboard, language: Language, *, excel: bool = False, table: str = "") -> str:
    file = io.StringIO(newline="")
    csvform.write(file, switchboard.report(), language, excel=excel, table=table)
    return file.getvalue()


def test_csv_of_a_table_is_for_programs(evil: Switchboard) -> None:
    head, *rows = csv.reader(io.StringIO(written(evil, "en", table="extensions")))
    assert head[0] == "Extension or number"
    assert head[-1] == "Connected (s)"
    assert {row[0] for row in rows} == {f"'{EVIL}", "0077", "'@101;'=1+1"}
    assert [row[4] for row in rows] == ["100.00", "100.00", "0.00"]
    day = next(csv.DictReader(io.StringIO(written(evil, "en", table="days"))))
    assert (day["Day"], day["Cost"], day["Duration (s)"]) == ("2026-10-14", "0.1395", "180")


def test_csv_for_a_spanish_excel(evil: Switchboard) -> None:
    text = written(evil, "es", excel=True)
    assert text.startswith("\ufeff14/10/2026;")
    assert "\r\nCoste" not in text
    assert "\r\nDuración y costes\r\nLínea;Sentido;Llamadas;Duración (s);" in text
    assert ";0,1395" in text
    assert f";{EVIL}" not in text
    assert "\r\n=" not in text


def test_a_workbook_holds_numbers_and_never_a_formula(evil: Switchboard) -> None:
    report = evil.report()
    book = openpyxl.load_workbook(io.BytesIO(sheets.workbook(report, "es")))
    assert book.sheetnames[:3] == ["Llamadas", "Cuánto se tardó en atender", "Llamadas por día"]
    assert len(book.sheetnames) == len(report.tables)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert "f" not in {cell.data_type for cell in cells}
    assert not any(cell.hyperlink for cell in cells)
    texts = {cell.value for cell in cells if cell.data_type == "s"}
    assert {EVIL, "0077", "@101;=1+1"} <= texts
    days = book["Llamadas por día"]
    values = [[cell.value for cell in row] for row in days.iter_rows()]
    day = next(row for row in values if isinstance(row[0], datetime))
    assert day == [datetime(2026, 10, 14), 3, 2, 1, 0, timedelta(minutes=3), 0.1395]
    assert values[0][0] == "Llamadas por día: 14/10/2026"
    assert sheets.file_name(report) == "infocaller-2026-10-14"


@pytest.mark.parametrize(
    ("value", "kind", "spanish", "english"),
    [
        (None, CellKind.SHARE, "—", "—"),
        (1234567, CellKind.COUNT, "1.234.567", "1,234,567"),
        (0.125, CellKind.SHARE, "12,5 %", "12.5 %"),
        (360061, CellKind.SPAN, "100:01:01", "100:01:01"),
        (Decimal("1234.5"), CellKind.MONEY, "1.234,5000", "1,234.5000"),
        (Decimal("0.000001"), CellKind.MONEY, "0,000001", "0.000001"),
        (Decimal("100"), CellKind.MONEY, "100,0000", "100.0000"),
        (DAY, CellKind.DAY, "mié 14/10/2026", "Wed 2026-10-14"),
        ("101", CellKind.EXTENSION, "101", "101"),
    ],
)
def test_values_as_people_read_them(value: object, kind: CellKind, spanish: str, english: str) -> None:
    assert shown(value, kind, "es") == spanish  # type: ignore[arg-type]
    assert shown(value, kind, "en") == english  # type: ignore[arg-type]
