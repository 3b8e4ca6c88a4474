"""Something that is wrong, as it was seen, and where it is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.errors import Fault
from bridge.runtime.log import Formatter
from bridge.store.database import Database
from bridge.texts import Text
from bridge.troubles.trouble import Severity

_MASK = Formatter()
_LONGEST = 240


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that is wrong now. `since` None: it can't be told from what is there. See `Trouble`."""

    kind: str
    subject: str
    severity: Severity
    text: Text
    action: Text
    since: datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look. `loaded` None: no configuration can be used, for its `faults`. `database` None: it is not known
    which. `state`: the state folder."""

    loaded: Loaded | None
    database: Database | None
    state: Path
    faults: tuple[Fault, ...] = ()

    @property
    def configuration(self) -> Configuration | None:
        return self.loaded.configuration if self.loaded is not None else None


def quoted(error: str) -> str:
    """Return what somebody else said as a part of a text: one line, no whole numbers, no full stop, not too long."""
    line = _MASK.masked(" ".join(error.split()))
    return (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…").rstrip(".")
