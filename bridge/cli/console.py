"""`console`: what goes with the console's users."""

from __future__ import annotations

import sys

import click
from werkzeug.security import generate_password_hash

from bridge.cli.language import words
from bridge.cli.options import Group
from bridge.texts import Text

_SHORTEST, _LONGEST = 8, 1024


@click.group(cls=Group)
def console() -> None:
    """The console's users."""


@console.command("hash")
def hash_() -> None:
    """Print the hash of a password, for `password_hash:` of a user. It asks twice at a terminal, and reads a line of
    standard input otherwise."""
    if sys.stdin.isatty():
        password = click.prompt(
            words(Text("Password")), hide_input=True, confirmation_prompt=words(Text("Once more")), err=True
        )
    else:
        password = sys.stdin.readline(_LONGEST + 2).rstrip("\r\n")
    if not _SHORTEST <= len(password) <= _LONGEST:
        text = Text(
            "write a password of {shortest} to {longest} characters", shortest=str(_SHORTEST), longest=str(_LONGEST)
        )
        raise click.UsageError(words(text))
    click.echo(generate_password_hash(password, method="scrypt"))
