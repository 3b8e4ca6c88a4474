"""A report as CSV: its tables one below the other, or one of them alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TextIO

from bridge.reports.cells import CallReport, CellKind, CellValue, ReportTable
from bridge.texts import Language, Text
from connectors.csv.output import cell


def write(file: TextIO, report: CallReport, language: Language, *, excel: bool, table: str = "") -> None:
    """Write it. `excel`: semicolons, decimal commas and a byte order mark, as a Spanish Excel has them; `table`: this
    one alone, with a header and nothing else. Durations are seconds, shares percent."""
    if excel:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=";" if excel else ",")
    if table:
        writer.writerows(_table(report.table(table), language, excel))
        return
    writer.writerow([report.period.title.render(language), cell(report.line)])
    for note in report.notes:
        writer.writerow([cell(note.render(language))])
    for each in report.tables:
        writer.writerow([])
        writer.writerow([each.title.render(language)])
        writer.writerows(_table(each, language, excel))


def _table(table: ReportTable, language: Language, comma: bool) -> Iterator[Sequence[str]]:
    yield [f"{column.title.render(language)}{_UNITS.get(column.kind, '')}" for column in table.columns]
    for row in [*table.rows, *([table.total] if table.total else [])]:
        yield [_cell(value, column.kind, language, comma) for value, column in zip(row, table.columns, strict=True)]


_UNITS = {CellKind.SPAN: " (s)", CellKind.SHARE: " (%)"}


def _cell(value: CellValue, kind: CellKind, language: Language, comma: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, Text):
        return cell(value.render(language))
    if isinstance(value, date):
        return value.isoformat()
    if kind is CellKind.SHARE:
        value = f"{float(value) * 100:.2f}"
    elif kind is CellKind.MONEY:
        value = f"{value:f}"
    else:
        return cell(value)
    return value.replace(".", ",") if comma else value
