"""Where the simulated platform finds the bridge: on this machine, unless the admin says otherwise twice."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import click

from bridge.cli.language import words
from bridge.config.model import Configuration, Line
from bridge.simulator.calls import Target
from bridge.texts import Text


def at(configuration: Configuration, line: Line, base: str | None, *, yes: bool) -> Target:
    """Return the bridge at `base`, None: where its configuration has it listen. Raises `click.UsageError` where that is
    another machine and not `yes`."""
    server = configuration.server
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.host, server.host)  # noqa: S104 - to be replaced
    base = base or f"http://{host}:{server.port}"
    if not yes and not _is_loopback(base):
        text = Text(
            "{address} is not this machine: calls would land in a real CRM; add --yes to go ahead", address=base
        )
        raise click.UsageError(words(text))
    key = server.url_key[0].get_secret_value() if server.url_key else ""
    password = line.password.get_secret_value()
    return Target(base, line.number, password, key, timezone=line.timezone)


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname
    if not host:
        text = Text("{value}: write an address such as http://127.0.0.1:8080", value=repr(base))
        raise click.BadParameter(words(text), param_hint="--base")
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)
