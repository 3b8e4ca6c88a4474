"""Just before ringing: the task is read again, the do-not-call lists are asked, the CRM is told that it is its turn.

Everything here may fail and be done again; nothing here rings anybody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bridge.callbacks import gates, states
from bridge.callbacks.gates import Candidate, Facts, Gate, Listed, Slot
from bridge.callbacks.lists import check_list
from bridge.callbacks.parts import Book, Random
from bridge.callbacks.reports import ServingSources, claim
from bridge.callbacks.task_intake import NOBODYS
from bridge.callbacks.tasks import CallData, Rules, restored, stored
from bridge.delivery import retry
from bridge.lookups.finding import LookupOutcome, Trail
from bridge.lookups.gateway import ConnectorGateway
from bridge.lookups.outage import OutOfOrder
from bridge.store.callbacks import Callback, CallbackState, Change
from bridge.store.overview import CLAIMS
from bridge.texts import Language, Text, said
from connectors.base import (
    ClaimedElsewhere,
    ConnectorError,
    Deadline,
    LookupQuery,
    Misconfigured,
    Rejected,
    Task,
    Unavailable,
)
from connectors.expression import ExpressionError
from connectors.phone import Phone

_log = logging.getLogger("bridge.callbacks")

CRM_AWAY = "crm_away"
"""The gate of a callback whose CRM can't be asked or told."""
_READ, _LOOK_UP, _CLAIM = 20.0, 10.0, 30.0
"""Seconds that a CRM has."""


class Held(Exception):
    """It is not sent now; `change` is what becomes of it instead."""

    def __init__(self, change: Change) -> None:
        super().__init__(str(change.values.get("reason", "")))
        self.change = change

    def untold(self) -> Held:
        """As it is, of one whose CRM was not told that it had its turn."""
        return Held(Change(self.change.before, {**self.change.values, "claimed_at": None}))


@dataclass(frozen=True, slots=True)
class Ready:
    """A callback that may be sent. `facts`: by which the gates admitted it; `fresh`: what its task says by now, as
    columns."""

    callback: Callback
    task: Task
    data: CallData
    facts: Facts
    fresh: Mapping[str, Any] = field(default_factory=dict)


def admitted(asked: Candidate, facts: Facts, language: Language, fresh: Mapping[str, Any] | None = None) -> Slot:
    """Return when it rings. Raises `Held` where the gates keep it back; `fresh`: columns to be kept then."""
    decision = gates.admit(asked, facts)
    if decision.slot is None:
        change = states.kept_back(decision, facts.now, language)
        raise Held(Change(change.before, {**change.values, **(fresh or {})}))
    return decision.slot


def prepare(serving: ServingSources, book: Book, callback: Callback, now: datetime, random: Random) -> Ready:
    """Make sure that it is still to be called; its source is in the book. Raises `Held`."""
    rules = book.rules[callback.source]
    task = restored(callback.task_id, callback.task)
    source = serving.sources.get(rules.source.connector or "")
    fresh: dict[str, Any] = {}
    if source is not None:
        task = _read_again(serving, book, callback, source, task, now, random, fresh)
    asked = gates.candidate(rules, callback, task)
    data = rules.data(task, _look_up(serving, rules, callback, task, now, random))
    facts = Facts(rules=rules, now=now, data=data, listed=_listed(serving, rules, asked))
    admitted(asked, facts, serving.configuration.language)
    return Ready(callback, task, data, facts, fresh)


def _look_up(
    serving: ServingSources, rules: Rules, callback: Callback, task: Task, now: datetime, random: Random
) -> dict[str, object]:
    """What the source's `find` finds, by name. Raises `Held` where a CRM that is needed is away."""
    records: dict[str, object] = {}
    for name, step in rules.source.find.items():
        trail = Trail()
        deadline = Deadline.after(_LOOK_UP)
        try:
            result = serving.lookups.find(name, step, {**records, **rules.scope(task)}, deadline, None, trail)
        except ExpressionError as error:
            raise Held(states.reject(now, Gate.TASK.value, f"find {name}: {error}")) from error
        if result.record is not None:
            records[name] = result.record
        elif result.outcome in (LookupOutcome.DOWN, LookupOutcome.LATE) and not step.optional:
            notes = "; ".join(f"{entry.connector}: {entry.note}" for entry in trail.entries if entry.note)
            kind = Misconfigured if result.misconfigured else Unavailable
            raise Held(_away(serving, callback, kind(f"find {name}: {notes or result.outcome}"), now, random))
    return records


def mark(serving: ServingSources, book: Book, ready: Ready, now: datetime, random: Random) -> None:
    """Tell its CRM that it has its turn. Raises `Held`."""
    source = serving.sources.get(book.rules[ready.callback.source].source.connector or "")
    if source is not None and not _told_unknown(ready.callback):
        _claim(serving, ready.callback, source, ready.task, now, random)


def _read_again(
    serving: ServingSources,
    book: Book,
    callback: Callback,
    source: ConnectorGateway,
    task: Task,
    now: datetime,
    random: Random,
    fresh: dict[str, Any],
) -> Task:
    """The task as its CRM has it now. The bridge's own write-backs are no change, because only what the expressions of
    the source read counts."""
    language = serving.configuration.language
    rules = book.rules[callback.source]
    try:
        read = source.connector.read_task(task, Deadline.after(_READ))
        check_list(rules.configuration, source.connector)
    except ClaimedElsewhere as error:
        raise _elsewhere(callback, error, now) from error
    except Rejected as error:
        raise Held(states.reject(now, "task", str(error))) from error
    except ConnectorError as error:
        raise Held(_away(serving, callback, error, now, random)) from error
    if read is None and _told_unknown(callback):
        return task
    if read is None:
        reason = Text("the CRM no longer asks for this call").render(language)
        raise Held(states.cancel(now, reason, withdrawn=True))
    owner = book.owner(rules, read) or (rules if told(callback) else None)
    if owner is None:
        raise Held(states.cancel(now, NOBODYS.render(language), withdrawn=True))
    wish = owner.wish(read)
    if wish.digest == callback.digest and owner is rules:
        return read
    fresh |= {"task": stored(read.fields), "digest": wish.digest}
    if owner is not rules:
        fresh |= {"source": owner.title, "origin": owner.source.origin, "line": owner.line.number}
    admitted(gates.wished(wish), Facts(rules=owner, now=now), language, fresh)
    whom_and_when = (callback.number, callback.customer, callback.due)
    if owner is not rules or (wish.number.e164, wish.customer.e164, wish.due) != whom_and_when:
        due = wish.due if wish.due is not None and owner.source.schedule == "bridge" else now
        late = max(wish.due or now, now) + timedelta(seconds=owner.source.expires)
        whom = {"number": wish.number.e164, "customer": wish.customer.e164, "due": wish.due, "expires_at": late}
        raise Held(states.wait(max(due, now), "", Text("its task was changed").render(language), **fresh, **whom))
    return read


def in_list(source: ConnectorGateway, table: str, customer: Phone) -> bool:
    """Return whether somebody is in a do-not-call list. Raises `ConnectorError` where that can't be said: also where
    what is found has no number at all, which is a list that is read in the wrong way."""
    query = LookupQuery(table, phone=customer, limit=20, strict=True)
    records, _ = source.find(query, Deadline.after(_LOOK_UP), None)
    if old := source.connector.stale(table):  # who was added to it since then is not to be called
        raise Unavailable(old)
    if records and not any(record.phones for record in records):
        raise Misconfigured(f"none of {len(records)} found in {table} has a phone number: look at its phones")
    return any(customer.same(phone) for record in records for phone in record.phones)


def _listed(serving: ServingSources, rules: Rules, asked: Candidate) -> Listed:
    """Whether the customer is in one of the source's do-not-call lists; after one that can't be read none is asked.
    Whoever called and was missed has asked for the call: there, lists are about another number that is rung instead."""
    customer = asked.number if rules.source.built_in else asked.customer
    if rules.source.built_in and customer.same(asked.customer):
        return Listed.NO
    for listed in rules.source.do_not_call:
        try:
            if in_list(serving.sources[listed.in_], listed.table, customer):
                return Listed.YES
        except (ConnectorError, KeyError) as error:
            _log.warning("the do-not-call list %s in %s can't be read: %s", listed.table, listed.in_, error)
            return Listed.UNREADABLE
    return Listed.NO


def _claim(
    serving: ServingSources, callback: Callback, source: ConnectorGateway, task: Task, now: datetime, random: Random
) -> None:
    """Tell the CRM before the call. What is told again after a crash is the same to the second."""
    outcome = claim(callback.claimed_at or now, serving.configuration.language)
    try:
        source.connector.update_task(task, outcome, Deadline.after(_CLAIM))
    except ClaimedElsewhere as error:
        raise _elsewhere(callback, error, now) from error
    except Rejected as error:
        _log.warning("callback %d is not called, its CRM refuses to mark the task as claimed: %s", callback.id, error)
        raise Held(states.cancel(now, str(error), withdrawn=True)) from error
    except ConnectorError as error:
        raise Held(_away(serving, callback, error, now, random)) from error


def _elsewhere(callback: Callback, error: ClaimedElsewhere, now: datetime) -> Held:
    """Another installation has the task: left alone, and shown so."""
    _log.warning("callback %d is not called: %s", callback.id, error)
    return Held(states.cancel(now, str(error), gate=CLAIMS, withdrawn=True))


def told(callback: Callback) -> bool:
    """Return whether its CRM was told of an earlier turn, or may have been; what `when` reads may be what the bridge
    wrote itself. `Held.untold` keeps it true."""
    return callback.claimed_at is not None and callback.claimed_at < callback.updated_at


def _told_unknown(callback: Callback) -> bool:
    """Whether it is called because a person said that it did not ring. Its CRM was told that it may have, which may
    have closed the task: our own write-back, no change."""
    return callback.last_report.endswith(f":{CallbackState.MAY_HAVE_RUNG}")


def _away(serving: ServingSources, callback: Callback, error: ConnectorError, now: datetime, random: Random) -> Change:
    """A CRM that can't be asked or told: not called now."""
    passing = error if isinstance(error, Unavailable | Misconfigured) else Unavailable(str(error))
    verdict = retry.decide(0.0, callback.attempts + 1, passing, random)
    seconds = verdict.seconds if isinstance(verdict, retry.Later) else retry.LONGEST
    if not isinstance(error, OutOfOrder):  # of which the start has told, not of each callback
        level = logging.ERROR if isinstance(error, Misconfigured) else logging.WARNING
        _log.log(level, "callback %d is not called now, its CRM can't be asked: %s", callback.id, error)
    reason = Text("the CRM does not answer: {error}", error=said(error)).render(serving.configuration.language)
    return states.wait(now + timedelta(seconds=seconds), CRM_AWAY, reason, attempts=callback.attempts + 1)
