"""Where the rows of a command go: to a file, or to the standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from bridge.cli.language import words


@contextmanager
def writing(output: Path | None, *, private: bool = False) -> Iterator[TextIO]:
    """Give what rows are written to, in UTF-8, its line breaks left to the writer. A `private` file is its owner's
    alone. What fails is said in a line."""
    if output is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a terminal, file or pipe
        yield sys.stdout
        return
    try:
        opener = _for_the_owner if private else None
        with open(output, "w", encoding="utf-8", newline="", opener=opener) as file:
            if private:
                output.chmod(0o600)  # one that was there already
            yield file
    except OSError as error:
        raise click.FileError(str(output), words(error.strerror or str(error))) from error


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
