"""Answers in the platform's own format, whatever went wrong: never an HTML page, never a bare status."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from bridge.infocaller import document
from bridge.infocaller.messages import Answer, Format

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_log = logging.getLogger("bridge.web")
_START = 512  # bytes of a body that show what it is meant to be
_BEFORE = rb"\s*+(?:\xef\xbb\xbf)?+(?:[\w.\[\]-]{1,40}+=)?+(?:\s|\+|%20|%0D|%0A|%09|%EF%BB%BF)*+"
_XML = re.compile(_BEFORE + rb"(?:<|%3C)", re.I)
_JSON = re.compile(_BEFORE + rb"(?:[\[{]|%7B|%5B)", re.I)
_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to the platform, as it goes over the wire."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str]

    def send(self, start_response: StartResponse) -> list[bytes]:
        """Answer a WSGI request with it."""
        headers = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body))), *self.headers.items()]
        start_response(_LINES[self.status], headers)
        return [self.body]


def guess(body: bytes, content_type: str) -> Format:
    """The format that a document which can't be read was probably meant to be in: by its first characters, else by
    its Content-Type; JSON, the platform's default, where neither says."""
    start = body[:_START]
    if _XML.match(start):
        return Format.XML
    if _JSON.match(start):
        return Format.JSON
    return Format.XML if "xml" in content_type.lower() else Format.JSON


def write(status: int, answer: Answer, format: Format, headers: Mapping[str, str] | None = None) -> Reply:  # noqa: A002 - the document's own word
    """An answer as the platform reads it."""
    return Reply(status, *document.write(answer, format), headers or {})


def refusal(status: int, reason: str, format: Format, headers: Mapping[str, str] | None = None) -> Reply:  # noqa: A002 - the document's own word
    """What a request that is not served is told: Result is the HTTP status, so never 0, ResultText the reason."""
    return write(status, Answer(str(status), reason), format, headers)


def unexpected(error: Exception) -> str:
    """Log a fault of our own; the reason for the sender, by which an admin finds it in the log."""
    number = secrets.token_hex(4)
    _log.error("unexpected error", exc_info=error, extra={"fields": {"error": number}})
    return f"internal error {number}: the bridge's log has it under this number"
