"""A job in words: what it is, why it failed, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bridge.calls.words import duration
from bridge.cli.stored import local
from bridge.config.model import Line
from bridge.delivery.retry import GIVE_UP_AFTER
from bridge.store.deliveries import Attempt, Delivery, State

_HOURS = round(GIVE_UP_AFTER / 3600)
_AGAIN = f"It is tried again by itself, at most a quarter of an hour apart, until it has failed for {_HOURS} hours."
_CURES = {
    "Unavailable": f"The CRM was away, busy or over its limit, or something else was not there yet. {_AGAIN}",
    "TimedOut": f"The CRM did not answer in time. {_AGAIN}",
    "Misconfigured": "Something in the configuration, or in what the CRM allows the bridge, has to be mended: see the "
    f"error. {_AGAIN}",
    "Rejected": "The CRM refused this very record, so it is not sent again by itself. Mend what the error names, in "
    "the configuration or in the CRM, then retry.",
    "Ambiguous": "It can't be known whether the CRM has it. Look there: discard this if it is there, else retry.",
}
_FAULT = f"This is a fault of the bridge or of its database, not of the CRM; the log has more at that time. {_AGAIN}"


def state(job: Delivery) -> str:
    """`pending`, `running`, `failed` (it is tried again), `dead` (it is not), `done` or `discarded`."""
    return "failed" if job.state is State.PENDING and job.error else job.state.value


def brief(job: Delivery) -> dict[str, Any]:
    """A job as scripts get it."""
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
    """All about a job, as scripts get it."""
    moments = {"created": job.created_at, "first": job.first_at, "settled": job.settled_at}
    return {
        **brief(job),
        "error_class": job.error_class or None,
        **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        "number": job.e164 or None,
        "payload": job.payload,
        "written_id": job.written_id or None,
        "exchange": job.exchange or None,
        "tries": [
            {"at": one.at.isoformat(), "ms": one.ms, "outcome": one.outcome, "error": one.error or None}
            for one in attempts
        ],
    }


def story(job: Delivery, attempts: Sequence[Attempt], line: Line, now: datetime) -> Iterator[str]:
    """All about a job, line by line, for people."""
    yield f"Job {job.id}: {what(job)}"
    yield f"  state     {_standing(job, line, now)}"
    yield f"  key       {job.key}"
    yield f"  created   {local(job.created_at, line)}"
    if job.error:
        name = f"{job.error_class}: " if job.error_class else ""
        yield f"  error     {name}{job.error}"
    yield from _tries(attempts, line)
    if job.exchange:
        yield "Last request and answer (secrets and numbers masked):"
        yield from (f"  {text}" for text in job.exchange.splitlines())
    yield from _advice(job)


def what(job: Delivery) -> str:
    """What it is about."""
    call = job.payload.get("call")
    if isinstance(call, dict):
        event = f" ({job.payload['event']})" if job.payload.get("event") else ""
        who = call.get("e164") or call.get("caller") or "?"
        number = "a hidden number" if call.get("hidden") else who
        return f"activity in {job.connector} for call {call.get('id')}{event} of line {call.get('line')}, with {number}"
    table = job.payload.get("table", "")
    whose = f", of {job.e164}" if job.e164 else ""
    return f"new {table} in {job.connector}{whose}"


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
    for one in attempts:
        error = " ".join(one.error.split())
        yield f"  {local(one.at, line)}  {one.ms:6} ms  {one.outcome:5}  {error}".rstrip()


def _advice(job: Delivery) -> Iterator[str]:
    if job.state not in (State.PENDING, State.DEAD):
        return
    yield "What to do:"
    if job.state is State.DEAD and job.error_class not in ("Rejected", "Ambiguous"):
        yield f"  It failed for {_HOURS} hours and is not tried again by itself. Mend the cause, then retry."
    elif job.error:
        yield f"  {_CURES.get(job.error_class, _FAULT)}"
    else:
        yield "  Nothing: it waits for its turn. If it still does after minutes, see whether `serve` (or --work) runs."
    yield f"  try it now:    infocaller-bridge jobs retry {job.id}"
    yield f"  give it up:    infocaller-bridge jobs discard {job.id}"
