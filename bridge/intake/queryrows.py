"""A Query that was answered as the row that is kept of it: short, and without what is secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from bridge.config.model import Configuration
from bridge.infocaller.messages import Document
from bridge.infocaller.redaction import Secrets, harmless
from bridge.lookups.finding import TrailEntry
from bridge.queries.answering import Answered, Question
from bridge.store.queries import StoredQuery, TrailStep
from bridge.store.tables import LONGEST_KEY
from connectors.base import Record

_LONGEST = 200
"""Characters of a value that are kept."""
_MOST = 40
"""Values of a Query or an answer that are kept, and steps on its way."""
_LONGEST_NAME = 64
_LONGEST_UNKNOWN = 40
"""Characters of a Query's name that the configuration lacks."""


class AnsweredQuery(NamedTuple):
    """A Query that was answered at `at` (Unix time), by this configuration."""

    at: float
    question: Question
    document: Document
    answered: Answered
    configuration: Configuration

    @property
    def came(self) -> float:
        """When it came, Unix time."""
        return self.at - self.answered.ms / 1000

    @property
    def name(self) -> str:
        """The Query's name; empty where the configuration has none such."""
        answered = self.answered
        return "" if answered.outcome == "unknown_query" else answered.query[:LONGEST_KEY]


def row(asked: AnsweredQuery) -> StoredQuery:
    """Return what is kept of it: long values are cut, and secret ones are empty."""
    question, document, answered = asked.question, asked.document, asked.answered
    stored = StoredQuery(
        datetime.fromtimestamp(asked.came, UTC),
        question.line.number,
        document.call_sequence,
        asked.name or answered.query[:_LONGEST_UNKNOWN],
        "emitted" if document.emitted else "received",
        _caller(question, document),
        question.called[:LONGEST_KEY],
        document.variables,
        answered.outcome,
        answered.result,
        answered.text,
        answered.variables,
        *_matched(answered.matched),
        answered.ms,
        [step if len(step.note) <= _LONGEST else _cut_note(step) for step in map(_step, answered.trail[:_MOST])],
    )
    names = _names(tuple(asked.configuration.sensitive))
    if not harmless(document, names) or (names and any(name.upper() in names for name in answered.variables)):
        stored = _without(stored, Secrets(document, names))
    variables, text, answer = _short(stored.variables), _cut(stored.text), _short(stored.answer)
    if variables is stored.variables and text is stored.text and answer is stored.answer:
        return stored
    return stored._replace(variables=variables, text=text, answer=answer)


@lru_cache(maxsize=8)
def _names(sensitive: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.strip().upper() for name in sensitive)


def _caller(question: Question, document: Document) -> str:
    caller = question.caller
    return caller.e164 or ("" if caller.hidden else document.other_party[:32])


def _matched(record: Record | None) -> tuple[str, str, str, str, str | None]:
    """Connector, kind, id, name and link of whom the caller was found to be."""
    if record is None:
        return "", "", "", "", None
    name = record.fields.get("name")
    return (
        record.connector[:LONGEST_KEY],
        record.kind[:LONGEST_KEY],
        (record.id or "")[:_LONGEST],
        "" if name is None else str(name)[:_LONGEST],
        record.link,
    )


def _step(entry: TrailEntry) -> TrailStep:
    return TrailStep(entry.step, entry.connector, str(entry.outcome), entry.ms, entry.note)


def _cut_note(step: TrailStep) -> TrailStep:
    return step._replace(note=_cut(step.note))


def _without(stored: StoredQuery, secrets: Secrets) -> StoredQuery:
    """The same without what is secret. What a CRM is asked for and answers may be what was keyed in."""
    link = stored.record_link
    return stored._replace(
        variables=secrets.variables(),
        text=secrets.shown(stored.text),
        answer=secrets.without(stored.answer),
        record_id=secrets.shown(stored.record_id),
        record_name=secrets.shown(stored.record_name),
        record_link=None if link is None or secrets.inside(link) else link,
        trail=[step._replace(note=secrets.shown(step.note)) for step in stored.trail],
    )


def _short(values: Mapping[str, str]) -> Mapping[str, str]:
    """The same, where they are few and short."""
    short = len(values) <= _MOST
    for name, value in values.items():
        short = short and len(name) <= _LONGEST_NAME and len(value) <= _LONGEST
    return values if short else {name[:_LONGEST_NAME]: _cut(value) for name, value in list(values.items())[:_MOST]}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
