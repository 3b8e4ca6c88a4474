"""What a user without rights meets, also where the tests run as root, who may do everything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def without_rights() -> Iterator[None]:
    """No rights of root within. What is used in it has to be imported before."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder of the user that `without_rights` makes of us. (pytest's own are closed to all but root.)"""
    with tempfile.TemporaryDirectory() as name:
        give(Path(name))
        yield Path(name)


def give(path: Path) -> None:
    """Make it that user's own."""
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, -1)
