"""What to do next: the commands, as they can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

from bridge.infocaller.messages import Document, Format
from bridge.infocaller.request import text
from bridge.setup.configuration import PASSWORD, QUERY, URL_KEY

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


def into(folder: Path, here: Path) -> str:
    """Return the command that goes to a folder, empty where one is there already."""
    return "" if folder.resolve() == here.resolve() else f"cd {shlex.quote(str(folder.resolve()))}"
