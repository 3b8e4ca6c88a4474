"""`alerts test`: whether those who are to be told of troubles can be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from bridge.alerts import Notice, NotTold, Why, channels
from bridge.cli.bilingual import BilingualGroup
from bridge.cli.language import say
from bridge.cli.options import config_option
from bridge.config.load import attempt
from bridge.errors import ConfigurationFaults
from bridge.texts import Text, said
from bridge.troubles import Severity, Trouble


@click.group(cls=BilingualGroup)
def alerts() -> None:
    """Who is told of troubles: by e-mail and webhooks."""


@alerts.command()
@config_option
def test(config: Path) -> int:
    """Send a test through each configured channel, and say for each what happened; exit code 1 if one fails."""
    read = attempt(config)
    if read.loaded is None:
        raise ConfigurationFaults(read.faults)
    if read.faults:  # as `serve` does: what is at fault elsewhere keeps nobody from being told
        say(Text("warning: {file} has faults; `infocaller-bridge check` says more", file=config), err=True)
    loaded = read.loaded
    tested = channels(loaded)
    if not tested:
        say(Text("nobody is told of troubles: the configuration has no alerts: (docs/alerts.md)"), err=True)
        return 1
    text, action = Text("This is a test: nothing is wrong."), Text("You need not do anything.")
    trouble = Trouble("test", Severity.WARNING, datetime.now(UTC), 1, text, action)
    good = True
    for channel in tested:
        try:
            missed = channel.send([Notice(Why.NEW, trouble)])
        except NotTold as error:
            good = False
            say(Text("FAIL {target}: {reason}", target=channel.target, reason=said(error)))
        else:
            good = good and not missed
            if missed:
                say(Text("FAIL {target}: sent, but not to {missed}", target=channel.target, missed=said(missed)))
            else:
                say(Text("ok   {target}: sent", target=channel.target))
    return 0 if good else 1
