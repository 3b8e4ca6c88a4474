"""How much of the day's API requests is used, as any process of this machine heard it last."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from connectors.base import Usage

_SAID = re.compile(r"(?:^|[;\s])api-usage=(\d{1,15})/(\d{1,15})(?!\d)")
_EVERY = 5.0  # seconds between two writes of one process: that is exact enough


class DayUse:
    """`folder`: where the processes tell each other, None: this one alone. `org` names the org: another one under the
    same connector's name has other figures. `clock`: Unix time."""

    def __init__(self, folder: Path | None, org: str, clock: Callable[[], float] = time.time) -> None:
        name = f"salesforce-usage-{hashlib.sha256(org.encode()).hexdigest()[:16]}.json"
        self._file = folder / name if folder is not None else None
        self._clock = clock
        self._lock = threading.Lock()
        self._own: Usage | None = None
        self._written_at = -_EVERY

    def hear(self, header: str) -> bool:
        """Read a `Sforce-Limit-Info`; whether it says how much is used."""
        match = _SAID.search(header)
        if match is None:
            return False
        usage = Usage(int(match[1]), int(match[2]), self._clock())
        with self._lock:
            self._own = usage
            due = usage.at - self._written_at >= _EVERY
            if due:
                self._written_at = usage.at
        if due and self._file is not None:
            _write(self._file, usage)
        return True

    def last(self) -> Usage | None:
        """Return the newest figures, None where nobody has heard any."""
        figures = [usage for usage in (self._own, _read(self._file)) if usage is not None]
        return max(figures, key=lambda usage: usage.at, default=None)


def _write(file: Path, usage: Usage) -> None:
    """Tell the others. What can't be told is no reason to fail a request: they hear it with one of their own."""
    new = file.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    try:
        new.write_text(json.dumps([usage.used, usage.allowed, usage.at]), encoding="ascii")
        new.replace(file)
    except OSError:
        new.unlink(missing_ok=True)


def _read(file: Path | None) -> Usage | None:
    if file is None:
        return None
    try:
        used, allowed, at = json.loads(file.read_bytes())
        return Usage(int(used), int(allowed), float(at))
    except (OSError, ValueError, TypeError):
        return None
