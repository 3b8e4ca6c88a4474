"""`--trace`: each request to a CRM and its answer, as they come."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from bridge.cli.language import words
from bridge.texts import Text

_FOUND = re.compile(r"→ \d+ found")


class Trace:
    """Numbers what it sees, and says who asked and when: `say` gets it. Called from many threads."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._began = clock()
        self._count = 0
        self._lock = threading.Lock()

    def see(self, connector: str, exchange: str) -> None:
        """Print one exchange, masked."""
        with self._lock:
            self._count += 1
            ms = (self._clock() - self._began) * 1000
            text = (words(exchange) if _of_a_file(exchange) else exchange).replace("\n", "\n    ")
            done = Text(
                "[{number}] {connector}, done after {ms:.0f} ms", number=self._count, connector=connector, ms=ms
            )
            self._say(f"{words(done)}\n    {text}")


def _of_a_file(exchange: str) -> bool:
    """Whether it is what a file was asked, which is a sentence. All else is shown as it was sent."""
    asked, _, answer = exchange.partition("\n")
    return " looked for in " in asked and _FOUND.fullmatch(answer) is not None
