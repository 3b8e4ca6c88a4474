"""Documents of the platform: read, written, told apart and cleared of secrets. The parts are in the modules beside."""

from __future__ import annotations

from bridge.infocaller import json_document, xml_document
from bridge.infocaller.form import document_text
from bridge.infocaller.messages import Answer, Document, Format
from bridge.infocaller.normal import digest, from_normalised, normalised
from bridge.infocaller.reading import read_text
from bridge.infocaller.redaction import redact, without
from bridge.infocaller.request import write_request

__all__ = [
    "digest",
    "from_normalised",
    "normalised",
    "read",
    "read_text",
    "redact",
    "without",
    "write",
    "write_request",
]


def read(body: bytes, content_type: str) -> Document:
    """The Query or event in a request's body: a form POST, a multipart form, or the bare document, JSON or XML, in
    ISO-8859-1, cp1252, UTF-8 or UTF-16. `content_type` is the header, empty where there is none.

    ProtocolError says which part is wrong and where; it never holds a signature or the value of a variable.
    """
    return read_text(document_text(body, content_type))


def write(answer: Answer, form: Format) -> tuple[bytes, str]:
    """The body and the Content-Type of the answer to a Query (manual, API Interactiva V). Never fails."""
    if form is Format.XML:
        return xml_document.write(answer), xml_document.CONTENT_TYPE
    return json_document.write(answer), json_document.CONTENT_TYPE
