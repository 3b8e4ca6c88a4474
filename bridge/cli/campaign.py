"""`campaign`: calls the people of a CSV file, and shows, pauses and cancels that."""

from __future__ import annotations

import csv
import shutil
import sys
import time
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import click

from bridge.callbacks.campaigns import Campaigns, Progress
from bridge.callbacks.forecast import KNOWN, Forecast, forecast
from bridge.callbacks.rowfile import CampaignRow, RowFile
from bridge.callbacks.tasks import Rules
from bridge.cli.codes import code
from bridge.cli.commands import add_pause_and_resume, list_command, show_json, show_list
from bridge.cli.desk import Asking, asking, iso, now
from bridge.cli.language import language as reader
from bridge.cli.language import say, words
from bridge.cli.listcheck import numbers, permitted
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.stored import Stored, local
from bridge.config.model import Configuration, Line
from bridge.queue import queue_for
from bridge.texts import Plural, Text, literal, said
from connectors.csv.output import cell
from connectors.csv.source import is_spreadsheet

_SHOWN_FAULTS = 20
_HEAD = (Text("NAME"), Text("STATE"), Text("ROWS"), Text("LEFT"), Text("SOURCE"), Text("STARTED"))
_MEANS = {
    KNOWN: Text("known: taken before under this name, and done"),
    "task": Text("task: what the row says can't be used, as said above"),
    "double": Text("double: an earlier row has the same id or number"),
    "number": Text("number: the line may not call it"),
    "expired": Text("expired: at this pace their turn comes later than `expires`"),
    "opposed": Text("opposed: they said no to commercial calls"),
    "caller_number": Text("caller_number: the line's own number may not make such calls"),
    "consent": Text("consent: nothing that counts allows the call"),
    "consent_old": Text("consent_old: what allowed the call is too old"),
    "exclusion_list": Text("exclusion_list: no recent check against exclusion lists permits them"),
    "commercial_hours": Text("commercial_hours: the law allows no commercial calls now"),
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


def _of(ask: Asking) -> Campaigns:
    return Campaigns(ask.store.database, queue_for(ask.store.database), ask.callbacks, now)


class _RowFile:
    """Writes what there is to say of rows to a file, where one was named."""

    def __init__(self, file: TextIO | None) -> None:
        self._writer = csv.writer(file) if file is not None else None
        if self._writer is not None:
            self._writer.writerow(["row", "reason"])

    def add(self, row: CampaignRow, reason: str) -> None:
        if self._writer is not None:
            self._writer.writerow([row.number, cell(reason)])


class _Faults:
    """Says what is wrong with rows: the first on the terminal, all in a file where one was named."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = _RowFile(file)
        self.count = 0

    def __call__(self, row: CampaignRow) -> None:
        self.count += 1
        self._file.add(row, row.fault or "")
        if self.count <= _SHOWN_FAULTS:
            say(Text("row {number}: {fault}", number=str(row.number), fault=said(row.fault)), err=True)
        elif self.count == _SHOWN_FAULTS + 1:
            say(Text("… and more; --faults FILE keeps them all"), err=True)


class _Renewals:
    """Keeps the rows that would be called if their consent were renewed, in a file with what each misses where one was
    named."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = _RowFile(file)
        self.rows = array("L")
        self._first: list[Text] = []

    def __call__(self, row: CampaignRow, missing: Text) -> None:
        reason = words(missing)
        self.rows.append(row.number)
        self._file.add(row, reason)
        if len(self._first) < _SHOWN_FAULTS:
            self._first.append(Text("  row {number}: {reason}", number=str(row.number), reason=reason))

    def lines(self) -> Iterator[Text]:
        """Yield what the forecast says of the rows."""
        if not self.rows:
            return
        yield Plural(
            "if its consent were renewed, {count:,} more row would be called:",
            "if their consent were renewed, {count:,} more rows would be called:",
            len(self.rows),
        )
        yield from self._first
        if len(self.rows) > _SHOWN_FAULTS:
            yield Text("  … and more; --renewals FILE keeps them all")


@campaign.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
@click.option("--source", help="The source whose rules hold; default: the only one without from:.")
@click.option("--name", help="What to call it; default: the file's name. The same name again adds rows.")
@click.option("--dry-run", is_flag=True, help="Only say how many would be called, when, and what keeps others back.")
@click.option("--watch", is_flag=True, help="Show how it goes on until it is over; Ctrl-C ends the display alone.")
@click.option("--faults", type=click.File("w", encoding="utf-8"), help="A CSV file to write rows with faults to.")
@click.option(
    "--renewals",
    type=click.File("w", encoding="utf-8"),
    help="With --dry-run: a CSV file to write rows to that would be called if their consent were renewed.",
)
@click.option("--encoding", help="The file's characters, such as cp1252; default: found out.")
@click.option("--delimiter", help="What stands between columns; default: found out.")
@click.option("--sheet", help="The sheet of a spreadsheet; default: the first that is not hidden.")
@json_option
def start(  # noqa: PLR0913 - the options of a command
    *,
    file: Path,
    config: Path,
    source: str | None,
    name: str | None,
    dry_run: bool,
    watch: bool,
    faults: TextIO | None,
    renewals: TextIO | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    as_json: bool,
) -> int:
    """Take the rows of a file as callbacks. Exit 1: none of them can be called."""
    name = name or file.stem
    _check_form(file, encoding, delimiter, sheet)
    if renewals is not None and not dry_run:
        raise click.UsageError("--renewals goes with --dry-run")
    bad = _Faults(faults)
    with asking(config, strict=True) as ask:
        campaigns = _of(ask)
        source = source or _only_source(ask.store.configuration)
        rules = campaigns.rules(source)
        rows = RowFile(file, rules, f"{name}/", reader(), now(), encoding, delimiter, sheet)
        if dry_run:
            renewable = _Renewals(renewals)
            forecast = _forecast(ask, rules, rows, bad, renewable)
            _say_forecast(forecast, renewable, rules.line, campaigns.stands(source)[0], as_json)
            return 0 if forecast.called else 1
        begun = campaigns.begin(name, source, str(file))
        began = time.monotonic()
        taken = campaigns.take(begun, rows, bad, _say_count)
        seconds = time.monotonic() - began
        if rows.oddities.counts:
            click.echo(f"{file}: {words(str(rows.oddities))}", err=True)
        counts = {"taken": taken.new, "known": taken.known, "refused": bad.count}
        _say_taken(ask.store, campaigns.progress(name), counts, seconds, as_json)
        if watch:
            _watch(ask, name)
        return 0 if taken.new + taken.known else 1


def _check_form(file: Path, encoding: str | None, delimiter: str | None, sheet: str | None) -> None:
    """Raise `click.UsageError` where an option does not go with the kind of file."""
    if is_spreadsheet(file) and (encoding or delimiter):
        what = Text("encoding") if encoding else Text("delimiter")
        raise click.UsageError(words(Text("{file} is a spreadsheet, which has no {what}", file=file, what=what)))
    if sheet and not is_spreadsheet(file):
        raise click.UsageError(words(Text("{file} is no spreadsheet, it has no sheets", file=file)))


def _only_source(configuration: Configuration) -> str:
    names = [source.title for source in configuration.callbacks if source.from_ is None]
    if not names:
        text = Text(
            "no source sets line and hours for these rows: add to callbacks: one with name:, line: and rule_group:, "
            "without from:"
        )
        raise click.UsageError(words(text))
    if len(names) > 1:
        either = words(Text("or"))
        ways = f" {either} ".join(f"--source {name}" for name in names)
        raise click.UsageError(words(Text("choose the source that sets line and hours: {options}", options=ways)))
    return names[0]


def _say_count(count: int) -> None:
    """On the terminal, over the count before."""
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
        say(_rows(count), nl=False, err=True)


def _in_words(counts: Mapping[str, int]) -> str:
    """`12 rows taken, 488 known already, 3 refused`."""
    parts: list[Text] = [Plural("{count:,} row taken", "{count:,} rows taken", counts["taken"])]
    if counts["known"]:
        parts.append(Plural("{count:,} known already", "{count:,} known already", counts["known"]))
    if counts["refused"]:
        parts.append(Plural("{count:,} refused", "{count:,} refused", counts["refused"]))
    return ", ".join(map(words, parts))


def _rows(count: int) -> Text:
    return Plural("{count:,} row", "{count:,} rows", count)


def _say_taken(store: Stored, progress: Progress, counts: Mapping[str, int], seconds: float, as_json: bool) -> None:
    if as_json:
        older = {"new": counts["taken"], "bad": counts["refused"]}  # their names before, which scripts may read
        show_json({**_progress(progress), **counts, **older, "seconds": round(seconds, 1)})
        return
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    name = progress.campaign.name
    say(Text("campaign {name}: {counts} ({seconds:.1f} s)", name=name, counts=_in_words(counts), seconds=seconds))
    for text in _lines(progress, store):
        click.echo(text)
    say(Text("`infocaller-bridge campaign status {name} --watch` shows how it goes on", name=name), err=True)


def _forecast(ask: Asking, rules: Rules, rows: RowFile, bad: _Faults, renewable: _Renewals) -> Forecast:
    from bridge.service.composition import Service  # noqa: PLC0415 - only a dry run opens connectors

    service = Service.open(ask.store.loaded)
    try:
        with ask.store.database.read() as connection:
            return forecast(connection, ask.store.configuration, rules, service.sources, rows, now(), bad, renewable)
    finally:
        service.close()


def _say_forecast(forecast: Forecast, renewable: _Renewals, line: Line, stands: Text | None, as_json: bool) -> None:
    counts = {
        "taken": forecast.rows - forecast.known - forecast.refused,
        "known": forecast.known,
        "refused": forecast.refused,
    }
    if as_json:
        moments = {"begins": iso(forecast.begins), "ends": iso(forecast.ends)}
        stood = {"stands": str(stands or ""), "renewable_rows": list(renewable.rows)}
        show_json({**asdict(forecast), **counts, **moments, **stood})
        return
    emission = line.emission
    text = Text("{rows}: {called:,} would be called, by line {line}", rows=_rows(forecast.rows), called=forecast.called,
                line=line.number)  # fmt: skip
    say(text)
    say(Text("  without --dry-run: {counts}", counts=_in_words(counts)))
    for gate, count in sorted(forecast.never.items(), key=lambda pair: -pair[1]):
        say(Text("  never: {count:,} ({why})", count=count, why=_why(gate)))
    for gate, count in sorted(forecast.kept.items(), key=lambda pair: -pair[1]):
        say(Text("  kept back: {count:,} ({why})", count=count, why=_why(gate)))
    for gate, count in sorted(forecast.later.items(), key=lambda pair: -pair[1]):
        say(Text("  not now: {count:,} ({why})", count=count, why=_why(gate)))
    for text in renewable.lines():
        say(text)
    if stands:
        say(Text("nobody is called yet: {reason}", reason=stands))
    if forecast.ahead:
        say(
            Plural(
                "{count:,} other callback of the line has its turn meanwhile",
                "{count:,} other callbacks of the line have their turns meanwhile",
                forecast.ahead,
            )
        )
    if forecast.begins is not None:
        end = local(forecast.ends, line) or Text("never, within two years: look at hours: and dial.per_day")
        begin = local(forecast.begins, line)
        say(Text("from {begin} to {end}, at {pace} a minute", begin=begin, end=end, pace=emission.per_minute))
        longest = emission.at_once * 60 / emission.per_minute
        text = Text(
            "that pace holds while a call takes less than {longest:.0f} s (at_once {at_once}), up to {per_day:,} a day "
            "(dial.per_day)",
            longest=longest, at_once=emission.at_once, per_day=line.dial.per_day,
        )  # fmt: skip
        say(text)


def _why(gate: str) -> Text:
    return _MEANS.get(gate) or literal(code(gate))


@list_command(campaign)
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List the campaigns."""
    with asking(config) as ask:
        campaigns, line = _of(ask), ask.store.configuration.lines[0]
        show_list(
            [campaigns.progress(campaign.name) for campaign in campaigns.every()],
            as_json, _progress, _HEAD,
            lambda progress: (
                progress.campaign.name, code(_standing(progress)), progress.total, progress.left,
                progress.campaign.source, local(progress.campaign.started_at, line),
            ),
        )  # fmt: skip


@campaign.command()
@click.argument("name")
@config_option
@click.option("--watch", is_flag=True, help="Go on showing it until it is over; Ctrl-C ends the display alone.")
@json_option
def status(name: str, config: Path, watch: bool, as_json: bool) -> None:
    """Show how a campaign stands."""
    if watch and as_json:
        raise click.UsageError(words(Text("--watch is for people, --json for scripts")))
    with asking(config) as ask:
        if watch:
            _watch(ask, name)
            return
        progress = _of(ask).progress(name)
        if as_json:
            show_json(_progress(progress))
            return
        for text in _lines(progress, ask.store):
            click.echo(text)


def _pause(ask: Asking, name: str) -> Text:
    """Keep what waits of a campaign back. What is being sent at this moment goes out."""
    return Plural(
        "campaign {name} is paused: {count:,} is kept back", "campaign {name} is paused: {count:,} are kept back",
        _of(ask).pause(name), name=name,
    )  # fmt: skip


def _resume(ask: Asking, name: str) -> Text:
    """Have a paused campaign go on."""
    return Plural(
        "campaign {name} goes on: {count:,} is to be called", "campaign {name} goes on: {count:,} are to be called",
        _of(ask).resume(name), name=name,
    )  # fmt: skip


add_pause_and_resume(campaign, "NAME", _pause, _resume, reason=False)


@campaign.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for whoever looks at it later.")
@config_option
def cancel(name: str, reason: str, config: Path) -> None:
    """End a campaign: nobody that waits is called any more. What is being sent at this moment goes out."""
    with asking(config) as ask:
        text = Plural(
            "campaign {name} is cancelled: {count:,} is not called any more",
            "campaign {name} is cancelled: {count:,} are not called any more",
            _of(ask).cancel(name, reason), name=name,
        )  # fmt: skip
        say(text)


@campaign.command()
@click.argument("name")
@config_option
def results(name: str, config: Path) -> None:
    """Print what came of each row so far, as CSV."""
    with asking(config) as ask:
        writer = csv.writer(sys.stdout)
        writer.writerow(["id", "number", "status", "text", "at", "seconds", "idcall"])
        for row in _of(ask).results(name):
            writer.writerow([cell(value) for value in row])


def _watch(ask: Asking, name: str) -> None:
    """One line that is written anew; where there is no terminal, a line whenever something changed."""
    before, campaigns = "", _of(ask)
    while True:
        progress = campaigns.progress(name)
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
    """Return how a campaign stands, as people read it."""
    campaign = progress.campaign
    line = _line(campaign.source, store.configuration)
    text = Text(
        "{name}: {state}, {done:,} of {total:,} done",
        name=campaign.name, state=code(_standing(progress)), done=progress.total - progress.left, total=progress.total,
    )  # fmt: skip
    done = (progress.total - progress.left) * 100 // progress.total if progress.total else None
    yield words(text) + (f" ({done} %)" if done is not None else "")
    states = ", ".join(f"{count:,} {code(state.value)}" for state, count in sorted(progress.states.items()) if count)
    if states:
        yield states
    gates = [
        Text("{count:,} by {gate}", count=count, gate=code(gate))
        for gate, count in sorted(progress.gates.items())
        if gate
    ]
    if gates:
        yield words(Text("kept back: {counts}", counts=", ".join(map(words, gates))))
    if progress.left:
        pace = Text("{pace:.1f} a minute lately", pace=progress.per_minute)
        if progress.ends is not None:
            pace = Text("{pace}, over by {when} at the line's pace", pace=pace, when=local(progress.ends, line))
        yield words(pace)
    if progress.stands:
        yield words(Text("nobody is called now: {reason}", reason=progress.stands))


def _progress(progress: Progress) -> dict[str, Any]:
    """Return how a campaign stands, as scripts read it."""
    campaign = progress.campaign
    return {
        "name": campaign.name,
        "source": campaign.source,
        "file": campaign.file,
        "started_at": iso(campaign.started_at),
        "state": _standing(progress),
        "total": progress.total,
        "left": progress.left,
        "states": {state.value: count for state, count in progress.states.items()},
        "gates": progress.gates,
        "per_minute": progress.per_minute,
        "ends": iso(progress.ends),
        "stands": str(progress.stands or ""),
    }


def _line(source: str, configuration: Configuration) -> Line:
    configured = configuration.source(source)
    line = configuration.line(configured.line) if configured is not None else None
    return line or configuration.lines[0]


campaign.add_command(numbers)
campaign.add_command(permitted)
