"""Sends a callback whose turn it is, once, and settles what follows from the platform's answer.

The gate before ringing: `sending` is committed before the first byte leaves, and only if that changed the row does the
request go out. Between the two the state folder's journal notes it (`bridge.callbacks.fence`). Whoever sends renews a
lease; one that ran out means that the sender is gone, and it may have rung.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.callbacks import brakes, gates, identity, states
from bridge.callbacks.commercial import facts_now, facts_of
from bridge.callbacks.emitter import Emitter, Sent
from bridge.callbacks.fence import Behind, Fence
from bridge.callbacks.gates import Candidate, Facts, Gate, Slot
from bridge.callbacks.grounds import of_emission
from bridge.callbacks.missed import spoken_since
from bridge.callbacks.outcomes import Outcomes
from bridge.callbacks.parts import Parts
from bridge.callbacks.preparing import CRM_AWAY, Held, Ready, admitted, mark, prepare, told
from bridge.callbacks.settling import Settling
from bridge.callbacks.tasks import Rules
from bridge.callbacks.turns import LineScheduler
from bridge.config.model import Line
from bridge.errors import StoreUnavailable
from bridge.infocaller.emission import EmissionRequest, problems
from bridge.infocaller.results import Consequence
from bridge.queue.base import CALLBACK, EMISSIONS
from bridge.store import callbacks, emissions, evidence, ringing
from bridge.store.callbacks import Callback, CallbackState, Change
from bridge.store.database import in_turn
from bridge.store.journal import JournalEntry
from bridge.store.version import heed
from connectors.base import Misconfigured

_log = logging.getLogger("bridge.callbacks")

LEASE = timedelta(seconds=20)
_AWAY = (CRM_AWAY, Gate.LIST_AWAY.value)
_AT_ONCE = 5.0
"""Seconds between the commit and the first byte at most; a process that was held up for longer does not send."""
_PATIENCE = 60.0
"""Seconds for which a result is kept in mind while the database is away."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What goes out, and when it rings at the earliest; `asked` and `facts`: whom and by what the gates admitted it.
    `emission`: what is noted of it once it is committed; `proof`: the number of its evidence, None where it has
    none."""

    request: EmissionRequest
    rings_at: datetime
    asked: Candidate
    facts: Facts
    emission: JournalEntry | None = None
    proof: int | None = None


class Sending:
    """The handler of `CALLBACK`. `folder`: the configuration's, from which relative paths start; `spool`: the file of
    this host's spool."""

    def __init__(
        self, parts: Parts, turns: LineScheduler, outcomes: Outcomes, fence: Fence, folder: Path, spool: Path
    ) -> None:
        self._database = parts.database
        self._queue = parts.queue
        self._use = parts.use
        self._book = parts.book
        self._reports = parts.reports
        self._clock = parts.clock
        self._random = parts.random
        self._traces = parts.traces
        self._turns = turns
        self._outcomes = outcomes
        self._fence = fence
        self._folder = folder
        self._spool = spool
        self._owner = uuid4().hex
        self._in_hand: set[int] = set()
        self._begun: set[int] = set()
        self._emitters: dict[str, tuple[Line, Emitter]] = {}
        self._lock = threading.Lock()
        self._settling = Settling(parts, outcomes, self._owner)
        self.ending = threading.Event()
        """Once it is set, no request is begun any more: there would not be the time to hear what came of it."""

    def __call__(self, key: str) -> None:
        """Do what there is to do about the callback with this number. Raises `StoreUnavailable`."""
        with self._database.read() as connection:
            callback = callbacks.get(connection, int(key))
        if callback is None:
            return
        now = self._clock()
        if callback.state is CallbackState.QUEUED:
            self._turn(callback)
        elif callback.state is CallbackState.SENDING and callback.id not in self._in_hand:
            self._left(callback, now)
        elif callback.state is CallbackState.ACCEPTED and callback.next_at is not None and callback.next_at <= now:
            self._outcomes.silence(callback.id)
            self._turns.look(callback.line)

    def renew(self) -> None:
        """Keep what is being sent; to be called several times within a lease."""
        if in_hand := list(self._in_hand):
            with self._database.write() as connection:
                callbacks.renew(connection, in_hand, self._owner, self._clock() + LEASE)

    # sending

    def _turn(self, callback: Callback) -> None:
        book = self._book()
        rules = book.rules.get(callback.source)
        committed: _Request | None = None
        line, crm_knows = callback.line, told(callback)
        try:
            if rules is None:
                raise Held(states.wait(self._clock() + timedelta(minutes=1), "", "its source is not configured"))
            self._on_its_line(rules, callback)
            asked = gates.candidate(rules, callback)
            with self._database.read() as connection:
                before, commercial = self._called_before(connection, callback), facts_of(connection, rules, asked)
            facts = Facts(rules=rules, now=self._clock(), called_before=before, commercial=commercial)
            admitted(asked, facts, book.configuration.language)
            with self._use() as serving:
                ready = prepare(serving, book, callback, self._clock(), self._random)
                crm_knows = True
                mark(serving, book, ready, self._clock(), self._random)
            emitter = self._emitter(rules.line)
            if self.ending.is_set():
                raise Held(states.wait(self._clock(), "", "", **ready.fresh))
            self._in_hand.add(callback.id)
            with self._database.turn(rules.line.number):
                began = time.monotonic()
                committed = self._commit(rules, ready)
            if committed is not None:
                self._send(rules, ready, emitter, committed, began)
        except Held as held:
            self._hold(callback, held if crm_knows else held.untold())
            line = held.change.values.get("line", line)
        except Behind:
            self._fence.look()
            self._hold(callback, Held(states.wait(self._clock(), "", "")))
        finally:
            self._in_hand.discard(callback.id)
        for each in {callback.line, line}:
            self._turns.look(each)

    def _on_its_line(self, rules: Rules, callback: Callback) -> None:
        """Make sure that its source did not move to another line just when it had its turn. Raises `Held`."""
        if rules.line.number != callback.line:
            raise Held(states.wait(self._clock(), "", "", line=rules.line.number))

    def _called_before(self, connection: Connection, callback: Callback) -> int | None:
        """Another callback that has rung for the same task."""
        other = identity.called_before(connection, self._book().configuration, callback)
        return None if other is None else other.id

    def _hold(self, callback: Callback, held: Held) -> None:
        """Not sent: another one may have its slot."""
        now, configuration = self._clock(), self._book().configuration
        with self._database.turn(callback.line), self._database.write() as connection:
            state = emissions.held(self._database, connection, "line", callback.line)
            if not callbacks.change(connection, callback.id, held.change, now):
                return
            emissions.save(connection, "line", callback.line, brakes.release_probe(state, callback.id, now))
            source = emissions.held(self._database, connection, "source", callback.source)
            emissions.save(connection, "source", callback.source, brakes.release_probe(source, callback.id, now))
            line = configuration.line(callback.line)
            if line is not None and held.change.values.get("gate") not in _AWAY:  # what is away is asked at the pace
                self._turns.give_back(connection, state, line)
            if held.change.state is not CallbackState.WAITING:
                self._reports.tell(connection, configuration, callback.id)

    def _emitter(self, line: Line) -> Emitter:
        with self._lock:
            cached = self._emitters.get(line.number)
            if cached is not None and cached[0] == line:
                return cached[1]
            section = line.emission
            if section.ca_file is not None:
                section = section.model_copy(update={"ca_file": self._folder / section.ca_file})
            try:
                emitter = Emitter(section)
            except Misconfigured as error:
                _log.error("line %s can't emit: %s", line.number, error)
                until = self._clock() + timedelta(minutes=15)
                raise Held(states.wait(until, "line", str(error))) from error
            self._emitters[line.number] = line, emitter
            return emitter

    def _commit(self, rules: Rules, ready: Ready) -> _Request | None:
        """The gate before ringing. None: somebody else was quicker, or it was cancelled or its task changed meanwhile.
        Raises `Held`, `Behind` where the database was restored meanwhile, `TooOld` where a newer version took over."""
        callback = ready.callback
        with self._database.write() as connection:
            heed(connection, self._database.name)
            now = self._clock()
            state = emissions.held(self._database, connection, "line", rules.line.number)
            source = emissions.get(connection, "source", rules.title)
            if not (brakes.may_send(state, callback.id) and brakes.may_send(source, callback.id)):
                raise Held(states.wait(now, "", state.reason or source.reason, **ready.fresh))
            request = self._checked(connection, rules, ready, now)
            change = states.send(
                now, request.rings_at, request.request.redacted(self._book().configuration.sensitive),
                self._owner, now + LEASE, callback.emissions + 1,
            )  # fmt: skip
            change = Change(change.before, {**change.values, **ready.fresh})
            if not callbacks.change(connection, callback.id, change, now, version=callback.version):
                return None
            emission = self._fence.count(connection, callback, request.rings_at)
            grounds = of_emission(connection, callback, request.asked, request.facts, request.rings_at)
            if grounds is None:
                return replace(request, emission=emission)
            proof = evidence.add(self._database, connection, self._fence.installation, grounds, now)
            return replace(request, emission=emission, proof=proof)

    def _checked(self, connection: Connection, rules: Rules, ready: Ready, now: datetime) -> _Request:
        """The gates that others could have passed meanwhile, and the request as it goes out. Raises `Held`."""
        callback, language = ready.callback, self._book().configuration.language
        newest = self._book().rules.get(rules.title, rules)  # it may have changed while the CRM was asked
        self._on_its_line(newest, callback)
        asked, facts = gates.candidate(newest, callback, ready.task), replace(ready.facts, rules=newest, now=now)
        since = gates.counts_since(newest, admitted(asked, facts, language).rings_at)
        in_turn(self._database, connection, f"number:{callback.number}")
        facts = replace(
            facts,
            commercial=facts_now(connection, newest, asked, self._spool),
            called_before=self._called_before(connection, callback),
            rung=ringing.rung(connection, callback.number, since, callback.id),
            emitted_today=ringing.emitted_today(connection, callback.line, newest.line.timezone, now),
            spoken=spoken_since(connection, callback, now, self._spool) if newest.source.built_in else None,
        )
        slot = admitted(asked, facts, language)
        request = _request(rules, ready, slot, now)
        faults = problems(request)
        if faults:
            raise Held(states.reject(now, "request", "; ".join(problem.text.render(language) for problem in faults)))
        return _Request(request, slot.rings_at, asked, facts)

    def _send(self, rules: Rules, ready: Ready, emitter: Emitter, committed: _Request, began: float) -> None:
        emission, sent = committed.emission, Sent(failure="connect", detail="held up before it was sent")
        try:
            if emission is not None:
                self._fence.note(emission)
        except StoreUnavailable as error:
            _log.error("callback %d is not sent: %s", ready.callback.id, error)
            sent = Sent(failure="record", detail=str(error))
        else:
            if time.monotonic() - began <= _AT_ONCE:
                self._begun.add(ready.callback.id)
                first = time.monotonic()
                sent = emitter.send(committed.request, rules.line.password.get_secret_value())
                if self._traces is not None:
                    came_of_it = sent.consequence(ready.data.from_task)
                    self._traces.note(
                        "emission", "client", first, failed=sent.failure,
                        attributes={"infocaller.callback": ready.callback.id, "infocaller.outcome": came_of_it},
                    )  # fmt: skip
        self._settle(rules, ready, sent)
        self._begun.discard(ready.callback.id)
        rang = (Consequence.ACCEPTED, Consequence.MAY_HAVE_RUNG)
        if emission is not None and sent.consequence(ready.data.from_task) not in rang:
            self._fence.undo(emission)
            self._annul(committed)

    def _annul(self, committed: _Request) -> None:
        """Say in the evidence that nobody was rung. Losing this loses nothing: a call that was allowed was not made."""
        purpose = committed.facts.rules.source.purpose
        if committed.proof is None or purpose is None:
            return
        try:
            evidence.annul(self._database, self._fence.installation, committed.proof, purpose, self._clock())
        except StoreUnavailable as error:
            _log.warning("the evidence of an emission that rang nobody stays as it is: %s", error)

    def _settle(self, rules: Rules, ready: Ready, sent: Sent) -> None:
        """Keep the result, also where the database is away for a while: losing it would leave the call to a person."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self._settling.settle(self._book().configuration, rules, ready, sent, self._clock())
                return
            except StoreUnavailable as error:
                if time.monotonic() > end:
                    raise
                _log.error("what came of callback %d waits for the database: %s", ready.callback.id, error)
                time.sleep(0.5)

    # what was left

    def _left(self, callback: Callback, now: datetime) -> None:
        """Somebody else is sending it, or was; or this process was, and could not keep what came of it."""
        if callback.owner == self._owner and callback.id not in self._begun:
            self._settling.never_sent(callback, now)
        elif callback.owner == self._owner:
            self._settling.crashed(self._book(), callback, now)
        elif callback.lease_until is not None and callback.lease_until > now:
            with self._database.write() as connection:
                due = callback.lease_until + timedelta(milliseconds=100)
                self._queue.wake(connection, CALLBACK, str(callback.id), due, lane=EMISSIONS)
        else:
            self._settling.crashed(self._book(), callback, now)
            self._turns.look(callback.line)


def _request(rules: Rules, ready: Ready, slot: Slot, now: datetime) -> EmissionRequest:
    zone = ZoneInfo(rules.line.timezone)
    return EmissionRequest(
        line_number=rules.line.number,
        number=ready.callback.number,
        rule_group=rules.source.rule_group,
        at=slot.rings_at.astimezone(zone).replace(tzinfo=None) if slot.rings_at > now else None,
        max_wait=slot.max_wait,
        retries=ready.data.retries,
        variables=ready.data.variables,
    )
