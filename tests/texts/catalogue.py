"""The catalogue of what people read. Run as a program, it is brought up to date with the code:

    .venv/bin/python -m tests.texts.catalogue

takes up new messages in bridge/texts/es.po, drops those that are gone, and compiles es.mo, and what click says with it.
Then translate what it names, and run it again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import bridge
from bridge.cli import cli
from bridge.cli.bilingual import paragraphs, table_texts
from bridge.config import reference, schema
from tests.texts.sentences import sentences

PACKAGE = Path(bridge.__file__).parent
PO = PACKAGE / "texts" / "es.po"
MO = PO.with_suffix(".mo")
CLICK = PACKAGE / "texts" / "click" / "es" / "LC_MESSAGES" / "messages.po"
"""What click says; its names and places are those that gettext knows."""
KEYWORDS = {"Text": None, "Plural": (1, 2)}
IN_TEMPLATES = {"t": None, "n": (1, 2)}
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)


def extracted() -> Catalog:
    """The messages in the code, as Babel finds them."""
    catalog = Catalog(fuzzy=False)
    keywords = KEYWORDS | IN_TEMPLATES
    for _file, _line, message, comments, context in extract_from_dir(PACKAGE, _METHODS, keywords=keywords):
        catalog.add(message, context=context, user_comments=comments)
    for description in (*reference.descriptions(), *schema.descriptions()):
        catalog.add(description)
    for _file, _line, sentence in sentences():
        catalog.add(sentence)
    for text in help_texts(cli, click.Context(cli)):
        catalog.add(text)
    return catalog


def help_texts(command: click.Command, context: click.Context) -> Iterator[str]:
    """What the help of a command and of those below it says; a table's lines without their first column."""
    texts = [command.help, command.short_help, command.epilog]
    texts += [param.help for param in command.params if isinstance(param, click.Option)]
    for text in filter(None, texts):
        for paragraph in paragraphs(text):
            yield from table_texts(paragraph) if paragraph.startswith("\b") else (paragraph,)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from help_texts(inner, context)


def kept() -> Catalog:
    """The catalogue in the repository."""
    with PO.open("rb") as file:
        return read_po(file, locale="es")


def messages(catalog: Catalog) -> dict[object, Message]:
    """Those of a catalogue by their id, without its header."""
    return {message.id: message for message in catalog if message.id}


def update() -> list[Message]:
    """Bring both files up to date with the code; the messages that lack Spanish."""
    catalog = kept()
    catalog.update(extracted(), no_fuzzy_matching=True)
    catalog.project, catalog.version, catalog.header_comment = "infocaller-bridge", "", "# Spanish; usted."
    catalog.creation_date = catalog.revision_date = _NEVER
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = ""
    with PO.open("wb") as file:
        write_po(file, catalog, width=120, no_location=True, sort_output=True, ignore_obsolete=True)
    with MO.open("wb") as file:
        write_mo(file, catalog)
    with CLICK.open("rb") as file:
        of_click = read_po(file, locale="es")
    with CLICK.with_suffix(".mo").open("wb") as file:
        write_mo(file, of_click)
    return [message for message in messages(catalog).values() if not complete(message)]


def complete(message: Message) -> bool:
    """Whether all its forms are translated."""
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms)


if __name__ == "__main__":
    for lacking in update():
        sys.stdout.write(f"no Spanish: {lacking.id}\n")
