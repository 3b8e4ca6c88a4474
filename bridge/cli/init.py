"""`init`: from a list of contacts or a CRM to a configuration that answers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bridge.cli.bilingual import Command
from bridge.cli.dialogue import Dialogue
from bridge.cli.firststart import FirstStart
from bridge.cli.given import Given, Stop
from bridge.cli.language import language as reader
from bridge.cli.options import pairs_option
from bridge.texts import Language, Text


@click.command(cls=Command)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--line", help="The line's main number, as the platform's panel shows it.")
@click.option("--password", help="Its telephone password; else it is asked for, or taken from INFOCALLER_PASSWORD.")
@click.option("--contacts", type=click.Path(path_type=Path), metavar="FILE", help="The list of customers.")
@click.option("--phone-column", "phones", multiple=True, metavar="NAME", help="A column with numbers; may be repeated.")
@click.option("--name-column", "name", metavar="NAME", help="The column with the customer's name; empty for none.")
@click.option("--transfer-column", "transfer", metavar="NAME", help="The one with whom to put the call through to.")
@click.option("--reception", metavar="NUMBER", help="The extension or number for unknown callers; empty for none.")
@click.option("--crm", metavar="NAME", help="Instead of a list: sql, salesforce, or one of the presets for CRMs.")
@pairs_option("--set", "settings", "KEY=VALUE", "What the CRM needs, such as auth.token or, for sql, url")
@click.option("--table", metavar="NAME", help="With --crm sql: the table of the customers.")
@click.option("--try", "try_number", metavar="NUMBER", help="With --crm: the number of a customer, to try it with.")
@click.option("--offline", is_flag=True, help="With --crm: write the files without signing in.")
@click.option("--language", type=click.Choice(["es", "en"]), help="Of the questions and the files. [default: LANG]")
@click.option("--yes", is_flag=True, help="Ask nothing, take what is found.")
def init(directory: Path, language: Language | None, yes: bool, settings: dict[str, str], **given: object) -> int:
    """Write a first configuration, config.yaml and .env, into DIRECTORY (by default this one): asks for your line and
    your customers' list or CRM, tries the result, and says what to do next. Overwrites nothing."""
    dialogue = Dialogue(language or reader(), asks=not yes and sys.stdin.isatty())
    answers = Given(settings=settings, **given)  # type: ignore[arg-type]  # click hands in what the options say
    try:
        return FirstStart(dialogue, directory, answers).run()
    except Stop as error:
        dialogue.say(Text("error: {reason}", reason=error.reason), err=True)
        return 1
