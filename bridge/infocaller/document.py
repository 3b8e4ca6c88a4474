"""Documents of the platform: read, written, told apart and cleared of secrets. The parts are in the modules beside."""

from __future__ import annotations

from bridge.infocaller import json_document, request, xml_document
from bridge.infocaller.form import document_text
from bridge.infocaller.messages import Document, Format, QueryAnswer
from bridge.infocaller.normal import digest, from_normalised, normalised
from bridge.infocaller.reading import read_text
from bridge.infocaller.redaction import without
from bridge.infocaller.request import write_request

__all__ = [
    "digest",
    "from_normalised",
    "normalised",
    "read",
    "read_text",
    "text",
    "without",
    "write",
    "write_request",
]


def read(body: bytes, content_type: str) -> Document:
    """Return the Query or event in a request's body: a form POST, a multipart form, or the bare document, JSON or XML,
    in ISO-8859-1, cp1252, UTF-8 or UTF-16. `content_type` is the header, empty where there is none.

    ProtocolError says which part is wrong and where; it never holds a signature or the value of a variable.
    """
    return read_text(document_text(body, content_type))


def text(document: Document) -> str:
    """Return the document as the platform would lay it out: written anew from what was read, so that nothing unforeseen
    is in it. What `without` cleared can be stored and shown as this."""
    return request.text(document, document.format)


def write(answer: QueryAnswer, form: Format) -> tuple[bytes, str]:
    """Return the body and the Content-Type of the answer to a Query (manual, API Interactiva V). Never fails."""
    if form is Format.XML:
        return xml_document.write(answer), xml_document.CONTENT_TYPE
    return json_document.write(answer), json_document.CONTENT_TYPE
