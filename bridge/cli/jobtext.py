"""A job in words: what it is, why it failed, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bridge.calls.words import duration
from bridge.cli.codes import code
from bridge.cli.language import words
from bridge.cli.stored import local, printable
from bridge.config.model import Line
from bridge.delivery.words import cure, state
from bridge.store.deliveries import Attempt, Delivery, State
from bridge.store.folded import FoldedCall
from bridge.texts import Plural, Text, literal


def brief(job: Delivery) -> dict[str, Any]:
    """Return a job as scripts get it."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": state(job),
        "connector": job.connector,
        "key": job.key,
        "attempts": job.attempts,
        "next": job.next_at.isoformat() if job.next_at else None,
        "error": job.error or None,
    }


def whole(job: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return all about a job, as scripts get it."""
    moments = {"created": job.created_at, "first": job.first_at, "settled": job.settled_at}
    return {
        **brief(job),
        "error_class": job.error_class or None,
        **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        "number": job.e164 or None,
        "payload": job.payload,
        "written_id": job.written_id or None,
        "exchange": job.exchange or None,
        "about": job.about,
        "tries": [
            {"at": attempt.at.isoformat(), "ms": attempt.ms, "outcome": attempt.outcome, "error": attempt.error or None}
            for attempt in attempts
        ],
    }


def story(job: Delivery, attempts: Sequence[Attempt], line: Line, now: datetime) -> Iterator[str]:
    """Yield all about a job, line by line, for people."""
    yield words(Text("Job {id}: {what}", id=str(job.id), what=what(job)))
    yield words(Text("  state     {state}", state=_standing(job, line, now)))
    yield words(Text("  key       {key}", key=job.key))
    yield words(Text("  created   {when}", when=local(job.created_at, line)))
    if job.about:
        yield words(Text("  caller    {whom}", whom=whom(job.about)))
    if job.error:
        name = f"{job.error_class}: " if job.error_class else ""
        yield words(Text("  error     {error}", error=name + words(job.error)))
    yield from _tries(attempts, line)
    if job.exchange:
        yield words(Text("Last request and answer (secrets and numbers masked):"))
        yield from (f"  {text}" for text in job.exchange.splitlines())
    yield from _advice(job)


def what(job: Delivery) -> Text:
    """Return what a job is about."""
    if "call" in job.payload:
        call = FoldedCall.from_json(job.payload["call"])
        event = f" ({job.payload['event']})" if job.payload.get("event") else ""
        number = Text("a hidden number") if call.hidden else literal(call.e164 or call.caller or "?")
        return Text(
            "activity in {connector} for call {id}{event} of line {line}, with {number}",
            connector=job.connector, id=call.id, event=event, line=call.line, number=number,
        )  # fmt: skip
    table = job.payload.get("table", "")
    if job.e164:
        return Text("new {table} in {connector}, of {number}", table=table, connector=job.connector, number=job.e164)
    return Text("new {table} in {connector}", table=table, connector=job.connector)


def whom(about: Mapping[str, Any]) -> str:
    """Return as whom the caller was found, and where people open that record."""
    id_ = f" {about['id']}" if about["id"] else ""
    name = f"{about['name']}, " if about["name"] else ""
    link = f": {about['link']}" if about["link"] else ""
    record = f"{name}{about['kind']}{id_}"
    return printable(
        words(Text("found as {record} of {connector}", record=record, connector=about["connector"])) + link
    )


def _standing(job: Delivery, line: Line, now: datetime) -> Text:
    word = code(state(job))
    tries = Plural("{count:,} attempt so far", "{count:,} attempts so far", job.attempts)
    if job.state is State.PENDING and job.next_at is not None:
        wait = job.next_at - now
        soon: Text = Text("as soon as it can")
        if wait > timedelta(seconds=1):
            soon = Text("in {duration}", duration=duration(int(wait.total_seconds())))
        return Text("{state}, {tries}; next at {when} ({soon})", state=word, tries=tries, when=local(job.next_at, line),
                    soon=soon)  # fmt: skip
    if job.settled_at:
        return Text("{state} since {when}, {tries}", state=word, when=local(job.settled_at, line), tries=tries)
    return Text("{state}, {tries}", state=word, tries=tries)


def _tries(attempts: Sequence[Attempt], line: Line) -> Iterator[str]:
    if attempts:
        yield words(Text("Attempts, newest last:"))
    for attempt in attempts:
        error = words(" ".join(attempt.error.split()))
        yield f"  {local(attempt.at, line)}  {attempt.ms:6} ms  {code(attempt.outcome):5}  {error}".rstrip()


def _advice(job: Delivery) -> Iterator[str]:
    advice = cure(job)
    if advice is None:
        return
    yield words(Text("What to do:"))
    yield f"  {words(advice)}"
    yield words(Text("  try it now:    infocaller-bridge jobs retry {id}", id=str(job.id)))
    yield words(Text("  give it up:    infocaller-bridge jobs discard {id}", id=str(job.id)))
