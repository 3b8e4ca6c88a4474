"""`campaign`: calls the people of a CSV file, and shows, pauses and cancels that."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import click

from bridge.callbacks.campaigns import Campaigns, NoCampaign, Progress
from bridge.callbacks.forecast import KNOWN, Forecast, forecast
from bridge.callbacks.rowfile import Row, RowFile
from bridge.cli.desk import asking, iso, now
from bridge.cli.options import Group, config_option
from bridge.cli.stored import Stored, local, table
from bridge.config.model import Configuration, Line
from bridge.queue import queue_for
from connectors.csv.output import cell

_SHOWN_FAULTS = 20
_MEANS = {
    KNOWN: "known: taken before under this name, and done",
    "task": "task: what the row says can't be used, as said above",
    "double": "double: an earlier row has the same id or number",
    "number": "number: the line may not call it",
    "expired": "expired: at this pace their turn comes later than `expires`",
}
_EVERY = 1.0
"""Seconds between two looks of a display."""


class _Campaign(Group):
    """`campaign FILE.csv` is `campaign start FILE.csv`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Whatever does not begin with a word of ours is about a file."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["start", *args])


@click.group(cls=_Campaign, context_settings={"ignore_unknown_options": True})
def campaign() -> None:
    """Call the people of a CSV file: `campaign FILE.csv`.

    Its rows become callbacks of a source without `from:`, which says the line, the hours and the rest. It goes on in
    the running bridge, whatever becomes of this command.
    """


@dataclass(frozen=True, slots=True)
class _Asking:
    store: Stored
    campaigns: Campaigns


@contextmanager
def _asking(config: Path, *, strict: bool = False) -> Iterator[_Asking]:
    with asking(config, strict=strict) as ask:
        database = ask.store.database
        yield _Asking(ask.store, Campaigns(database, queue_for(database), ask.callbacks, now))


class _Faults:
    """Says what is wrong with rows: the first on the terminal, all in a file where one was named."""

    def __init__(self, file: TextIO | None) -> None:
        self._writer = csv.writer(file) if file is not None else None
        self.count = 0
        if self._writer is not None:
            self._writer.writerow(["row", "reason"])

    def __call__(self, row: Row) -> None:
        """One more."""
        self.count += 1
        if self._writer is not None:
            self._writer.writerow([row.number, cell(row.fault)])
        if self.count <= _SHOWN_FAULTS:
            click.echo(f"row {row.number}: {row.fault}", err=True)
        elif self.count == _SHOWN_FAULTS + 1:
            click.echo("… and more; --faults FILE keeps them all", err=True)


@campaign.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
@click.option("--source", help="The source whose rules hold; default: the only one without from:.")
@click.option("--name", help="What to call it; default: the file's name. The same name again adds rows.")
@click.option("--dry-run", is_flag=True, help="Only say how many would be called, when, and what keeps others back.")
@click.option("--watch", is_flag=True, help="Show how it goes on until it is over; Ctrl-C ends the display alone.")
@click.option("--faults", type=click.File("w", encoding="utf-8"), help="A CSV file to write rows with faults to.")
@click.option("--encoding", help="The file's characters, such as cp1252; default: found out.")
@click.option("--delimiter", help="What stands between columns; default: found out.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def start(  # noqa: PLR0913 - the options of a command
    *,
    file: Path,
    config: Path,
    source: str | None,
    name: str | None,
    dry_run: bool,
    watch: bool,
    faults: TextIO | None,
    encoding: str | None,
    delimiter: str | None,
    as_json: bool,
) -> int:
    """Take the rows of a file as callbacks. Exit 1: none of them can be called."""
    name = name or file.stem
    bad = _Faults(faults)
    with _asking(config, strict=True) as ask:
        source = source or _only_source(ask.store.configuration)
        rules = ask.campaigns.rules(source)
        language = ask.store.configuration.language
        rows = RowFile(file, rules, f"{name}/", language, encoding, delimiter)
        if dry_run:
            found = _forecast(ask, source, rows, bad)
            _say_forecast(found, rules.line, ask.campaigns.stands(source)[0], as_json)
            return 0 if found.called else 1
        begun = ask.campaigns.begin(name, source, str(file))
        began, good = time.monotonic(), _Good()
        taken = ask.campaigns.take(begun, rows, bad, good)
        if rows.oddities.counts:
            click.echo(f"{file}: {rows.oddities}", err=True)
        new = taken.rows - begun.rows
        counts = {"taken": new, "known": good.count - new, "refused": bad.count}
        _say_taken(ask, name, counts, time.monotonic() - began, as_json)
        if watch:
            _watch(ask, name)
        return 0 if taken.rows else 1


def _only_source(configuration: Configuration) -> str:
    names = [source.title for source in configuration.callbacks if source.from_ is None]
    if not names:
        raise click.UsageError(
            "no source sets line and hours for these rows: add to callbacks: one with name:, line: and rule_group:, "
            "without from:"
        )
    if len(names) > 1:
        ways = " or ".join(f"--source {name}" for name in names)
        raise click.UsageError(f"choose the source that sets line and hours: {ways}")
    return names[0]


class _Good:
    """How many rows with no fault were gone through so far; says it on the terminal."""

    count = 0

    def __call__(self, count: int) -> None:
        """So many are."""
        self.count = count
        if sys.stderr.isatty():
            click.echo(f"\r{count:,} rows", nl=False, err=True)


def _in_words(counts: Mapping[str, int]) -> str:
    """`12 rows taken, 488 known already, 3 refused`."""
    others = [f"{counts[name]:,} {word}" for name, word in (("known", "known already"), ("refused", "refused"))
              if counts[name]]  # fmt: skip
    return ", ".join([f"{_rows(counts['taken'])} taken", *others])


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _say_taken(ask: _Asking, name: str, counts: Mapping[str, int], seconds: float, as_json: bool) -> None:
    progress = ask.campaigns.progress(name)
    if as_json:
        older = {"new": counts["taken"], "bad": counts["refused"]}  # their names before, which scripts may read
        told = {**_progress(progress), **counts, **older, "seconds": round(seconds, 1)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    click.echo(f"campaign {name}: {_in_words(counts)} ({seconds:.1f} s)")
    for text in _lines(progress, ask.store):
        click.echo(text)
    click.echo(f"`infocaller-bridge campaign status {name} --watch` shows how it goes on", err=True)


def _forecast(ask: _Asking, source: str, rows: RowFile, bad: _Faults) -> Forecast:
    from bridge.service.composition import Service  # noqa: PLC0415 - only a dry run opens connectors

    service = Service.open(ask.store.loaded)
    try:
        with ask.store.database.read() as connection:
            rules = ask.campaigns.rules(source)
            return forecast(connection, ask.store.configuration, rules, service.sources, rows, now(), bad)
    finally:
        service.close()


def _say_forecast(found: Forecast, line: Line, stands: str, as_json: bool) -> None:
    counts = {"taken": found.rows - found.known - found.refused, "known": found.known, "refused": found.refused}
    if as_json:
        told = {**asdict(found), **counts, "begins": iso(found.begins), "ends": iso(found.ends), "stands": stands}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    emission = line.emission
    click.echo(f"{_rows(found.rows)}: {found.called:,} would be called, by line {line.number}")
    click.echo(f"  without --dry-run: {_in_words(counts)}")
    for text, counted in (("never", found.never), ("not now", found.later)):
        for gate, count in sorted(counted.items(), key=lambda pair: -pair[1]):
            click.echo(f"  {text}: {count:,} ({_MEANS.get(gate, gate)})")
    if stands:
        click.echo(f"nobody is called yet: {stands}")
    if found.ahead:
        click.echo(f"{found.ahead:,} other callbacks of the line have their turns meanwhile")
    if found.begins is not None:
        end = local(found.ends, line) or "never, within two years: look at hours: and dial.per_day"
        click.echo(f"from {local(found.begins, line)} to {end}, at {emission.per_minute} a minute")
        longest = emission.at_once * 60 / emission.per_minute
        click.echo(
            f"that pace holds while a call takes less than {longest:.0f} s (at_once {emission.at_once}), up to "
            f"{line.dial.per_day:,} a day (dial.per_day)"
        )


@campaign.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_(config: Path, as_json: bool) -> None:
    """List the campaigns."""
    with _asking(config) as ask:
        found = [ask.campaigns.progress(one.name) for one in ask.campaigns.every()]
        if as_json:
            click.echo(json.dumps([_progress(one) for one in found], ensure_ascii=False, indent=2))
            return
        line = ask.store.configuration.lines[0]
    if not found:
        click.echo("there are none")
        return
    rows = []
    for one in found:
        noted = one.campaign
        started = _moment(noted.started_at, line)
        rows.append((noted.name, _standing(one), one.total, one.left, noted.source, started))
    for text in table(("NAME", "STATE", "ROWS", "LEFT", "SOURCE", "STARTED"), rows):
        click.echo(text)


@campaign.command()
@click.argument("name")
@config_option
@click.option("--watch", is_flag=True, help="Go on showing it until it is over; Ctrl-C ends the display alone.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def status(name: str, config: Path, watch: bool, as_json: bool) -> None:
    """Show how a campaign stands."""
    if watch and as_json:
        raise click.UsageError("--watch is for people, --json for scripts")
    with _asking(config) as ask:
        if watch:
            _watch(ask, name)
            return
        progress = ask.campaigns.progress(name)
        if as_json:
            click.echo(json.dumps(_progress(progress), ensure_ascii=False, indent=2))
            return
        for text in _lines(progress, ask.store):
            click.echo(text)


@campaign.command()
@click.argument("name")
@config_option
def pause(name: str, config: Path) -> None:
    """Keep what waits of a campaign back. What is being sent at this moment goes out."""
    with _asking(config) as ask:
        click.echo(f"campaign {name} is paused: {_are(ask.campaigns.pause(name))} kept back")


@campaign.command()
@click.argument("name")
@config_option
def resume(name: str, config: Path) -> None:
    """Have a paused campaign go on."""
    with _asking(config) as ask:
        if ask.campaigns.get(name).cancelled_at:
            raise NoCampaign(f"campaign {name} was cancelled: start it under another --name")
        click.echo(f"campaign {name} goes on: {_are(ask.campaigns.resume(name))} to be called")


@campaign.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for whoever looks at it later.")
@config_option
def cancel(name: str, reason: str, config: Path) -> None:
    """End a campaign: nobody that waits is called any more. What is being sent at this moment goes out."""
    with _asking(config) as ask:
        click.echo(f"campaign {name} is cancelled: {_are(ask.campaigns.cancel(name, reason))} not called any more")


@campaign.command()
@click.argument("name")
@config_option
def results(name: str, config: Path) -> None:
    """Print what came of each row so far, as CSV."""
    with _asking(config) as ask:
        writer = csv.writer(sys.stdout)
        writer.writerow(["id", "number", "status", "text", "at", "seconds", "idcall"])
        for row in ask.campaigns.results(name):
            writer.writerow([cell(value) for value in row])


def _watch(ask: _Asking, name: str) -> None:
    """One line that is written anew; where there is no terminal, a line whenever something changed."""
    before = ""
    while True:
        progress = ask.campaigns.progress(name)
        text = " · ".join(_lines(progress, ask.store))
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns
            click.echo(f"\r\033[K{text[: width - 1]}", nl=False)
        elif text != before:
            click.echo(text)
        if progress.over or progress.campaign.paused:
            break
        before = text
        time.sleep(_EVERY)
    if sys.stdout.isatty():
        click.echo()


def _standing(progress: Progress) -> str:
    if progress.campaign.cancelled_at:
        return "cancelled"
    if progress.campaign.paused:
        return "paused"
    return "over" if progress.over else "running"


def _lines(progress: Progress, store: Stored) -> Iterator[str]:
    """How it stands, for people."""
    one = progress.campaign
    line = _line(one.source, store.configuration)
    done = progress.total - progress.left
    share = f" ({done * 100 // progress.total} %)" if progress.total else ""
    yield f"{one.name}: {_standing(progress)}, {done:,} of {progress.total:,} done{share}"
    states = ", ".join(f"{count:,} {state.value}" for state, count in sorted(progress.states.items()) if count)
    if states:
        yield states
    kept = ", ".join(f"{count:,} by {gate}" for gate, count in sorted(progress.gates.items()) if gate)
    if kept:
        yield f"kept back: {kept}"
    if progress.left:
        over = f", over by {local(progress.ends, line)} at the line's pace" if progress.ends is not None else ""
        yield f"{progress.per_minute:.1f} a minute lately{over}"
    if progress.stands:
        yield f"nobody is called now: {progress.stands}"


def _progress(progress: Progress) -> dict[str, Any]:
    """How it stands, for scripts."""
    one = progress.campaign
    return {
        "name": one.name,
        "source": one.source,
        "file": one.file,
        "started_at": one.started_at,
        "state": _standing(progress),
        "total": progress.total,
        "left": progress.left,
        "states": {state.value: count for state, count in progress.states.items()},
        "gates": progress.gates,
        "per_minute": progress.per_minute,
        "ends": iso(progress.ends),
        "stands": progress.stands,
    }


def _line(source: str, configuration: Configuration) -> Line:
    found = configuration.source(source)
    line = configuration.line(found.line) if found is not None else None
    return line or configuration.lines[0]


def _moment(text: str, line: Line) -> str:
    return local(datetime.fromisoformat(text), line) if text else ""
