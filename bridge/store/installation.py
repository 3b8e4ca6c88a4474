"""The id of this installation: one for each state folder, made once, so that several bridges can tell themselves apart
in what they share (a CRM, a list of tasks, a PostgreSQL database)."""

from __future__ import annotations

import logging
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from bridge.errors import StoreUnavailable
from connectors.filelock import FileLock

_log = logging.getLogger("bridge.runtime.state")
_FILE = "installation"
_ID = re.compile(r"[0-9a-f]{16}")
_PATIENCE = 10.0


def installation_id(folder: Path) -> str:
    """Return the id that the state folder `folder` keeps, 16 hexadecimal digits; made, and on disk when this returns,
    where there is none. Any number of processes get the same one.

    A file that holds no id (cut by a full disk, edited) is replaced: what the id before it claimed is then another
    installation's, which is left alone. Raises `StoreUnavailable`: it can't be read or written.
    """
    file = folder / _FILE
    try:
        if id_ := _read(file):
            return id_
        with FileLock(folder / f"{_FILE}.lock").held(_PATIENCE):
            return _read(file) or _make(file)
    except TimeoutError as error:
        raise StoreUnavailable(str(error)) from error
    except OSError as error:
        raise StoreUnavailable(
            f"{file}: {error.strerror or error}; make room, or let the bridge's user write"
        ) from error


def _read(file: Path) -> str:
    """The id in the file, empty where there is none."""
    try:
        text = file.read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""
    return text if _ID.fullmatch(text) else ""


def _make(file: Path) -> str:
    """Write a new id. The name appears only once the content is on disk, so nobody ever reads half of one."""
    if file.exists():
        _log.error("%s holds no id: a new one is made; claims that this bridge made before count as another's", file)
    id_ = secrets.token_hex(8)
    beside = file.with_name(f"{file.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{id_}\n".encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.rename(file)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return id_
