"""A multipart form, taken apart by werkzeug."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from bridge.errors import ProtocolError


def parts(body: bytes, content_type: str, most: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and value of each part, files included. `content_type` names the boundary. Raises `ProtocolError` for
    what is broken, or has more than `most` parts."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise ProtocolError("the multipart form names no boundary")
    try:
        yield from _parts(MultipartDecoder(boundary.encode(), max_parts=most), body)
    except ValueError:  # unfinished, or headers that are no text
        raise ProtocolError("the multipart form is broken") from None
    except RequestEntityTooLarge:
        raise ProtocolError(f"the multipart form has more than {most} parts") from None


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
