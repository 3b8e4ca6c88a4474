"""What the program logs while a command runs, shown to whoever runs it: in their language, without a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.cli.language import say
from bridge.texts import Text, said


class _Remarks(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(Text("warning: {warning}", warning=said(record.getMessage())), err=True)


@contextmanager
def remarks() -> Iterator[None]:
    """Show warnings and errors of the log. A command that keeps a log of its own, as `serve` does, puts it in the place
    of this."""
    root, shown = logging.getLogger(), _Remarks(logging.WARNING)
    root.addHandler(shown)
    try:
        yield
    finally:
        root.removeHandler(shown)
