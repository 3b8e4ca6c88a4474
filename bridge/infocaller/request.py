"""The platform's side: a Query or event as the platform would send it, for simulations and tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import quote_plus

from msgspec.structs import replace

from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.infocaller.signature import inbound
from bridge.infocaller.variables import escape

Value: TypeAlias = str | Decimal
Pairs: TypeAlias = list[tuple[str, Value]]

_BARE = {Format.JSON: "application/json", Format.XML: "text/xml"}
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_request(
    document: Document,
    form: Format,
    *,
    charset: str = "iso-8859-1",
    form_variable: str | None = "apiInfocaller",
    password: str | None = None,
) -> tuple[bytes, str]:
    """Return the body and the Content-Type of the request.

    `form_variable` is the variable of a form POST, percent-encoded in `charset`; None sends the bare document. The
    signature is made with `password`, or is the document's own where that is None. Characters that `charset` can't hold
    are written as JSON's or XML's own escapes.
    """
    if password is not None:
        signed = inbound(document.line_number, document.call_sequence, password)
        document = replace(document, signature=signed)
    written = _bytes(document, form, charset)
    if form_variable is None:
        return written, _BARE[form]
    return f"{form_variable}={quote_plus(written)}".encode(), "application/x-www-form-urlencoded"


def _bytes(document: Document, form: Format, charset: str) -> bytes:
    written = text(document, form)
    if form is Format.XML:
        return written.encode(charset, "xmlcharrefreplace")
    try:
        return written.encode(charset)
    except UnicodeEncodeError:  # all that is not ASCII stands in strings
        return _NOT_ASCII.sub(lambda character: json.dumps(character[0])[1:-1], written).encode()


def text(document: Document, form: Format) -> str:
    """Return the document as the platform lays it out. `extra` has no place in it; what only FIN has is there where the
    document has it, `QueryName` likewise."""
    return _json(document) if form is Format.JSON else _xml(document)


def _user(document: Document) -> Pairs:
    return [
        ("LineNumber", document.line_number),
        ("LineNumberInt", document.line_number_int),
        ("CallSequence", document.call_sequence),
        ("Signature", document.signature),
    ]


def _call(document: Document) -> Pairs:
    always: Pairs = [
        ("CallType", document.call_type),
        ("CallerNumber", document.caller_number),
        ("CallerNumberInt", document.caller_number_int),
        ("InboundNumber", document.inbound_number),
        ("InboundNumberInt", document.inbound_number_int),
        ("OutboundNumber", document.outbound_number),
        ("OutboundNumberInt", document.outbound_number_int),
        ("idcall", document.idcall),
    ]
    sometimes: list[tuple[str, Value | None]] = [
        ("QueryName", document.query_name or None),
        ("CallSeconds", None if document.seconds is None else str(document.seconds)),
        ("StartDate", _date(document.start)),
        ("EndDate", _date(document.end)),
        ("CostRX", document.cost_rx),
        ("CostTX", document.cost_tx),
    ]
    return always + [(name, value) for name, value in sometimes if value is not None]


def _date(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _event(event: StatusEvent) -> Pairs:
    infos: Pairs = [(f"EventAddInfo{number}", info) for number, info in enumerate(event.info, 1)]
    kind = "" if event.type is None else str(event.type)
    return [("EventType", kind), ("EventDate", _date(event.at) or ""), ("EventName", event.name), *infos]


def _variables(document: Document) -> Iterable[Pairs]:
    return ([("VarName", name), ("VarValue", value)] for name, value in document.variables.items())


def _json(document: Document) -> str:
    parts = [f'"UserID": {_object(_user(document))}', f'"Infocaller": {_object(_call(document))}']
    if document.status:
        events = ", ".join(_object(_event(event)) for event in document.status)
        parts.append(f'"Status": {{"Events": {{"Event": [{events}]}}}}')
    variables = ", ".join(map(_object, _variables(document)))
    parts.append(f'"CustVars": {{"CustVar": [{variables}]}}')
    return f'{{"ApiCall": {{{", ".join(parts)}}}}}'


def _object(pairs: Pairs) -> str:
    """An amount is a number, spelled exactly; everything else a text with the five entities, as the platform has it."""
    members = (
        f'"{name}": {value:f}' if isinstance(value, Decimal) else f'"{name}": {_string(value)}' for name, value in pairs
    )
    return f"{{{', '.join(members)}}}"


def _string(value: str) -> str:
    return json.dumps(escape(value), ensure_ascii=False)


def _xml(document: Document) -> str:
    events = "".join(_element("Event", _event(event)) for event in document.status)
    parts = (
        _element("UserID", _user(document)),
        _element("Infocaller", _call(document)),
        f"<Status><Events>{events}</Events></Status>" if events else "",
        f"<CustVars>{''.join(_element('CustVar', pairs) for pairs in _variables(document))}</CustVars>",
    )
    return f"""<ApiCall xmlns='http://tempuri.org/' encoding=" ISO-8559-1">{"".join(parts)}</ApiCall>"""


def _element(name: str, pairs: Pairs) -> str:
    inner = "".join(f"<{tag}>{_escaped(value)}</{tag}>" for tag, value in pairs)
    return f"<{name}>{inner}</{name}>"


def _escaped(value: Value) -> str:
    """XML has no place for control characters, and reads a bare carriage return as a line feed."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _NO_XML.sub("\ufffd", escape(value)).replace("\r", "&#13;")
