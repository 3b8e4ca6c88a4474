"""`simulate`: plays the platform against a running bridge."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any

import click

from bridge.cli.emission import emission
from bridge.cli.options import Group, chosen_line, config_option, variables_option
from bridge.cli.targets import at
from bridge.config.load import load
from bridge.infocaller.messages import Format
from bridge.simulator.calls import Call, Exchange, Platform, Target, new_sequence, wall_clock

_CHARSETS = {"latin1": "iso-8859-1", "utf-8": "utf-8"}


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
    """Options that say where the bridge is and how to talk to it; the command gets `target: Target`."""

    @config_option
    @click.option("--base", metavar="URL", help="Where the bridge is; default: where the configuration has it listen.")
    @click.option("--line", "line_number", help="The line, by its number; default: the first.")
    @click.option("--format", "form", type=click.Choice(list(Format)), default=Format.JSON, show_default=True)
    @click.option("--charset", type=click.Choice(list(_CHARSETS)), default="latin1", show_default=True)
    @click.option("--yes", is_flag=True, help="Go ahead although the bridge is not on this machine.")
    @wraps(function)
    def command(
        config: Path,
        base: str | None,
        line_number: str | None,
        form: str,
        charset: str,
        yes: bool,
        **others: Any,
    ) -> Any:
        configuration = load(config).configuration
        line = chosen_line(configuration, line_number)
        others["target"] = at(configuration, line, base, yes=yes, form=Format(form), charset=_CHARSETS[charset])
        return function(**others)

    return command


@simulate.command()
@_target_options
@click.option("--caller", default="600111222", show_default=True, help="Who calls.")
@click.option("--hidden", is_flag=True, help="The caller hides the number.")
@click.option("--query", "queries", multiple=True, help="A Query to ask during the call; may be given several times.")
@variables_option
@click.option("--diverted", default="", help="The extension or number that the call is put through to.")
@click.option("--unanswered", is_flag=True, help="Nobody answers there.")
@click.option("--no-events", is_flag=True, help="Only the Queries.")
def received(hidden: bool, **options: Any) -> int:
    """A received call: INICIO, its Queries, DESVIO, FIN."""
    if hidden:
        options["caller"] = "X"
    return _call(emitted=False, **options)


@simulate.command()
@_target_options
@click.option("--to", "caller", default="600111222", show_default=True, help="Who was called.")
@click.option("--idcall", default="", help="The emission request that it came of.")
@click.option("--query", "queries", multiple=True, help="A Query to ask during the call; may be given several times.")
@variables_option
@click.option("--diverted", default="", help="The extension or number that the call is put through to.")
@click.option("--unanswered", is_flag=True, help="Nobody answers there.")
@click.option("--no-events", is_flag=True, help="Only the Queries.")
def emitted(**options: Any) -> int:
    """An emitted call: the platform calls out; its Queries, DESVIO, FIN."""
    return _call(emitted=True, **options)


def _call(  # noqa: PLR0913 - the options of a command
    *,
    target: Target,
    emitted: bool,
    caller: str,
    queries: tuple[str, ...],
    variables: dict[str, str],
    diverted: str,
    unanswered: bool,
    no_events: bool,
    idcall: str = "",
) -> int:
    call = Call(
        caller,
        new_sequence(),
        emitted=emitted,
        idcall=idcall,
        variables=variables,
        diverted=diverted,
        answered=not unanswered,
        start=wall_clock(target.timezone),
        queries=queries,
    )
    if no_events and not queries:
        raise click.UsageError("nothing to do: --no-events and no --query")
    with Platform(target, show) as platform:
        told = [] if no_events else [platform.event(call, "inicio")]
        told += [platform.query(call, query) for query in queries]
        told += [] if no_events else platform.events(call)
    return 0 if all(exchange.good for exchange in told) else 1


def show(exchange: Exchange) -> None:
    """An exchange as a person reads it: what went over the wire, what came back."""
    click.echo(f"--- {exchange.what}: {exchange.status or 'no answer'}, {exchange.ms:g} ms")
    click.echo(exchange.sent)
    click.echo(f"<-- {exchange.received or exchange.error}")


@simulate.command()
@_target_options
@click.option("--caller", default="600111222", show_default=True, help="Who calls.")
@click.option("--query", required=True, help="The Query to ask.")
@variables_option
@click.option("--count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many calls.")
@click.option("--at-once", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at a time.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def burst(
    target: Target, caller: str, query: str, variables: dict[str, str], count: int, at_once: int, as_json: bool
) -> int:
    """Many calls at once, each with one Query; says how they were answered and how fast."""

    def ask(_number: int) -> Exchange:
        return platform.query(Call(caller, new_sequence(), variables=variables), query)

    started = time.perf_counter()
    with Platform(target) as platform, ThreadPoolExecutor(at_once) as pool:
        told = list(pool.map(ask, range(count)))
    summary = _summary(told, time.perf_counter() - started)
    click.echo(json.dumps(summary) if as_json else ", ".join(f"{name} {value}" for name, value in summary.items()))
    return 0 if all(exchange.good for exchange in told) else 1


def _summary(told: list[Exchange], seconds: float) -> dict[str, object]:
    times = sorted(exchange.ms for exchange in told)
    results: dict[str, int] = {}
    for exchange in told:
        name = f"Result {exchange.result}" if exchange.good else f"status {exchange.status}"
        results[name] = results.get(name, 0) + 1
    return {
        "calls": len(told),
        **results,
        "per second": round(len(told) / seconds),
        "p50 ms": times[len(times) // 2],
        "p99 ms": times[min(len(times) - 1, len(times) * 99 // 100)],
    }
