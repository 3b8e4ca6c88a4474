"""Tells the CRM what becomes of its tasks: each status once, in order for each task, durable like everything else that
has to reach a CRM."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, update

from bridge.callbacks.identity import connector_of
from bridge.callbacks.tasks import restored
from bridge.config.callbacks import MissedRecord
from bridge.config.model import Configuration
from bridge.delivery import saves
from bridge.delivery.retry import NotNow
from bridge.expressions.moment import of_time
from bridge.expressions.scope import LineView
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.queue.base import DELIVER, Queue
from bridge.store import callbacks, deliveries
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.database import Database
from bridge.store.deliveries import Delivery, NewDelivery, State
from bridge.store.tables import callbacks as table
from bridge.texts import Language, Text
from connectors.base import Deadline, Misconfigured, TaskOutcome, WriteResult
from connectors.expression import ExpressionError

_log = logging.getLogger("bridge.callbacks")

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
_WORDS: Mapping[str, Text] = {
    CLAIMED: Text("the bridge is about to call"),
    "accepted": Text("the platform is calling"),
    "answered": Text("answered"),
    "busy": Text("busy"),
    "no_answer": Text("nobody answered"),
    "failed": Text("the call failed"),
    "no_outcome": Text("nothing was heard of the call; the platform's activity page knows more"),
    "rejected": Text("not called"),
    "cancelled": Text("cancelled"),
    "expired": Text("expired before it could be called"),
    "waiting": Text("waits to be called"),
    "queued": Text("waits to be called"),
    "sending": Text("the bridge is about to call"),
    "may_have_rung": Text("it can't be known whether the phone rang; it is not called again by itself"),
}


class ServingSources(Protocol):
    """What the newest good configuration brought up."""

    configuration: Configuration
    lookups: Lookups
    sources: dict[str, ConnectorGateway]


Use = Callable[[], AbstractContextManager[ServingSources]]


def words(status: str, language: Language, reason: str = "") -> str:
    """Return a status as people read it; `reason` says more, where there is more to say."""
    text = _WORDS[status].render(language)
    if not reason or status in ("accepted", "answered", "no_outcome"):
        return text
    return reason if reason.startswith(text) else f"{text}: {reason}"


def claim(at: datetime, language: Language) -> TaskOutcome:
    """Return what is written into a task just before it is called."""
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
        if callback is not None:
            self._keep_record(connection, configuration, callback)
        if callback is None or callback.withdrawn or not callback.task_id:
            return
        connector = connector_of(configuration, callback)
        if connector is None:
            return
        now = self._clock()
        report = _delivery(callback, connector, configuration.language, now)
        added = deliveries.add(self._database, connection, [report], now)
        if not added:
            return
        connection.execute(update(table).where(table.c.id == id_).values(last_report=report.key))
        # what has to wait for the status before it needn't come before that
        due = now + timedelta(seconds=_TURN) if self._waits(connection, callback.last_report) else None
        self._queue.wake(connection, DELIVER, str(added[report.key]), due, lane=connector)

    def _keep_record(self, connection: Connection, configuration: Configuration, callback: Callback) -> None:
        """Have the CRM's record of a task of missed calls say how that stands now."""
        source, line = configuration.source(callback.source), configuration.line(callback.line)
        if source is None or line is None or source.save is None or not source.built_in or not callback.task_id:
            return
        save, now = source.save, self._clock()
        outcome = {
            "status": _STATUS[callback.state],
            "text": words(callback.state.value, configuration.language, callback.reason),
            "at": (callback.settled_at or now).astimezone(ZoneInfo(line.timezone)),
        }
        task = restored(callback.task_id, callback.task)
        scope = {**of_time(configuration, line, now), "task": task, "line": LineView(line), "outcome": outcome}
        templates = {**save.fields, **(save.done if callback.settled_at is not None else {})}
        try:
            fields = {name: template.value(scope) for name, template in templates.items()}
        except ExpressionError as error:
            _log.error("callback %d: its record in %s can't be made: %s", callback.id, save.in_, error)
            return
        key, revision = f"{callback.task_id}:missed", callback.version + 1
        record = saves.new(key, save.in_, save.table, fields, e164=callback.customer, revision=revision)
        earlier = deliveries.by_key(connection, key)
        if earlier is not None and (earlier.payload == record.payload or not _changeable(configuration, save)):
            return
        noted = deliveries.upsert(self._database, connection, record, now)
        if noted is not None and noted[1] is State.PENDING:
            self._queue.wake(connection, DELIVER, str(noted[0]), lane=save.in_)

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


def _changeable(configuration: Configuration, save: MissedRecord) -> bool:
    """Whether the CRM can change what it has. One that is out of order may be able to."""
    options = configuration.connectors.get(save.in_)
    return options is None or save.table in options.abilities().updates


def history(connection: Connection, callback: Callback) -> list[Delivery]:
    """Return all that the CRM is told of a callback, first things first."""
    reports: list[Delivery] = []
    key = callback.last_report
    while key and (report := deliveries.by_key(connection, key)) is not None:
        reports.append(report)
        key = report.payload["after"]
    return reports[::-1]


def _delivery(callback: Callback, connector: str, language: Language, now: datetime) -> NewDelivery:
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


def _outcome(payload: Mapping[str, Any]) -> TaskOutcome:
    return TaskOutcome(
        payload["status"],
        payload["text"],
        datetime.fromisoformat(payload["at"]),
        payload["idcall"],
        payload["result"],
        payload["seconds"],
    )
