"""A call's events and Queries in the order in which they came, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from bridge.cli.codes import code
from bridge.cli.language import words
from bridge.cli.stored import local, printable
from bridge.config.model import Line
from bridge.store.events import Event
from bridge.store.queries import StoredQuery
from bridge.texts import Text, literal


def timeline(events: Sequence[Event], queries: Sequence[StoredQuery], line: Line) -> Iterator[str]:
    """Yield a line of text for each, and those that tell more of a Query."""
    moments: list[tuple[object, int, Event | StoredQuery]] = [
        *((event.received_at, number, event) for number, event in enumerate(events)),
        *((query.at, len(events) + number, query) for number, query in enumerate(queries)),
    ]
    for _, _, moment in sorted(moments, key=lambda each: each[:2]):
        if isinstance(moment, Event):
            event: Text = literal(moment.event)
            if moment.diverted_to:
                event = Text("{event} to {destination}", event=moment.event, destination=moment.diverted_to)
            yield f"{local(moment.received_at, line)}  {words(event)}"
        else:
            name = words(Text("Query {name}", name=printable(moment.query)))
            yield f"{local(moment.at, line)}  {name}: {_summary(moment)}"
            yield from (f"  {printable(text)}" for text in _details(moment))


def as_mapping(query: StoredQuery, line: Line) -> Mapping[str, object]:
    """Return a Query as scripts get it; `matched` null: nobody was found."""
    matched = {
        "connector": query.connector,
        "kind": query.record_kind,
        "id": query.record_id or None,
        "name": query.record_name or None,
        "link": query.record_link,
    }
    return {
        "at": query.at.astimezone(ZoneInfo(line.timezone)).isoformat(timespec="milliseconds"),
        "query": query.query,
        "caller": query.caller or None,
        "called": query.called,
        "vars": query.variables,
        "outcome": query.outcome,
        "result": query.result,
        "text": query.text,
        "variables": query.answer,
        "matched": matched if query.connector else None,
        "ms": query.ms,
        "trail": [step._asdict() for step in query.trail],
    }


def _summary(query: StoredQuery) -> str:
    return f"{code(query.outcome)}, Result {query.result}, {query.ms:.1f} ms"


def _details(query: StoredQuery) -> Iterator[str]:
    if query.variables:
        yield words(Text("asked with {variables}", variables=_values(query.variables)))
    if query.connector:
        named = " ".join(filter(None, (query.record_kind, query.record_id, query.record_name)))
        matched = words(Text("matched {record} of {connector}", record=named, connector=query.connector))
        yield f"{matched}{f', {query.record_link}' if query.record_link else ''}"
    for step in query.trail:
        if step.outcome != "found" or step.note:
            tried: Text = literal(step.step)
            if step.connector:
                tried = Text("{step} in {connector}", step=step.step, connector=step.connector)
            yield f"{words(tried)} {code(step.outcome)}{f': {words(step.note)}' if step.note else ''}"
    if query.answer:
        yield words(Text("answered {variables}", variables=_values(query.answer)))
    if query.text:
        yield f"ResultText {query.text}"


def _values(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
