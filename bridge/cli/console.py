"""`console`: what goes with the console's users."""

from __future__ import annotations

import sys

import click
from werkzeug.security import generate_password_hash

from bridge.cli.options import Group

_SHORTEST, _LONGEST = 8, 1024


@click.group(cls=Group)
def console() -> None:
    """The console's users."""


@console.command("hash")
def hash_() -> None:
    """Print the hash of a password, for `password_hash:` of a user. It asks twice at a terminal, and reads a line of
    standard input otherwise."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        password = sys.stdin.readline(_LONGEST + 2).rstrip("\r\n")
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise click.UsageError(f"write a password of {_SHORTEST} to {_LONGEST} characters")
    click.echo(generate_password_hash(password, method="scrypt"))
