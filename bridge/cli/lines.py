"""`lines`: the emissions of each line; `pause` is the switch for emergencies."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bridge.cli.desk import asking, standing
from bridge.cli.options import Group, chosen_line, config_option
from bridge.cli.stored import Stored, local, table


@click.group(cls=Group)
def lines() -> None:
    """The emissions of each line: whether it calls, and if not, why."""


@lines.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_(config: Path, as_json: bool) -> None:
    """List the lines: running, paused (tried again by itself), stopped (needs you), held (somebody paused it, or the
    database was restored from a backup)."""
    with asking(config) as ask:
        found = ask.callbacks.lines()
        if as_json:
            click.echo(json.dumps([standing(one) for one in found], ensure_ascii=False, indent=2))
            return
        rows = [
            (one.name, one.mode.value, one.today, local(one.until, ask.store.line(one.name)), one.reason)
            for one in found
        ]
    for text in table(("LINE", "EMISSIONS", "TODAY", "TRIED AGAIN", "REASON"), rows):
        click.echo(text)
    for one in found:
        if one.restored:
            click.echo(one.stands)


@lines.command()
@click.argument("number")
@config_option
@click.option("--reason", default="", help="Why, for whoever looks at it later.")
def pause(number: str, config: Path, reason: str) -> None:
    """Have a line call nobody from now on; its callbacks are kept. What is being sent at this moment goes out."""
    with asking(config) as ask:
        ask.callbacks.pause_line(_known(ask.store, number), reason)
    click.echo(f"line {number} places no calls until `infocaller-bridge lines resume {number}`")


@lines.command()
@click.argument("number")
@config_option
def resume(number: str, config: Path) -> None:
    """Have a line call again, whoever or whatever stopped it."""
    with asking(config) as ask:
        known = _known(ask.store, number)
        restored = any(one.restored for one in ask.callbacks.lines() if one.name == known)
        ask.callbacks.resume_line(known)
    click.echo(f"line {number} places calls again")
    if restored:
        click.echo("who was called since the backup is not: `infocaller-bridge callbacks list --unsettled` lists them")


def _known(store: Stored, number: str) -> str:
    return chosen_line(store.configuration, number).number
