"""The commands: arguments, one call, print. Exit codes: 0 done, 1 the thing asked about is wrong, 2 wrong usage.

Modules are imported when their command is called, so that each starts fast.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.metadata
import os
import sys
from typing import Any

import click

from bridge.cli.language import LANGUAGES, fault_words, say, speaking
from bridge.cli.options import Group, handed_down
from bridge.cli.remarks import remarks
from bridge.errors import BridgeError, ConfigurationFaults
from bridge.texts import Text, said
from connectors.base import ConnectorError

_COMMANDS = {
    "init": "bridge.cli.init:init",
    "serve": "bridge.cli.serve:serve",
    "demo": "bridge.cli.serve:demo",
    "service": "bridge.cli.service:service",
    "status": "bridge.cli.status:status",
    "check": "bridge.cli.check:check",
    "schema": "bridge.cli.check:schema",
    "urls": "bridge.cli.check:urls",
    "ask": "bridge.cli.ask:ask",
    "record": "bridge.cli.ask:record",
    "test": "bridge.cli.cases:test",
    "simulate": "bridge.cli.simulate:simulate",
    "callbacks": "bridge.cli.callbacks:callbacks",
    "campaign": "bridge.cli.campaign:campaign",
    "oppositions": "bridge.cli.oppositions:oppositions",
    "evidence": "bridge.cli.evidence:evidence",
    "lines": "bridge.cli.lines:lines",
    "jobs": "bridge.cli.jobs:jobs",
    "calls": "bridge.cli.calls:calls",
    "report": "bridge.cli.report:report",
    "alerts": "bridge.cli.alerts:alerts",
    "console": "bridge.cli.console:console",
    "person": "bridge.cli.person:person",
    "forget": "bridge.cli.person:forget",
}
_GATHERED = 100_000
"""Objects between two rounds of the garbage collector: nearly all that modules and a configuration consist of stays,
and looking at it again and again takes a sixth of the start."""
atexit.register(gc.freeze)  # nor is all of it looked at once more at the end, which takes a third as long as the start


class _Commands(Group):
    """The commands by name, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click hands it in
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def _show_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    own = importlib.metadata.version("infocaller-bridge")
    say(Text("infocaller-bridge, version {version}", version=own))
    config = handed_down(context)
    if config.exists():
        from bridge.cli.version import about_database  # noqa: PLC0415 - only where there is a database to ask

        say(about_database(config))
    context.exit()


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, and whether the configuration's database is of the same one.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    expose_value=False,
    help="The language that it speaks.  [default: that of the configuration, else LANG]",
)
def cli() -> None:
    """Connects Infocaller phone lines with your CRM: looks callers up, logs calls, calls back."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command; errors are one or a few lines on stderr, never a traceback."""
    gc.set_threshold(_GATHERED)
    with speaking(sys.argv[1:] if arguments is None else arguments), remarks():
        _run(arguments)


def _run(arguments: list[str] | None) -> None:
    try:
        code: Any = cli.main(args=arguments, standalone_mode=False)
        sys.stdout.flush()  # here, where a reader who has gone is understood
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigurationFaults as error:
        for fault in error.faults:
            click.echo(fault_words(fault), err=True)
        sys.exit(1)
    except (BridgeError, ConnectorError) as error:
        say(Text("error: {error}", error=said(error)), err=True)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); what is left of it must not be tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
