"""FLOW 2, second half: a call becomes an activity in the CRM, exactly one for each rule, corrected when more is heard.

`plan` notes down what has to reach which CRM, in the transaction that changed the call. `deliver` looks the caller up,
fills the rule's expressions in and hands the activity to the connector; it is called again until it went well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from bridge.calls.text import note, subject
from bridge.config.model import ActivityFind, ActivityRule, Configuration, Line
from bridge.delivery import saves
from bridge.delivery.retry import NotNow
from bridge.expressions.callview import decimal, moment, view
from bridge.expressions.scope import of_call
from bridge.lookups import outage
from bridge.lookups.gateway import ConnectorGateway, LookupOutcome, Lookups, Trail
from bridge.queue.base import DELIVER, Queue
from bridge.store import deliveries
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.deliveries import Delivery, NewDelivery, State
from bridge.store.events import Event
from connectors.base import Activity, Connector, Deadline, Misconfigured, Record, Unavailable, WriteResult
from connectors.expression import ExpressionError, Template
from connectors.phone import Phone, parse

_log = logging.getLogger("bridge.calls.activities")

KIND = "activity"
_PATIENCE = 60.0
"""Seconds that a CRM has for one activity, looking the caller up included."""
_TURN = 0.5
"""Seconds until an event looks again whether it is its turn."""
_NEWCOMER = 2.0
"""Seconds until an activity looks again whether its caller's new record is there."""
_NOTHING = ""
"""What stands for the CRM's id where `when` refused an activity: nothing was written, a later version may be. (None: it
was written, and the CRM said no id.)"""


class Serving(Protocol):
    """What the newest good configuration brought up."""

    configuration: Configuration
    lookups: Lookups
    sources: dict[str, ConnectorGateway]


Use = Callable[[], AbstractContextManager[Serving]]


Own = Callable[[Connection, Call], Collection[str]]
"""The connectors whose own task a call came of."""


def _nobody(_connection: Connection, _call: Call) -> Collection[str]:
    return ()


class Activities:
    """Plans and delivers activities. `use` gives what serves now; `clock` the time, aware."""

    def __init__(self, database: Database, queue: Queue, use: Use, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._queue = queue
        self._use = use
        self._clock = clock
        self.own: Own = _nobody

    def plan(self, connection: Connection, call: Call, new: Sequence[Event]) -> None:
        """Note down what this call has to leave in which CRM, in the caller's transaction."""
        with self._use() as serving:
            rules = [one for one in serving.configuration.activities if not self._told(connection, one, call)]
            updates = {rule.in_: _can_correct(serving, rule.in_) for rule in rules}
        for rule in rules:
            for wanted in _wanted(rule, call, new):
                self._note(connection, wanted, updates=updates[rule.in_])

    def _told(self, connection: Connection, rule: ActivityRule, call: Call) -> bool:
        """Whether a task of the same connector says already what became of the call."""
        return not rule.own_callbacks and call.direction == "emitted" and rule.in_ in self.own(connection, call)

    def _note(self, connection: Connection, wanted: NewDelivery, *, updates: bool) -> None:
        """Where the CRM can't correct an activity, the first one that it got stands."""
        there = deliveries.by_key(connection, wanted.key)
        if there is not None and (_alike(there.payload, wanted.payload) or (_stands(there) and not updates)):
            return
        noted = deliveries.want(self._database, connection, wanted, self._clock())
        if noted is not None and noted[1] is State.PENDING:
            self._queue.poke(connection, DELIVER, str(noted[0]), lane=wanted.connector)

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
            for delivery in together:
                try:
                    made = self._prepared(serving, delivery)
                except Exception as error:  # noqa: BLE001 - a fault in one is its own; the worker keeps it with it
                    outcomes[delivery.id] = error
                else:
                    (ready if isinstance(made, Activity) else outcomes)[delivery.id] = made  # type: ignore[assignment]
            if ready:
                connector = serving.sources[together[0].connector].connector
                outcomes |= zip(ready, _logged(connector, list(ready.values())), strict=True)
        return [_named(delivery, outcomes[delivery.id]) for delivery in together]

    def batch(self, connector: str) -> int:
        """How many activities this connector takes at once."""
        with self._use() as serving:
            options = serving.configuration.connectors.get(connector)
            return options.abilities().batch if options is not None else 1

    def _prepared(self, serving: Serving, delivery: Delivery) -> Activity | WriteResult:
        """The activity to be written; or what it came to, where nothing has to be."""
        self._in_order(delivery)
        making = _making(serving, delivery)
        outage.heed(serving.sources[making.rule.in_].connector)
        if _was_written(delivery) and not _can_correct(serving, making.rule.in_):
            return WriteResult(None, created=False, exchange=f"{making.rule.in_} can't correct what it has")
        if not self._is_wanted(making):
            return WriteResult(
                None if _was_written(delivery) else _NOTHING,
                created=False,
                exchange=f"not wanted: when: {making.rule.when} is not true",
            )
        self._newcomer(making)
        return _activity(making)

    def _in_order(self, delivery: Delivery) -> None:
        """The events of a call reach the CRM in the order in which they came: an earlier one goes first."""
        if not delivery.payload["event"]:
            return
        with self._database.read() as connection:
            earlier = deliveries.before(connection, delivery)
        if any(each.payload["rule"] == delivery.payload["rule"] and each.payload["event"] for each in earlier):
            raise NotNow("an earlier event of the same call goes first", _TURN)

    def _is_wanted(self, making: _Making) -> bool:
        """Whether `when` holds; looks up what the rule says, unless `when` refuses without it."""
        when = making.rule.when
        if when is not None and not when.names & _steps(making).keys() and not _true(making):
            return False
        self._find(making)
        return _true(making)

    def _find(self, making: _Making) -> None:
        """Look up what the rule says. A CRM that is away is no reason to leave a known caller out: later, then."""
        for name, step in _steps(making).items():
            trail = Trail()
            try:
                found = making.serving.lookups.find(name, step, making.scope, making.deadline, None, trail)
            except ExpressionError as error:
                raise Misconfigured(f"find {name}: {error}") from error
            if found.outcome in (LookupOutcome.DOWN, LookupOutcome.LATE) and not step.optional:
                for connector in step.in_:
                    outage.heed(making.serving.sources[connector].connector)
                reasons = "; ".join(f"{entry.connector}: {entry.note}" for entry in trail.entries if entry.note)
                kind = Misconfigured if found.misconfigured else Unavailable
                raise kind(f"looking up {name} failed: {reasons or found.outcome}")
            making.outcomes[name] = found.outcome
            making.found[name] = found.record
            if found.record is not None:
                making.scope[name] = found.record

    def _newcomer(self, making: _Making) -> None:
        """Have a record made of a caller that the CRM does not know, once for a number, and wait until it is there."""
        rule = making.rule.unknown_caller
        seconds = making.call["seconds"] or 0
        unknown = making.outcomes.get("contact") is LookupOutcome.NOT_FOUND and bool(making.caller)
        if rule is None or not unknown or seconds < rule.min_seconds:
            return
        fields = {
            name: _value(template.value, making, f"unknown_caller {name}") for name, template in rule.fields.items()
        }
        key = f"unknown:{making.rule.in_}:{rule.table}:{making.caller.e164}"
        wanted = saves.wanted(key, making.rule.in_, rule.table, fields, e164=making.caller.e164)
        with self._database.write() as connection:
            added = deliveries.add(self._database, connection, [wanted], self._clock())
            if key in added:
                self._queue.poke(connection, DELIVER, str(added[key]), lane=wanted.connector)
            made = deliveries.by_key(connection, key)
        if made is None or made.state in (State.PENDING, State.RUNNING):
            raise NotNow("the caller's new record is not there yet", _NEWCOMER)
        if made.state is State.DONE:
            record = Record(making.rule.in_, rule.table, made.written_id, wanted.payload["fields"], (making.caller,))
            making.found["contact"] = making.scope["contact"] = record


def _can_correct(serving: Serving, connector: str) -> bool:
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


def _named(delivery: Delivery, outcome: WriteResult | Exception) -> WriteResult | Exception:
    """An id that is not known must not be taken for one that is not there."""
    if isinstance(outcome, WriteResult) and outcome.id is None and delivery.written_id == _NOTHING:
        return replace(outcome, id=delivery.key)
    return outcome


@dataclass(slots=True)
class _Making:
    """An activity being made. `seen` is the call as expressions see it, `scope` all that they see; `found` and
    `outcomes` are by the name of the step."""

    serving: Serving
    delivery: Delivery
    rule: ActivityRule
    line: Line
    call: Mapping[str, Any]
    seen: Mapping[str, object]
    caller: Phone
    scope: dict[str, object]
    deadline: Deadline
    found: dict[str, Record | None] = field(default_factory=dict)
    outcomes: dict[str, LookupOutcome] = field(default_factory=dict)


def rule_name(rule: ActivityRule) -> str:
    """What names the rule in keys: its name, or its connector and what it is about."""
    return rule.name or f"{rule.in_}:{'+'.join(rule.on)}"


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
    payload = {"rule": rule_name(rule), "event": event, "diverted": diverted, "call": call.call}
    return NewDelivery(KIND, key, rule.in_, payload, e164=call.e164, call_id=call.id, revision=call.version)


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two versions of a delivery would be the same activity: that one more event was heard is not in it."""
    return {**one, "call": {**one["call"], "heard": ()}} == {**other, "call": {**other["call"], "heard": ()}}


def _was_written(delivery: Delivery) -> bool:
    """Whether the CRM has a version of it."""
    return delivery.written > 0 and delivery.written_id != _NOTHING


def _stands(delivery: Delivery) -> bool:
    return delivery.state is State.DONE and _was_written(delivery)


def _making(serving: Serving, delivery: Delivery) -> _Making:
    call, event = delivery.payload["call"], delivery.payload["event"]
    named = delivery.payload["rule"]
    rule = next((rule for rule in serving.configuration.activities if rule_name(rule) == named), None)
    if rule is None:
        raise Misconfigured(
            f"the configuration has no activity rule {named} any more: put it back (or name: another so), "
            f"or discard this with `infocaller-bridge jobs discard {delivery.id}`"
        )
    line = serving.configuration.line(call["line"])
    if line is None:
        raise Misconfigured(
            f"line {call['line']} is not in the configuration any more: put it back, "
            f"or discard this with `infocaller-bridge jobs discard {delivery.id}`"
        )
    caller = parse(call["caller"], line.country)
    seen = view(call, event, delivery.payload["diverted"])
    scope = of_call(line, caller, call["called"], seen, call["vars"])
    return _Making(serving, delivery, rule, line, call, seen, caller, scope, Deadline.after(_PATIENCE))


def _steps(making: _Making) -> dict[str, ActivityFind]:
    """The rule's `find`, by default contact by the caller where the connector knows contacts; each in the rule's own
    connector unless it says another."""
    rule = making.rule
    steps = rule.find
    options = making.serving.configuration.connectors.get(rule.in_)
    if steps is None and options is not None and "contact" not in options.abilities().by_phone:
        steps = {}
    if steps is None:
        steps = {"contact": ActivityFind.model_validate({"phone": "{{ caller }}"})}
    return {name: step if step.in_ else step.model_copy(update={"in_": [rule.in_]}) for name, step in steps.items()}


def _true(making: _Making) -> bool:
    rule = making.rule
    return rule.when is None or bool(_value(rule.when.true, making, "when"))


def _value(evaluate: Callable[[Mapping[str, object]], object], making: _Making, what: str) -> object:
    try:
        return evaluate(making.scope)
    except ExpressionError as error:
        raise Misconfigured(f"activity {rule_name(making.rule)}: {what}: {error}") from error


def _field(template: Template, making: _Making, name: str) -> object:
    """A field's value with its type, as any connector knows it."""
    value = _value(template.value, making, f"fields {name}")
    return str(value) if isinstance(value, (Phone, Record)) else value


def _activity(making: _Making) -> Activity:
    rule, call, language = making.rule, making.call, making.serving.configuration.language
    seen, contact = making.seen, making.found.get("contact")
    if contact is not None and contact.connector != rule.in_:
        contact = None  # ids found in one CRM are never written to another
    own = {name: record for name, record in making.found.items() if record is None or record.connector == rule.in_}
    known = making.found.get("contact")
    title = subject(making.caller, known, call, language)
    text = note(making.caller, known, call, making.line, language)
    return Activity(
        key=making.delivery.key,
        subject=str(_value(rule.subject.render, making, "subject")) if rule.subject else title,
        note=str(_value(rule.note.render, making, "note")) if rule.note else text,
        direction=call["direction"],
        caller=making.caller if making.caller else None,
        called=call["called"],
        line=call["line"],
        start=moment(call["start"]),
        end=moment(call["end"]),
        seconds=call["seconds"],
        cost=decimal(call["cost"]),
        answered=call["answered"],
        answered_by=call["answered_by"],
        contact=contact,
        found=own,
        fields={name: _field(template, making, name) for name, template in rule.fields.items()},
        call={**seen, "vars": call["vars"]},
        attempt=making.delivery.attempts,
        revision=making.delivery.wanted,
        written_id=_known_id(making.delivery),
    )


def _known_id(delivery: Delivery) -> str | None:
    """The CRM's id of what is there."""
    return None if delivery.written_id in (_NOTHING, delivery.key) else delivery.written_id
