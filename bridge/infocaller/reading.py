"""A Document out of a document's text (manual, API Interactiva II to IV, API Informativa II to VI).

Each field is taken out of the tree; what is left at the end is the document's `extra`, so nothing that came is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from bridge.errors import ProtocolError
from bridge.infocaller import json_document, usual, values, xml_document
from bridge.infocaller.charset import storable
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.infocaller.tree import Tree

Value = TypeVar("Value")
Section = dict[str, Tree]
_NO_EVENT = StatusEvent(None, None, "", ("", "", "", "", ""))


def read_text(text: str) -> Document:
    """Return the document that `text` is, JSON or XML by its first character. ProtocolError says which part is
    wrong."""
    match text.lstrip("\ufeff \t\r\n")[:1]:
        case "{" | "[":
            text = text.lstrip("\ufeff")
            if not json_document.needs_mending(text) and (query := usual.read(text)) is not None:
                return query
            tree, repairs = json_document.parse(text)
            return _document(Format.JSON, tree, repairs, text)
        case "<":
            tree, repairs = xml_document.parse(text.lstrip("\ufeff"))
            return _document(Format.XML, tree, repairs, text)
    raise ProtocolError("the document is neither JSON nor XML: it begins with neither { nor <")


def _document(form: Format, tree: Tree, repairs: tuple[str, ...], source: str) -> Document:
    root = _root(tree)
    user = _section(root, "userid", "UserID")
    call = _section(root, "infocaller", "Infocaller")
    line_number, call_sequence = _identified(user)
    return Document(
        format=form,
        line_number=line_number,
        call_sequence=call_sequence,
        signature=_text(user, "signature"),
        line_number_int=_text(user, "linenumberint"),
        call_type=_text(call, "calltype"),
        caller_number=_text(call, "callernumber"),
        caller_number_int=_text(call, "callernumberint"),
        inbound_number=_text(call, "inboundnumber"),
        inbound_number_int=_text(call, "inboundnumberint") or _text(call, "linenumberint"),
        outbound_number=_text(call, "outboundnumber"),
        outbound_number_int=_text(call, "outboundnumberint"),
        idcall=_text(call, "idcall"),
        query_name=_text(call, "queryname"),
        variables=_variables(root),
        seconds=_parsed(call, "callseconds", values.seconds),
        start=_parsed(call, "startdate", values.date),
        end=_parsed(call, "enddate", values.date),
        cost_rx=_parsed(call, "costrx", values.amount),
        cost_tx=_parsed(call, "costtx", values.amount),
        status=tuple(_events(root)),
        repairs=repairs,
        extra=dict(_rest(tree, "")),
        source=source,
    )


def _root(tree: Tree) -> Section:
    if not isinstance(tree, dict):
        raise ProtocolError("the document is a list or a text where an object with ApiCall belongs")
    root = tree.get("apicall")
    if root is None:
        raise ProtocolError("the document has no ApiCall: it is none of the platform's Queries or events")
    if not isinstance(root, dict):
        raise ProtocolError("ApiCall is empty")
    return root


def _identified(user: Section) -> tuple[str, str]:
    """LineNumber and CallSequence. The samples of the manual have them empty: that is read, and belongs to no line."""
    for name, shown in (("linenumber", "LineNumber"), ("callsequence", "CallSequence")):
        if user.get(name) is None:
            raise ProtocolError(f"UserID.{shown} is missing")
    line_number, call_sequence = _text(user, "linenumber"), _text(user, "callsequence")
    if line_number and not call_sequence:
        raise ProtocolError("UserID.CallSequence is empty")
    return line_number, call_sequence


def _section(within: Section, name: str, shown: str) -> Section:
    """A part that has parts. Empty, null and absent are the same."""
    value = within.get(name)
    if isinstance(value, dict):
        return value
    if value in (None, []) or (isinstance(value, str) and not value.strip()):
        return {}
    if isinstance(value, list):
        raise ProtocolError(f"{shown} is a list where an object belongs")
    raise ProtocolError(f"{shown} is a value where an object belongs")


def _items(within: Section, name: str, shown: str) -> list[Section]:
    """A list of objects, a single one (what converters make of a list of one), or none."""
    value = within.get(name)
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    objects = [item for item in items if isinstance(item, dict)]
    for number, item in enumerate(items):
        if not isinstance(item, dict) and item is not None and str(item).strip():
            raise ProtocolError(f"{shown}[{number}] is not an object")
    return objects


def _raw(section: Section, name: str) -> str:
    value = section.pop(name, "")
    return value if isinstance(value, str) else _text_of(value, name)


def _text_of(value: Tree, name: str) -> str:
    """What is no text, as a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return str(value[-1])  # XML may repeat an element: like in JSON, the last one counts
    if isinstance(value, list) and value:
        raise ProtocolError(f"{name} is a list where a text belongs")
    if value:
        raise ProtocolError(f"{name} is an object where a text belongs")
    return ""


def _text(section: Section, name: str) -> str:
    value = section.pop(name, "")
    return (value if isinstance(value, str) else _text_of(value, name)).strip()


def _parsed(section: Section, name: str, parse: Callable[[str], Value | None]) -> Value | None:
    """The value, or None with its text left where it was, for `extra`."""
    text = _text(section, name) if name in section else ""
    if not text:
        return None
    value = parse(text)
    if value is None:
        section[name] = text
    return value


def _variables(root: Section) -> dict[str, str]:
    """CustVars, names in capitals; the last of a name counts. Names that break the platform's rule are kept."""
    variables: dict[str, str] = {}
    for item in _items(_section(root, "custvars", "CustVars"), "custvar", "CustVars.CustVar"):
        name, value = _text(item, "varname").upper(), _raw(item, "varvalue")
        if name or value:
            variables[name] = value
    return variables


def _events(root: Section) -> Iterator[StatusEvent]:
    events = _section(_section(root, "status", "Status"), "events", "Status.Events")
    for item in _items(events, "event", "Status.Events.Event"):
        kind: int | None = _parsed(item, "eventtype", values.whole)
        at: datetime | None = _parsed(item, "eventdate", values.date)
        first, second, third, fourth, fifth = (_text(item, f"eventaddinfo{number}") for number in range(1, 6))
        event = StatusEvent(kind, at, _text(item, "eventname"), (first, second, third, fourth, fifth))
        if event != _NO_EVENT or item:
            yield event


def _rest(value: Tree, path: str) -> Iterator[tuple[str, str]]:
    """What no field took, by its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            if part:
                yield from _rest(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            if part:
                yield from _rest(part, f"{path}[{number}]")
    elif value is not None and str(value).strip():
        yield path.removeprefix("apicall."), storable(str(value))
