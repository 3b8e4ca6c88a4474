"""A call as people read it in the CRM: the subject and the note of its activity, where the rule says none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.calls.words import amount, duration, status_line
from bridge.config.model import Line
from bridge.store.folded import FoldedCall
from bridge.texts import Language, Text
from connectors.base import Record
from connectors.phone import Phone


def subject(caller: Phone, contact: Record | None, call: FoldedCall, language: Language) -> str:
    """Return one line: received or made, with whom."""
    whom = _whom(caller, contact)
    if call.direction == "emitted":
        return Text("Call made to {whom}", whom=whom).render(language)
    return Text("Call received from {whom}", whom=whom).render(language)


def note(
    caller: Phone, contact: Record | None, call: FoldedCall, line: Line, language: Language, outcome: str = ""
) -> str:
    """Return what happened, line by line, in the line's local time."""
    zone = ZoneInfo(line.timezone)
    facts = ", ".join(_facts(call, zone, language))
    came_to = [Text("Outcome: {outcome}", outcome=outcome).render(language)] if outcome else []
    return "\n".join([_who(caller, contact, call).render(language), facts, *came_to, *_happened(call, zone, language)])


def _who(caller: Phone, contact: Record | None, call: FoldedCall) -> Text:
    """The first line: with whom, at which number, on which of ours."""
    whom, number = _whom(caller, contact), caller.international
    if number and number != whom:
        whom = f"{whom} ({number})"
    if call.direction == "emitted":
        return Text("Call made to {whom}, from {line}", whom=whom, line=call.called)
    return Text("Call received from {whom}, to {line}", whom=whom, line=call.called)


def _happened(call: FoldedCall, zone: ZoneInfo, language: Language) -> Iterator[str]:
    if call.events:
        for event in call.events:
            yield f"{event.at:%H:%M:%S} {status_line(event, language)}" if event.at else status_line(event, language)
    else:
        for diversion in call.diversions:
            diverted = Text("Put through, answered") if diversion.answered else Text("Not put through")
            at = f"{_local(diversion.at, zone):%H:%M:%S} " if diversion.at is not None else ""
            yield f"{at}{diverted.render(language)}: {diversion.to}".rstrip(": ")
    values = ", ".join(f"{name} = {value}" for name, value in call.vars.items() if value)
    if values:
        yield Text("Variables: {values}", values=values).render(language)


def _facts(call: FoldedCall, zone: ZoneInfo, language: Language) -> Iterator[str]:
    if call.start is not None:
        yield Text("{start:%Y-%m-%d %H:%M:%S}", start=call.start.astimezone(zone)).render(language)
    if call.seconds is not None:
        yield duration(call.seconds)
    if call.answered_by:
        yield Text("answered at {number}", number=call.answered_by).render(language)
    elif call.answered is False:
        yield Text("not answered").render(language)
    if call.cost is not None:
        yield Text("cost {amount}", amount=amount(call.cost, language)).render(language)
    if call.incomplete:
        yield Text("its end was never heard").render(language)


def _whom(caller: Phone, contact: Record | None) -> str | Text:
    """The contact's name, else the number, else why there is none."""
    name = contact.fields.get("name") if contact is not None else None
    if name or caller.international:
        return str(name or caller.international)
    return Text("hidden number") if caller.hidden else Text("unknown number")


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
