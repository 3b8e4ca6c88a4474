"""*Reports*: what became of the calls of some days, on the page, as a file, and on paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from flask import Response, request

from bridge.reports import csvform, making, sheets
from bridge.reports.cells import WORDS, CallReport, CellValue, ReportTable, shown
from bridge.reports.keeping import zone_of
from bridge.reports.period import PERIOD_TITLES, PERIODS, NoPeriod, Period, chosen, today_in
from bridge.texts import Text
from bridge.web.console.charts import Bar, BarChart, bars
from bridge.web.console.context import Visit, here, render
from bridge.web.console.sections import ConsoleSection
from connectors import phone

section = ConsoleSection("reports", Text("Reports"), path="reports", order=90)
_USUAL = "this-month"
_CHARTED = {"days": 7, "hours": 3}
"""Tables with a drawing, and how many of its bars share a label at most."""
_SHADED = frozenset({"weekdays", "missed_by_weekday"})
_BY_HOUR = _SHADED | {"hours"}
_SHADES = 5


class _DaysAsked(NamedTuple):
    """Which days: one of the usual periods by its name, else from a day to another. `problem`: why they are not those
    that were asked for."""

    period: Period
    name: str
    problem: Text | None


@section.page("reports")
def show() -> Response:
    """The report of a period."""
    visit = here()
    asked = _asked(visit)
    report = _report(visit, asked.period)
    charts = {name: _chart(visit, report.table(name), every) for name, every in _CHARTED.items()}
    return render(
        "reports/show.html", report=report, asked=asked, periods=PERIOD_TITLES, charts=charts, rows=_rows,
        words=WORDS, shade=_shade, shaded=_SHADED, shown=lambda value, kind: shown(value, kind, visit.language),
        lines=[line.number for line in visit.configuration.lines], query=_query(asked),
    )  # fmt: skip


@section.download("reports.csv")
def as_csv() -> Response:
    """The report as CSV; in Spanish as a Spanish Excel reads it."""
    visit = here()
    report, file = _report(visit, _asked(visit).period), io.StringIO(newline="")
    csvform.write(file, report, visit.language, excel=visit.language == "es")
    return _file(file.getvalue().encode(), "text/csv; charset=utf-8", f"{sheets.file_name(report)}.csv")


@section.download("reports.xlsx")
def as_workbook() -> Response:
    """The report as a workbook."""
    visit = here()
    report = _report(visit, _asked(visit).period)
    return _file(sheets.workbook(report, visit.language), sheets.MIME, f"{sheets.file_name(report)}.xlsx")


def _file(content: bytes, kind: str, name: str) -> Response:
    return Response(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _line(visit: Visit) -> str:
    """The line asked for, where there is such a one."""
    number = request.args.get("line", "")
    return number if visit.configuration.line(number) is not None else ""


def _asked(visit: Visit) -> _DaysAsked:
    today = today_in(zone_of(visit.configuration, _line(visit)), visit.now)
    name = request.args.get("period", "")
    first, last = request.args.get("from", ""), request.args.get("to", "")
    if name in PERIODS or not (first or last):
        name = name if name in PERIODS else _USUAL
        return _DaysAsked(PERIODS[name](today), name, None)
    try:
        return _DaysAsked(chosen(_day(first), _day(last), today), "", None)
    except NoPeriod as error:
        return _DaysAsked(PERIODS[_USUAL](today), _USUAL, error.text)


def _day(text: str) -> date | None:
    """A day of the address. Raises `NoPeriod`."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise NoPeriod(Text("write a day such as 2026-03-31")) from None


def _query(asked: _DaysAsked) -> str:
    """What leads from the address of a file to the same report."""
    days = f"period={asked.name}" if asked.name else f"from={asked.period.first}&to={asked.period.last}"
    line = _line(here())
    return f"{days}&line={line}" if line else days


def _report(visit: Visit, period: Period) -> CallReport:
    report = making.make(visit.parts.database, visit.configuration, period, visit.now, _line(visit))
    return report.with_extensions(phone.mask) if visit.masked else report


def _rows(table: ReportTable) -> Sequence[Sequence[CellValue]]:
    """The rows of a table; of one by hours, from the first that has calls to the last."""
    if table.name not in _BY_HOUR:
        return table.rows
    busy = [place for place, row in enumerate(table.rows) if any(row[1:])]
    return table.rows[busy[0] : busy[-1] + 1] if busy else ()


def _chart(visit: Visit, table: ReportTable, every: int) -> BarChart:
    """A table of days or hours as a drawing."""
    names = [column.name for column in table.columns]
    received, answered, missed, emitted = (names.index(name) for name in ("received", "answered", "missed", "emitted"))
    data = []
    for row in table.rows:
        numbers = [value if isinstance(value, int) else 0 for value in row]
        other = numbers[received] - numbers[answered] - numbers[missed]
        label = f"{row[0]:%d/%m}" if isinstance(row[0], date) else str(row[0]).removesuffix(":00")
        data.append(Bar(label, (numbers[answered], numbers[missed], other, numbers[emitted])))
    series = [
        visit.t("Received, answered"), visit.t("Received, missed"), visit.t("Received, other"), visit.t("Emitted"),
    ]  # fmt: skip
    return bars(visit.say(table.title), series, data, every=max(1, min(every, len(data) // 4), len(data) // 8))


def _shade(table: ReportTable, value: CellValue) -> int:
    """How dark a cell is, from 0: by its share of the largest of its table."""
    most = max((number for row in table.rows for number in row[1:] if isinstance(number, int)), default=0)
    return -(-value * _SHADES // most) if isinstance(value, int) and most else 0
