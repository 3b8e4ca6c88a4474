"""What was told by a channel, kept so that a restart tells nothing twice and knows what is over since.

What belongs to this host is kept in its state folder. What several hosts on one PostgreSQL may see (what is looked up
there; a CRM that one of them can't reach) is kept there, and they see to it one after another: what one told the others
do not tell, and it is over when none of them sees it any more.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.alerts.deciding import Memory, SentNotice
from bridge.store.database import Database
from bridge.store.sharednotes import SharedNotes
from bridge.texts import from_json
from bridge.troubles import Severity, Trouble

_log = logging.getLogger("bridge.alerts")
_LEASE = 90.0
"""Seconds after which a host that never came back from its turn is waited for no longer."""


class HostMemory:
    """A file for each channel in the state folder `folder`. One that can't be written is remembered by this process
    alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[str, SentNotice]] = {}
        self._said = ""

    def read(self, key: str) -> dict[str, SentNotice]:
        """Return what the channel told."""
        if key not in self._known:
            try:
                self._known[key] = _restored(json.loads(self._path(key).read_text("utf-8")))
            except FileNotFoundError:
                self._known[key] = {}
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                _log.warning("%s can't be read, so what it holds is told again: %s", self._path(key), error)
                self._known[key] = {}
        return dict(self._known[key])

    def write(self, key: str, memory: Memory) -> None:
        """Keep this in place of what there was."""
        if memory == self._known.get(key):
            return
        self._known[key] = dict(memory)
        path = self._path(key)
        beside = path.with_name(f"{path.name}.new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(_stored(memory), file)
                file.flush()
                os.fsync(descriptor)
            beside.replace(path)
            self._said = ""
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            if str(error) != self._said:
                self._said = str(error)
                _log.warning("what was told can't be kept, so a restart tells it again: %s", error)

    def _path(self, key: str) -> Path:
        return self._folder / f"alerts-{key}.json"


class SharedMemory:
    """A note for each channel in the database. A host takes its turn (`claim`) before it tells anything, and ends it
    with `write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes = SharedNotes(database, "alerts")

    def claim(self, key: str, now: float) -> dict[str, SentNotice] | None:
        """Return what the channel told; None: it is another host's turn. Raises `StoreUnavailable`."""
        note = self._notes.claim(key, now, _LEASE)
        return None if note is None else _restored(note.get("told", {}))

    def write(self, key: str, memory: Memory) -> None:
        """Keep this in place of what there was, if it still is this host's turn, and end that. Raises
        `StoreUnavailable`."""
        self._notes.write(key, {"told": _stored(memory)})

    def close(self) -> None:
        """Let other hosts have their turn at once, and go."""
        self._notes.release()
        self._database.close()


def _stored(memory: Memory) -> dict[str, Any]:
    return {
        id_: {
            "severity": entry.trouble.severity.value, "since": entry.trouble.since.isoformat(),
            "count": entry.trouble.count, "text": entry.trouble.text.to_json(),
            "action": entry.trouble.action.to_json(), "at": entry.at, "gone": entry.gone,
        }
        for id_, entry in memory.items()
    }  # fmt: skip


def _restored(stored: dict[str, Any]) -> dict[str, SentNotice]:
    return {
        id_: SentNotice(
            Trouble(
                id_, Severity(entry["severity"]), datetime.fromisoformat(entry["since"]), entry["count"],
                from_json(entry["text"]), from_json(entry["action"]),
            ),
            entry["at"], entry["gone"],
        )
        for id_, entry in stored.items()
    }  # fmt: skip
