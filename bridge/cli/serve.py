"""`serve` and `demo`."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from bridge.cli.bilingual import Command
from bridge.cli.language import language, say, words
from bridge.cli.options import config_option, program
from bridge.texts import Text


@click.command(cls=Command)
@config_option
@click.option("--host", help="Address to listen on instead of the configuration's.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port instead of the configuration's; 0: any that is free.")
@click.option("--web", is_flag=True, help="Only answer the platform; the background work runs elsewhere.")
@click.option("--work", is_flag=True, help="Only do the background work.")
def serve(config: Path, host: str | None, port: int | None, web: bool, work: bool) -> int:
    """Serve everything in one process tree; --web or --work runs one half, for several hosts on one database."""
    signal.signal(signal.SIGTERM, _ended)
    from bridge.server.serving import serve as run  # noqa: PLC0415 - only this command needs it

    if web and work:
        raise click.UsageError(words(Text("--web and --work together are simply `serve`")))
    if not work and sys.stderr.isatty():
        _say_how_to_ask(config, port)
    return run(config, host, port, web=not work, work=not web)


def _ended(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Stop while it still starts; whoever serves puts its own way of stopping in this one's place. Without any, the
    system would not tell process 1 of a container that it is to stop."""
    sys.exit(0)


def _say_how_to_ask(config: Path, port: int | None) -> None:
    """Tell whoever starts by hand what `init` wrote how to ask it as the platform does."""
    from bridge.config.load import load_to_serve  # noqa: PLC0415 - only this command needs them
    from bridge.setup import guidance  # noqa: PLC0415

    loaded = load_to_serve(config)
    if commands := guidance.question(loaded, port):
        text = Text("In a second window, once it listens, ask it as the platform does. The answer has Result 0:")
        click.echo(f"{words(text)}\n{commands}\n", err=True)


@click.command(cls=Command)
@click.option("--serve", "keep_serving", is_flag=True, help="Keep it up until Ctrl-C.")
def demo(keep_serving: bool) -> int:
    """From nothing to a working bridge on example data, with a simulated platform placing calls on it."""
    from bridge.simulator.demo import run  # noqa: PLC0415 - only this command needs it

    code = run(say, language(), keep_serving=keep_serving)
    if code == 0 and not keep_serving:
        init = shlex.join([*program(), "init"])
        text = Text(
            "Now with your own line. This asks a few questions, and overwrites nothing:\n  {command}", command=init
        )
        say()
        say(text)
    return code
