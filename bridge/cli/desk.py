"""What the commands about callbacks share: their place to ask, and how one is told to people and to scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.callbacks import Callback, CallbackService, EmissionStatus
from bridge.cli.stored import Stored, local, stored
from bridge.config.model import Line
from bridge.queue import queue_for
from bridge.store.callbacks import CallbackState


@dataclass(frozen=True, slots=True)
class Asking:
    """A configuration's database, and its callbacks."""

    store: Stored
    callbacks: CallbackService


@contextmanager
def asking(config: Path, *, strict: bool = False) -> Iterator[Asking]:
    """The callbacks of a configuration; `strict` as in `stored`. Raises `StoreUnavailable`."""
    with stored(config, strict=strict) as store:
        queue = queue_for(store.database)
        yield Asking(store, CallbackService(store.database, queue, lambda: store.configuration, now))


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def brief(callback: Callback) -> dict[str, Any]:
    """A callback for scripts."""
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
    }


def iso(moment: datetime | None) -> str | None:
    """A moment for scripts."""
    return moment.isoformat(timespec="seconds") if moment is not None else None


def when(callback: Callback, line: Line) -> str:
    """The moment that counts for a callback, on its line's clock."""
    return local(callback.settled_at or callback.rung_at or callback.next_at or callback.created_at, line)


def advice(callback: Callback) -> str:
    """What a person can do about it, empty where there is nothing to do."""
    if callback.state is CallbackState.MAY_HAVE_RUNG and callback.settled_at is None:
        return (
            "the bridge never calls it again by itself. Look the number up in the platform's activity page, then: "
            f"infocaller-bridge callbacks confirm {callback.id} --rang yes   (or no: it is called)"
        )
    if callback.state in (CallbackState.WAITING, CallbackState.QUEUED):
        return f"infocaller-bridge callbacks cancel {callback.id}   keeps it from being called"
    if callback.state is CallbackState.NO_OUTCOME:
        return "nothing was heard of the call: see the platform's activity page"
    return ""


def standing(one: EmissionStatus) -> dict[str, Any]:
    """How a line or a source stands, for scripts."""
    told: dict[str, Any] = {
        "name": one.name,
        "mode": one.mode.value,
        "reason": one.reason,
        "since": iso(one.since),
        "until": iso(one.until),
    }
    if one.kind == "line":
        return told | {"today": one.today}
    return told | {"polled_at": iso(one.polled_at), "error": one.error}
