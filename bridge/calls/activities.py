"""FLOW 2, second half: a call becomes an activity in the CRM, exactly one for each rule, corrected when more is heard.

`plan` notes down what has to reach which CRM, in the transaction that changed the call. `deliver` looks the caller up,
fills the rule's expressions in and hands the activity to the connector; it is called again until it went well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bridge.calls.draft import ActivityDraft, ServingLookups, rule_name
from bridge.config.model import ActivityRule
from bridge.delivery import saves
from bridge.delivery.retry import NotNow
from bridge.delivery.worker import Delivered
from bridge.lookups import outage
from bridge.lookups.finding import LookupOutcome, Trail
from bridge.queue.base import DELIVER, Queue, Wakeup
from bridge.store import deliveries
from bridge.store.calls import Call, CallState
from bridge.store.columns import storable
from bridge.store.database import Database
from bridge.store.deliveries import Delivery, NewDelivery, State
from bridge.store.events import Event
from connectors.base import Activity, Connector, Deadline, Misconfigured, Record, Unavailable, WriteResult
from connectors.expression import ExpressionError

KIND = "activity"
_PATIENCE = 60.0
"""Seconds that a CRM has for one activity, looking the caller up included."""
_TURN = 0.5
"""Seconds until an event looks again whether it is its turn."""
_LONGEST = 200
"""Characters that are kept of what a CRM calls a caller."""
_RECORD_PAUSE = 2.0
"""Seconds until an activity looks again whether its caller's new record is there."""

_NOTHING = ""
"""What stands for the CRM's id where `when` refused an activity: nothing was written, a later version may be. (None: it
was written, and the CRM said no id.)"""

Use = Callable[[], AbstractContextManager[ServingLookups]]


Own = Callable[[Connection, Call], Collection[str]]
"""The connectors whose own task a call came of."""


def _nobody(_connection: Connection, _call: Call) -> Collection[str]:
    return ()


class Activities:
    """Plans and delivers activities. `use` gives what serves now; `clock` the time, aware; `own` tells whose own task
    a call came of."""

    def __init__(
        self, database: Database, queue: Queue, use: Use, clock: Callable[[], datetime], own: Own = _nobody
    ) -> None:
        self._database = database
        self._queue = queue
        self._use = use
        self._clock = clock
        self._own = own

    def plan(self, connection: Connection, changed: Sequence[tuple[Call, Sequence[Event]]]) -> None:
        """Note down what these calls have to leave in which CRM, given what is new of them, in the caller's
        transaction."""
        with self._use() as serving:
            planned = [
                delivery
                for call, new in changed
                for rule in serving.configuration.activities
                if not self._told(connection, rule, call)
                for delivery in _wanted(rule, call, new)
            ]
            updates = {delivery.connector: _can_correct(serving, delivery.connector) for delivery in planned}
        if not planned:
            return
        added = deliveries.add(self._database, connection, planned, self._clock())
        wakeups = []
        for delivery in planned:
            id_ = added.get(storable(delivery.key))
            if id_ is None:
                id_ = self._revised(connection, delivery, updates=updates[delivery.connector])
            if id_ is not None:
                wakeups.append(Wakeup(DELIVER, str(id_), None, delivery.connector))
        self._queue.wake_all(connection, wakeups)

    def _told(self, connection: Connection, rule: ActivityRule, call: Call) -> bool:
        """Whether a task of the same connector says already what became of the call."""
        return not rule.own_callbacks and call.direction == "emitted" and rule.in_ in self._own(connection, call)

    def _revised(self, connection: Connection, delivery: NewDelivery, *, updates: bool) -> int | None:
        """The number of what is there already, if it has to be delivered anew. Where the CRM can't correct an activity,
        the first one that it got stands."""
        stored = deliveries.by_key(connection, delivery.key)
        if stored is not None and (_alike(stored.payload, delivery.payload) or (_stands(stored) and not updates)):
            return None
        noted = deliveries.revise(connection, delivery, self._clock())
        return noted[0] if noted is not None and noted[1] is State.PENDING else None

    def deliver(self, delivery: Delivery) -> WriteResult:
        """Bring an activity to its CRM. Raises `ConnectorError`, which says when to try again, if ever, or `NotNow`."""
        (outcome,) = self.deliver_all([delivery])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def deliver_all(self, together: Sequence[Delivery]) -> list[WriteResult | Exception]:
        """Bring several activities to the one CRM that they are all for, by as few requests as it takes: what each came
        to, in their order."""
        with self._use() as serving:
            outcomes: dict[int, WriteResult | Exception] = {}
            ready: dict[int, Activity] = {}
            about: dict[int, Record | None] = {}
            for delivery in together:
                try:
                    draft = self._drafted(serving, delivery)
                    if isinstance(draft, WriteResult):
                        outcomes[delivery.id] = draft
                    else:
                        ready[delivery.id] = draft.activity(_known_id(delivery))
                        about[delivery.id] = draft.whom
                except Exception as error:  # noqa: BLE001 - a fault in one is its own; the worker keeps it with it
                    outcomes[delivery.id] = error
            if ready:
                connector = serving.sources[together[0].connector].connector
                logged = zip(ready, _logged(connector, list(ready.values())), strict=True)
                outcomes |= {id_: _delivered(outcome, about[id_]) for id_, outcome in logged}
        return [_with_known_id(delivery, outcomes[delivery.id]) for delivery in together]

    def batch(self, connector: str) -> int:
        """Return how many activities this connector takes at once."""
        with self._use() as serving:
            options = serving.configuration.connectors.get(connector)
            return options.abilities().batch if options is not None else 1

    def _drafted(self, serving: ServingLookups, delivery: Delivery) -> ActivityDraft | WriteResult:
        """The activity to be written, everything looked up; or what it came to, where nothing has to be."""
        self._in_order(delivery)
        draft = ActivityDraft.of(serving, delivery, self._clock())
        rule = draft.rule
        outage.heed(serving.sources[rule.in_].connector)
        if _was_written(delivery) and not _can_correct(serving, rule.in_):
            return WriteResult(None, created=False, exchange=f"{rule.in_} can't correct what it has")
        if not self._is_wanted(draft):
            return WriteResult(
                None if _was_written(delivery) else _NOTHING,
                created=False,
                exchange=f"not wanted: when: {rule.when} is not true",
            )
        self._ensure_caller_record(draft)
        return draft

    def _in_order(self, delivery: Delivery) -> None:
        """The events of a call reach the CRM in the order in which they came: an earlier one goes first."""
        if not delivery.payload["event"]:
            return
        with self._database.read() as connection:
            earlier = deliveries.before(connection, delivery)
        if any(other.payload["rule"] == delivery.payload["rule"] and other.payload["event"] for other in earlier):
            raise NotNow("an earlier event of the same call goes first", _TURN)

    def _is_wanted(self, draft: ActivityDraft) -> bool:
        """Whether `when` holds; looks up what the rule says, unless `when` refuses without it."""
        when = draft.rule.when
        if when is not None and not when.names & draft.steps().keys() and not draft.wanted():
            return False
        self._find(draft)
        return draft.wanted()

    def _find(self, draft: ActivityDraft) -> None:
        """Look up what the rule says. A CRM that is away is no reason to leave a known caller out: later, then."""
        deadline = Deadline.after(_PATIENCE)
        for name, step in draft.steps().items():
            trail = Trail()
            try:
                result = draft.serving.lookups.find(name, step, draft.scope, deadline, None, trail)
            except ExpressionError as error:
                raise Misconfigured(f"find {name}: {error}") from error
            if result.outcome in (LookupOutcome.DOWN, LookupOutcome.LATE) and not step.optional:
                for connector in step.in_:
                    outage.heed(draft.serving.sources[connector].connector)
                reasons = "; ".join(f"{entry.connector}: {entry.note}" for entry in trail.entries if entry.note)
                kind = Misconfigured if result.misconfigured else Unavailable
                raise kind(f"looking up {name} failed: {reasons or result.outcome}")
            draft.outcomes[name] = result.outcome
            draft.found[name] = result.record
            if result.record is not None:
                draft.know(name, result.record)

    def _ensure_caller_record(self, draft: ActivityDraft) -> None:
        """Have a record made of a caller that the CRM does not know, once for a number, and wait until it is there."""
        rule, connector, caller = draft.rule.unknown_caller, draft.rule.in_, draft.caller
        unknown = draft.outcomes.get("contact") is LookupOutcome.NOT_FOUND and bool(caller)
        if rule is None or not unknown or (draft.call.seconds or 0) < rule.min_seconds:
            return
        fields = {
            name: draft.evaluate(template.value, f"unknown_caller {name}") for name, template in rule.fields.items()
        }
        key = f"unknown:{connector}:{rule.table}:{caller.e164}"
        save = saves.new(key, connector, rule.table, fields, e164=caller.e164)
        with self._database.write() as connection:
            added = deliveries.add(self._database, connection, [save], self._clock())
            if key in added:
                self._queue.wake(connection, DELIVER, str(added[key]), lane=connector)
            stored = deliveries.by_key(connection, key)
        if stored is None or stored.state in (State.PENDING, State.RUNNING):
            raise NotNow("the caller's new record is not there yet", _RECORD_PAUSE)
        if stored.state is State.DONE:
            made = Record(connector, rule.table, stored.written_id, save.payload["fields"], (caller,))
            draft.know("contact", draft.serving.sources[connector].linked(made))


def _can_correct(serving: ServingLookups, connector: str) -> bool:
    """Whether a CRM can correct an activity that it has. One that is out of order may be able to: that is decided when
    it can be asked."""
    options = serving.configuration.connectors.get(connector)
    return options is None or options.abilities().updates_activities


def _logged(connector: Connector, activities: Sequence[Activity]) -> Sequence[WriteResult | Exception]:
    """What writing them came to. One alone goes as one: then nothing has to be told apart."""
    deadline = Deadline.after(_PATIENCE)
    try:
        if len(activities) == 1:
            return [connector.log_activity(activities[0], deadline)]
        return connector.log_activities(activities, deadline)
    except Exception as error:  # noqa: BLE001 - as above
        return [error] * len(activities)


def _delivered(outcome: WriteResult | Exception, record: Record | None) -> WriteResult | Exception:
    """What came of an activity, with the record that its call is about."""
    if isinstance(outcome, Exception) or record is None:
        return outcome
    name = record.fields.get("name")
    about = {"connector": record.connector, "kind": record.kind, "id": record.id[:_LONGEST] if record.id else None,
             "name": str(name)[:_LONGEST] if name else None, "link": record.link}  # fmt: skip
    return Delivered(outcome.id, outcome.created, outcome.exchange, about)


def _with_known_id(delivery: Delivery, outcome: WriteResult | Exception) -> WriteResult | Exception:
    """An id that is not known must not be taken for one that is not there."""
    if isinstance(outcome, WriteResult) and outcome.id is None and delivery.written_id == _NOTHING:
        return replace(outcome, id=delivery.key)
    return outcome


def _wanted(rule: ActivityRule, call: Call, new: Sequence[Event]) -> Iterator[NewDelivery]:
    """What `rule` has to leave in its CRM because of `new` events of the call, or because it is over."""
    key = f"{call.line}:{call.call_sequence}:{rule_name(rule)}"
    if "call" in rule.on and call.state is not CallState.OPEN:
        yield _delivery(rule, key, call)
    for event in new:
        if event.event in rule.on:
            yield _delivery(rule, f"{key}:{_event_key(event)}", call, event.event, event.diverted_to)


def _event_key(event: Event) -> str:
    """A call has one INICIO and one FIN, whose later versions are corrections; it may be put through to the same number
    several times."""
    if not event.event.startswith("desvio"):
        return event.event
    return f"{event.event}:{event.diverted_to}:{event.digest[:12]}"


def _delivery(rule: ActivityRule, key: str, call: Call, event: str = "", diverted: str = "") -> NewDelivery:
    payload = {"rule": rule_name(rule), "event": event, "diverted": diverted, "call": call.call.to_json()}
    return NewDelivery(KIND, key, rule.in_, payload, e164=call.e164, call_id=call.id, revision=call.version)


def _alike(payload: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two versions of a delivery would be the same activity: that one more event was heard is not in it."""
    return {**payload, "call": {**payload["call"], "heard": ()}} == {**other, "call": {**other["call"], "heard": ()}}


def _was_written(delivery: Delivery) -> bool:
    """Whether the CRM has a version of it."""
    return delivery.written_revision > 0 and delivery.written_id != _NOTHING


def _stands(delivery: Delivery) -> bool:
    return delivery.state is State.DONE and _was_written(delivery)


def _known_id(delivery: Delivery) -> str | None:
    """The CRM's id of what is there."""
    return None if delivery.written_id in (_NOTHING, delivery.key) else delivery.written_id
