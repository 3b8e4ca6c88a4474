"""The sources of the newest configuration, ready for use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.callbacks.tasks import Rules, of_source
from bridge.config.model import Configuration


@dataclass(frozen=True)
class Book:
    """The sources of one configuration, by name."""

    configuration: Configuration
    rules: Mapping[str, Rules]

    def on_line(self, number: str) -> dict[str, Rules]:
        """Those that a line calls for, by name."""
        return {name: rules for name, rules in self.rules.items() if rules.line.number == number}


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
