"""`report`: what became of the calls of a day, a week, a month."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from bridge.alerts.mail import NotSent
from bridge.cli.bilingual import Command
from bridge.cli.commands import show_json
from bridge.cli.language import language as reader
from bridge.cli.language import say, words
from bridge.cli.options import config_option, json_option
from bridge.cli.output import writing
from bridge.cli.stored import Stored, stored, table
from bridge.reports import csvform, mailing, making, sheets
from bridge.reports.cells import CallReport, CellValue, ReportTable, shown
from bridge.reports.keeping import zone_of
from bridge.reports.period import PERIODS, NoPeriod, Period, chosen, today_in
from bridge.texts import Language, Text, said

TABLES = (
    "summary", "speed", "days", "hours", "weekdays", "missed_by_weekday", "lines", "extensions", "costs",
    "called_back", "callbacks",
)  # fmt: skip


class _Day(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A date."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(words(Text("{value}: write a date such as 2026-03-31", value=repr(value))), param, ctx)


@click.command(cls=Command)
@config_option
@click.option("--period", type=click.Choice(list(PERIODS)), help="The days meant.  [default: this-month]")
@click.option("--from", "first", type=_Day(), help="The first day, on the line's own clock.")
@click.option("--to", "last", type=_Day(), help="The last day, which is included.  [default: today]")
@click.option("--line", default="", metavar="NUMBER", help="Only of this line.")
@click.option("--table", "only", type=click.Choice(TABLES), help="Only this table.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values; durations in seconds, shares in percent.")
@click.option("--excel", is_flag=True, help="With --csv: semicolons, decimal commas and a byte order mark.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="With --csv: write to this file.")
@click.option("--xlsx", type=click.Path(path_type=Path, dir_okay=False), help="Write a workbook, a sheet each table.")
@click.option("--send", "mail", is_flag=True, help="Send it to those whom the configuration names under reports:.")
@json_option
def report(config: Path, line: str, only: str | None, as_json: bool, **choice: Any) -> int:
    """Show figures of calls: by day, hour, line and extension; how soon somebody answered; costs; callbacks."""
    as_csv, xlsx, mail = choice["as_csv"], choice["xlsx"], choice["mail"]
    if sum((as_csv, as_json, mail, xlsx is not None)) > 1:
        raise click.UsageError(words(Text("choose one of --csv, --xlsx, --json and --send")))
    if (choice["excel"] or choice["output"]) and not as_csv:
        raise click.UsageError(words(Text("--excel and --output go with --csv")))
    if choice["period"] and (choice["first"] or choice["last"]):
        raise click.UsageError(words(Text("--period says what --from and --to say")))
    if (xlsx is not None or mail) and only:
        raise click.UsageError(words(Text("a workbook holds all tables: leave out --table")))
    if mail and line:
        raise click.UsageError(words(Text("what is sent is of all lines: leave out --line")))
    with stored(config) as store:
        if line and store.configuration.line(line) is None:
            say(Text("warning: line {line} is not in the configuration (any more)", line=line), err=True)
        now = datetime.now(UTC)
        today = today_in(zone_of(store.configuration, line), now)
        days = _days(choice["period"], choice["first"], choice["last"], today)
        if mail:
            return _send(store, days, now)
        made = making.make(store.database, store.configuration, days, now, line)
        language = store.configuration.language
    if only and only not in {each.name for each in made.tables}:
        text = Text("there is no such table: the configuration has no callbacks from: missed_calls")
        raise click.UsageError(words(text))
    if as_json:
        show_json(_json(made, only))
    elif as_csv:
        with writing(choice["output"]) as file:
            csvform.write(file, made, language, excel=choice["excel"], table=only or "")
    elif xlsx is not None:
        _save(xlsx, sheets.workbook(made, language))
    else:
        _show(made, only, reader())
    return 0


def _send(store: Stored, days: Period, now: datetime) -> int:
    configuration = store.configuration
    if not configuration.reports or configuration.smtp is None:
        say(Text("error: nobody gets reports: the configuration has no reports: and smtp: (docs/reports.md)"), err=True)
        return 1
    good = True
    for rule in configuration.reports:
        who = ", ".join(rule.email)
        try:
            missed = mailing.send(store.database, store.loaded, rule, configuration.smtp, days, now)
        except NotSent as error:
            missed = str(error)
        good = good and not missed
        if missed:
            say(Text("FAIL {target}: {reason}", target=who, reason=said(missed)))
        else:
            say(Text("ok   {target}: sent", target=who))
    return 0 if good else 1


def _days(period: str | None, first: date | None, last: date | None, today: date) -> Period:
    if first is None and last is None:
        return PERIODS[period or "this-month"](today)
    try:
        return chosen(first, last, today)
    except NoPeriod as error:
        raise click.UsageError(words(str(error))) from error


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise click.FileError(str(path), words(error.strerror or str(error))) from error


def _show(made: CallReport, only: str | None, language: Language) -> None:
    click.echo(made.period.title.render(language))
    for note in made.notes:
        click.echo(note.render(language), err=True)
    for each in made.tables:
        if only in (None, each.name):
            click.echo(f"\n{each.title.render(language)}")
            for text in _lines(each, language):
                click.echo(text)
    sys.stdout.flush()


def _lines(each: ReportTable, language: Language) -> list[str]:
    rows = [*each.rows, *([each.total] if each.total else [])]
    if not rows:
        return [Text("Nothing in this time.").render(language)]
    kinds = [column.kind for column in each.columns]
    texts = [[shown(value, kind, language) for value, kind in zip(row, kinds, strict=True)] for row in rows]
    return list(table([column.title.render(language) for column in each.columns], texts))


def _json(made: CallReport, only: str | None) -> dict[str, object]:
    """For scripts: words in English, amounts as text, durations in seconds, shares from 0 to 1."""
    return {
        "from": made.period.first.isoformat(),
        "to": made.period.last.isoformat(),
        "line": made.line or None,
        "timezones": list(made.zones),
        "notes": [str(note) for note in made.notes],
        "tables": {
            each.name: [
                {column.name: _plain(value) for column, value in zip(each.columns, row, strict=True)}
                for row in each.rows
            ]
            for each in made.tables
            if only in (None, each.name)
        },
    }


def _plain(value: CellValue) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Text):
        return str(value)
    return f"{value:f}" if isinstance(value, Decimal) else value
