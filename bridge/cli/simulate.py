"""`simulate`: plays the platform against a running bridge."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click

from bridge.cli.codes import code
from bridge.cli.emission import emission
from bridge.cli.language import say, words
from bridge.cli.options import Group, at_option, chosen_line, config_option, json_option, pairs_option, variables_option
from bridge.cli.targets import at as target_at
from bridge.config.load import load
from bridge.hours.zones import on_clock
from bridge.simulator.calls import Exchange, Platform, SimulatedCall, Target, new_sequence, wall_clock
from bridge.texts import Text, literal

_SOMEONE = "600111222"


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def simulate(context: click.Context) -> int | None:
    """Play the platform against a running bridge; without a further word, a received call."""
    if context.invoked_subcommand is not None:
        return None
    with received.make_context("received", [], parent=context) as alone:  # its defaults as the command line gives them
        code: int = received.invoke(alone)
    return code


simulate.add_command(emission)


def _target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say where the bridge is; the command gets `target: Target`."""

    @config_option
    @click.option("--base", metavar="URL", help="Where the bridge is; default: where the configuration has it listen.")
    @click.option("--line", "line_number", help="The line, by its number; default: the first.")
    @click.option("--yes", is_flag=True, help="Go ahead although the bridge is not on this machine.")
    @wraps(function)
    def command(config: Path, base: str | None, line_number: str | None, yes: bool, **others: Any) -> Any:
        configuration = load(config).configuration
        target = target_at(configuration, chosen_line(configuration, line_number), base, yes=yes)
        return function(target=target, **others)

    return command


def _call_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--unanswered", is_flag=True, help="Nobody answers there."),
        click.option("--diverted", default="", help="The extension or number that the call is put through to."),
        variables_option,
        pairs_option("--menu", "menus", "NAME=OPTION", "An option chosen in a menu, by the menu's name"),
        at_option("Date the call's events as if it began then"),
        click.option("--query", "queries", multiple=True, help="A Query to ask during the call; may be repeated."),
    ):
        function = option(function)
    return _target_options(function)


@simulate.command()
@_call_options
@click.option("--caller", default=_SOMEONE, show_default=True, help="Who calls; X: hidden.")
def received(**options: Any) -> int:
    """A received call: INICIO, its Queries, DESVIO, FIN."""
    return _call(emitted=False, **options)


@simulate.command()
@_call_options
@click.option("--to", "caller", default=_SOMEONE, show_default=True, help="Who was called.")
def emitted(**options: Any) -> int:
    """An emitted call: the platform calls out; its Queries, DESVIO, FIN."""
    return _call(emitted=True, **options)


def _call(  # noqa: PLR0913 - what a call can be
    *,
    target: Target,
    emitted: bool,
    caller: str,
    queries: tuple[str, ...],
    variables: dict[str, str],
    menus: dict[str, str],
    diverted: str,
    unanswered: bool,
    at: datetime | None,
) -> int:
    call = SimulatedCall(
        caller,
        new_sequence(),
        emitted=emitted,
        variables=variables,
        diverted=diverted,
        answered=not unanswered,
        queries=queries,
        menus=menus,
    )
    # its FIN comes at once, so that it ends now: one that ended later would be no call of the past until then
    ends_now = wall_clock(target.timezone, timedelta(seconds=call.seconds))
    call = replace(call, start=ends_now if at is None else on_clock(at, target.timezone).replace(tzinfo=None))
    with Platform(target, show) as platform:
        exchanges = [platform.event(call, "inicio"), *(platform.query(call, query) for query in queries)]
        exchanges += platform.events(call)
    return 0 if all(exchange.good for exchange in exchanges) else 1


def show(exchange: Exchange) -> None:
    """An exchange as a person reads it: what went over the wire, what came back."""
    status = literal(str(exchange.status)) if exchange.status else Text("no answer")
    say(Text("--- {what}: {status}, {ms:g} ms", what=exchange.what, status=status, ms=exchange.ms))
    click.echo(exchange.sent)
    click.echo(f"<-- {exchange.received or words(exchange.error)}")


@simulate.command()
@_target_options
@click.option("--query", required=True, help="The Query to ask.")
@click.option("--count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many calls.")
@click.option("--at-once", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at a time.")
@json_option
def burst(target: Target, query: str, count: int, at_once: int, as_json: bool) -> int:
    """Many calls at once, each with one Query; says how they were answered and how fast."""

    def ask(_number: int) -> Exchange:
        return platform.query(SimulatedCall(_SOMEONE, new_sequence()), query)

    started = time.perf_counter()
    with Platform(target) as platform, ThreadPoolExecutor(at_once) as pool:
        exchanges = list(pool.map(ask, range(count)))
    summary = _summary(exchanges, time.perf_counter() - started)
    click.echo(
        json.dumps(summary) if as_json else ", ".join(f"{code(name)} {value}" for name, value in summary.items())
    )
    return 0 if all(exchange.good for exchange in exchanges) else 1


def _summary(exchanges: list[Exchange], seconds: float) -> dict[str, object]:
    times = sorted(exchange.ms for exchange in exchanges)
    results: dict[str, int] = {}
    for exchange in exchanges:
        name = f"Result {exchange.result}" if exchange.good else f"status {exchange.status}"
        results[name] = results.get(name, 0) + 1
    return {
        "calls": len(exchanges),
        **results,
        "per second": round(len(exchanges) / seconds),
        "p50 ms": times[len(times) // 2],
        "p99 ms": times[min(len(times) - 1, len(times) * 99 // 100)],
    }
