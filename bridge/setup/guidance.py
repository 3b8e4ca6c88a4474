"""What to do next: the commands, as they can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

from bridge.config import files
from bridge.config.dotenv import parse
from bridge.config.load import Loaded
from bridge.infocaller.messages import Document, Format
from bridge.infocaller.request import text
from bridge.setup.configuration import PASSWORD, QUERY, URL_KEY

STRANGER = "600000000"
"""Somebody whom no list knows."""
_SEQUENCE = "1"
_SIGNATURE = "SIGNATURE"


def curl(line: str, caller: str, password: str, port: int) -> str:
    """Return the command that asks the Query as the platform does. Run beside `.env`, it takes the secrets from
    there."""
    document = Document(
        format=Format.JSON,
        line_number=line,
        line_number_int=line,
        call_sequence=_SEQUENCE,
        signature=_SIGNATURE,
        call_type="R",
        caller_number=caller,
        inbound_number=line,
        inbound_number_int=line,
        query_name=QUERY,
    )
    before, _, after = shlex.quote(text(document, Format.JSON)).partition(_SIGNATURE)
    latin = "" if password.isascii() else " | iconv -f UTF-8 -t ISO-8859-1"
    signature = f'$(printf %s "{line}{_SEQUENCE}${PASSWORD}"{latin} | md5sum | cut -c 1-32)'
    address = f'"http://127.0.0.1:{port}/infocaller/${URL_KEY}/query"'
    return f"( . ./.env; curl -s {address} -H 'Content-Type: application/json' -d {before}'\"{signature}\"'{after} )"


def question(loaded: Loaded, port: int | None = None) -> str:
    """Return the commands that ask the Query that `init` wrote, for whoever is at a terminal; empty where the
    configuration is of another kind, or its secrets are elsewhere. `port`: where it listens if not at its own."""
    configuration, line = loaded.configuration, loaded.configuration.lines[0]
    try:
        secrets = parse(files.text(files.content(loaded.folder / ".env"))).values
    except (files.NotUsable, files.NotText):
        return ""
    password, keys = line.password.get_secret_value(), [key.get_secret_value() for key in configuration.server.url_key]
    if QUERY not in configuration.queries or secrets.get(PASSWORD) != password or secrets.get(URL_KEY) not in keys:
        return ""
    callers = [case.caller for case in configuration.tests if case.ask == QUERY and case.caller]
    asked = curl(line.number, callers[0] if callers else STRANGER, password, port or configuration.server.port)
    return f"{into(loaded.folder, Path('/'))}\n{asked}"


def into(folder: Path, here: Path) -> str:
    """Return the command that goes to a folder, empty where one is there already."""
    return "" if folder.resolve() == here.resolve() else f"cd {shlex.quote(str(folder.resolve()))}"
