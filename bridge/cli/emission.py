"""`simulate emission`: serves the platform's emission API, with every result and fault, and places the events of the
calls that it was asked for."""

from __future__ import annotations

import itertools
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from bridge.cli.bilingual import Command
from bridge.cli.language import say, words
from bridge.cli.options import config_option
from bridge.cli.targets import at
from bridge.config.load import load
from bridge.infocaller.results import RESULTS
from bridge.simulator.calls import Exchange
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.ledger import EmissionLedger, Entry
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.simulator.script import PlannedFault, Reaction
from bridge.texts import Plural, Text, said

_FAULTS = [fault.value for fault in PlannedFault if fault]
_HOW = ("answered", "voicemail", "busy", "no_answer", "failed", "never")
_LASTS = 2.0
"""Seconds until a call is over."""


class _Reaction(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A Resultado, or a fault by its name."""

    name = "RESULT|FAULT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Reaction:
        if isinstance(value, Reaction):
            return value
        text = str(value).strip().lower()
        if re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
            return Reaction(int(text))
        if text.replace("-", "_") in _FAULTS:
            return Reaction(fault=PlannedFault(text.replace("-", "_")))
        reason = Text(
            "{value}: write a Resultado, such as 11, or one of {faults}", value=repr(value), faults=", ".join(_FAULTS)
        )
        return self.fail(words(reason), param, ctx)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of the calls: each outcome in its turn, over and over. One that is busy is tried again as often as
    its request says (Reintentos)."""

    outcomes: Iterator[CallOutcome]

    def __call__(self, entry: Entry) -> Sequence[CallOutcome]:
        """Return the calls that one request leads to."""
        calls = [next(self.outcomes)]
        while calls[-1].how == "busy" and len(calls) <= entry.retries:
            calls.append(next(self.outcomes))
        return calls


def _help() -> str:
    results = "; ".join(f"{code} {meaning.words}" for code, meaning in sorted(RESULTS.items()))
    return (
        "Serve the platform's emission API on this machine, until Ctrl-C: requests are read strictly by the manual, "
        "each is answered as the options say, and the events of its call are placed on the bridge, signed with the "
        "configuration's telephone password. Point the line's emission.url here.\n\n"
        f"Results: {results}. Any other number is answered as well.\n\n"
        f"Faults: {', '.join(_FAULTS)}. With reset_before, not_found and redirect nobody is rung; with all others the "
        "phone rings, though the bridge hears no answer that it could read.\n\n"
        "Ends with what was asked for and how many numbers were rung more than once."
    )


@click.command(cls=Command, help=_help())
@config_option
@click.option("--port", type=click.IntRange(0, 65535), default=8099, show_default=True, help="0: any free one.")
@click.option("--base", metavar="URL", help="Where the bridge is; default: where the configuration has it listen.")
@click.option("--yes", is_flag=True, help="Go ahead although the bridge is not on this machine.")
@click.option("--next", "next_", type=_Reaction(), multiple=True, help="What the next request is; may be repeated.")
@click.option(
    "--outcome", "how", type=click.Choice(_HOW), multiple=True, help="How calls go, in turn; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts: each request as a line of JSON.")
def emission(
    *,
    config: Path,
    port: int,
    base: str | None,
    yes: bool,
    next_: tuple[Reaction, ...],
    how: tuple[Any, ...],
    as_json: bool,
) -> int:
    """Serve until Ctrl-C."""
    configuration = load(config).configuration
    targets = {line.number: at(configuration, line, base, yes=yes) for line in configuration.lines}
    lines = {line.number: line.password.get_secret_value() for line in configuration.lines}
    ledger = _Told(_as_json if as_json else _as_text)
    plan = _Plan(itertools.cycle([CallOutcome(state, delay=_LASTS) for state in how or ("answered",)]))
    outcomes = OutcomeSender(targets, plan, lambda exchange: _exchanged(exchange, as_json))
    try:
        platform = EmissionPlatform(lines, ledger=ledger, outcomes=outcomes, port=port)
    except OSError as error:
        outcomes.close()
        text = Text("can't listen on port {port}: {reason}", port=str(port), reason=said(error.strerror or error))
        raise click.UsageError(words(text)) from error
    with platform:
        platform.script.next(*next_)
        say(Text("the emission API is at {url}: write it as emission.url of the line", url=platform.url), err=True)
        with _until_told_to_stop() as stop:
            stop.wait()
    say(_summary(ledger), err=True)
    return 0


class _Told(EmissionLedger):
    """The record, which also says each request as it comes."""

    def __init__(self, say: Callable[[Entry], str]) -> None:
        super().__init__()
        self._say = say

    def add(self, entry: Entry) -> None:
        super().add(entry)
        click.echo(self._say(entry))


def _as_json(entry: Entry) -> str:
    return json.dumps({**asdict(entry), "at": entry.at.isoformat(timespec="milliseconds")}, ensure_ascii=False)


def _as_text(entry: Entry) -> str:
    answered = f"Resultado {entry.result}" if entry.result is not None else entry.fault
    rang = Text("rings (idcall {id})", id=entry.idcall) if entry.rang else Text("rings nobody")
    asked = Text("not read")
    if entry.number:
        asked = Text("{number} by {line}, {group}", number=entry.number, line=entry.line, group=entry.rule_group)
    return f"{entry.at.astimezone():%H:%M:%S}  {words(asked)}: {answered}, {words(rang)}"


def _exchanged(exchange: Exchange, as_json: bool) -> None:
    """An event was placed on the bridge."""
    click.echo(
        f"          {exchange.what}: {exchange.status or words(exchange.error)}", err=as_json or not exchange.good
    )


def _summary(ledger: EmissionLedger) -> Text:
    twice = ledger.twice()
    requests = Plural("{count:,} request", "{count:,} requests", len(ledger.entries))
    if twice:
        return Text("{requests}, {rang} rang; rung more than once: {numbers}", requests=requests,
                    rang=len(ledger.rung), numbers=", ".join(sorted(twice)))  # fmt: skip
    return Text("{requests}, {rang} rang, no number more than once", requests=requests, rang=len(ledger.rung))


@contextmanager
def _until_told_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()

    def told(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
