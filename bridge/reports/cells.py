"""A report as tables, and how a value of one is written in a language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from bridge.reports.period import Period
from bridge.texts import Language, Text

CellValue: TypeAlias = "str | int | float | Decimal | date | Text | None"
"""None: there is nothing to say, such as a share of nothing."""

NOTHING = "—"
WEEKDAYS = (Text("Mon"), Text("Tue"), Text("Wed"), Text("Thu"), Text("Fri"), Text("Sat"), Text("Sun"))


class CellKind(StrEnum):
    """What the values of a column are."""

    WORDS = "words"
    EXTENSION = "extension"
    """Who answers: words, and masked for those who see no numbers."""
    DAY = "day"
    COUNT = "count"
    SHARE = "share"
    """From 0 to 1."""
    SPAN = "span"
    """Whole seconds."""
    MONEY = "money"
    """An exact amount."""


WORDS = (CellKind.WORDS, CellKind.EXTENSION)
"""Kinds that are no numbers."""


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A column. `name`: what scripts call it, the same in every language."""

    name: str
    title: Text
    kind: CellKind = CellKind.COUNT


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table. `name`: what scripts call it; `total`: a row of sums below the others; `note`: what is measured."""

    name: str
    title: Text
    columns: Sequence[ReportColumn]
    rows: Sequence[Sequence[CellValue]]
    total: Sequence[CellValue] | None = None
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class CallReport:
    """What became of the calls of a period. `line`: of this one alone, empty: of all; `zones`: the clocks of the lines;
    `notes`: what keeps it from being whole."""

    period: Period
    line: str
    zones: Sequence[str]
    tables: Sequence[ReportTable]
    notes: Sequence[Text] = ()

    def table(self, name: str) -> ReportTable:
        """Return the table of this name. Raises KeyError."""
        return {table.name: table for table in self.tables}[name]

    def with_extensions(self, written: Callable[[str], str]) -> CallReport:
        """Return the same with the extensions and numbers of who answers written like this."""

        def of(table: ReportTable) -> ReportTable:
            hidden = [column.kind is CellKind.EXTENSION for column in table.columns]
            rows = [
                [written(str(value)) if hide else value for value, hide in zip(row, hidden, strict=True)]
                for row in table.rows
            ]
            return replace(table, rows=rows) if any(hidden) else table

        return replace(self, tables=[of(table) for table in self.tables])


def shown(value: CellValue, kind: CellKind, language: Language) -> str:
    """Return a value as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, Text):
        return value.render(language)
    if isinstance(value, date):
        day = datetime(value.year, value.month, value.day)
        return Text("{weekday} {day:%Y-%m-%d}", weekday=WEEKDAYS[value.weekday()], day=day).render(language)
    if kind is CellKind.SPAN:
        return span(int(value))
    if kind is CellKind.SHARE:
        return f"{marked(f'{float(value) * 100:.1f}', language)} %"
    if kind is CellKind.MONEY:
        return money(Decimal(value), language)
    return marked(f"{value:,}", language) if isinstance(value, int) else str(value)


def money(amount: Decimal, language: Language) -> str:
    """Return an amount with four decimals at least, as many as a minute's price has, and all that it has."""
    exact = amount.normalize()
    return marked(f"{exact:,.{max(4, -int(exact.as_tuple().exponent))}f}", language)


def span(seconds: int) -> str:
    """Return seconds as hours, minutes and seconds."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def marked(number: str, language: Language) -> str:
    """Return a number of English with the marks of this language."""
    return number.translate(_SPANISH) if language == "es" else number


_SPANISH = str.maketrans(",.", ".,")
