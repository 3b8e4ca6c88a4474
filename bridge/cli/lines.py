"""`lines`: the emissions of each line; `pause` is the switch for emergencies."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.codes import code
from bridge.cli.commands import add_pause_and_resume, list_command, show_list
from bridge.cli.desk import Asking, asking, standing
from bridge.cli.language import say, words
from bridge.cli.options import Group, chosen_line, config_option, json_option
from bridge.cli.stored import local
from bridge.texts import Text

_HEAD = (Text("LINE"), Text("EMISSIONS"), Text("TODAY"), Text("TRIED AGAIN"), Text("REASON"))


@click.group(cls=Group)
def lines() -> None:
    """The emissions of each line: whether it calls, and if not, why."""


@list_command(lines)
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List the lines: running, paused (tried again by itself), stopped (needs you), held (somebody paused it, or the
    database was restored from a backup)."""
    with asking(config) as ask:
        statuses = ask.callbacks.queries.lines()
        show_list(
            statuses, as_json, standing, _HEAD,
            lambda status: (
                status.name, code(status.mode.value), status.today, local(status.until, ask.store.line(status.name)),
                words(status.reason),
            ),
        )  # fmt: skip
    for status in statuses:
        reason = status.blocked_reason
        if reason is not None and status.restored and not as_json:
            say(reason)


def _pause(ask: Asking, name: str, reason: str) -> Text:
    """Have a line call nobody from now on; its callbacks are kept. What is being sent at this moment goes out."""
    ask.callbacks.operator.pause_line(chosen_line(ask.store.configuration, name).number, reason)
    return Text("line {line} places no calls until `infocaller-bridge lines resume {line}`", line=name)


def _resume(ask: Asking, name: str) -> Text:
    """Have a line call again, whoever or whatever stopped it."""
    number = chosen_line(ask.store.configuration, name).number
    restored = any(status.restored for status in ask.callbacks.queries.lines() if status.name == number)
    ask.callbacks.operator.resume_line(number)
    if restored:
        return Text(
            "line {line} places calls again\nwho was called since the backup is not: "
            "`infocaller-bridge callbacks list --unsettled` lists them",
            line=name,
        )
    return Text("line {line} places calls again", line=name)


add_pause_and_resume(lines, "NUMBER", _pause, _resume)
