"""Decides when a file that is followed is to be read: pure, it is told what the file looks like, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class FileState(NamedTuple):
    """What tells that a file changed."""

    modified: int
    """Nanoseconds, Unix time."""
    size: int
    inode: int


class FileStep(Enum):
    """What is to be done after a look at the file."""

    WAIT = "nothing has changed, it has not settled, or it is too early to try again"
    GONE = "there is no file"
    LOAD = "read it"
    CURRENT = "what was loaded is what the file holds"


@dataclass(frozen=True, slots=True)
class Limits:
    """How a file is followed.

    Seconds: `look_every`, between two looks, for which a file has to stay the same before it is read; `settle`, without
    a change, for one that is needed at once; `tick`, after a change in which another one may leave the file's time as
    it is; `system_again` and `damaged_again`, after which what could not be read is tried again although it looks the
    same; `note_every`, between two notes that an index is in use. `in_process`: bytes up to which a file is read in
    this process (some 10,000 rows, a few hundredths of a second).

    Of a file that is fetched: `fetch_timeout`, for one attempt; `fetch_again`, after the first that failed, longer
    after each further one; `first_fetch`, for which an opening waits where the copy is missing or old.
    """

    look_every: float = 0.5
    settle: float = 0.3
    tick: float = 2.0
    system_again: float = 30.0
    damaged_again: float = 300.0
    note_every: float = 3600.0
    in_process: int = 1024 * 1024
    fetch_timeout: float = 60.0
    fetch_again: float = 30.0
    first_fetch: float = 5.0


class FileWatch:
    """Follows one file. `look` comes first, then `loaded` or `failed` where it said that the file is to be read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._before: FileState | None = None
        self._loaded: FileState | None = None
        self._failed: FileState | None = None
        self._in_trouble = False
        self._again_at = 0.0
        self._verify_at: float | None = None

    def step(self, look: FileState | None, now: float) -> FileStep:
        """Return what to do, at this second of a clock that never goes back; None: there is no file."""
        settled, self._before = look is not None and look == self._before, look
        if look is None:
            return FileStep.GONE
        if look == self._failed and now < self._again_at:
            return FileStep.WAIT
        verify = self._verify_at is not None and now >= self._verify_at
        if settled and (look != self._loaded or verify or self._in_trouble):
            return FileStep.LOAD
        return FileStep.CURRENT if self.holds(look) and not self._in_trouble else FileStep.WAIT

    def holds(self, look: FileState | None) -> bool:
        """Return whether what was loaded is what the file held when it looked like this."""
        return look is not None and look == self._loaded

    def loaded(self, look: FileState | None, now: float, today: float) -> None:
        """Note that it was read when it looked like this. `today`: Unix time; where the file had just been changed
        then, it is read once more, for another change within the same tick of the clock."""
        self._before = self._loaded = look
        self._failed, self._in_trouble = None, False
        recent = look is not None and today - look.modified / 1e9 < self._limits.tick
        self._verify_at = now + self._limits.tick if recent else None

    def failed(self, look: FileState | None, now: float, *, system: bool) -> None:
        """Note that it could not be read; `system`: for a reason that is not in the file."""
        self._failed, self._in_trouble = look, True
        self._again_at = now + (self._limits.system_again if system else self._limits.damaged_again)
