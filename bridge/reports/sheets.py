"""A report as a workbook (.xlsx), a sheet for each table."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bridge.reports.cells import WORDS, CallReport, CellKind, CellValue, ReportTable
from bridge.texts import Language, Text

_FORMATS = {
    CellKind.DAY: "yyyy-mm-dd",
    CellKind.COUNT: "#,##0",
    CellKind.SHARE: "0.0%",
    CellKind.SPAN: "[h]:mm:ss",
    CellKind.MONEY: "#,##0.00####",
}
_SECONDS_OF_A_DAY = 86400
_LONGEST_NAME = 31  # of a sheet
_NO_NAME = str.maketrans("[]:*?/\\'", "        ")
MIME = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook(report: CallReport, language: Language) -> bytes:
    """Return the file. A text is never taken for a formula, a number or a link."""
    from xlsxwriter import Workbook  # noqa: PLC0415 (seldom needed)

    file = io.BytesIO()
    options = {
        "in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False,
    }  # fmt: skip
    with Workbook(file, options) as book:
        book.set_properties({"title": _title(report, language)})
        styles = {kind: book.add_format({"num_format": form}) for kind, form in _FORMATS.items()}
        totals = {kind: book.add_format({"num_format": form, "bold": True}) for kind, form in _FORMATS.items()}
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        bold = book.add_format({"bold": True})
        for table in report.tables:
            sheet = book.add_worksheet(table.title.render(language).translate(_NO_NAME)[:_LONGEST_NAME].strip())
            row = _heading(sheet, report, table, language, bold)
            for column, described in enumerate(table.columns):
                title = described.title.render(language)
                sheet.write_string(row, column, title, head)
                sheet.set_column(column, column, _width(table, column, title, language))
            sheet.freeze_panes(row + 1, 0)
            for values in table.rows:
                row += 1
                _row(sheet, row, table, values, styles, language)
            if table.total:
                _row(sheet, row + 1, table, table.total, {**totals, **dict.fromkeys(WORDS, bold)}, language)
            _page(sheet, row)
    return file.getvalue()


def file_name(report: CallReport) -> str:
    """Return what a file of it is called, without its ending."""
    first, last = report.period.first.isoformat(), report.period.last.isoformat()
    return f"infocaller-{first}" if first == last else f"infocaller-{first}-{last}"


def _title(report: CallReport, language: Language) -> str:
    return f"{report.period.title.render(language)} {report.line}".strip()


def _heading(sheet: Any, report: CallReport, table: ReportTable, language: Language, bold: Any) -> int:
    """Write what stands above a table; the row of its header."""
    sheet.write_string(0, 0, f"{table.title.render(language)}: {_title(report, language)}", bold)
    notes = [note.render(language) for note in (*([table.note] if table.note else []), *report.notes)]
    for row, note in enumerate(notes, 1):
        sheet.write_string(row, 0, note)
    return len(notes) + 2


def _row(sheet: Any, row: int, table: ReportTable, values: Any, styles: Any, language: Language) -> None:
    for column, (described, value) in enumerate(zip(table.columns, values, strict=True)):
        _write(sheet, row, column, value, described.kind, styles.get(described.kind), language)


def _write(sheet: Any, row: int, column: int, value: CellValue, kind: CellKind, style: Any, language: Language) -> None:
    if value is None:
        return
    if isinstance(value, Text):
        sheet.write_string(row, column, value.render(language), style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), style)
    elif isinstance(value, str):
        sheet.write_string(row, column, value, style)
    elif kind is CellKind.SPAN:
        sheet.write_number(row, column, value / _SECONDS_OF_A_DAY if isinstance(value, int) else 0, style)
    else:
        sheet.write_number(row, column, float(value) if isinstance(value, Decimal) else value, style)


def _width(table: ReportTable, column: int, title: str, language: Language) -> int:
    texts = [
        value.render(language) if isinstance(value, Text) else str(value)
        for value in (row[column] for row in table.rows)
        if isinstance(value, str | Text)
    ]
    return min(45, max(12, *map(len, (title[:16], *texts))) + 2)


def _page(sheet: Any, last: int) -> None:
    """How it is printed: on the width of a page."""
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0 if last > 40 else 1)
