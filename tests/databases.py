"""Databases for tests, with the bridge's tables made once: running every migration for each test would take minutes."""

from __future__ import annotations

import functools
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from bridge.store.schema import connect


def sqlite_with_tables(path: Path) -> Path:
    """Make an SQLite database of this version, without rows, at `path`, unless there is a file; returns `path`."""
    with suppress(FileExistsError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as output:
            output.write(_template())
    return path


@functools.cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        connect("sqlite:///template.db", Path(folder)).close()
        return (Path(folder) / "template.db").read_bytes()
