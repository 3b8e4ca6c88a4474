"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.config.model import Configuration, Line

CONFIG = Path("config.yaml")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def config_option(function: _Function) -> _Function:
    """`--config FILE`, as `config: Path`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=CONFIG,
        show_default=True,
        help="The configuration file.",
    )(function)


class Group(click.Group):
    """Commands with a common first word. It takes `--config` as well, for those of its commands that do: it may stand
    before or after the command's name."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params.append(
            click.Option(
                ["-c", "--config"],
                type=click.Path(path_type=Path, dir_okay=False),
                expose_value=False,
                callback=self._hand_down,
                help="The configuration file.  [default: config.yaml]",
            )
        )

    def _hand_down(self, context: click.Context, _option: click.Parameter, given: Path | None) -> None:
        if given is not None:
            context.default_map = {name: {"config": str(given)} for name in self.list_commands(context)}


def variables_option(function: _Function) -> _Function:
    """`--var NAME=VALUE`, any number of them, as `variables: dict[str, str]`."""
    return click.option(
        "--var",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_variables,
        help="A variable of the call, such as what was keyed in; may be given several times.",
    )(function)


def _variables(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    variables = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r}: write NAME=VALUE")
        variables[name.strip().upper()] = value
    return variables


def chosen_line(configuration: Configuration, number: str | None) -> Line:
    """The line with this number; the first where none is named."""
    line = configuration.lines[0] if number is None else configuration.line(number)
    if line is None:
        known = ", ".join(line.number for line in configuration.lines)
        raise click.BadParameter(f"line {number} is not in the configuration; there is {known}")
    return line
