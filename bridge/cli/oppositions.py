"""`oppositions`: who does not want to be called for business, and under which reference."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from bridge.callbacks.numberfile import NumberFile
from bridge.cli.commands import limit_option, list_command, show_json, show_list
from bridge.cli.desk import iso
from bridge.cli.language import language, say, words
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.output import writing
from bridge.cli.stored import Stored, local, number, stored
from bridge.store import exclusions
from bridge.store import oppositions as kept
from bridge.store.oppositions import NewOpposition, Opposition, new_reference, read_reference
from bridge.texts import Plural, Text
from connectors.csv.output import cell
from connectors.csv.source import FileForm

_PIECE = 1000
_HEAD = (Text("REFERENCE"), Text("NUMBER"), Text("SINCE"), Text("BY"), Text("WITHDRAWN"))


@click.group(cls=Group)
def oppositions() -> None:
    """Who does not want to be called for business.

    Commercial calls of all lines leave them out at once. Each has a reference, which the person is told.
    """


@oppositions.command()
@click.argument("phone", metavar="NUMBER")
@config_option
@json_option
def add(phone: str, config: Path, as_json: bool) -> None:
    """Note that a number (in any spelling) opposes commercial calls, and print its reference. One that opposed before
    keeps its first reference."""
    with stored(config) as store:
        whose = number(phone, store.configuration)
        new = NewOpposition(whose.e164, new_reference(), datetime.now(UTC), "cli")
        with store.database.write() as connection:
            reference = kept.add(store.database, connection, [new])[whose.e164]
    if as_json:
        show_json({"reference": reference, "number": whose.e164})
    else:
        click.echo(reference)


@list_command(oppositions)
@click.option("--number", "phone", help="Only those of a number, in any spelling, also of somebody who was forgotten.")
@click.option("--reference", help="Only the one with this reference.")
@config_option
@limit_option
@json_option
def list_(phone: str | None, reference: str | None, config: Path, limit: int | None, as_json: bool) -> None:
    """List them, newest first."""
    with stored(config) as store:
        line = store.configuration.lines[0]
        show_list(
            _found(store, phone, reference), as_json, _brief, _HEAD,
            lambda each: (
                each.reference, each.number or words(Text("(forgotten)")),
                local(each.at, line), each.source, local(each.withdrawn_at, line),
            ),
            limit=limit, nothing=Text("nobody opposes"),
        )  # fmt: skip


def _found(store: Stored, phone: str | None, reference: str | None) -> Iterator[Opposition]:
    if phone is not None:
        whose = number(phone, store.configuration)
        with store.database.read() as connection:
            yield from reversed(kept.of_number(connection, whose.e164))
        return
    if reference is not None:
        with store.database.read() as connection:
            opposition = kept.by_reference(connection, _read(reference))
        yield from [opposition] if opposition is not None else []
        return
    before = None
    while True:
        with store.database.read() as connection:
            rows = kept.latest(connection, _PIECE, before)
        yield from rows
        if len(rows) < _PIECE:
            return
        before = rows[-1].id


def _brief(opposition: Opposition) -> Mapping[str, Any]:
    brief = {
        "reference": opposition.reference,
        "at": iso(opposition.at),
        "source": opposition.source,
        "withdrawn_at": iso(opposition.withdrawn_at),
    }
    return {**brief, "number": opposition.number} if opposition.number else brief


@oppositions.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; default: printed.")
@config_option
def export(output: Path | None, config: Path) -> None:
    """Write all of them with their references as CSV, the first one first: for whoever may demand them."""
    with stored(config) as store, writing(output, private=True) as file:
        _write(store, file)


def _write(store: Stored, file: Any) -> None:
    writer = csv.writer(file)
    writer.writerow(["reference", "number", "at", "source", "withdrawn_at"])
    for each in kept.each(store.database):
        row = (each.reference, each.number, iso(each.at), each.source, iso(each.withdrawn_at) or "")
        writer.writerow([cell(value) for value in row])


@oppositions.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--column", help="The column of the numbers; default: found out.")
@click.option("--encoding", help="The file's characters, such as cp1252; default: found out.")
@click.option("--delimiter", help="What stands between columns; default: found out.")
@click.option("--sheet", help="The sheet of a spreadsheet; default: the first that is not hidden.")
@config_option
@json_option
def import_(
    file: Path,
    column: str | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    config: Path,
    as_json: bool,
) -> int:
    """Note everybody in a file: a list of numbers, a CSV file or a spreadsheet. Exit 1: there is no number in it."""
    with stored(config) as store:
        form = FileForm(encoding, delimiter, sheet)
        country = store.configuration.lines[0].country
        numbers = NumberFile(file, country, language(), column, form, all_of_row=True)
        new = before = 0
        for lot in exclusions.lots(numbers):
            fresh = _take(store, lot)
            new, before = new + fresh, before + len(lot) - fresh
    if as_json:
        show_json({"new": new, "known": before, "without_number": numbers.empty})
    else:
        taken = words(Plural("{count:,} number opposes now", "{count:,} numbers oppose now", new))
        others = words(Plural("{count:,} did before", "{count:,} did before", before))
        without = words(Plural("{count:,} row has no number", "{count:,} rows have no number", numbers.empty))
        click.echo(f"{taken}; {others}; {without}")
    return 0 if new + before else 1


def _take(store: Stored, lot: list[int]) -> int:
    """How many of these did not oppose before."""
    count, e164 = 0, list(dict.fromkeys(f"+{number}" for number in lot))
    for start in range(0, len(e164), _PIECE):
        piece = list(islice(e164, start, start + _PIECE))
        with store.database.write() as connection:
            before = kept.opposed(connection, piece)
            now = datetime.now(UTC)
            new = [NewOpposition(each, new_reference(), now, "import") for each in piece if each not in before]
            kept.add(store.database, connection, new)
        count += len(new)
    return count


@oppositions.command()
@click.argument("reference")
@config_option
def withdraw(reference: str, config: Path) -> int:
    """Note that a person may be called again, by the reference: because that was their wish, or it was a mistake. It
    stays in the list as withdrawn."""
    with stored(config) as store, store.database.write() as connection:
        done = kept.withdraw(connection, _read(reference), datetime.now(UTC))
    text = Text(
        "{reference} is withdrawn: the number may be called again where all else allows it", reference=reference
    )
    if not done:
        text = Text("nobody opposes under {reference}", reference=reference)
    say(text, err=not done)
    return 0 if done else 1


def _read(reference: str) -> str:
    """A reference as it is kept. Raises `click.BadParameter`."""
    read = read_reference(reference)
    if not read:
        text = Text(
            "{reference} is no reference: ten digits, of which the last one checks the others", reference=reference
        )
        raise click.BadParameter(words(text))
    return read
