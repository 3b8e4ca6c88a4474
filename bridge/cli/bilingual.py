"""Commands whose help is in the reader's language. English stands in the code: docstrings, and `help=` of options."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import click

from bridge.cli.language import LANGUAGES, words
from bridge.texts import Text

_METAVARS = (
    Text("[OPTIONS]"), Text("COMMAND"), Text("[ARGS]"), Text("TEXT"), Text("INTEGER"), Text("INTEGER RANGE"),
    Text("PATH"), Text("FILE"), Text("FILENAME"), Text("DIRECTORY"), Text("NAME"), Text("VALUE"), Text("NUMBER"),
    Text("DATE"), Text("MOMENT"), Text("SOURCE"), Text("KIND"), Text("OPTION"), Text("KEY"), Text("RESULT"),
    Text("FAULT"), Text("QUERY"), Text("PHONE"), Text("USER"), Text("HEAD"),
)  # fmt: skip
"""What stands for a value in a usage line."""
_CAPITALS = re.compile(r"\[(?:OPTIONS|ARGS)\]|INTEGER RANGE|[A-Z]{3,}")
_COLUMNS = re.compile(r"(\s*\S+\s{2,}|\s*)(.*)")
_Parameter = TypeVar("_Parameter", bound=click.Parameter)


class Command(click.Command):
    """A command that helps in the reader's language, and takes `--language`."""

    _for_reading = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if not any("--language" in param.opts for param in self.params):
            self.params.append(
                click.Option(
                    ["--language"], type=click.Choice(LANGUAGES), expose_value=False, hidden=True,
                    help="The language that it speaks.  [default: that of the configuration, else LANG]",
                )
            )  # fmt: skip

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's, in the reader's language."""
        super(Command, self._shown(ctx)).format_usage(ctx, formatter)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's, in the reader's language."""
        super(Command, self._shown(ctx)).format_help(ctx, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """As click's, which keeps what it said first, in the reader's language."""
        option = super().get_help_option(ctx)
        if option is None or not self._for_reading:
            return option
        shown = copy.copy(option)
        shown.help = words(Text("Show this message and exit."))
        return shown

    def get_short_help_str(self, limit: int = 45) -> str:
        """As click's, in the reader's language."""
        shown = copy.copy(self)
        shown.help, shown.short_help = help_words(self.help), help_words(self.short_help)
        return super(Command, shown).get_short_help_str(limit)

    def _shown(self, context: click.Context) -> Command:
        shown = copy.copy(self)
        shown._for_reading = True
        shown.help, shown.epilog = help_words(self.help), help_words(self.epilog)
        shown.params = [_translated(param, context) for param in self.params]
        shown.options_metavar = _metavar_words(self.options_metavar)
        return shown


class BilingualGroup(Command, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def _shown(self, context: click.Context) -> Command:
        shown = super()._shown(context)
        shown.subcommand_metavar = _metavar_words(self.subcommand_metavar)  # type: ignore[attr-defined]
        return shown


def help_words(text: str | None) -> str | None:
    """Return a help in the reader's language; each of its paragraphs is a message."""
    if not text:
        return text
    return "\n\n".join(_paragraph(part) for part in paragraphs(text))


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a help, each in a line; one that is not to be filled (`\\b`) as it is."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(text).partition("\f")[0])
    return [part if part.startswith("\b") else " ".join(part.split()) for part in parts]


def _paragraph(text: str) -> str:
    if not text.startswith("\b"):
        return words(text)
    return "\n".join(_columns(line) for line in text.split("\n"))


def table_texts(paragraph: str) -> Iterator[str]:
    """Yield what is to be said of each line of a table, and the line above it."""
    for line in paragraph.split("\n"):
        match = _COLUMNS.fullmatch(line)
        if match and match[2] and match[2] != "\b":
            yield match[2]


def _columns(line: str) -> str:
    """A line of a table: what stands in its first column is no word of ours."""
    match = _COLUMNS.fullmatch(line)
    return match[1] + words(match[2]) if match and match[2] else line


def _translated(param: _Parameter, context: click.Context) -> _Parameter:
    shown = copy.copy(param)
    if not isinstance(param, click.Option) or not (param.is_flag or param.count):
        shown.metavar = _metavar_words(param.make_metavar(context))
    if isinstance(shown, click.Option):
        shown.help = help_words(shown.help)
    return shown


def _metavar_words(metavar: str | None) -> str | None:
    return metavar and _CAPITALS.sub(lambda match: words(match[0]), metavar)
