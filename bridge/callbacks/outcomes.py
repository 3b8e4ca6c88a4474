"""What becomes of the calls that were asked for, as their events tell.

A call is known by `idcall`; where that is not known, because the answer was lost, by its number and time. Several calls
may carry one `idcall`, where a busy phone was tried again: the callback was answered if any of them was.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.callbacks import states
from bridge.callbacks.identity import connector_of
from bridge.callbacks.missed import MissedCalls
from bridge.callbacks.parts import Parts
from bridge.callbacks.tasks import Rules
from bridge.config.model import Configuration
from bridge.expressions.moment import of_time
from bridge.expressions.scope import call_view, of_call
from bridge.infocaller.emission import LONGEST_WAIT, MOST_RETRIES, RETRY_MINUTES
from bridge.queue.base import LINE, line_key
from bridge.store import callbacks, calls
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.calls import Call, CallFilter, CallState
from bridge.store.database import in_turn
from bridge.store.events import Event
from bridge.texts import Text
from connectors.expression import ExpressionError
from connectors.phone import parse

_log = logging.getLogger("bridge.callbacks")

_BEFORE = timedelta(minutes=2)
"""How much earlier than ours the platform's clock may show."""
_MARGIN = timedelta(minutes=15)
_LONGEST = timedelta(minutes=LONGEST_WAIT + MOST_RETRIES * RETRY_MINUTES) + _MARGIN
_SILENT = Text("nothing was heard of the call; the platform's activity page knows more")


class Outcomes:
    """Listens to calls. Everything but `silence` is done in the caller's transaction."""

    def __init__(self, parts: Parts, missed: MissedCalls) -> None:
        self._missed = missed
        self._database = parts.database
        self._queue = parts.queue
        self._book = parts.book
        self._reports = parts.reports
        self._clock = parts.clock

    def plan(self, connection: Connection, call: Call, new: Sequence[Event]) -> None:  # noqa: ARG002 (what follows a call)
        """A call changed: it may be one that was asked for."""
        if call.direction != "emitted":
            return
        if call.idcall:
            in_turn(self._database, connection, f"idcall:{call.idcall}")
        configuration, now = self._book().configuration, self._clock()
        callback = self._of(connection, call)
        if callback is None:
            return
        if callback.state is CallbackState.MAY_HAVE_RUNG:
            self._found(connection, configuration, callback, call, now)
        self.judge(connection, configuration, callback.id, now, call)

    def own(self, connection: Connection, call: Call) -> frozenset[str]:
        """Return the connector whose task a call came of, if any: the task's outcome is its activity."""
        if call.direction != "emitted":
            return frozenset()
        callback = self._of(connection, call) or self._by_number(connection, call, sending=True)
        connector = connector_of(self._book().configuration, callback) if callback is not None else None
        return frozenset({connector}) if connector is not None else frozenset()

    def judge(
        self, connection: Connection, configuration: Configuration, id_: int, now: datetime, call: Call | None = None
    ) -> None:
        """Settle a callback by the calls that carry its `idcall`, as far as they have ended; by `call`, which was found
        to be its, where it has none."""
        callback = callbacks.get(connection, id_, lock=True)
        if callback is None:
            return
        rules = self._book().of(callback)
        ended = calls.by_idcall(connection, callback.idcall) if callback.idcall else [call] if call else []
        ended = [call for call in ended if call.state is CallState.OVER and call.line == callback.line]
        if not ended:
            return
        outcome, last = _best([(_outcome(rules, call), call) for call in ended])
        retries = int((callback.request or {}).get("Reintentos", 0))
        over = callback.next_at is None or callback.next_at <= now
        if outcome is CallbackState.BUSY and len(ended) <= retries and not over:
            return  # the platform tries again
        if outcome is callback.state and last.seconds == callback.seconds:
            return
        if callbacks.change(connection, id_, states.heard(outcome, now, last.seconds or 0, ""), now):
            self._reports.tell(connection, configuration, id_)
            if callback.state is CallbackState.ACCEPTED:  # one call less under way
                self._queue.wake(connection, LINE, line_key(callback.line, now))
                self.over(connection, id_)

    def search(self, connection: Connection, configuration: Configuration, id_: int, now: datetime) -> None:
        """A callback may have rung: perhaps its call was heard of already."""
        callback = callbacks.get(connection, id_, lock=True)
        if callback is None or callback.rung_at is None or callback.state is not CallbackState.MAY_HAVE_RUNG:
            return
        filter_ = CallFilter(callback.line, callback.number, since=callback.rung_at - _BEFORE)
        for call in reversed(calls.find(connection, filter_)):
            if self._fits(connection, callback, call):
                self._found(connection, configuration, callback, call, now)
                self.judge(connection, configuration, id_, now, call)
                return

    def silence(self, id_: int) -> None:
        """Its time is over: settle it by what was heard, or note that nothing was. Raises `StoreUnavailable`."""
        configuration, now = self._book().configuration, self._clock()
        with self._database.write() as connection:
            self.judge(connection, configuration, id_, now)
            if callbacks.change(connection, id_, states.silent(now, _SILENT.render(configuration.language)), now):
                _log.warning("callback %d: nothing was heard of its call", id_)
                self._reports.tell(connection, configuration, id_)
                self.over(connection, id_)

    def over(self, connection: Connection, id_: int) -> None:
        """A callback's call is out no more, or never was."""
        self._missed.own_call_over(connection, id_)

    def _of(self, connection: Connection, call: Call) -> Callback | None:
        callback = callbacks.by_idcall(connection, call.line, call.idcall) if call.idcall else None
        return callback or self._by_number(connection, call)

    def _by_number(self, connection: Connection, call: Call, *, sending: bool = False) -> Callback | None:
        """The callback that may have made this call, as its number and the time say."""
        began = call.started_at
        if not call.e164 or began is None:
            return None
        states_ = {CallbackState.MAY_HAVE_RUNG, *([CallbackState.SENDING] if sending else [])}
        for callback in callbacks.unknown(connection, call.line, call.e164, began - _LONGEST, began + _BEFORE):
            if callback.state in states_ and self._fits(connection, callback, call):
                return callback
        return None

    @staticmethod
    def _fits(connection: Connection, callback: Callback, call: Call) -> bool:
        """Whether a call can be this callback's, by its time, and is nobody else's."""
        if call.direction != "emitted" or call.started_at is None or callback.rung_at is None:
            return False
        if callback.idcall and callback.idcall != call.idcall:
            return False
        others = callbacks.by_idcall(connection, call.line, call.idcall) if call.idcall else None
        in_time = callback.rung_at - _BEFORE <= call.started_at <= silent_at(callback)
        return in_time and (others is None or others.id == callback.id)

    def _found(
        self, connection: Connection, configuration: Configuration, callback: Callback, call: Call, now: datetime
    ) -> None:
        change = states.found(call.idcall or callback.idcall, silent_at(callback))
        if callbacks.change(connection, callback.id, change, now):
            _log.info("callback %d did ring: its call was heard of", callback.id)
            self._reports.tell(connection, configuration, callback.id)


def silent_at(callback: Callback) -> datetime:
    """Return when nothing more is to be expected of a call that was asked for."""
    request = callback.request or {}
    minutes = int(request.get("EsperaMax", 5)) + RETRY_MINUTES * int(request.get("Reintentos", 0))
    return (callback.rung_at or callback.updated_at) + timedelta(minutes=minutes) + _MARGIN


def _outcome(rules: Rules | None, call: Call) -> CallbackState:
    """What a call came to: as the source's `outcomes` say, else by whether it lasted."""
    if rules is not None and rules.source.outcomes:
        caller = parse(call.call.caller, rules.line.country)
        scope = of_time(rules.configuration, rules.line, call.call.start or rules.clock())
        scope |= of_call(rules.line, caller, call.call.called, call_view(call.call), call.call.vars)
        for name, template in rules.source.outcomes.items():
            try:
                if template.true(scope):
                    return CallbackState(name)
            except ExpressionError as error:
                _log.error("callbacks %s: outcomes %s: %s", rules.title, name, error)
    return CallbackState.ANSWERED if (call.seconds or 0) > 0 else CallbackState.NO_ANSWER


def _best(outcomes: Sequence[tuple[CallbackState, Call]]) -> tuple[CallbackState, Call]:
    """Answered if any was, else what the last one came to."""
    answered = [outcome for outcome in outcomes if outcome[0] is CallbackState.ANSWERED]
    return (answered or list(outcomes))[-1]
