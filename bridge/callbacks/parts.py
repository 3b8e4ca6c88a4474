"""What all of the work on callbacks needs: the sources of the newest configuration, ready for use, and the parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from bridge.callbacks.identity import origin_of
from bridge.callbacks.reports import Reports, Use
from bridge.callbacks.tasks import Rules, of_source
from bridge.config.model import Configuration
from bridge.queue.base import Queue
from bridge.runtime.tracing import Traces
from bridge.store.callbacks import Callback
from bridge.store.database import Database
from connectors.base import Task


@dataclass(frozen=True)
class Book:
    """The sources of one configuration, by name."""

    configuration: Configuration
    rules: Mapping[str, Rules]

    def on_line(self, number: str) -> dict[str, Rules]:
        """Return those that a line calls for, by name."""
        return {name: rules for name, rules in self.rules.items() if rules.line.number == number}

    def of(self, callback: Callback) -> Rules | None:
        """Return the rules of a callback: its source's, or where that has another name by now, those of the first
        source with the same tasks."""
        rules = self.rules.get(callback.source)
        return rules or next(iter(self._by_origin.get(origin_of(self.configuration, callback), ())), None)

    def owner(self, rules: Rules, task: Task) -> Rules | None:
        """Return whose a task is, of the sources that have the same tasks as this one: the first whose `when` holds,
        else the one without; None: nobody's."""
        same = self._by_origin[rules.source.origin]
        candidates = sorted(same, key=lambda candidate: candidate.source.when is None)
        return next((candidate for candidate in candidates if candidate.takes(task)), None)

    def of_missed_calls(self) -> list[Rules]:
        """Return the sources whose tasks the bridge makes of missed calls."""
        return [rules for rules in self.rules.values() if rules.source.built_in]

    def poller(self, rules: Rules) -> str:
        """Return the source that looks for all that have the same tasks: the first of them."""
        return self._by_origin[rules.source.origin][0].title

    def polls(self) -> dict[str, float]:
        """Return the sources that look at the tasks of a connector, by name, and how often (in seconds)."""
        return {
            same[0].title: min(rules.source.every for rules in same)
            for same in self._by_origin.values()
            if same[0].source.connector is not None
        }

    @cached_property
    def _by_origin(self) -> dict[str, list[Rules]]:
        by_origin: dict[str, list[Rules]] = {}
        for rules in self.rules.values():
            by_origin.setdefault(rules.source.origin, []).append(rules)
        return by_origin


class Rulebook:
    """Gives the `Book` of the newest configuration; made once for each. `clock` gives the time, aware."""

    def __init__(self, current: Callable[[], Configuration], clock: Callable[[], datetime]) -> None:
        self._current, self._clock = current, clock
        self._lock = threading.Lock()
        self._book: Book | None = None

    def __call__(self) -> Book:
        """Return the newest book of rules."""
        configuration = self._current()
        with self._lock:
            if self._book is None or self._book.configuration is not configuration:
                self._book = Book(configuration, _rules(configuration, self._clock))
            return self._book


def _rules(configuration: Configuration, clock: Callable[[], datetime]) -> dict[str, Rules]:
    by_title = {}
    for source in configuration.callbacks:
        line = configuration.line(source.line)
        if line is not None:
            by_title[source.title] = of_source(configuration, source, line, clock)
    return by_title


Random = Callable[[], float]
"""A number from 0 to 1, new with each call."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`use` gives what serves now, `clock` the time, aware. `traces`: what spans are made by, None where nobody wants
    any."""

    database: Database
    queue: Queue
    use: Use
    book: Rulebook
    reports: Reports
    clock: Callable[[], datetime]
    random: Random
    traces: Traces | None = None
