"""The document's text out of a request's body: a form's variable, a multipart form's, or the bare document.

A web framework would decode the form as UTF-8 and destroy ISO-8859-1, so this reads the raw bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from bridge.errors import ProtocolError
from bridge.infocaller.charset import decode

VARIABLES = ("apilinfocaller", "apiInfocaller", "appInfocaller")
"""The manual's three spellings of the form variable; any case is accepted."""

LONGEST = 16 * 1024**2
"""Bodies above this are refused unread; the server's own limit is lower."""

_WANTED = frozenset(name.lower().encode() for name in VARIABLES)
_PARTS = 1000
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PLAIN_NAME = re.compile(r"[\w.\-\[\]]{1,30}", re.ASCII)


def _spelled(characters: str, hexadecimal: str) -> list[tuple[bytes, bytes]]:
    return [(f"%{ord(character):{hexadecimal}}".encode(), character.encode()) for character in characters]


# What a document is full of, by how it starts: replaced at C speed, where unquote_to_bytes takes 120 ns for each. None
# of these characters is a hex digit or a percent sign, so nothing is decoded twice.
_FREQUENT = {
    b"%7B": _spelled('":,{}[]', "02X"),
    b"%7b": _spelled('":,{}[]', "02x"),
    b"%3C": _spelled("<>/", "02X"),
    b"%3c": _spelled("<>/", "02x"),
}


def document_text(body: bytes, content_type: str) -> str:
    """The text of the document in `body`. What the body is, is seen from its first character before `content_type` is
    believed: gateways and `curl` label wrongly. ProtocolError where no document is in it."""
    if len(body) > LONGEST:
        raise ProtocolError(f"the body has {len(body)} bytes: more than {LONGEST} are not read")
    start = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if not start:
        raise ProtocolError("the body is empty")
    if start in b"{[<" or body.startswith(_MARKS):
        return decode(body)
    if content_type.lstrip()[:10].lower() == "multipart/":
        return _chosen(_multipart(body, parse_options_header(content_type)[1].get("boundary", "")))
    if b"=" not in body[:4096]:
        raise ProtocolError("the body is no document (JSON or XML) and no form that holds one")
    return _chosen(_form(body))


def percent_decode(value: bytes) -> bytes:
    """A form's value undone: `+` is a space, `%F1` a byte; a `%` without two hex digits stays."""
    value = value.replace(b"+", b" ")
    for spelling, character in _FREQUENT.get(value[:3], ()):
        value = value.replace(spelling, character)
    return unquote_to_bytes(value) if b"%" in value else value


def _form(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    if body.count(b"&") >= _PARTS:
        raise ProtocolError(f"the form has more than {_PARTS} parts")
    for part in body.split(b"&"):
        name, _, value = part.partition(b"=")
        if b"%" in name or b"+" in name:
            name = percent_decode(name)
        yield name, percent_decode(value) if name.strip().lower() in _WANTED else b""


def _multipart(body: bytes, boundary: str) -> Iterator[tuple[bytes, bytes]]:
    if not boundary:
        raise ProtocolError("the multipart form names no boundary")
    try:
        yield from _parts(MultipartDecoder(boundary.encode(), max_parts=_PARTS), body)
    except ValueError:  # unfinished, or headers that are no text
        raise ProtocolError("the multipart form is broken") from None
    except RequestEntityTooLarge:
        raise ProtocolError(f"the multipart form has more than {_PARTS} parts") from None


def _parts(decoder: MultipartDecoder, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    decoder.receive_data(body)
    decoder.receive_data(None)
    name, value = b"", b""
    while not isinstance(event := decoder.next_event(), (Epilogue, NeedData)):
        if isinstance(event, (Field, File)):
            name, value = (event.name or "").encode(), b""
        elif isinstance(event, Data):
            value += event.data
            if not event.more_data:
                yield name, value


def _chosen(variables: Iterable[tuple[bytes, bytes]]) -> str:
    """The text of the variable that is ours: the first that is not empty."""
    came: list[str] = []
    for name, value in variables:
        if name.strip().lower() not in _WANTED:
            came.append(decode(name))
        elif value.strip():
            return decode(value)
        else:
            came.append(f"{decode(name).strip()} (empty)")
    raise ProtocolError(
        f"no variable {', '.join(VARIABLES[:-1])} or {VARIABLES[-1]} in the form; it has {_listed(came)}"
    )


def _listed(names: list[str]) -> str:
    shown = [name if _PLAIN_NAME.fullmatch(name.removesuffix(" (empty)")) else "an odd name" for name in names[:10]]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(shown)}{more}" if shown else "none"
