"""Spreadsheets as offices and old programs leave them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from connectors.base import ConnectorError, Deadline, LookupQuery, Record
from connectors.csv.connector import CsvConnector
from connectors.phone import parse
from tests.connectors.csvcase import SOON, connector
from tests.connectors.sheetcase import ods_of, repacked, workbook, xlsx_of

TEXT = b'<table:table-cell office:value-type="string"><text:p>%s</text:p></table:table-cell>'


def by_phone(folder: Path, name: str, **section: Any) -> list[Record]:
    """Who has the number 600111222 in the column Tel."""
    with connector(folder, tables={"contact": {"file": name, "phones": ["Tel"], **section}}) as opened:
        return list(opened.find(LookupQuery("contact", phone=parse("600111222", "ES")), Deadline.after(SOON)))


def refusal(folder: Path, name: str) -> str:
    with connector(folder, tables={"contact": {"file": name, "phones": ["Tel"]}}) as opened:
        return _why(opened)


def _why(opened: CsvConnector) -> str:
    with pytest.raises(ConnectorError) as refused:
        opened.find(LookupQuery("contact", phone=parse("600111222", "ES")), Deadline.after(SOON))
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html><table><tr><td>Tel</td></tr></table></html>", "a web page or XML"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>', "a web page or XML"),
        ("Nombre\tTel\nPeña\t600111222\n".encode("cp1252"), "it is text"),
        ("Nombre\tTel\nPeña\t600111222\n".encode("utf-16"), "it is text"),
        (b"\x09\x00\x04\x00\x02\x00\x10\x00", "it is no spreadsheet"),
    ],
)
def test_what_old_programs_call_a_spreadsheet_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "clientes.xls").write_bytes(content)
    assert why in refusal(tmp_path, "clientes.xls")


def test_a_workbook_that_counts_from_1904_has_the_same_dates(tmp_path: Path) -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    assert book.active is not None
    book.active.append(["Tel", "Alta"])
    book.active.append([600111222, "x"])
    book.active["B2"].value, book.active["B2"].number_format = 43952, "dd/mm/yyyy"  # 2 May 2024, since 1904
    book.save(tmp_path / "mac.xlsx")
    [record] = by_phone(tmp_path, "mac.xlsx")
    assert record.fields["Alta"] == "2024-05-02"


def test_a_duration_reads_the_same_in_every_form(tmp_path: Path) -> None:
    duration = b'<table:table-cell office:value-type="time" office:time-value="PT30H05M00S"/>'
    head = b"<table:table-row>%s%s</table:table-row>" % (TEXT % b"Tel", TEXT % b"Dura")
    ods_of(tmp_path / "a.ods", head + b"<table:table-row>%s%s</table:table-row>" % (TEXT % b"600111222", duration))
    [record] = by_phone(tmp_path, "a.ods")
    assert record.fields["Dura"] == "30:05:00"


def test_formats_down_to_the_end_of_the_sheet_are_no_rows(tmp_path: Path) -> None:
    cells = [TEXT % b"Tel", TEXT % b"600111222"]
    rows = b"".join(
        b'<table:table-row>%s<table:table-cell table:number-columns-repeated="16383"/></table:table-row>' % cell
        for cell in cells
    )
    rest = b'<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    ods_of(tmp_path / "a.ods", rows + b'<table:table-row table:number-rows-repeated="1048574">' + rest)
    assert len(by_phone(tmp_path, "a.ods")) == 1

    book = Workbook()
    assert book.active is not None
    book.active.append(["Tel"])
    book.active.append([600111222])
    for row in range(3, 5000):
        book.active.cell(row, 5).font = Font(bold=True)
    book.save(tmp_path / "a.xlsx")
    assert len(by_phone(tmp_path, "a.xlsx")) == 1


@pytest.mark.parametrize("claimed", [b"A1", b"B2:B2", b"A1:XFD1048576"])
def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path: Path, claimed: bytes) -> None:
    path = workbook(tmp_path / "a.xlsx", [["Nombre", "Tel"], ["Ana", 600111222]])
    repacked(
        path, "xl/worksheets/sheet2.xml",
        lambda xml: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="%s"' % claimed, xml),
    )  # fmt: skip
    assert len(by_phone(tmp_path, "a.xlsx")) == 1


def test_cells_without_places_are_where_they_stand(tmp_path: Path) -> None:
    text = b'<c t="inlineStr"><is><t>%s</t></is></c>'
    xlsx_of(tmp_path / "a.xlsx", b"<row>%s%s</row><row>%s<c><v>600111222</v></c></row>"
            % (text % b"Nombre", text % b"Tel", text % b"Ana"))  # fmt: skip
    assert [record.fields["Nombre"] for record in by_phone(tmp_path, "a.xlsx")] == ["Ana"]


def test_a_header_of_merged_cells_counts_by_the_row_with_the_names(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Clientes 2024"], ["Nombre", "Teléfonos"], [None, "Tel", "Fijo"], ["Ana", "600 111 222", 911223344]):
        sheet.append(row)
    for cells in ("A1:C1", "A2:A3", "B2:C2"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "a.xlsx")
    assert [record.fields for record in by_phone(tmp_path, "a.xlsx")] == [{"Tel": "600 111 222", "Fijo": "911223344"}]


def test_a_sheet_that_may_not_be_changed_may_be_read(tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["Tel"])
    book.active.append([600111222])
    book.active.protection.sheet = True
    book.active.protection.password = "x"
    book.save(tmp_path / "a.xlsx")
    assert len(by_phone(tmp_path, "a.xlsx")) == 1


@pytest.mark.parametrize("name", ["clientes ", "CLIENTES", "Clientes"])
def test_a_sheet_is_named_as_excel_tells_them_apart(tmp_path: Path, name: str) -> None:
    workbook(tmp_path / "a.xlsx", [["Tel"], [600111222]], sheet="Clientes ")
    assert len(by_phone(tmp_path, "a.xlsx", sheet=name)) == 1


@pytest.mark.parametrize(
    "cell", ["6,00111222E+8", "6.00111222E8", 6.00111222e8, "600\u202f111\u202f222", "600\u00a0111\u00a0222",
             "\u202a+34 600 111 222\u202c", "600\u2013111\u2013222", "'600111222", "Tel: 600.11.12.22"],
)  # fmt: skip
def test_a_number_is_read_however_a_program_left_it(tmp_path: Path, cell: Any) -> None:
    workbook(tmp_path / "a.xlsx", [["Tel"], [cell]])
    assert len(by_phone(tmp_path, "a.xlsx")) == 1
