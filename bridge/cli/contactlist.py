"""The dialogue about a list of customers: which file, which columns, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bridge.cli.dialogue import Dialogue, plain
from bridge.cli.given import Given, Stop, answered
from bridge.setup.answers import COUNTRY, AnswerRefused
from bridge.setup.columns import LONGEST_NAME, Choice
from bridge.setup.columns import plain as plain_words
from bridge.setup.contacts import ContactsFile, Contents, NoContacts, contents, look
from bridge.texts import Plural, Text, literal
from connectors.phone import mask

_EXAMPLES = 3


def choose_columns(dialogue: Dialogue, given: Given) -> tuple[Path, Choice, Contents]:
    """Return the list of customers, its columns that count, and what is in them. Raises `Stop`, `click.UsageError`."""
    while True:
        file = answered(
            dialogue, "--contacts", None if given.contacts is None else str(given.contacts),
            Text("File with your customers (CSV, .xlsx, .xls or .ods)"), lambda text: _looked_at(text, given),
        )  # fmt: skip
        choice = _by_options(dialogue, file, given)
        try:
            return _agreed(dialogue, file, choice, given)
        except NoContacts as error:
            reason = _about(file.path, error.reason)
            if given.contacts is not None or not dialogue.asks:
                raise Stop(reason) from None
            dialogue.say(Text("  {reason}", reason=reason))


def _looked_at(text: str, given: Given) -> ContactsFile:
    path = Path(text.strip("'\"") if given.contacts is None else text).expanduser()
    try:
        text.encode()
        return look(path, COUNTRY)
    except UnicodeEncodeError:
        raise AnswerRefused(Text("a file of this name can't be written down; rename it")) from None
    except NoContacts as error:
        reason = _about(path, error.reason)
        if given.contacts is not None:
            raise Stop(reason) from None
        raise AnswerRefused(reason) from None


def _about(path: Path, reason: Text) -> Text:
    return Text("{file}: {reason}", file=plain(path.name or str(path)), reason=reason)


def _by_options(dialogue: Dialogue, file: ContactsFile, given: Given) -> Choice:
    """The columns that were guessed, but for those that the options name."""

    def column(option: str, name: str) -> str:
        names = [title for title in file.header if title]
        alike = [title for title in names if plain_words(title) == plain_words(name)]
        match = name.strip() if name.strip() in names else alike[0] if len(alike) == 1 and plain_words(name) else ""
        if not match or len(match) > LONGEST_NAME:
            listed = literal(", ".join(str(plain(title)) for title in names[:30]))
            text = Text("{option}: the list has no column {column}; it has {columns}",
                        option=option, column=plain(name), columns=listed)  # fmt: skip
            raise click.UsageError(dialogue.words(text))
        return match

    guessed = file.guessed
    phones = tuple(dict.fromkeys(column("--phone-column", name) for name in given.phones)) or guessed.phones
    name = guessed.name if given.name is None else given.name.strip() and column("--name-column", given.name)
    transfer = (
        guessed.transfer
        if given.transfer is None
        else given.transfer.strip() and column("--transfer-column", given.transfer)
    )
    if given.phones and given.transfer is None and transfer in phones:
        transfer = ""
    if given.transfer and not given.phones:
        phones = tuple(title for title in phones if title != transfer)
    if name and name == transfer:
        if given.name and given.transfer:
            raise click.UsageError(dialogue.words(Text("one column can't be the name and the transfer at once")))
        name, transfer = (name, "") if given.name else ("", transfer)
    return Choice(phones, name, transfer)


def _agreed(dialogue: Dialogue, file: ContactsFile, choice: Choice, given: Given) -> tuple[Path, Choice, Contents]:
    """The columns once nobody objects to them."""
    by_options = bool(given.phones) and given.name is not None and given.transfer is not None
    while True:
        if not choice.phones:
            if not dialogue.asks:
                titles = ", ".join(str(plain(title)) for title in file.header if title)
                text = Text(
                    "no column with telephone numbers was found; name it with --phone-column. There are {columns}",
                    columns=literal(titles),
                )
                raise Stop(_about(file.path, text))
            dialogue.say(Text("I found no column with telephone numbers. Which is it?"))
            choice = _chosen(dialogue, file)
        seen = contents(file.path, choice, COUNTRY)
        show_columns(dialogue, file.path.name, choice, seen)
        if file.nameless:
            dialogue.say(
                Text(
                    "  Columns without a name hold telephone numbers: {columns}. Name them in the file, and "
                    "callers are looked up there, too.",
                    columns=", ".join(file.nameless),
                )
            )
        if by_options or dialogue.confirm(Text("Is this right?")):
            return file.path, choice, seen
        choice = _chosen(dialogue, file)


def _chosen(dialogue: Dialogue, file: ContactsFile) -> Choice:
    """The columns as a person chooses them."""
    titles = [title for title in file.header if title and len(title) <= LONGEST_NAME]
    shown = [str(plain(title)) for title in titles]
    phones = dialogue.choose_some(Text("Columns with telephone numbers (such as 2 or 2, 3)"), shown, least=1)
    name = dialogue.ask_place(Text("Column with the name (0: none)"), len(titles))
    transfer = dialogue.ask_place(
        Text("Column with the extension or number that the call is put through to (0: none)"), len(titles)
    )
    transfer = None if transfer == name else transfer
    return Choice(
        tuple(titles[place] for place in phones),
        titles[name] if name is not None else "",
        titles[transfer] if transfer is not None else "",
    )


def show_columns(dialogue: Dialogue, list_name: str, choice: Choice, seen: Contents) -> None:
    """Say what was found, with a few examples in which nobody is recognized."""
    dialogue.say()
    dialogue.say(Plural("{file}: {count:,} row", "{file}: {count:,} rows", seen.rows, file=plain(list_name)))
    dialogue.say(Text("  telephone numbers:  {columns}", columns=_titles(choice.phones)))
    dialogue.say(Text("  name:               {columns}", columns=_titles([choice.name] if choice.name else [])))
    dialogue.say(Text("  put through to:     {columns}", columns=_titles([choice.transfer] if choice.transfer else [])))
    for number, name, transfer in seen.candidates[:_EXAMPLES]:
        parts = [mask(number), masked_name(name) if name else "", f"→ {_masked(transfer)}" if transfer else ""]
        dialogue.say(Text("    such as {example}", example=literal("  ".join(filter(None, parts)))))
    if not seen.rows:
        dialogue.say(Text("  The list has no rows yet: nobody is found until it has."))
    elif not seen.candidates:
        dialogue.say(Text("  These columns hold no telephone number that can be read."))
    if seen.undialable:
        dialogue.say(
            Plural(
                "  In {count:,} row, {column} is neither an extension nor a number: answered as for unknown callers.",
                "  In {count:,} rows, {column} is neither an extension nor a number: answered as for unknown callers.",
                seen.undialable,
                column=plain(choice.transfer),
            )
        )


def _titles(titles: Sequence[str]) -> Text:
    return literal(", ".join(str(plain(title)) for title in titles)) if titles else Text("(none)")


def masked_name(name: str) -> str:
    """Return the first letters of a name."""
    return " ".join(f"{word[0]}•••" for word in str(plain(name)).split()[:4])


def _masked(transfer: str) -> str:
    return str(plain(transfer)) if len(transfer) <= 6 else mask("".join(filter(str.isdigit, transfer)))
