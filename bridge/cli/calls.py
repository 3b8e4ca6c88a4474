"""`calls`: what the events of each call came to; lists, one call whole, and all of them for the accountant."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import click

from bridge.calls.text import note
from bridge.cli.callrows import COLUMNS, row
from bridge.cli.calltimeline import as_mapping, timeline
from bridge.cli.codes import code
from bridge.cli.commands import list_command, show_json, show_list
from bridge.cli.jobtext import what, whom
from bridge.cli.language import language, say, words
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.output import writing
from bridge.cli.stored import LineMoment, Stored, local, number, stored, within
from bridge.delivery.words import state as job_state
from bridge.store import calls as stored_calls
from bridge.store import deliveries, events, queries
from bridge.store.calls import Call, CallFilter, CallState
from bridge.store.deliveries import DeliveryFilter
from bridge.texts import Text
from connectors.phone import parse

_SHOWN = 50
_HEAD = (
    Text("ID"), Text("START"), Text("DIRECTION"), Text("NUMBER"), Text("LINE"), Text("SECONDS"), Text("COST"),
    Text("STATE"), Text("ANSWERED BY"),
)  # fmt: skip


@click.group(cls=Group)
def calls() -> None:
    """Calls with their parties, seconds and costs."""


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--until", type=LineMoment(end=True), help="Only calls that began before it; a date: by its end."),
        click.option("--since", type=LineMoment(), help="Only calls that began then or later, in the line's time."),
        click.option("--line", default="", metavar="NUMBER", help="Only of this line."),
    ):
        function = option(function)
    return function


def _filter(store: Stored, line: str, since: datetime | None, until: datetime | None, **more: Any) -> CallFilter:
    if line and store.configuration.line(line) is None:
        say(Text("warning: line {line} is not in the configuration (any more)", line=line), err=True)
    clock = store.line(line)
    return CallFilter(line=line, since=within(since, clock), until=within(until, clock), **more)


@list_command(calls)
@config_option
@_filters
@click.option("--number", "party", default="", help="Only with this other party, in any spelling.")
@click.option("--state", type=click.Choice([state.value for state in CallState]), help="Only in this state.")
@click.option("--limit", type=click.IntRange(1), default=_SHOWN, show_default=True, help="At most so many.")
@json_option
def list_(
    config: Path,
    line: str,
    since: datetime | None,
    until: datetime | None,
    party: str,
    state: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List calls, newest first."""
    with stored(config) as store:
        e164 = number(party, store.configuration).e164 if party else ""
        filter_ = _filter(store, line, since, until, e164=e164, state=CallState(state) if state else None)
        with store.database.read() as connection:
            page = stored_calls.find(connection, filter_, limit)
        show_list(
            page, as_json, lambda call: _named(store, call), _HEAD, lambda call: _listed(call, store),
            limit=limit, nothing=Text("no calls"),
        )  # fmt: skip


@calls.command()
@click.argument("id_", metavar="ID")
@config_option
@json_option
def show(id_: str, config: Path, as_json: bool) -> int:
    """Show a call whole: its events, what was asked and answered, what it left in the CRMs.

    ID: its number in the list, or the platform's CallSequence.
    """
    with stored(config) as store:
        with store.database.read() as connection:
            lines = [line.number for line in store.configuration.lines]
            call = stored_calls.named(connection, id_, lines)
            if call is None:
                asked = queries.of_sequence(connection, id_, lines)
                heard, work = [], []
            else:
                asked = queries.of_call(connection, call.line, call.call_sequence)
                heard = events.of_call(connection, call.line, call.call_sequence)
                work = deliveries.find(connection, DeliveryFilter(call_id=call.id))
        if call is None and not asked:
            say(Text("error: there is no call {id}; `infocaller-bridge calls list` lists them", id=id_), err=True)
            return 1
        line = store.line(call.line if call is not None else asked[0].line)
        if as_json:
            shown: dict[str, object] = {"call_sequence": id_}
            if call is not None:
                people = [job.about for job in work if job.about]
                shown = {**_named(store, call), "found": people, "call": call.call.to_json()}
            show_json({**shown, "queries": [as_mapping(query, line) for query in asked]})
            return 0
        if call is None:
            say(Text("CallSequence {id}: none of its events has come, or is taken up yet", id=id_))
        else:
            head = Text(
                "Call {id}, CallSequence {sequence}, {state}",
                id=str(call.id), sequence=call.call_sequence, state=code(call.state.value),
            )  # fmt: skip
            say(head)
            click.echo(note(parse(call.call.caller, line.country), None, call.call, line, language()))
        say(Text("Events and Queries:") if asked else Text("Events:"))
        for text in timeline(heard, asked, line):
            click.echo(f"  {text}")
        if call is None:
            return 0
        say(Text("What it left in the CRMs:") if work else Text("It left nothing in the CRMs."))
        for job in work:
            say(Text("  {state}: {what} (job {id})", state=code(job_state(job)), what=what(job), id=str(job.id)))
            if job.about:
                click.echo(f"    {whom(job.about)}")
    return 0


_columns = "\n".join(f"  {name:14} {meaning}" for name, meaning in COLUMNS.items())


@calls.command(epilog=f"\b\nThe columns:\n{_columns}")
@config_option
@_filters
@click.option("--csv", "form", flag_value="csv", default="csv", help="Comma-separated values: the default.")
@click.option("--json", "form", flag_value="json", help="A JSON object a line instead.")
@click.option("--excel", is_flag=True, help="With --csv: semicolons, decimal commas and a byte order mark.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def export(
    config: Path,
    line: str,
    since: datetime | None,
    until: datetime | None,
    form: str,
    excel: bool,
    output: Path | None,
) -> None:
    """Write all calls for a spreadsheet, a row each, in the order in which they were first heard of."""
    if excel and form != "csv":
        raise click.UsageError(words(Text("--excel goes with --csv")))
    with stored(config) as store:
        filter_ = _filter(store, line, since, until)
        with store.database.read() as connection, writing(output) as file:
            exported = stored_calls.export(connection, filter_)
            if form == "json":
                for call in exported:
                    file.write(f"{json.dumps(_named(store, call), ensure_ascii=False)}\n")
            else:
                _as_csv(file, exported, store, excel)


def _as_csv(file: TextIO, exported: Iterator[Call], store: Stored, excel: bool) -> None:
    if excel:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=";" if excel else ",")
    writer.writerow(COLUMNS)
    for call in exported:
        writer.writerow(row(call, store.line(call.line), comma=excel))


def _named(store: Stored, call: Call) -> Mapping[str, object]:
    """A call by the names of the export's columns; empty is null, and numbers are numbers but for amounts."""
    cells = dict(zip(COLUMNS, row(call, store.line(call.line)), strict=True))
    whole = {name: value or None for name, value in cells.items()}
    return {**whole, "id": call.id, "seconds": call.seconds}


def _listed(call: Call, store: Stored) -> tuple[object, ...]:
    party = call.e164 or (code("hidden") if call.call.hidden else call.call.caller or "?")
    return (
        call.id,
        local(call.started_at, store.line(call.line)),
        code(call.direction),
        party,
        call.line,
        "" if call.seconds is None else call.seconds,
        "" if call.cost is None else f"{call.cost:f}",
        code(call.state.value),
        call.call.answered_by,
    )
