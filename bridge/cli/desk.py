"""What the commands about callbacks share: their place to ask, and how one is told to people and to scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.callbacks import Callback, CallbackService, EmissionStatus, missed
from bridge.callbacks.gates import Gate
from bridge.cli.stored import Stored, local, stored
from bridge.config.model import Line
from bridge.queue import queue_for
from bridge.store.callbacks import CallbackState
from bridge.texts import Text


@dataclass(frozen=True, slots=True)
class Asking:
    """A configuration's database, and its callbacks."""

    store: Stored
    callbacks: CallbackService


@contextmanager
def asking(config: Path, *, strict: bool = False) -> Iterator[Asking]:
    """Yield the callbacks of a configuration; `strict` as in `stored`. Raises `StoreUnavailable`."""
    with stored(config, strict=strict) as store:
        queue = queue_for(store.database)
        yield Asking(store, CallbackService(store.database, queue, lambda: store.configuration, now))


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def brief(callback: Callback) -> dict[str, Any]:
    """Return a callback for scripts."""
    return {
        "id": callback.id,
        "source": callback.source,
        "task": callback.task_id,
        "line": callback.line,
        "number": callback.number,
        "customer": callback.customer,
        "state": callback.state.value,
        "due": iso(callback.due),
        "next": iso(callback.next_at),
        "gate": callback.gate,
        "reason": callback.reason,
        "emissions": callback.emissions,
        "rung_at": iso(callback.rung_at),
        "idcall": callback.idcall,
        "result": callback.result,
        "seconds": callback.seconds,
        "settled_at": iso(callback.settled_at),
        "age": age(callback),
    }


def iso(moment: datetime | None) -> str | None:
    """Return a moment for scripts; None for None."""
    return moment.isoformat(timespec="seconds") if moment is not None else None


def when(callback: Callback, line: Line) -> str:
    """Return the moment that counts for a callback, on its line's clock."""
    return local(callback.settled_at or callback.rung_at or callback.next_at or callback.created_at, line)


def age(callback: Callback) -> int | None:
    """For how many seconds somebody has waited for it; None where it is settled."""
    if callback.settled_at is not None:
        return None
    return max(0, int((now() - missed.since(callback)).total_seconds()))


def spelled(seconds: int | None) -> str:
    """Return an age for people."""
    if seconds is None:
        return ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def advice(callback: Callback) -> Text | None:
    """Return what a person can do about it; None where there is nothing to do."""
    if callback.state is CallbackState.MAY_HAVE_RUNG and callback.settled_at is None:
        return Text(
            "the bridge never calls it again by itself. Look the number up in the platform's activity page, then: "
            "infocaller-bridge callbacks confirm {id} --rang yes   (or no: it is called)",
            id=str(callback.id),
        )
    if callback.gate == Gate.BY_HAND:
        return Text("infocaller-bridge callbacks call {id}   has it called; cancel {id} ends it", id=str(callback.id))
    if callback.state in (CallbackState.WAITING, CallbackState.QUEUED):
        return Text("infocaller-bridge callbacks cancel {id}   keeps it from being called", id=str(callback.id))
    if callback.state is CallbackState.NO_OUTCOME:
        return Text("nothing was heard of the call: see the platform's activity page")
    return None


def standing(status: EmissionStatus) -> dict[str, Any]:
    """Return how a line or a source stands, for scripts."""
    fields: dict[str, Any] = {
        "name": status.name,
        "mode": status.mode.value,
        "reason": status.reason,
        "since": iso(status.since),
        "until": iso(status.until),
    }
    if status.kind == "line":
        return fields | {"today": status.today}
    return fields | {"polled_at": iso(status.polled_at), "error": status.error}
