"""Tells the CRM what becomes of its tasks: each status once, in order for each task, durable like everything else that
has to reach a CRM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, update

from bridge.callbacks.identity import connector_of
from bridge.callbacks.tasks import restored
from bridge.config.model import Configuration
from bridge.delivery.retry import NotNow
from bridge.lookups.gateway import ConnectorGateway
from bridge.queue.base import DELIVER, Queue
from bridge.store import callbacks, deliveries
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.database import Database
from bridge.store.deliveries import Delivery, NewDelivery, State
from bridge.store.tables import callbacks as table
from connectors.base import Deadline, Misconfigured, TaskOutcome, WriteResult

KIND = "report"
CLAIMED = "claimed"
_PATIENCE = 60.0
"""Seconds that a CRM has for one status."""
_TURN = 2.0
"""Seconds until a status looks again whether the one before it is written."""

_STATUS: Mapping[CallbackState, str] = {
    **{state: state.value for state in CallbackState},
    CallbackState.NO_OUTCOME: "failed",  # connectors know of no other word for it; the text says it
}
_WORDS: Mapping[str, tuple[str, str]] = {
    CLAIMED: ("the bridge is about to call", "se va a llamar"),
    "accepted": ("the platform is calling", "la plataforma está llamando"),
    "answered": ("answered", "contestada"),
    "busy": ("busy", "comunica"),
    "no_answer": ("nobody answered", "no contesta"),
    "failed": ("the call failed", "la llamada falló"),
    "no_outcome": (
        "nothing was heard of the call; the platform's activity page knows more",
        "no se supo nada de la llamada; consulte la actividad en la plataforma",
    ),
    "rejected": ("not called", "no se llama"),
    "cancelled": ("cancelled", "cancelada"),
    "expired": ("expired before it could be called", "caducó antes de poder llamar"),
    "may_have_rung": (
        "it can't be known whether the phone rang; it is not called again by itself",
        "no se puede saber si el teléfono sonó; no se volverá a llamar automáticamente",
    ),
}


class Serving(Protocol):
    """What the newest good configuration brought up."""

    configuration: Configuration
    sources: dict[str, ConnectorGateway]


Use = Callable[[], AbstractContextManager[Serving]]


def words(status: str, language: str, reason: str = "") -> str:
    """A status as people read it; `reason` says more, where there is more to say."""
    text = _WORDS[status][language == "es"]
    if not reason or status in ("accepted", "answered", "no_outcome"):
        return text
    return reason if reason.startswith(text) else f"{text}: {reason}"


def claim(at: datetime, language: str) -> TaskOutcome:
    """What is written into a task just before it is called."""
    return TaskOutcome(CLAIMED, words(CLAIMED, language), at)


class Reports:
    """Notes down, in the transaction that changed a callback, what its CRM has to be told."""

    def __init__(self, database: Database, queue: Queue, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock

    def tell(self, connection: Connection, configuration: Configuration, id_: int) -> None:
        """Tell the CRM how this callback stands now. Nothing where its task came by HTTP alone, or was withdrawn."""
        callback = callbacks.get(connection, id_)
        if callback is None or callback.withdrawn or not callback.task_id:
            return
        connector = connector_of(configuration, callback)
        if connector is None:
            return
        now = self._clock()
        wanted = _delivery(callback, connector, configuration.language, now)
        added = deliveries.add(self._database, connection, [wanted], now)
        if not added:
            return
        connection.execute(update(table).where(table.c.id == id_).values(last_report=wanted.key))
        # what has to wait for the status before it needn't come before that
        due = now + timedelta(seconds=_TURN) if self._waits(connection, callback.last_report) else None
        self._queue.poke(connection, DELIVER, str(added[wanted.key]), due, lane=connector)

    def deliver(self, delivery: Delivery, use: Use) -> WriteResult:
        """Bring a status to its CRM. Raises `ConnectorError`, which says when to try again, if ever, or `NotNow`."""
        payload = delivery.payload
        with self._database.read() as connection:
            if self._waits(connection, payload["after"]):
                raise NotNow("an earlier status of the same task goes first", _TURN)
        with use() as serving:
            source = serving.sources.get(delivery.connector)
            if source is None:
                raise Misconfigured(
                    f"connector {delivery.connector} is not in the configuration any more: put it back, "
                    f"or discard this with `infocaller-bridge jobs discard {delivery.id}`"
                )
            task = restored(payload["task_id"], payload["task"])
            return source.connector.update_task(task, _outcome(payload["outcome"]), Deadline.after(_PATIENCE))

    def _waits(self, connection: Connection, key: str) -> bool:
        before = deliveries.by_key(connection, key) if key else None
        return before is not None and before.state in (State.PENDING, State.RUNNING)


def history(connection: Connection, callback: Callback) -> list[Delivery]:
    """All that the CRM is told of a callback, first things first."""
    found: list[Delivery] = []
    key = callback.last_report
    while key and (report := deliveries.by_key(connection, key)) is not None:
        found.append(report)
        key = report.payload["after"]
    return found[::-1]


def _delivery(callback: Callback, connector: str, language: str, now: datetime) -> NewDelivery:
    status = _STATUS[callback.state]
    outcome = {
        "status": status,
        "text": words(callback.state.value, language, callback.reason),
        "at": (callback.settled_at or now).isoformat(),
        "idcall": callback.idcall or None,
        "result": callback.result,
        "seconds": callback.seconds,
    }
    payload = {
        "task_id": callback.task_id, "task": dict(callback.task), "outcome": outcome, "after": callback.last_report
    }  # fmt: skip
    key = f"callback:{callback.id}:{callback.emissions}:{callback.state.value}"
    return NewDelivery(KIND, key, connector, payload, e164=callback.customer or callback.number)


def _outcome(said: Mapping[str, Any]) -> TaskOutcome:
    return TaskOutcome(
        said["status"],
        said["text"],
        datetime.fromisoformat(said["at"]),
        said["idcall"],
        said["result"],
        said["seconds"],
    )
