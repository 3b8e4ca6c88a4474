"""What groups of commands have alike: lists, for people and for scripts; `pause` and `resume`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli.desk import asking
from bridge.cli.language import say, words
from bridge.cli.options import config_option
from bridge.cli.stored import NotServedYet, table
from bridge.texts import Text

_Item = TypeVar("_Item")
SHOWN = 100
"""Rows of a list for people."""

limit_option = click.option(
    "--limit", type=click.IntRange(1), help=f"At most so many. [default: {SHOWN}; all with --json]"
)


def list_command(group: click.Group) -> Callable[[Callable[..., Any]], click.Command]:
    """`list` of a group. Before the first `serve` there is nothing to list, which is no error."""

    def command(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def listed(*arguments: Any, **options: Any) -> Any:
            try:
                return function(*arguments, **options)
            except NotServedYet:
                text = Text("there is nothing yet: `infocaller-bridge serve` has not run with this configuration")
                click.echo("[]" if options.get("as_json") else words(text))
            return 0

        return group.command("list")(listed)

    return command


def show_list(
    items: Iterable[_Item],
    as_json: bool,
    brief: Callable[[_Item], Mapping[str, object]],
    head: Sequence[Text],
    row: Callable[[_Item], Sequence[object]],
    *,
    limit: int | None = None,
    nothing: Text = Text("there are none"),  # noqa: B008 - it never changes
) -> bool:
    """Print a list: for scripts each item as `brief` gives it, for people a table with a `row` for each below its
    `head`, and whether there are more. Returns whether people saw a table."""
    if as_json:
        show_json_list(map(brief, islice(items, limit)))
        return False
    rest = iter(items)
    most = limit or SHOWN
    rows = [row(item) for item in islice(rest, most)]
    if not rows:
        say(nothing)
        return False
    for text in table([words(title) for title in head], rows):
        click.echo(text)
    if next(rest, None) is not None:
        say(Text("… and more: --limit {more}, or --json for all", more=str(most * 10)), err=True)
    return True


def show_json_list(items: Iterable[Mapping[str, object]]) -> None:
    """Print a list for scripts, each item on a line of its own as soon as it is there: a list may be long."""
    before = "["
    for item in items:
        click.echo(f"{before}\n  {json.dumps(item, ensure_ascii=False)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def show_json(value: Mapping[str, object]) -> None:
    """Print one thing for scripts."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def add_pause_and_resume(
    group: click.Group, what: str, pause: Callable[..., Text], resume: Callable[..., Text], *, reason: bool = True
) -> None:
    """Give a group the commands `pause` and `resume`, each with the name of a `what`. A function gets an `Asking`, the
    name, and a pause its `reason` where it may have one; its docstring is the command's help, what it returns is
    printed."""
    why = click.option("--reason", default="", help="Why, for whoever looks at it later.")
    group.command("pause", help=pause.__doc__)(_on_one(what, why(_asked(pause)) if reason else _asked(pause)))
    group.command("resume", help=resume.__doc__)(_on_one(what, _asked(resume)))


def _on_one(what: str, function: Callable[..., None]) -> Callable[..., None]:
    return click.argument("name", metavar=what)(config_option(function))


def _asked(act: Callable[..., Text]) -> Callable[..., None]:
    def run(config: Path, name: str, **options: Any) -> None:
        with asking(config) as ask:
            say(act(ask, name, **options))

    return run
