"""A Document in the plain form that a database keeps, back again, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from bridge.errors import ProtocolError
from bridge.infocaller.messages import Document, Format, StatusEvent

_LEFT_OUT = frozenset({"signature", "source"})
_KEPT = tuple(name for name in Document.__struct_fields__ if name not in _LEFT_OUT)
_ALWAYS = frozenset({"format", "line_number", "call_sequence"})
_DATES = frozenset({"start", "end"})
_MONEY = frozenset({"cost_rx", "cost_tx"})
_ZERO = (int, Decimal)  # which says something, unlike what is empty
_NOT_CONTENT = frozenset({"format", "repairs"})


def normalised(document: Document) -> dict[str, Any]:
    """Return the document as JSON has it, by the names of its fields, without its signature and its source; what is
    empty is left out. Amounts are texts that spell them exactly, dates ISO 8601 without a zone."""
    values = ((name, getattr(document, name)) for name in _KEPT)
    return {name: _plain(value) for name, value in values if value or name in _ALWAYS or isinstance(value, _ZERO)}


def from_normalised(kept: Mapping[str, Any]) -> Document:
    """Return the document again, without signature and source. Names that are not known (kept by a later version) are
    passed over; ProtocolError where what was kept is no document."""
    try:
        return Document(**{name: _typed(name, kept[name]) for name in _KEPT if name in kept})
    except (TypeError, ValueError, KeyError, ArithmeticError, AttributeError) as error:
        raise ProtocolError(f"what was kept is no document: {type(error).__name__}") from error


def digest(document: Document) -> str:
    """SHA-256, in hex, of the content: alike for the same document in whatever format, layout or charset, and whatever
    its signature; different where any content differs, unknown fields and unreadable values included."""
    content = {name: value for name, value in normalised(document).items() if name not in _NOT_CONTENT}
    for name in _MONEY & content.keys():
        content[name] = str(Decimal(content[name]).normalize() + 0)
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value
    match value:
        case Format():
            return value.value
        case datetime():
            return value.isoformat()
        case Decimal():
            return str(value)
        case StatusEvent():
            return {"type": value.type, "at": _plain(value.at), "name": value.name, "info": list(value.info)}
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return dict(value)
    return value


def _typed(name: str, value: Any) -> Any:
    if name in _DATES:
        return datetime.fromisoformat(value)
    if name in _MONEY:
        return Decimal(value)
    match name:
        case "format":
            return Format(value)
        case "status":
            return tuple(_event(item) for item in value)
        case "repairs":
            return tuple(value)
    return value


def _event(kept: Mapping[str, Any]) -> StatusEvent:
    at = datetime.fromisoformat(kept["at"]) if kept["at"] else None
    info = cast(tuple[str, str, str, str, str], tuple(kept["info"]))
    return StatusEvent(kept["type"], at, kept["name"], info)
