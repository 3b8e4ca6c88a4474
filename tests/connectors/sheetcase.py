"""Spreadsheets for tests: written by openpyxl, kept in `spreadsheets/`, or made to harm."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook

KEPT = Path(__file__).parent / "spreadsheets"
HEADER = ["Código", "Nombre", "Tel. móvil", "Tel. fijo", "Alta", "Hora", "Cita", "Activo", "Saldo", "Médico"]
ROWS: list[list[Any]] = [
    ["00077", "Ana Peña", 600111222, "911 22 33 44", date(2024, 5, 2), time(10, 30), datetime(2024, 5, 2, 16), True,
     1234.5, 101],
    ["77", "Luis Gil", "+34 600-22.33/44", None, date(2024, 5, 31), None, datetime(2024, 5, 31), False, 0.1, 102],
    ["00078", "Eva Ruiz", 6.00333444e8, None, date(2023, 1, 9), None, None, True, -3, 103],
]  # fmt: skip
TEXTS = [
    ["00077", "Ana Peña", "600111222", "911 22 33 44", "2024-05-02", "10:30:00", "2024-05-02T16:00:00", "true",
     "1234.5", "101"],
    ["77", "Luis Gil", "+34 600-22.33/44", "", "2024-05-31", "", "2024-05-31", "false", "0.1", "102"],
    ["00078", "Eva Ruiz", "600333444", "", "2023-01-09", "", "", "true", "-3", "103"],
]  # fmt: skip
"""The same as a person sees them."""
_SHEET = "xl/worksheets/sheet1.xml"
_ODS_TABLE = re.compile(rb"(<table:table [^>]*>).*(</table:table>)", re.DOTALL)


def workbook(path: Path, rows: Sequence[Sequence[Any]], sheet: str = "Pacientes", hidden: Sequence[int] = ()) -> Path:
    """One visible sheet behind a hidden one; `hidden` are numbers of rows."""
    book = Workbook()
    notes = book.active
    assert notes is not None
    notes.title, notes.sheet_state = "Notas", "hidden"
    notes["A1"] = "nada"
    visible = book.create_sheet(sheet)
    for row in rows:
        visible.append(list(row))
    for number in hidden:
        visible.row_dimensions[number].hidden = True
    book.active = 1
    book.save(path)
    return path


def people(path: Path) -> Path:
    """The file of people in the form that the name asks for, with a title, and its last row hidden."""
    if path.suffix in (".xls", ".ods"):
        shutil.copyfile(KEPT / f"people{path.suffix}", path)
    elif path.suffix == ".csv":
        lines = [";".join(f'"{cell}"' for cell in row) for row in [HEADER, *TEXTS]]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        workbook(path, [["Pacientes de la clínica, 2024"], [], HEADER, *ROWS], hidden=[6])
    return path


def xlsx_of(path: Path, rows: bytes, before: bytes = b"") -> Path:
    """An .xlsx whose sheet holds these rows of XML; `before`: what stands before the root element."""
    namespace = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    xml = b'<?xml version="1.0"?>%s<worksheet xmlns="%s"><sheetData>%s</sheetData></worksheet>'
    book = Workbook()
    book.save(path)
    return repacked(path, _SHEET, lambda _: xml % (before, namespace, rows))


def ods_of(path: Path, rows: bytes) -> Path:
    """An .ods whose sheet holds these rows of XML."""
    shutil.copyfile(KEPT / "people.ods", path)
    return repacked(path, "content.xml", lambda xml: _ODS_TABLE.sub(lambda tags: tags[1] + rows + tags[2], xml))


def repacked(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The same file with one part changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def with_chart_first(path: Path) -> Path:
    """A workbook whose first sheet is a chart."""
    book = load_workbook(people(path))
    book.create_chartsheet("Gráfico", 0)
    book.save(path)
    return path
