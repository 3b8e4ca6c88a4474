"""The sources of the newest configuration, ready for use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from bridge.callbacks.identity import origin_of
from bridge.callbacks.tasks import Rules, of_source
from bridge.config.model import Configuration
from bridge.store.callbacks import Callback
from connectors.base import Task


@dataclass(frozen=True)
class Book:
    """The sources of one configuration, by name."""

    configuration: Configuration
    rules: Mapping[str, Rules]

    def on_line(self, number: str) -> dict[str, Rules]:
        """Those that a line calls for, by name."""
        return {name: rules for name, rules in self.rules.items() if rules.line.number == number}

    def of(self, callback: Callback) -> Rules | None:
        """The rules of a callback: its source's, or where that has another name by now, those of the first source with
        the same tasks."""
        found = self.rules.get(callback.source)
        return found or next(iter(self._by_origin.get(origin_of(self.configuration, callback), ())), None)

    def owner(self, rules: Rules, task: Task) -> Rules | None:
        """Whose a task is, of the sources that have the same tasks as this one: the first whose `when` holds, else the
        one without; None: nobody's."""
        same = self._by_origin[rules.source.origin]
        return next((one for one in sorted(same, key=lambda one: one.source.when is None) if one.takes(task)), None)

    def poller(self, rules: Rules) -> str:
        """The source that looks for all that have the same tasks: the first of them."""
        return self._by_origin[rules.source.origin][0].title

    def polls(self) -> dict[str, float]:
        """The sources that look at the tasks of a connector, by name, and how often (in seconds)."""
        return {
            same[0].title: min(one.source.every for one in same)
            for same in self._by_origin.values()
            if same[0].source.from_ is not None
        }

    @cached_property
    def _by_origin(self) -> dict[str, list[Rules]]:
        found: dict[str, list[Rules]] = {}
        for rules in self.rules.values():
            found.setdefault(rules.source.origin, []).append(rules)
        return found


class Rulebook:
    """Gives the `Book` of the newest configuration; made once for each."""

    def __init__(self, current: Callable[[], Configuration]) -> None:
        self._current = current
        self._lock = threading.Lock()
        self._book: Book | None = None

    def __call__(self) -> Book:
        """The newest."""
        configuration = self._current()
        with self._lock:
            if self._book is None or self._book.configuration is not configuration:
                self._book = Book(configuration, _rules(configuration))
            return self._book


def _rules(configuration: Configuration) -> dict[str, Rules]:
    found = {}
    for source in configuration.callbacks:
        line = configuration.line(source.line)
        if line is not None:
            found[source.title] = of_source(source, line)
    return found
