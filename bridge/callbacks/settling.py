"""What follows from the platform's answer: one function for each `Consequence`, and what is told in the same
transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.callbacks import brakes, gates, states
from bridge.callbacks.emitter import Sent
from bridge.callbacks.outcomes import Outcomes, silent_at
from bridge.callbacks.parts import Book, Parts
from bridge.callbacks.preparing import Ready
from bridge.callbacks.tasks import Rules
from bridge.config.model import Configuration
from bridge.delivery import retry
from bridge.infocaller.results import Consequence
from bridge.store import callbacks, emissions
from bridge.store.callbacks import Callback, CallbackState, Change
from bridge.store.database import in_turn
from bridge.store.emissions import EmissionState, Mode
from bridge.texts import Text
from connectors.base import Unavailable

_log = logging.getLogger("bridge.callbacks")

_WINDOWS = 3
"""Calling windows in which the platform's rules may refuse a callback."""
_CRASHED = Text("the bridge stopped while it was being sent")


@dataclass(slots=True)
class _Case:
    """A request that came back. `callback` as it stands in the transaction; `line`, `source`: as held there."""

    configuration: Configuration
    rules: Rules
    callback: Callback
    ready: Ready
    sent: Sent
    now: datetime
    line: EmissionState
    source: EmissionState

    @property
    def reason(self) -> str:
        """What the platform said, in the configuration's language."""
        return self.sent.reason(self.configuration.language)

    @property
    def result(self) -> int | None:
        """Resultado, None where none could be read."""
        return self.sent.reply.result if self.sent.reply is not None else None


class Settling:
    """Settles what was sent. `owner`: in whose name it was."""

    def __init__(self, parts: Parts, outcomes: Outcomes, owner: str) -> None:
        self._database = parts.database
        self._reports = parts.reports
        self._outcomes = outcomes
        self._owner = owner
        self._random = parts.random

    def settle(self, configuration: Configuration, rules: Rules, ready: Ready, sent: Sent, now: datetime) -> None:
        """Keep what came of it, all at once. Raises `StoreUnavailable`, and can then be asked again."""
        consequence = sent.consequence(ready.data.from_task)
        id_ = ready.callback.id
        with self._database.turn(rules.line.number), self._database.write() as connection:
            line = emissions.held(self._database, connection, "line", rules.line.number)
            source = emissions.held(self._database, connection, "source", rules.title)
            if consequence is Consequence.ACCEPTED and sent.reply is not None:
                in_turn(self._database, connection, f"idcall:{sent.reply.idcall}")
            callback = callbacks.get(connection, id_, lock=True)
            if callback is None:  # erased meanwhile
                return
            case = _Case(configuration, rules, callback, ready, sent, now, line, source)
            change = _SETTLED_BY[consequence](self, case)
            if not callbacks.change(connection, id_, change, now, owner=self._owner):
                _log.warning("callback %d was settled otherwise meanwhile: %s", id_, sent.reason())
                return
            self._brake(connection, consequence, case)
            stored = callbacks.get(connection, id_)
            if stored is not None and stored.state is not CallbackState.WAITING:
                self._reports.tell(connection, configuration, id_)
            if consequence is Consequence.ACCEPTED:
                self._outcomes.judge(connection, configuration, id_, now)
            elif consequence is Consequence.MAY_HAVE_RUNG:
                self._outcomes.search(connection, configuration, id_, now)
            self._outcomes.over(connection, id_)

    def crashed(self, book: Book, callback: Callback, now: datetime) -> None:
        """Whoever was sending it is gone."""
        rules = book.of(callback)
        given_up = rules is not None and rules.source.may_have_rung == "given_up"
        change = states.unknown(_CRASHED.render(book.configuration.language), settled_at=now if given_up else None)
        with self._database.turn(callback.line), self._database.write() as connection:
            line = emissions.held(self._database, connection, "line", callback.line)
            source = emissions.held(self._database, connection, "source", callback.source)
            if not callbacks.change(connection, callback.id, change, now, owner=callback.owner):
                return
            for state in (line, source):
                later = now + timedelta(seconds=brakes.FIRST)
                emissions.save(connection, state.kind, state.name, brakes.release_probe(state, callback.id, later))
            _log.error("callback %d may have rung: %s", callback.id, _CRASHED)
            self._reports.tell(connection, book.configuration, callback.id)
            self._outcomes.search(connection, book.configuration, callback.id, now)
            self._outcomes.over(connection, callback.id)

    def never_sent(self, callback: Callback, now: datetime) -> None:
        """This process marked it, and knows that it did not send it."""
        change = states.not_rung(
            now, callback.reason, result=None, attempts=callback.attempts, windows=callback.windows
        )  # fmt: skip
        with self._database.write() as connection:
            if callbacks.change(connection, callback.id, change, now, owner=self._owner):
                self._outcomes.over(connection, callback.id)

    # the callback

    def _accepted(self, case: _Case) -> Change:
        idcall = case.sent.reply.idcall if case.sent.reply is not None else ""
        return states.accepted(idcall, case.reason, silent_at(case.callback))

    def _try_again(self, case: _Case) -> Change:
        attempts = case.callback.attempts + 1
        verdict = retry.decide(0.0, attempts, Unavailable(case.reason), self._random)
        seconds = verdict.seconds if isinstance(verdict, retry.Later) else retry.LONGEST
        return self._again(case, case.now + timedelta(seconds=seconds), attempts=attempts)

    def _next_window(self, case: _Case) -> Change:
        windows = case.callback.windows + 1
        zones = case.rules.zones(gates.candidate(case.rules, case.callback).customer)
        after = case.rules.calendar.following(case.now, zones)
        if windows >= _WINDOWS or after is None:
            return states.refused(case.now, case.reason, case.result)
        return self._again(case, after, windows=windows)

    def _at_once_when_it_goes_on(self, case: _Case) -> Change:
        return self._again(case, case.now)

    def _again(
        self, case: _Case, until: datetime, *, attempts: int | None = None, windows: int | None = None
    ) -> Change:
        callback = case.callback
        return states.not_rung(
            until, case.reason, result=case.result,
            attempts=callback.attempts if attempts is None else attempts,
            windows=callback.windows if windows is None else windows,
        )  # fmt: skip

    def _reject(self, case: _Case) -> Change:
        return states.refused(case.now, case.reason, case.result)

    def _unknown(self, case: _Case) -> Change:
        _log.error("callback %d may have rung: %s", case.callback.id, case.sent.reason())
        given_up = case.rules.source.may_have_rung == "given_up"
        change = states.unknown(case.reason, result=case.result, settled_at=case.now if given_up else None)
        idcall = case.sent.reply.idcall if case.sent.reply is not None else ""
        return Change(change.before, {**change.values, "idcall": idcall})

    # the line and the source

    def _brake(self, connection: Connection, consequence: Consequence, case: _Case) -> None:
        id_, now = case.callback.id, case.now
        line: Mapping[str, Any] = brakes.record_success(case.line, id_)
        source: Mapping[str, Any] = brakes.record_success(case.source, id_)
        if consequence is Consequence.PAUSE_LINE:
            line, source = brakes.pause(case.line, id_, case.reason, now), brakes.release_probe(case.source, id_, now)
        elif consequence is Consequence.STOP_LINE:
            line, source = brakes.stop(case.line, case.reason, now), brakes.release_probe(case.source, id_, now)
        elif consequence is Consequence.PAUSE_SOURCE:
            source = brakes.pause(case.source, id_, case.reason, now)
        elif consequence is Consequence.NOT_SENT:
            line, source = brakes.record_unreachable(case.line, id_, now), brakes.release_probe(case.source, id_, now)
        elif consequence is Consequence.MAY_HAVE_RUNG:
            later = now + timedelta(seconds=brakes.FIRST)
            line, source = brakes.release_probe(case.line, id_, later), brakes.release_probe(case.source, id_, later)
        for state, values in ((case.line, line), (case.source, source)):
            emissions.save(connection, state.kind, state.name, values)
            _alert(state, values, case.sent.reason())


_SETTLED_BY: Mapping[Consequence, Callable[[Settling, _Case], Change]] = {
    Consequence.ACCEPTED: Settling._accepted,
    # nobody was rung, for certain: it waits, and is sent again by itself
    Consequence.TRY_AGAIN: Settling._try_again,
    Consequence.NOT_SENT: Settling._try_again,
    Consequence.NEXT_WINDOW: Settling._next_window,
    Consequence.PAUSE_LINE: Settling._at_once_when_it_goes_on,
    Consequence.STOP_LINE: Settling._at_once_when_it_goes_on,
    Consequence.PAUSE_SOURCE: Settling._at_once_when_it_goes_on,
    # never again by itself
    Consequence.REJECT: Settling._reject,
    Consequence.MAY_HAVE_RUNG: Settling._unknown,
}
"""What becomes of the callback after each consequence."""


def _alert(state: EmissionState, values: Mapping[str, Any], reason: str) -> None:
    """What a person should know: the log line that alerts are made of."""
    mode = values.get("mode")
    if mode == Mode.PAUSED:
        delay = values["delay"]
        _log.error("%s %s: emissions paused, tried again in %d s: %s", state.kind, state.name, delay, reason)
    elif mode == Mode.STOPPED:
        _log.error(
            "%s %s: emissions stopped until `lines resume` or a changed configuration: %s",
            state.kind, state.name, reason,
        )  # fmt: skip
    elif mode == Mode.RUNNING:
        _log.warning("%s %s: emissions go on", state.kind, state.name)
