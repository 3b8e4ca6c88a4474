"""`campaign numbers` and `campaign permitted`: the round trip with an exclusion list."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from bridge.callbacks.listcheck import send_out, take_back
from bridge.callbacks.numberfile import NumberFile
from bridge.callbacks.rowfile import RowFile
from bridge.callbacks.tasks import Rules
from bridge.cli.bilingual import Command
from bridge.cli.commands import show_json
from bridge.cli.desk import Asking, asking, now
from bridge.cli.language import language, say, words
from bridge.cli.options import config_option, json_option
from bridge.cli.output import writing
from bridge.queue import queue_for
from bridge.texts import Plural, Text
from connectors import dates
from connectors.csv.source import FileForm
from connectors.phone import parse


class _CheckDay(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        day = dates.read(value)
        if isinstance(day, datetime) or day is None:
            self.fail(words(Text("{value}: write 2026-03-31 or 31/03/2026", value=repr(value))), param, ctx)
        return day


def _says_form(function: Any) -> Any:
    for name, help_ in (
        ("--sheet", "The sheet of a spreadsheet; default: the first that is not hidden."),
        ("--delimiter", "What stands between columns; default: found out."),
        ("--encoding", "The file's characters, such as cp1252; default: found out."),
    ):
        function = click.option(name, help=help_)(function)
    return function


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="The source whose rows these are; default: the only one without from:.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; default: printed.")
@click.option("--national", is_flag=True, help="Without country code, as 600111222; those of other countries as usual.")
@_says_form
@config_option
def numbers(
    file: Path,
    source: str | None,
    output: Path | None,
    national: bool,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    config: Path,
) -> int:
    """Write the numbers of a campaign's file, one a line, each once: to be checked against an exclusion list. The
    bridge remembers that they went out. Exit 1: there are none."""
    with asking(config, strict=True) as ask:
        rules = _rules(ask, source)
        rows = RowFile(file, rules, "", language(), now(), encoding, delimiter, sheet)
        with writing(output, private=True) as target:

            def write(lot: Sequence[int]) -> None:
                for number in lot:
                    target.write(f"{_spelled(number, rules, national)}\n")

            sent = send_out(ask.store.database, rows, now(), write, _say)
    went = Plural("{count:,} number", "{count:,} numbers", sent.numbers)
    of_rows = Plural("{count:,} row", "{count:,} rows", sent.rows)
    lacking = Plural("{count:,} without a number", "{count:,} without a number", sent.without)
    _end()
    text = Text("{numbers} of {rows} ({lacking}): check them, then `campaign permitted FILE --checked-on DATE`",
                numbers=went, rows=of_rows, lacking=lacking)  # fmt: skip
    say(text, err=True)
    return 0 if sent.numbers else 1


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--checked-on", required=True, type=_CheckDay(), help="The day on which they were checked.")
@click.option("--source", help="Only for calls of this source; default: for all commercial ones.")
@click.option("--column", help="The column of the numbers; default: found out.")
@_says_form
@config_option
@json_option
def permitted(  # noqa: PLR0913, PLR0917 - as above
    file: Path,
    checked_on: date,
    source: str | None,
    column: str | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    config: Path,
    as_json: bool,
) -> int:
    """Take back the numbers that may be called, as a list of numbers, a CSV file or a spreadsheet. Those that went out
    with them and do not come back are in the exclusion list. Exit 1: nobody may be called."""
    with asking(config, strict=True) as ask:
        configuration = ask.store.configuration
        book = ask.callbacks.book()
        rules = _commercial(ask, source) if source is not None else None
        line = rules.line if rules is not None else configuration.lines[0]
        if checked_on > now().astimezone(ZoneInfo(line.timezone)).date():
            text = Text("{day} is yet to come", day=checked_on.isoformat())
            raise click.BadParameter(words(text), param_hint="--checked-on")
        numbers_ = NumberFile(file, line.country, language(), column, FileForm(encoding, delimiter, sheet))
        store = ask.store
        back = take_back(store.database, queue_for(store.database), book, numbers_, checked_on, source, now(), _say)
    _end()
    if as_json:
        show_json({**asdict(back), "checked_on": checked_on.isoformat(), "source": source})
        return 0 if back.permitted else 1
    may = Plural("{count:,} number may be called", "{count:,} numbers may be called", back.permitted)
    listed = Plural("{count:,} is in the list", "{count:,} are in the list", back.listed)
    click.echo(f"{words(may)}; {words(listed)}")
    if back.without:
        lacking = Plural("{count:,} row has no number", "{count:,} rows have no number", back.without)
        say(lacking, err=True)
    return 0 if back.permitted else 1


def _rules(ask: Asking, source: str | None) -> Rules:
    """The rules of the source that a file is for."""
    titles = [each.title for each in ask.store.configuration.callbacks if each.from_ is None]
    commercial = [title for title in titles if ask.callbacks.book().rules[title].commercial]
    choice = commercial if len(commercial) == 1 else titles
    if source is None and len(choice) == 1:
        source = choice[0]
    rules = ask.callbacks.book().rules.get(source or "")
    if rules is None:
        names = ", ".join(f"--source {title}" for title in titles) or "-"
        raise click.UsageError(words(Text("choose the source: {names}", names=names)))
    return rules


def _commercial(ask: Asking, source: str) -> Rules:
    rules = ask.callbacks.book().rules.get(source)
    if rules is None or not rules.commercial:
        text = Text("there is no source {name} with purpose: commercial", name=source)
        raise click.BadParameter(words(text), param_hint="--source")
    return rules


def _spelled(number: int, rules: Rules, national: bool) -> str:
    phone = parse(f"+{number}", rules.line.country) if national else None
    return phone.national if phone is not None and phone.country == rules.line.country else f"+{number}"


def _say(count: int) -> None:
    """On the terminal, over the count before."""
    if sys.stderr.isatty():
        click.echo(f"\r{count:,}", nl=False, err=True)


def _end() -> None:
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
