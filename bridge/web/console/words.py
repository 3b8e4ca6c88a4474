"""What states are called for people, each with its tone (`macros/parts.html`, `badge`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bridge.store.callbacks import CallbackState
from bridge.store.deliveries import State
from bridge.store.emissions import Mode
from bridge.texts import Text


class Word(NamedTuple):
    """A state in words. `tone`: good, busy, warn, bad, or empty."""

    text: Text
    tone: str = ""


CALLBACKS: Mapping[CallbackState, Word] = {
    CallbackState.WAITING: Word(Text("waiting")),
    CallbackState.QUEUED: Word(Text("its turn"), "busy"),
    CallbackState.SENDING: Word(Text("being sent"), "busy"),
    CallbackState.ACCEPTED: Word(Text("calling"), "busy"),
    CallbackState.ANSWERED: Word(Text("answered"), "good"),
    CallbackState.BUSY: Word(Text("busy")),
    CallbackState.NO_ANSWER: Word(Text("no answer")),
    CallbackState.FAILED: Word(Text("failed"), "bad"),
    CallbackState.NO_OUTCOME: Word(Text("outcome unknown"), "warn"),
    CallbackState.REJECTED: Word(Text("rejected"), "warn"),
    CallbackState.CANCELLED: Word(Text("cancelled")),
    CallbackState.EXPIRED: Word(Text("too late"), "warn"),
    CallbackState.MAY_HAVE_RUNG: Word(Text("may have rung"), "bad"),
}
JOBS: Mapping[State, Word] = {
    State.PENDING: Word(Text("on its way"), "busy"),
    State.RUNNING: Word(Text("in progress"), "busy"),
    State.DONE: Word(Text("done"), "good"),
    State.DEAD: Word(Text("given up"), "bad"),
    State.DISCARDED: Word(Text("discarded")),
}
LINES: Mapping[Mode, Word] = {
    Mode.RUNNING: Word(Text("calls go out"), "good"),
    Mode.PAUSED: Word(Text("paused, tried again by itself"), "warn"),
    Mode.STOPPED: Word(Text("stopped"), "bad"),
    Mode.HELD: Word(Text("paused by a person"), "warn"),
}
RESTORED = Word(Text("held after a restore"), "bad")
QUERIES: Mapping[str, Word] = {
    "found": Word(Text("found"), "good"),
    "not_found": Word(Text("not found")),
    "ambiguous": Word(Text("several found")),
    "on_error": Word(Text("the CRM failed"), "bad"),
    "on_timeout": Word(Text("too late, by default"), "bad"),
    "unknown_query": Word(Text("unknown Query"), "warn"),
}
"""By the outcome of `bridge.queries.answering.Answered`."""
CALLS: Mapping[str, Word] = {
    "open": Word(Text("on the line"), "busy"),
    "talking": Word(Text("talking"), "busy"),
    "answered": Word(Text("answered"), "good"),
    "missed": Word(Text("missed"), "bad"),
    "other": Word(Text("over")),
}
"""By the verdict of `store.columns.CallVerdict`; `other`: emitted and not answered, or of unknown end."""
WORK: Mapping[str, Word] = {
    "pending": Word(Text("waiting"), "busy"),
    "failed": Word(Text("failed, tried again"), "warn"),
    "running": Word(Text("in progress"), "busy"),
    "dead": Word(Text("failed for good"), "bad"),
    "done": Word(Text("done"), "good"),
    "discarded": Word(Text("given up"), ""),
}
"""By the word of `delivery.words.state`."""
WORK_KINDS: Mapping[str, Text] = {
    "activity": Text("Activity"),
    "save": Text("Saved record"),
    "report": Text("Outcome of a task"),
    "task": Text("Announced task"),
}
EVENTS: Mapping[str, Word] = {
    "inicio": Word(Text("The call came in")),
    "desvio_correcto": Word(Text("Put through, answered"), "good"),
    "desvio_fallido": Word(Text("Not put through"), "warn"),
    "fin": Word(Text("End of the call")),
}
STEPS: Mapping[str, Word] = {
    **QUERIES,
    "down": Word(Text("could not be asked"), "bad"),
    "late": Word(Text("took too long"), "bad"),
}
"""What one step of a Query came to, by `TrailStep.outcome`."""
