"""An activity in the making: its rule's expressions, over the call and what was looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, Self

from bridge.calls.text import note, subject
from bridge.config.builtin import CALLS
from bridge.config.model import ActivityFind, ActivityRule, Configuration, Line
from bridge.expressions.moment import of_time
from bridge.expressions.scope import call_view, of_call
from bridge.lookups.finding import LookupOutcome, Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.store.deliveries import Delivery
from bridge.store.folded import FoldedCall
from connectors.base import Activity, Misconfigured, Record
from connectors.expression import ExpressionError, Template
from connectors.phone import Phone, parse

_BY_CALLER = {"contact": ActivityFind.model_validate({"phone": "{{ caller }}"})}
"""What is looked up for a rule that does not say it."""


class ServingLookups(Protocol):
    """What the newest good configuration brought up."""

    configuration: Configuration
    lookups: Lookups
    sources: dict[str, ConnectorGateway]


def rule_name(rule: ActivityRule) -> str:
    """Return what names the rule in keys: its name, or its connector and what it is about."""
    return rule.name or f"{rule.in_}:{'+'.join(rule.on)}"


@dataclass(frozen=True, slots=True)
class ActivityDraft:
    """An activity being made. `seen` is the call as expressions see it, `scope` all that they see; `found` and
    `outcomes` are by the name of the step."""

    serving: ServingLookups
    delivery: Delivery
    rule: ActivityRule
    line: Line
    call: FoldedCall
    seen: Mapping[str, object]
    caller: Phone
    scope: dict[str, object]
    found: dict[str, Record | None] = field(default_factory=dict)
    outcomes: dict[str, LookupOutcome] = field(default_factory=dict)

    @classmethod
    def of(cls, serving: ServingLookups, delivery: Delivery, now: datetime) -> Self:
        """Return the draft of what `delivery` has to bring. Expressions see the time at which the call began, however
        late the CRM gets it; `now` where that is not known. Raises `Misconfigured`: its rule or line is gone."""
        call, event = FoldedCall.from_json(delivery.payload["call"]), delivery.payload["event"]
        name = delivery.payload["rule"]
        rule = next((rule for rule in serving.configuration.activities if rule_name(rule) == name), None)
        if rule is None:
            raise Misconfigured(
                f"the configuration has no activity rule {name} any more: put it back (or name: another so), "
                f"or discard this with `infocaller-bridge jobs discard {delivery.id}`"
            )
        line = serving.configuration.line(call.line)
        if line is None:
            raise Misconfigured(
                f"line {call.line} is not in the configuration any more: put it back, "
                f"or discard this with `infocaller-bridge jobs discard {delivery.id}`"
            )
        caller = parse(call.caller, line.country)
        seen = call_view(call, event, delivery.payload["diverted"])
        scope = of_time(serving.configuration, line, call.start or now, own=rule.find or {})
        scope |= of_call(line, caller, call.called, seen, call.vars)
        return cls(serving, delivery, rule, line, call, seen, caller, scope)

    def steps(self) -> dict[str, ActivityFind]:
        """Return the rule's `find`, by default contact by the caller where the connector knows contacts; each in the
        rule's own connector unless it says another."""
        steps = self.rule.find
        options = self.serving.configuration.connectors.get(self.rule.in_)
        if steps is None and options is not None and "contact" not in options.abilities().by_phone:
            steps = {}
        if steps is None:
            steps = _BY_CALLER
        return {
            name: step if step.in_ else step.model_copy(update={"in_": [self.rule.in_]}) for name, step in steps.items()
        }

    def wanted(self) -> bool:
        """Return whether `when` holds, as far as is known."""
        return self.rule.when is None or bool(self.evaluate(self.rule.when.true, "when"))

    def evaluate(self, expression: Callable[[Mapping[str, object]], object], what: str) -> object:
        """Return the value of an expression of the rule; `what` names it. Raises `Misconfigured`."""
        try:
            return expression(self.scope)
        except ExpressionError as error:
            raise Misconfigured(f"activity {rule_name(self.rule)}: {what}: {error}") from error

    def know(self, name: str, record: Record) -> None:
        """Note the record that a step found."""
        self.found[name] = self.scope[name] = record

    @property
    def whom(self) -> Record | None:
        """The record that the call is about: the contact, else the first that was found, but for the bridge's own
        calls."""
        others = (record for record in self.found.values() if record is not None and record.connector != CALLS)
        return self.found.get("contact") or next(others, None)

    def activity(self, written_id: str | None) -> Activity:
        """Return the activity. `written_id`: the CRM's id of the version that is there. Raises `Misconfigured`."""
        rule, call, language = self.rule, self.call, self.serving.configuration.language
        outcome = self._outcome()
        seen = {**self.seen, "outcome": outcome or ""}
        self.scope["call"] = seen
        contact = self.found.get("contact")
        title = subject(self.caller, contact, call, language)
        text = note(self.caller, contact, call, self.line, language, outcome or "")
        # ids found in one CRM are never written to another
        own = {name: record for name, record in self.found.items() if record is None or record.connector == rule.in_}
        return Activity(
            key=self.delivery.key,
            subject=str(self.evaluate(rule.subject.render, "subject")) if rule.subject else title,
            note=str(self.evaluate(rule.note.render, "note")) if rule.note else text,
            direction=call.direction,
            caller=self.caller if self.caller else None,
            called=call.called,
            line=call.line,
            start=call.start,
            end=call.end,
            seconds=call.seconds,
            cost=call.cost,
            answered=call.answered,
            answered_by=call.answered_by,
            contact=own.get("contact"),
            found=own,
            fields={name: self._field(template, name) for name, template in rule.fields.items()},
            call={**seen, "vars": call.vars},
            attempt=self.delivery.attempts,
            revision=self.delivery.wanted_revision,
            written_id=written_id,
            outcome=outcome,
        )

    def _outcome(self) -> str | None:
        """What came of the call, in the rule's words; None where the rule does not ask."""
        if self.rule.outcome is None:
            return None
        keyed_in = str(self.evaluate(self.rule.outcome.render, "outcome")).strip()
        return self.rule.outcomes.get(keyed_in, keyed_in)

    def _field(self, template: Template, name: str) -> object:
        """A field's value with its type, as any connector knows it."""
        value = self.evaluate(template.value, f"fields {name}")
        return str(value) if isinstance(value, (Phone, Record)) else value
