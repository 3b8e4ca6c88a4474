"""`ask` and `record`: what a Query is answered, and why, by the same code as the server's; the CRMs' answers kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from os.path import relpath
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli.bilingual import Command
from bridge.cli.codes import code
from bridge.cli.language import fault_words, say, words
from bridge.cli.options import at_option, chosen_line, config_option, json_option, variables_option
from bridge.cli.trace import Trace
from bridge.config.casetext import section_with
from bridge.config.load import Loaded, load, load_to_serve
from bridge.config.model import Line
from bridge.intake.keeper import Keeper
from bridge.queries.answering import Answered
from bridge.service.cases import case_of, clock_at, question
from bridge.service.composition import Service
from bridge.texts import Text, literal
from connectors.http.cassette_file import Answers, Recorder

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _about_a_call(command: _Command) -> _Command:
    """The options that say what is asked."""
    for option in (
        at_option("Answer as if it were then"),
        click.option("--trace", is_flag=True, help="Show each request to the CRMs and its answer, secrets masked."),
        variables_option,
        click.option("--line", "line_number", help="The line, by its number; default: the first."),
        click.option("--caller", default="X", show_default=True, help="The other party's number; X: hidden."),
        config_option,
        click.argument("query"),
    ):
        command = option(command)
    return command


@click.command(cls=Command)
@_about_a_call
@click.option("--write", is_flag=True, help="Do the `save:` steps too; else they are only shown.")
@json_option
@click.option(
    "--replay", type=click.Path(path_type=Path, dir_okay=False), help="Ask no CRM: play the answers kept in this file."
)
def ask(  # noqa: PLR0913, PLR0917 - the options of a command, handed in by name
    query: str,
    config: Path,
    caller: str,
    line_number: str | None,
    variables: dict[str, str],
    trace: bool,
    at: datetime | None,
    write: bool,
    as_json: bool,
    replay: Path | None,
) -> int:
    """Answer a Query as the server would, and show the way: who was asked, what matched, how long, what goes out."""
    loaded = load_to_serve(config)
    line = chosen_line(loaded.configuration, line_number)
    for fault in loaded.faults:
        say(Text("fault: {fault}", fault=fault_words(fault)), err=True)
    cassettes = Answers.read(replay).cassette if replay is not None else None
    see = Trace(partial(click.echo, err=as_json)).see if trace else None
    with _keeper(loaded, write=write) as keeper:
        save = keeper.save if keeper else None
        service = Service.open(loaded, see=see, cassettes=cassettes, save=save, now=clock_at(at, line))
        answered = _answered(service, query, caller, line, variables)
    click.echo(_as_json(answered) if as_json else "\n".join(as_text(answered)))
    return 0 if answered.result == 0 else 1


@click.command(cls=Command)
@_about_a_call
@click.option(
    "--to",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to keep the answers, such as answers/ana.yaml.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def record(  # noqa: PLR0913, PLR0917 - as above
    query: str,
    config: Path,
    caller: str,
    line_number: str | None,
    variables: dict[str, str],
    trace: bool,
    at: datetime | None,
    file: Path,
    force: bool,
) -> int:
    """Ask a Query, and keep what the CRMs answered: for the configuration's `tests:`, where it is played instead of
    asking them. The file holds personal data."""
    loaded = load(config)
    if file.exists() and not force:
        raise click.UsageError(words(Text("{file} is there already: --force replaces it", file=file)))
    line, recorder = chosen_line(loaded.configuration, line_number), Recorder()
    see = Trace(click.echo).see if trace else None
    service = Service.open(loaded, see=see, cassettes=recorder.cassette, now=clock_at(at, line))
    answered = _answered(service, query, caller, line, variables)
    click.echo("\n".join(as_text(answered)))
    counts = recorder.counts()
    if not counts:
        say(Text("nothing was kept: no CRM was asked by HTTP for this Query"), err=True)
        return 1
    recorder.write(file, date.today())
    kept = ", ".join(words(Text("{count:,} of {name}", count=count, name=name)) for name, count in counts.items())
    say()
    say(Text("kept in {file}: {counts}", file=file, counts=kept))
    warning = Text(
        "warning: {file} holds personal data as the CRM gave it: keep it from others (secrets are not in it)", file=file
    )
    say(warning, err=True)
    say(Text("A test that plays it:"))
    click.echo(_case(loaded, answered, caller, line_number, variables, at, file))
    return 0 if answered.result == 0 else 1


def _case(
    loaded: Loaded,
    answered: Answered,
    caller: str,
    line: str | None,
    variables: dict[str, str],
    at: datetime | None,
    file: Path,
) -> str:
    """An entry for `tests:`, as it passes now."""

    case = case_of(answered, caller, line, variables, at)
    answer = case.pop("answer")
    result = {"result": case.pop("result")} if "result" in case else {}
    return section_with({**case, "replay": relpath(file, loaded.folder), "answer": answer, **result}).rstrip()


@contextmanager
def _keeper(loaded: Loaded, *, write: bool) -> Iterator[Keeper | None]:
    """Who keeps what a `save:` step says; None: nobody, it is only shown."""
    keeper = Keeper(loaded, lambda: loaded.configuration) if write else None
    try:
        yield keeper
    finally:
        if keeper is not None:
            keeper.close()


def _answered(service: Service, query: str, caller: str, line: Line, variables: dict[str, str]) -> Answered:
    """What the service answers; it is closed then."""
    try:
        asked = question(query, line, caller, variables)
        if not asked.caller and not asked.caller.hidden:
            text = Text(
                "warning: {number} is no phone number of {country}: nobody can be found by it",
                number=caller,
                country=line.country,
            )
            say(text, err=True)
        return service.queries.answer(asked)
    finally:
        service.close()


def _as_json(answered: Answered) -> str:
    trail = [
        {
            "step": entry.step,
            "connector": entry.connector,
            "outcome": entry.outcome,
            "ms": entry.ms,
            "note": entry.note,
            "link": entry.link,
        }
        for entry in answered.trail
    ]
    return json.dumps(
        {
            "query": answered.query,
            "result": answered.result,
            "text": answered.text,
            "variables": dict(answered.variables),
            "outcome": answered.outcome,
            "ms": answered.ms,
            "trail": trail,
        },
        ensure_ascii=False,
        indent=2,
    )


def as_text(answered: Answered) -> list[str]:
    """Return the way, then the answer, a line each."""
    lines = [words(Text("Query {name}", name=answered.query))]
    for entry in answered.trail:
        step: Text = literal(entry.step)
        if entry.connector:
            step = Text("{step} in {connector}", step=entry.step, connector=entry.connector)
        shown = Text(
            "{step}: {outcome}, {ms:g} ms", step=step, outcome=code(entry.outcome.replace("_", " ")), ms=entry.ms
        )
        note = f" ({words(entry.note)})" if entry.note else ""
        lines.append(f"  {words(shown)}{note}")
        lines += [f"    {entry.link}"] if entry.link else []
    after = Text("answer: {outcome}, after {ms:g} ms", outcome=code(answered.outcome.replace("_", " ")), ms=answered.ms)
    lines.append(f"  {words(after)}")
    lines.append(f"Result {answered.result}" + (f": {words(answered.text)}" if answered.text else ""))
    lines += [f"  {name} = {value}" for name, value in answered.variables.items()] or [words(Text("  no variables"))]
    return lines
