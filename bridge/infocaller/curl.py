"""A Query as a command for the shell, signed there: the telephone password stays in its environment."""

from __future__ import annotations

import re
import shlex

from msgspec.structs import replace

from bridge.infocaller.messages import Document, Format
from bridge.infocaller.request import text

VARIABLE = "INFOCALLER_PASSWORD"
_SIGNATURE = "SIGNATURE-IS-MADE-BY-THE-SHELL"
_CALL = "CALL-IS-MADE-BY-THE-SHELL"
_NOT_ASCII = re.compile("[^\x00-\x7f]")


def as_curl(document: Document, url: str) -> str:
    """Return the commands that send a document's Query to `url` as a call of its own, and print the answer.
    `VARIABLE` names the variable of the environment that they read the line's telephone password from."""
    body = text(replace(document, call_sequence=_CALL, signature=_SIGNATURE), Format.JSON)
    body = _NOT_ASCII.sub(_escaped, body).replace("'", "\\u0027")
    for placeholder, variable in ((_SIGNATURE, "SIGNATURE"), (_CALL, "CALL")):
        body = body.replace(placeholder, f"'\"${variable}\"'")
    number = shlex.quote(document.line_number)
    return "\n".join((
        "CALL=$(date +%s%N)",
        f"SIGNATURE=$(printf '%s' {number} \"$CALL\" \"${VARIABLE}\" | md5sum | cut -c1-32)",
        f"curl -sS {shlex.quote(url)} \\",
        "  -H 'Content-Type: application/json' \\",
        f"  --data-binary '{body}'",
    ))  # fmt: skip


def _escaped(character: re.Match[str]) -> str:
    """As JSON spells it in ASCII: which charset the shell has does not matter then."""
    units = character[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
