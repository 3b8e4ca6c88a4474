"""The folder of the bridge's own: indexes, locks, rate limits, the spool."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

from bridge.config.load import Loaded

_log = logging.getLogger("bridge.state")


def state_folder(loaded: Loaded) -> Path:
    """`state:` of the configuration, made when it is missing.

    Where that can't be written, a folder in the system's temporary one, named after the configuration's path.
    """
    wanted: Path = loaded.folder / loaded.configuration.state
    try:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK | os.X_OK):
            return wanted
        reason = "it can't be written"
    except OSError as error:
        reason = error.strerror or str(error)
    instead = _instead(loaded)
    instead.mkdir(mode=0o700, exist_ok=True)
    _log.warning("%s: %s; using %s: set state: to a folder that can be written", wanted, reason, instead)
    return instead


def existing_state_folder(loaded: Loaded) -> Path:
    """The folder that `state_folder` would give, for whoever only looks: nothing is made."""
    wanted: Path = loaded.folder / loaded.configuration.state
    instead = _instead(loaded)
    return instead if instead.is_dir() and not os.access(wanted, os.W_OK | os.X_OK) else wanted


def _instead(loaded: Loaded) -> Path:
    digest = hashlib.sha256(str(loaded.path.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"infocaller-bridge-{os.getuid()}-{digest}"
