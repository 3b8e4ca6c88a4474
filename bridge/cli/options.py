"""Options and arguments that several commands share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli.bilingual import BilingualGroup
from bridge.cli.language import CONFIG, words
from bridge.config.hours import moment
from bridge.config.model import Configuration, Line
from bridge.texts import Text, said

_Function = TypeVar("_Function", bound=Callable[..., Any])
_HANDED_DOWN = "bridge.config"


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


class _Moment(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A moment; naive unless it names a zone."""

    name = "MOMENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return moment(value)
        except ValueError as error:
            self.fail(words(Text("{value}: {reason}", value=repr(value), reason=said(error))), param, ctx)


def at_option(text: str) -> Callable[[_Function], _Function]:
    """`--at MOMENT`, as `at: datetime | None`, on the line's clock unless it names a zone."""
    return click.option("--at", type=_Moment(), help=f"{text}, such as 2026-12-24T21:30, on the line's clock.")


json_option = click.option("--json", "as_json", is_flag=True, help="For scripts.")


class Group(BilingualGroup):
    """Commands with a common first word. It takes `--config` as well, for those of its commands that do: it may stand
    before or after the command's name."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params.append(
            click.Option(
                ["-c", "--config"],
                type=click.Path(path_type=Path, dir_okay=False),
                expose_value=False,
                is_eager=True,
                callback=self._hand_down,
                help="The configuration file.  [default: config.yaml]",
            )
        )

    def _hand_down(self, context: click.Context, _option: click.Parameter, value: Path | None) -> None:
        if value is not None:
            context.default_map = {name: {"config": str(value)} for name in self.list_commands(context)}
            context.meta[_HANDED_DOWN] = value


def handed_down(context: click.Context) -> Path:
    """Return the configuration that a group of commands was given, or the usual one."""
    return Path(context.meta.get(_HANDED_DOWN, CONFIG))


def pairs_option(
    option: str, name: str, shape: str, text: str, *, capitals: bool = False
) -> Callable[[_Function], _Function]:
    """`--OPTION NAME=VALUE`, any number of them, as `name: dict[str, str]`."""

    def pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
        values = {}
        for pair in given:
            key, equals, value = pair.partition("=")
            if not equals or not key.strip():
                raise click.BadParameter(words(Text("{value}: write {shape}", value=repr(pair), shape=shape)))
            values[key.strip().upper() if capitals else key.strip()] = value
        return values

    return click.option(
        option, name, multiple=True, metavar=shape, callback=pairs, help=f"{text}; may be given several times."
    )


variables_option = pairs_option(
    "--var", "variables", "NAME=VALUE", "A variable of the call, such as what was keyed in", capitals=True
)
"""`--var NAME=VALUE`, as `variables: dict[str, str]`."""


def chosen_line(configuration: Configuration, number: str | None) -> Line:
    """Return the line with this number; the first where none is named."""
    line = configuration.lines[0] if number is None else configuration.line(number)
    if line is None:
        numbers = ", ".join(line.number for line in configuration.lines)
        text = Text("line {line} is not in the configuration; there is {numbers}", line=number, numbers=numbers)
        raise click.BadParameter(words(text))
    return line


def program() -> list[str]:
    """Return how this program is called here: by its name where the shell finds it, else by its place."""
    name, place = "infocaller-bridge", Path(sys.argv[0])
    if shutil.which(name) is not None:
        return [name]
    return [str(place.absolute())] if place.name == name else [sys.executable, "-m", "bridge"]
