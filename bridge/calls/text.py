"""A call as people read it in the CRM: the subject and the note of its activity, where the rule says none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bridge.calls.words import Language, amount, duration, phrase, status_line
from bridge.config.model import Line
from bridge.expressions.callview import status_events
from connectors.base import Record
from connectors.phone import Phone


def subject(caller: Phone, contact: Record | None, call: Mapping[str, Any], language: Language) -> str:
    """One line: received or made, with whom."""
    towards = "to" if call["direction"] == "emitted" else "from"
    return f"{phrase(call['direction'], language)} {phrase(towards, language)} {_whom(caller, contact, language)}"


def note(caller: Phone, contact: Record | None, call: Mapping[str, Any], line: Line, language: Language) -> str:
    """What happened, line by line, in the line's local time."""
    zone = ZoneInfo(line.timezone)
    lines = [_who(caller, contact, call, language), ", ".join(_facts(call, zone, language))]
    return "\n".join([*lines, *_happened(call, zone, language)])


def _who(caller: Phone, contact: Record | None, call: Mapping[str, Any], language: Language) -> str:
    """The first line: with whom, at which number, on which of ours."""
    number = caller.international
    beside = f" ({number})" if number and number != _whom(caller, contact, language) else ""
    ours = phrase("from" if call["direction"] == "emitted" else "to", language)
    return f"{subject(caller, contact, call, language)}{beside}, {ours} {call['called']}"


def _happened(call: Mapping[str, Any], zone: ZoneInfo, language: Language) -> Iterator[str]:
    if call["events"]:
        for event in status_events(call):
            yield f"{event.at:%H:%M:%S} {status_line(event, language)}" if event.at else status_line(event, language)
    else:
        for diversion in call["diversions"]:
            said = phrase("diverted" if diversion["answered"] else "diversion_failed", language)
            yield f"{_local(diversion['at'], zone):%H:%M:%S} {said.capitalize()}: {diversion['to']}".rstrip(": ")
    values = ", ".join(f"{name} = {value}" for name, value in call["vars"].items() if value)
    if values:
        yield f"{phrase('variables', language)}: {values}"


def _facts(call: Mapping[str, Any], zone: ZoneInfo, language: Language) -> Iterator[str]:
    yield f"{_local(call['start'], zone):{'%d/%m/%Y' if language == 'es' else '%Y-%m-%d'} %H:%M:%S}"
    if call["seconds"] is not None:
        yield duration(call["seconds"])
    if call["answered_by"]:
        yield f"{phrase('answered_by', language)} {call['answered_by']}"
    elif call["answered"] is False:
        yield phrase("not_answered", language)
    if call["cost"] is not None:
        yield f"{phrase('cost', language)} {amount(Decimal(call['cost']), language)}"
    if call["incomplete"]:
        yield phrase("incomplete", language)


def _whom(caller: Phone, contact: Record | None, language: Language) -> str:
    """The contact's name, else the number, else why there is none."""
    name = contact.fields.get("name") if contact is not None else None
    return str(name or caller.international or phrase("hidden" if caller.hidden else "unknown", language))


def _local(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
