"""A job in words: what it is, why it failed, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bridge.calls.words import duration
from bridge.cli.stored import local, printable
from bridge.config.model import Line
from bridge.delivery.words import cure, state
from bridge.store.deliveries import Attempt, Delivery, State
from bridge.store.folded import FoldedCall


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
    yield f"Job {job.id}: {what(job)}"
    yield f"  state     {_standing(job, line, now)}"
    yield f"  key       {job.key}"
    yield f"  created   {local(job.created_at, line)}"
    if job.about:
        yield f"  caller    {whom(job.about)}"
    if job.error:
        name = f"{job.error_class}: " if job.error_class else ""
        yield f"  error     {name}{job.error}"
    yield from _tries(attempts, line)
    if job.exchange:
        yield "Last request and answer (secrets and numbers masked):"
        yield from (f"  {text}" for text in job.exchange.splitlines())
    yield from _advice(job)


def what(job: Delivery) -> str:
    """Return what a job is about."""
    if "call" in job.payload:
        call = FoldedCall.from_json(job.payload["call"])
        event = f" ({job.payload['event']})" if job.payload.get("event") else ""
        number = "a hidden number" if call.hidden else call.e164 or call.caller or "?"
        return f"activity in {job.connector} for call {call.id}{event} of line {call.line}, with {number}"
    table = job.payload.get("table", "")
    whose = f", of {job.e164}" if job.e164 else ""
    return f"new {table} in {job.connector}{whose}"


def whom(about: Mapping[str, Any]) -> str:
    """Return as whom the caller was found, and where people open that record."""
    id_ = f" {about['id']}" if about["id"] else ""
    name = f"{about['name']}, " if about["name"] else ""
    link = f": {about['link']}" if about["link"] else ""
    return printable(f"found as {name}{about['kind']}{id_} of {about['connector']}{link}")


def _standing(job: Delivery, line: Line, now: datetime) -> str:
    word, tries = state(job), f"{job.attempts} attempt{'s' * (job.attempts != 1)} so far"
    if job.state is State.PENDING and job.next_at is not None:
        wait = job.next_at - now
        soon = f"in {duration(int(wait.total_seconds()))}" if wait > timedelta(seconds=1) else "as soon as it can"
        return f"{word}, {tries}; next at {local(job.next_at, line)} ({soon})"
    since = f" since {local(job.settled_at, line)}" if job.settled_at else ""
    return f"{word}{since}, {tries}"


def _tries(attempts: Sequence[Attempt], line: Line) -> Iterator[str]:
    if attempts:
        yield "Attempts, newest last:"
    for attempt in attempts:
        error = " ".join(attempt.error.split())
        yield f"  {local(attempt.at, line)}  {attempt.ms:6} ms  {attempt.outcome:5}  {error}".rstrip()


def _advice(job: Delivery) -> Iterator[str]:
    advice = cure(job)
    if advice is None:
        return
    yield "What to do:"
    yield f"  {advice}"
    yield f"  try it now:    infocaller-bridge jobs retry {job.id}"
    yield f"  give it up:    infocaller-bridge jobs discard {job.id}"
