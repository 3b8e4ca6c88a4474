"""How the file stands to what the bridge serves by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.config import editing
from bridge.config.editing import ConfigurationText
from bridge.config.load import attempt
from bridge.errors import Fault
from bridge.texts import Text
from bridge.web.console.context import Visit
from bridge.web.console.words import Word

_SOON = timedelta(seconds=15)
"""For so long after a change, it may still be taken up."""

IN_FORCE = Word(Text("in force"), "good")
SOON = Word(Text("being taken up"), "busy")
REFUSED = Word(Text("refused"), "bad")
NOT_BROUGHT_UP = Word(Text("not taken up"), "bad")


@dataclass(frozen=True, slots=True)
class ConfigurationState:
    """`since` and `digest` are of what the bridge serves by. `word`: what becomes of the `file`. `faults` are those of
    the file as it is now; `refusing`: they keep it from being taken up."""

    word: Word
    since: datetime
    digest: str
    file: ConfigurationText
    written: datetime | None
    faults: Sequence[Fault]
    warnings: Sequence[Fault]

    @property
    def refusing(self) -> bool:
        return self.word is REFUSED


def state_of(visit: Visit) -> ConfigurationState:
    """Return which configuration is in force, and what is wrong with the file."""
    loaded = visit.parts.loaded
    with visit.parts.serving.use() as service:
        since = service.since
    in_force = loaded.files.get(loaded.path, "")
    file = editing.read_text(loaded.path)
    try:
        written = datetime.fromtimestamp(loaded.path.stat().st_mtime, UTC)
    except OSError:
        written = None
    if file.digest == in_force:
        return ConfigurationState(IN_FORCE, since, in_force, file, written, loaded.faults, loaded.warnings)
    read = attempt(loaded.path)
    if not editing.taken_up(read, loaded):
        word = REFUSED
    elif written is not None and visit.now - written < _SOON:
        word = SOON
    else:
        word = NOT_BROUGHT_UP
    warnings = read.loaded.warnings if read.loaded is not None else ()
    return ConfigurationState(word, since, in_force, file, written, read.faults, warnings)
