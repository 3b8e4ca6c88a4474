"""`calls`: what the events of each call came to; lists, one call whole, and all of them for the accountant."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import click
from sqlalchemy import Connection

from bridge.calls.text import note
from bridge.cli.callrows import COLUMNS, row
from bridge.cli.jobtext import state as job_state
from bridge.cli.jobtext import what
from bridge.cli.options import Group, config_option
from bridge.cli.stored import Moment, Stored, local, number, stored, table, within
from bridge.store import calls as stored_calls
from bridge.store import deliveries, events
from bridge.store.calls import Call, CallFilter, CallState
from bridge.store.deliveries import DeliveryFilter
from connectors.phone import parse

_SHOWN = 50


@click.group(cls=Group)
def calls() -> None:
    """Calls with their parties, seconds and costs."""


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--until", type=Moment(end=True), help="Only calls that began before it; a date: by its end."),
        click.option("--since", type=Moment(), help="Only calls that began then or later, in the line's time."),
        click.option("--line", default="", metavar="NUMBER", help="Only of this line."),
    ):
        function = option(function)
    return function


def _filter(store: Stored, line: str, since: datetime | None, until: datetime | None, **more: Any) -> CallFilter:
    if line and store.configuration.line(line) is None:
        click.echo(f"warning: line {line} is not in the configuration (any more)", err=True)
    clock = store.line(line)
    return CallFilter(line=line, since=within(since, clock), until=within(until, clock), **more)


@calls.command("list")
@config_option
@_filters
@click.option("--number", "party", default="", help="Only with this other party, in any spelling.")
@click.option("--state", type=click.Choice([state.value for state in CallState]), help="Only in this state.")
@click.option("--limit", type=click.IntRange(1), default=_SHOWN, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
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
        wanted = _filter(store, line, since, until, e164=e164, state=CallState(state) if state else None)
        with store.database.read() as connection:
            found = stored_calls.find(connection, wanted, limit)
        if as_json:
            rows = [_named(store, call) for call in found]
            click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
            return
        lines = [_listed(call, store) for call in found]
    if not lines:
        click.echo("no calls")
        return
    head = ("ID", "START", "DIRECTION", "NUMBER", "LINE", "SECONDS", "COST", "STATE", "ANSWERED BY")
    for text in table(head, lines):
        click.echo(text)


@calls.command()
@click.argument("id_", metavar="ID")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def show(id_: str, config: Path, as_json: bool) -> int:
    """Show a call whole. ID: its number in the list, or the platform's CallSequence."""
    with stored(config) as store:
        with store.database.read() as connection:
            call = _found(connection, store, id_)
            if call is None:
                click.echo(f"error: there is no call {id_}; `infocaller-bridge calls list` lists them", err=True)
                return 1
            heard = events.of_call(connection, call.line, call.call_sequence)
            wanted = DeliveryFilter(call_id=call.id)
            work = deliveries.find(connection, wanted)
        if as_json:
            click.echo(json.dumps({**_named(store, call), "call": dict(call.call)}, ensure_ascii=False, indent=2))
            return 0
        line = store.line(call.line)
        click.echo(f"Call {call.id}, CallSequence {call.call_sequence}, {call.state.value}")
        click.echo(note(parse(call.call["caller"], line.country), None, call.call, line, store.configuration.language))
        click.echo("Events:")
        for event in heard:
            diverted = f" to {event.diverted_to}" if event.diverted_to else ""
            click.echo(f"  {local(event.received_at, line)}  {event.event}{diverted}")
        click.echo("What it left in the CRMs:" if work else "It left nothing in the CRMs.")
        for job in work:
            click.echo(f"  {job_state(job)}: {what(job)} (job {job.id})")
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
        raise click.UsageError("--excel goes with --csv")
    with stored(config) as store:
        wanted = _filter(store, line, since, until)
        with store.database.read() as connection, _writing(output) as file:
            found = stored_calls.export(connection, wanted)
            if form == "json":
                for call in found:
                    file.write(f"{json.dumps(_named(store, call), ensure_ascii=False)}\n")
            else:
                _as_csv(file, found, store, excel)


def _as_csv(file: TextIO, found: Iterator[Call], store: Stored, excel: bool) -> None:
    if excel:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=";" if excel else ",")
    writer.writerow(COLUMNS)
    for call in found:
        writer.writerow(row(call, store.line(call.line), comma=excel))


@contextmanager
def _writing(output: Path | None) -> Iterator[TextIO]:
    """Where the rows go, in UTF-8, its line breaks left to the writer. What fails is said in a line."""
    if output is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a terminal, file or pipe
        yield sys.stdout
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from error


def _named(store: Stored, call: Call) -> Mapping[str, object]:
    """A call by the names of the export's columns; empty is null, and numbers are numbers but for amounts."""
    cells = dict(zip(COLUMNS, row(call, store.line(call.line)), strict=True))
    whole = {name: value or None for name, value in cells.items()}
    return {**whole, "id": call.id, "seconds": call.seconds}


def _listed(call: Call, store: Stored) -> tuple[object, ...]:
    party = call.e164 or ("hidden" if call.call["hidden"] else call.call["caller"] or "?")
    return (
        call.id,
        local(call.started_at, store.line(call.line)),
        call.direction,
        party,
        call.line,
        "" if call.seconds is None else call.seconds,
        "" if call.cost is None else f"{call.cost:f}",
        call.state.value,
        call.call["answered_by"],
    )


def _found(connection: Connection, store: Stored, id_: str) -> Call | None:
    if id_.isdecimal() and len(id_) < 16:
        call = stored_calls.by_id(connection, int(id_))
        if call is not None:
            return call
    lines = [line.number for line in store.configuration.lines]
    return next(filter(None, (stored_calls.get(connection, line, id_) for line in lines)), None)
