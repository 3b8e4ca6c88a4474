"""The language that the program speaks at the terminal: decided once, when it starts, before anything is said."""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import click

from bridge.errors import Fault
from bridge.texts import Language, Text, said

CONFIG = Path("config.yaml")
LANGUAGES: tuple[Language, ...] = ("es", "en")
_TOP = re.compile(rb"""^language[ \t]*:[ \t]*["']?(es|en)["']?[ \t]*\r?(?:#.*)?$""", re.MULTILINE)
_LARGEST = 1024 * 1024
_CLICK_DOMAIN = "messages"


@dataclass
class _Spoken:
    language: Language = "en"


_spoken = _Spoken()


def language() -> Language:
    """Return the language of whoever reads what is said."""
    return _spoken.language


def words(text: Text | str) -> str:
    """Return a text in the reader's language; of mere words, those that the program said elsewhere in English."""
    return said(text).render(_spoken.language)


def say(text: Text | str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text, a line or a paragraph."""
    click.echo(words(text) if text else "", err=err, nl=nl)


def fault_words(fault: Fault) -> str:
    """Return a fault of a configuration, with its place in front."""
    return str(replace(fault, text=words(fault.text)))


@contextmanager
def speaking(arguments: Sequence[str]) -> Iterator[None]:
    """Speak the language that these arguments ask for, and have click speak it as well, which looks for its own words
    where gettext does."""
    before, variable = _spoken.language, os.environ.get("LANGUAGE")
    _spoken.language = chosen(arguments)
    os.environ["LANGUAGE"] = _spoken.language
    with resources.as_file(resources.files("bridge.texts") / "click") as folder:
        gettext.bindtextdomain(_CLICK_DOMAIN, str(folder))
        try:
            yield
        finally:
            _spoken.language = before
            if variable is None:
                del os.environ["LANGUAGE"]
            else:
                os.environ["LANGUAGE"] = variable


def chosen(arguments: Sequence[str]) -> Language:
    """Return the language of `--language`, else of the configuration's `language:`, else of the terminal."""
    named = _value(arguments, "--language")
    for spoken in LANGUAGES:
        if named == spoken:
            return spoken
    return _of_configuration(Path(_value(arguments, "--config", "-c") or CONFIG)) or terminal_language()


def terminal_language() -> Language:
    """Return the language that the environment asks for: Spanish also where it names another language of Spain, which
    we do not have; English where it names none of these."""
    named = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return "es" if named[:2].lower() in ("es", "ca", "gl", "eu") else "en"


def _value(arguments: Sequence[str], *names: str) -> str | None:
    """The value of an option wherever it stands; it is read again, and refused if it is wrong, with all others."""
    for place, argument in enumerate(arguments):
        if argument == "--":
            return None
        option, equals, value = argument.partition("=")
        if option in names:
            return value if equals else next(iter(arguments[place + 1 :]), None)
        if argument[:2] in names and not argument.startswith("--"):
            return argument[2:]
    return None


def _of_configuration(path: Path) -> Language | None:
    """What a configuration says at its left edge; None where it says nothing, or can't be read."""
    try:
        with path.open("rb") as file:
            named = _TOP.search(file.read(_LARGEST)) if path.is_file() else None
    except (OSError, ValueError):
        return None
    return None if named is None else "es" if named[1] == b"es" else "en"
