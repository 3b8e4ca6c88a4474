"""Looks at the tasks of each connector that a source has, again and again; one process at a time for each.

Of several sources from one connector the first looks for all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bridge.callbacks.lists import check_list
from bridge.callbacks.parts import Parts
from bridge.callbacks.task_intake import IntakeCounts, TaskIntake
from bridge.callbacks.tasks import Rules
from bridge.delivery import retry
from bridge.queue.base import POLL, Wakeup
from bridge.store import emissions
from bridge.store.emissions import EmissionState
from connectors.base import ConnectorError, Deadline, Misconfigured, Unavailable

_log = logging.getLogger("bridge.callbacks")

_PATIENCE = 300.0
"""Seconds for all tasks of a source."""
_GRACE = timedelta(seconds=3)


class Polling:
    """The handler of `POLL`; what it finds goes to the `intake`, a few hundred at a time."""

    def __init__(self, parts: Parts, intake: TaskIntake) -> None:
        self._database = parts.database
        self._queue = parts.queue
        self._use = parts.use
        self._book = parts.book
        self._clock = parts.clock
        self._random = parts.random
        self._intake = intake
        self._nobodys: dict[str, int] = {}

    def __call__(self, key: str) -> None:
        """Look at the tasks of this source, if it is time to. Raises `StoreUnavailable`."""
        book = self._book()
        every = book.polls().get(key)
        if every is None:
            return
        rules, now = book.rules[key], self._clock()
        with self._database.read() as connection:
            state = emissions.get(connection, "source", key)
        if _next(every, state) <= now:
            state = self._poll(rules, every, state)
        self._come_back(rules, every, state)

    def missed(self) -> list[Wakeup]:
        """Wake-ups for the sources that nobody looks at although it is time."""
        now = self._clock()
        with self._database.read() as connection:
            states = emissions.all_of(connection, "source")
        book = self._book()
        due = [name for name, every in book.polls().items() if _next(every, states.get(name)) + _GRACE < now]
        return [Wakeup(POLL, name, None, book.rules[name].source.connector or "") for name in due]

    def _poll(self, rules: Rules, every: float, state: EmissionState) -> EmissionState:
        """Look, and note when and how that went."""
        began = self._clock()
        values: Mapping[str, Any] = {"polled_at": began, "failures": 0, "error": ""}
        try:
            taken = self._take(rules)
        except ConnectorError as error:
            values = self._failed(rules, every, state, error, began)
        else:
            if state.failures:
                _log.info("callbacks %s: its tasks can be listed again", rules.title)
            if taken.new or taken.changed:
                fields = {"new": taken.new, "changed": taken.changed, "rejected": taken.rejected}
                _log.info("callbacks %s: tasks taken", rules.title, extra={"fields": fields})
            if taken.nobodys != self._nobodys.get(rules.title, 0):
                _log.info("callbacks %s: for %d tasks no `when:` holds; they are nobody's", rules.title, taken.nobodys)
            self._nobodys[rules.title] = taken.nobodys
        with self._database.write() as connection:
            emissions.held(self._database, connection, "source", rules.title)
            emissions.save(connection, "source", rules.title, values)
            return emissions.get(connection, "source", rules.title)

    def _take(self, rules: Rules) -> IntakeCounts:
        with self._use() as serving:
            source = serving.sources.get(rules.source.connector or "")
            if source is None:
                raise Misconfigured(f"there is no connector {rules.source.from_}")
            check_list(rules.configuration, source.connector)
            return self._intake.accept_all(rules.title, source.connector.tasks(Deadline.after(_PATIENCE)))

    def _failed(
        self, rules: Rules, every: float, state: EmissionState, error: ConnectorError, now: datetime
    ) -> dict[str, Any]:
        """Again later, longer each time; said once, until it is another error or goes well."""
        failures = state.failures + 1
        if state.error != str(error):
            level = logging.ERROR if isinstance(error, Misconfigured) else logging.WARNING
            _log.log(level, "callbacks %s: its tasks can't be listed, tried again and again: %s", rules.title, error)
        passing = error if isinstance(error, Unavailable | Misconfigured) else Unavailable(str(error))
        verdict = retry.decide(0.0, failures, passing, self._random)
        seconds = verdict.seconds if isinstance(verdict, retry.Later) else retry.LONGEST
        later = timedelta(seconds=max(seconds - every, 0.0))
        return {"polled_at": now + later, "failures": failures, "error": str(error)}

    def _come_back(self, rules: Rules, every: float, state: EmissionState) -> None:
        due = _next(every, state)
        with self._database.write() as connection:
            held = emissions.held(self._database, connection, "source", rules.title)
            if held.wake_at is not None and self._clock() < held.wake_at <= due:
                return  # somebody will be there
            emissions.save(connection, "source", rules.title, {"wake_at": due})
            self._queue.wake(connection, POLL, rules.title, due, lane=rules.source.connector or "")


def _next(every: float, state: EmissionState | None) -> datetime:
    """When its tasks are to be looked at again. (After a failure, `polled_at` is later than it really was.)"""
    if state is None or state.polled_at is None:
        return datetime.fromtimestamp(0).astimezone()
    return state.polled_at + timedelta(seconds=every)
