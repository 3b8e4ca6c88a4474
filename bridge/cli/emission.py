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

from bridge.cli.options import config_option
from bridge.cli.targets import at
from bridge.config.load import load
from bridge.config.model import Configuration
from bridge.infocaller.results import RESULTS
from bridge.simulator.calls import Exchange, Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.ledger import Entry, Ledger
from bridge.simulator.outcomes import CallOutcome, Outcomes
from bridge.simulator.script import Fault, Reaction
from connectors.phone import parse

_FAULTS = [fault.value for fault in Fault if fault]
_HOW = ("answered", "voicemail", "busy", "no_answer", "failed", "never")


class _Reaction(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A Resultado, or a fault by its name."""

    name = "RESULT|FAULT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Reaction:
        """Read it."""
        if isinstance(value, Reaction):
            return value
        text = str(value).strip().lower()
        if re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
            return Reaction(int(text))
        if text.replace("-", "_") in _FAULTS:
            return Reaction(fault=Fault(text.replace("-", "_")))
        return self.fail(f"{value!r}: write a Resultado, such as 11, or one of {', '.join(_FAULTS)}", param, ctx)


class _OfNumber(_Reaction):
    """`NUMBER=RESULT` or `NUMBER=FAULT`."""

    name = "NUMBER=RESULT|FAULT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Reaction]:  # type: ignore[override]  # a pair of what the base class gives
        """Read it."""
        if isinstance(value, tuple):
            return value
        number, _, reaction = str(value).partition("=")
        return number, super().convert(reaction, param, ctx)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of the calls: each outcome in its turn, over and over. One that is busy is tried again as often as
    its request says (Reintentos)."""

    outcomes: Iterator[CallOutcome]

    def __call__(self, entry: Entry) -> Sequence[CallOutcome]:
        """The calls of one request."""
        calls = [next(self.outcomes)]
        while calls[-1].how == "busy" and len(calls) <= entry.retries:
            calls.append(next(self.outcomes))
        return calls


def _help() -> str:
    results = "; ".join(f"{code} {meaning.english}" for code, meaning in sorted(RESULTS.items()))
    return (
        "Serve the platform's emission API on this machine, until Ctrl-C: requests are read strictly by the manual, "
        "each is answered as the options say, and the events of its call are placed on the bridge, signed with the "
        "configuration's telephone password. Point the line's emission.url here.\n\n"
        f"Results: {results}. Any other number is answered as well.\n\n"
        f"Faults: {', '.join(_FAULTS)}. With reset_before, not_found and redirect nobody is rung; with all others the "
        "phone rings, though the bridge hears no answer that it could read.\n\n"
        "Ends with what was asked for and how many numbers were rung more than once."
    )


@click.command(help=_help())
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8099, show_default=True, help="0: any free one.")
@click.option("--base", metavar="URL", help="Where the bridge is; default: where the configuration has it listen.")
@click.option("--yes", is_flag=True, help="Go ahead although the bridge is not on this machine.")
@click.option("--usual", type=_Reaction(), default="0", show_default=True, help="What requests are answered.")
@click.option("--next", "next_", type=_Reaction(), multiple=True, help="What the next request is; may be repeated.")
@click.option("--number", "numbers", type=_OfNumber(), multiple=True, help="What the next for a number is; likewise.")
@click.option("--delay", type=click.FloatRange(0, 300), default=0.0, help="Seconds before each usual answer.")
@click.option("--rule-group", "groups", multiple=True, help="A rule group that there is; default: all there can be.")
@click.option(
    "--outcome", "how", type=click.Choice(_HOW), multiple=True, help="How calls go, in turn; may be repeated."
)
@click.option("--seconds", type=click.IntRange(0), default=42, show_default=True, help="How long answered calls last.")
@click.option("--after", type=click.FloatRange(0), default=2.0, show_default=True, help="Seconds until a call is over.")
@click.option("--diverted", default="", help="The extension or number that answered calls are put through to.")
@click.option("--ending", default="", help="EventName of the calls' end; default: the usual one of its outcome.")
@click.option("--inicio", is_flag=True, help="Tell the calls' beginning too, which the platform does not promise.")
@click.option("--no-events", is_flag=True, help="Place no events, as with --outcome never.")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), help="A file that keeps every request.")
@click.option("--json", "as_json", is_flag=True, help="For scripts: each request as a line of JSON.")
def emission(  # noqa: PLR0913 - the options of a command
    *,
    config: Path,
    host: str,
    port: int,
    base: str | None,
    yes: bool,
    usual: Reaction,
    next_: tuple[Reaction, ...],
    numbers: tuple[tuple[str, Reaction], ...],
    delay: float,
    groups: tuple[str, ...],
    how: tuple[str, ...],
    no_events: bool,
    ledger: Path | None,
    as_json: bool,
    **call: Any,
) -> int:
    """Serve until Ctrl-C."""
    configuration = load(config).configuration
    kept = _Told(ledger, _as_json if as_json else _as_text)
    plan = _Plan(itertools.cycle([_outcome(one, **call) for one in how or ("answered",)]))
    outcomes = None if no_events else Outcomes(_targets(configuration, base, yes), plan, _exchanged)
    lines = {line.number: line.password.get_secret_value() for line in configuration.lines}
    try:
        platform = EmissionPlatform(
            lines, groups=groups or None, ledger=kept, outcomes=outcomes, host=host, port=port
        )  # fmt: skip
    except OSError as error:
        if outcomes is not None:
            outcomes.close()
        kept.close()
        raise click.UsageError(f"can't listen on {host}, port {port}: {error.strerror}") from error
    with platform:
        platform.script.always(Reaction(usual.result, usual.fault, delay=delay))
        platform.script.next(*next_)
        for number, reaction in numbers:
            platform.script.number(_e164(number, configuration), reaction)
        click.echo(f"the emission API is at {platform.url}: write it as emission.url of the line", err=True)
        with _until_told_to_stop() as stop:
            stop.wait()
    click.echo(_summary(kept), err=True)
    return 0


class _Told(Ledger):
    """The record, which also says each request as it comes."""

    def __init__(self, file: Path | None, say: Callable[[Entry], str]) -> None:
        super().__init__(file)
        self._say = say

    def add(self, entry: Entry) -> None:
        """Keep it and say it."""
        super().add(entry)
        click.echo(self._say(entry))


def _as_json(entry: Entry) -> str:
    return json.dumps({**asdict(entry), "at": entry.at.isoformat(timespec="milliseconds")}, ensure_ascii=False)


def _as_text(entry: Entry) -> str:
    answered = f"Resultado {entry.result}" if entry.result is not None else entry.fault
    rang = f"rings (idcall {entry.idcall})" if entry.rang else "rings nobody"
    asked = f"{entry.number} by {entry.line}, {entry.rule_group}" if entry.number else "not read"
    return f"{entry.at.astimezone():%H:%M:%S}  {asked}: {answered}, {rang}"


def _exchanged(exchange: Exchange) -> None:
    """An event was placed on the bridge."""
    click.echo(f"          {exchange.what}: {exchange.status or exchange.error}", err=not exchange.good)


def _summary(ledger: Ledger) -> str:
    twice = ledger.twice()
    told = f"{len(ledger.entries)} requests, {len(ledger.rung)} rang"
    return f"{told}; rung more than once: {', '.join(sorted(twice))}" if twice else f"{told}, no number more than once"


def _outcome(how: str, *, after: float, seconds: int, diverted: str, ending: str, inicio: bool) -> CallOutcome:
    return CallOutcome(how, seconds, diverted, inicio, ending, after)  # type: ignore[arg-type]  # one of _HOW


def _targets(configuration: Configuration, base: str | None, yes: bool) -> dict[str, Target]:
    return {line.number: at(configuration, line, base, yes=yes) for line in configuration.lines}


def _e164(number: str, configuration: Configuration) -> str:
    phone = parse(number, configuration.lines[0].country)
    if not phone:
        raise click.BadParameter(f"{number!r} is no phone number", param_hint="--number")
    return phone.e164


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
