"""The folder of the bridge's own: indexes, locks, rate limits, the spool."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path

from bridge.config.load import Loaded
from bridge.errors import BridgeError

_log = logging.getLogger("bridge.runtime.state")
_CURE = "set state: to a folder that the bridge's user can write"


class NoStateFolder(BridgeError):
    """There is no folder that the bridge can keep its own in; the message says why and what to do."""


def state_folder(loaded: Loaded) -> Path:
    """`state:` of the configuration, made when it is missing.

    Where that can't be written, a folder in the system's temporary one, named after the configuration's path: anybody
    may have made one of that name before, so it has to be this user's alone. Raises `NoStateFolder`.
    """
    configured: Path = loaded.folder / loaded.configuration.state
    try:
        configured.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _writable(configured):
            return configured
        reason = "it can't be written"
    except OSError as error:
        reason = error.strerror or str(error)
    instead = _instead(loaded)
    try:
        instead.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise NoStateFolder(f"{configured}: {reason}, and neither can {instead}: {error.strerror}; {_CURE}") from error
    wrong = _not_ours(instead)
    if wrong:
        raise NoStateFolder(f"{configured}: {reason}, and {instead} {wrong}, so it is not used; {_CURE}")
    _log.warning("%s: %s; using %s: set state: to a folder that can be written", configured, reason, instead)
    return instead


def existing_state_folder(loaded: Loaded) -> Path:
    """Return the folder that `state_folder` would give, for whoever only looks: nothing is made."""
    configured: Path = loaded.folder / loaded.configuration.state
    instead = _instead(loaded)
    return configured if _writable(configured) or _not_ours(instead) else instead


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _not_ours(folder: Path) -> str:
    """Why a folder is not this user's alone, empty where it is. A link is not followed."""
    try:
        about = folder.lstat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(about.st_mode):
        return "is no folder but a link or a file"
    if about.st_uid != os.geteuid():
        return "belongs to another user"
    if stat.S_IMODE(about.st_mode) != 0o700:
        return f"is open to others (mode {stat.S_IMODE(about.st_mode):o} instead of 700)"
    return ""


def _instead(loaded: Loaded) -> Path:
    digest = hashlib.sha256(str(loaded.path.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"infocaller-bridge-{os.geteuid()}-{digest}"
