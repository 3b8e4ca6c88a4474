"""A change to the configuration file from the console: looked at, tried by its own tests, kept. What is kept goes into
the audit log as what differs, secrets left out; the running processes take it up by themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bridge.config import differences, editing, files
from bridge.config.differences import DiffLine
from bridge.config.editing import ConfigurationText
from bridge.config.load import Loaded, Read
from bridge.config.versions import Versions
from bridge.errors import BridgeError, Fault
from bridge.service import cases
from bridge.service.cases import TriedCase
from bridge.service.reload import needs_restart
from bridge.texts import Text
from bridge.web.console.context import Visit, audit
from connectors.http.cassette_file import CassetteFault

MOST_EDITED = 400 * 1024
"""Bytes of a file that can be changed in the console: a form takes no more."""
_LONGEST_NOTE = 20_000
_TESTS_WITHIN = 20.0
"""Seconds after which no further case is begun: somebody waits."""


@dataclass(frozen=True, slots=True)
class CaseRun:
    """What the cases under `tests:` came to: those that failed, how many passed, how many were not asked for want of
    time; `error`: why they can't be asked."""

    failed: Sequence[TriedCase] = ()
    passed: int = 0
    left: int = 0
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether all that were asked passed."""
        return not self.failed and not self.error


class ConfigurationDraft:
    """A text that may become the configuration. `current`: what is in the file now; `digest`: what tells the text from
    others. Made for one page."""

    def __init__(self, visit: Visit, text: str) -> None:
        self._visit = visit
        self.path: Path = visit.parts.loaded.path
        self.current: ConfigurationText = editing.read_text(self.path)
        self.data = self.current.encoded(text)
        self.text = text
        self.digest = files.fingerprint(self.data)

    @cached_property
    def read(self) -> Read:
        """What `check` finds in the draft."""
        return editing.checked(self.path, self.data)

    @cached_property
    def warnings(self) -> Sequence[Fault]:
        """What the draft is warned of."""
        return self.read.loaded.warnings if self.read.loaded is not None else ()

    @property
    def good(self) -> bool:
        """Whether the running processes would take it up."""
        return editing.taken_up(self.read, self._visit.parts.loaded)

    @cached_property
    def difference(self) -> Sequence[DiffLine]:
        """What differs from the file as it is."""
        return differences.difference(self.current.text, editing.text_of(self.path, self.data).text)

    @property
    def restart(self) -> Sequence[str]:
        """Keys that only a restart takes up."""
        if self.read.loaded is None:
            return ()
        return needs_restart(self._visit.configuration, self.read.loaded.configuration)

    def try_tests(self) -> CaseRun:
        """Ask its `tests:`; nothing is saved."""
        loaded = self.read.loaded
        if loaded is None or not loaded.configuration.tests:
            return CaseRun()
        try:
            return self._tried(loaded)
        except CassetteFault as error:
            return CaseRun(error=str(error))
        except (BridgeError, OSError) as error:  # a connector that can't be opened
            return CaseRun(error=str(error))

    def _tried(self, loaded: Loaded) -> CaseRun:
        end = time.monotonic() + _TESTS_WITHIN
        failed: list[TriedCase] = []
        asked = 0
        with self._visit.parts.serving.use() as service:
            beside = service.beside(loaded)
            try:
                for case in cases.run(beside):
                    asked += 1
                    if case.differences:
                        failed.append(case)
                    if time.monotonic() > end:
                        break
            finally:
                beside.close(service)
        return CaseRun(failed, asked - len(failed), len(loaded.configuration.tests) - asked)

    def keep(self, action: str, *, expected: str, subject: str = "") -> None:
        """Put it in the file's place, keep the version before, note it. `expected`: the digest of the file that it was
        made from. Raises `editing.NotSaved`."""
        visit = self._visit
        who = visit.who.name if visit.who is not None else ""
        before = editing.checked(self.path, self.current.encoded(self.current.text))
        noted = self._noted(before.secrets | self.read.secrets)
        Versions(visit.parts.state).save(self.path, self.data, expected=expected, who=who, now=visit.parts.now())
        audit(
            action, subject, before={"digest": expected[:12]}, after={"digest": self.digest[:12], "difference": noted}
        )

    def _noted(self, secrets: Iterable[str]) -> str:
        hidden = frozenset(secrets)
        before = differences.without_secrets(self.current.text, hidden)
        after = differences.without_secrets(editing.text_of(self.path, self.data).text, hidden)
        return differences.as_text(differences.difference(before, after), _LONGEST_NOTE)


def obstacle(visit: Visit) -> Text | None:
    """Return why the file can't be changed in the console; None: it can."""
    loaded = visit.parts.loaded
    if not visit.configuration.console.edit:
        return Text("the configuration says console.edit: false")
    why = editing.obstacle(loaded.path)
    if why is None and loaded.path.stat().st_size > MOST_EDITED:
        why = Text("the file is larger than {count} KiB, which is more than a form takes", count=MOST_EDITED // 1024)
    return why
