"""Answers in the platform's own format, whatever went wrong: never an HTML page, never a bare status."""

from __future__ import annotations

import logging
import re
import secrets

import msgspec

from bridge.infocaller import document
from bridge.infocaller.messages import Format, QueryAnswer

_log = logging.getLogger("bridge.web")
_START = 512  # bytes of a body that show what it is meant to be
_BEFORE = rb"\s*+(?:\xef\xbb\xbf)?+(?:[\w.\[\]-]{1,40}+=)?+(?:\s|\+|%20|%0D|%0A|%09|%EF%BB%BF)*+"
_XML = re.compile(_BEFORE + rb"(?:<|%3C)", re.I)
_JSON = re.compile(_BEFORE + rb"(?:[\[{]|%7B|%5B)", re.I)
Headers = tuple[tuple[str, str], ...]


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer as it goes over the wire. `length`: that of the body, where an answer to HEAD leaves it out."""

    status: int
    body: bytes
    content_type: str
    headers: Headers = ()
    length: int | None = None

    def wire_headers(self) -> list[tuple[bytes, bytes]]:
        length = len(self.body) if self.length is None else self.length
        headers = [(b"content-type", self.content_type.encode("iso-8859-1")), (b"content-length", b"%d" % length)]
        if self.headers:
            headers += [(name.encode("iso-8859-1"), value.encode("iso-8859-1")) for name, value in self.headers]
        return headers


def guess(body: bytes, content_type: str) -> Format:
    """Return the format that a document which can't be read was probably meant to be in: by its first characters, else
    by its Content-Type; JSON, the platform's default, where neither says."""
    start = body[:_START]
    if _XML.match(start):
        return Format.XML
    if _JSON.match(start):
        return Format.JSON
    return Format.XML if "xml" in content_type.lower() else Format.JSON


def write(status: int, answer: QueryAnswer, format: Format, headers: Headers = ()) -> Reply:  # noqa: A002 - the document's own word
    """Return an answer as the platform reads it."""
    return Reply(status, *document.write(answer, format), headers)


def refusal(status: int, reason: str, format: Format, headers: Headers = ()) -> Reply:  # noqa: A002 - the document's own word
    """Return what a request that is not served is told: Result is the HTTP status, so never 0, ResultText the
    reason."""
    return write(status, QueryAnswer(str(status), reason), format, headers)


def unexpected(error: Exception) -> str:
    """Log a fault of our own; the reason for the sender, by which an admin finds it in the log."""
    number = secrets.token_hex(4)
    _log.error("unexpected error", exc_info=error, extra={"fields": {"error": number}})
    return f"internal error {number}: the bridge's log has it under this number"
