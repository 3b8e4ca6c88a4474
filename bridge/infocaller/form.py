"""The document's text out of a request's body: a form's variable, a multipart form's, or the bare document.

A web framework would decode the form as UTF-8 and destroy ISO-8859-1, so this reads the raw bytes.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterable, Iterator

from bridge.errors import ProtocolError
from bridge.infocaller.charset import decode

VARIABLES = ("apilinfocaller", "apiInfocaller", "appInfocaller")
"""The manual's three spellings of the form variable; any case is accepted."""

LONGEST = 16 * 1024**2
"""Bodies above this are refused unread; the server's own limit is lower."""

_WANTED = frozenset(name.lower().encode() for name in VARIABLES)
_PARTS = 1000
_SHOWN = 10
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BARE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NOT_QUOTED_PRINTABLE = {b"=": b"%3D", b"\n": b"%0A", b"\r": b"%0D"}
_TO_QUOTED_PRINTABLE = bytes.maketrans(b"+%", b" =")
_PLAIN_NAME = re.compile(r"[\w.\-\[\]]{1,30}", re.ASCII)


def document_text(body: bytes, content_type: str) -> str:
    """Return the text of the document in `body`. What the body is, is seen from its first character before
    `content_type` is believed: gateways and `curl` label wrongly. ProtocolError where no document is in it."""
    if len(body) > LONGEST:
        raise ProtocolError(f"the body has {len(body)} bytes: more than {LONGEST} are not read")
    start = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if not start:
        raise ProtocolError("the body is empty")
    if start in b"{[<" or body.startswith(_MARKS):
        return decode(body)
    if content_type.lstrip()[:10].lower() == "multipart/":
        from bridge.infocaller import multipart  # noqa: PLC0415 - the platform sends none, and its library takes a while

        return _chosen(multipart.parts(body, content_type, _PARTS))
    if b"=" not in body[:4096]:
        raise ProtocolError("the body is no document (JSON or XML) and no form that holds one")
    name, _, value = body.partition(b"=")
    if name.lower() in _WANTED and b"&" not in value and (whole := percent_decode(value)).strip():
        return decode(whole)  # what the platform sends: our variable and nothing else
    return _chosen(_form(body))


def percent_decode(value: bytes) -> bytes:
    """Return a form's value undone: `+` is a space, `%F1` a byte; a `%` without two hex digits stays."""
    if b"%" not in value:
        return value.replace(b"+", b" ")
    for sign, spelled in _NOT_QUOTED_PRINTABLE.items():
        if sign in value:
            value = value.replace(sign, spelled)
    # but for its sign it is quoted-printable now, whose decoder takes a tenth of the time of Python's own for forms; it
    # has undone all where each became one byte
    undone = binascii.a2b_qp(value.translate(_TO_QUOTED_PRINTABLE))
    if len(value) - len(undone) == 2 * value.count(b"%"):
        return undone
    return percent_decode(_BARE.sub(b"%25", value))


def _form(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    if body.count(b"&") >= _PARTS:
        raise ProtocolError(f"the form has more than {_PARTS} parts")
    for part in body.split(b"&"):
        name, _, value = part.partition(b"=")
        if b"%" in name or b"+" in name:
            name = percent_decode(name)
        yield name, percent_decode(value) if name.strip().lower() in _WANTED else b""


def _chosen(variables: Iterable[tuple[bytes, bytes]]) -> str:
    """The text of the variable that is ours: the first that is not empty."""
    came: list[str] = []
    for name, value in variables:
        if name.strip().lower() not in _WANTED:
            came.append(_shown(decode(name)))
        elif value.strip():
            return decode(value)
        else:
            came.append(f"{_shown(decode(name).strip())} without a value")
    *names, last = VARIABLES
    if not came:
        raise ProtocolError(f"no variable {', '.join(names)} or {last} in the form, and no other")
    raise ProtocolError(f"no variable {', '.join(names)} or {last} in the form; it has {_listed(came)}")


def _shown(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else "an odd name"


def _listed(names: list[str]) -> str:
    others = [f"and {len(names) - _SHOWN} others"] if len(names) > _SHOWN else []
    return ", ".join(names[:_SHOWN] + others)
