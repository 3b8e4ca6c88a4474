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
from uuid import uuid4

from sqlalchemy import Connection, select, update

from bridge.alerts.deciding import Memory, Told
from bridge.errors import StoreUnavailable
from bridge.store.database import Database
from bridge.store.tables import meta
from bridge.troubles import Severity, Trouble

_log = logging.getLogger("bridge.alerts")
_LEASE = 90.0
"""Seconds after which a host that never came back from its turn is waited for no longer."""


class HostMemory:
    """A file for each channel in the state folder `folder`. One that can't be written is remembered by this process
    alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[str, Told]] = {}
        self._said = ""

    def read(self, key: str) -> dict[str, Told]:
        """What the channel told."""
        if key not in self._known:
            try:
                self._known[key] = _restored(json.loads(self._path(key).read_text("utf-8")))
            except FileNotFoundError:
                self._known[key] = {}
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                _log.warning("%s can't be read, so what it holds is told again: %s", self._path(key), error)
                self._known[key] = {}
        return dict(self._known[key])

    def write(self, key: str, told: Memory) -> None:
        """Keep this in place of what there was."""
        if told == self._known.get(key):
            return
        self._known[key] = dict(told)
        path = self._path(key)
        beside = path.with_name(f"{path.name}.new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(_stored(told), file)
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
        self._owner = uuid4().hex
        self._mine: set[str] = set()

    def claim(self, key: str, now: float) -> dict[str, Told] | None:
        """What the channel told; None: it is another host's turn. Raises `StoreUnavailable`."""
        with self._database.write() as connection:
            note = self._held(connection, key)
            if note.get("owner") not in (None, self._owner) and float(note.get("until", 0)) > now:
                self._mine.discard(key)
                return None
            self._mine.add(key)
            _save(connection, key, {**note, "owner": self._owner, "until": now + _LEASE})
            return _restored(note.get("told", {}))

    def write(self, key: str, told: Memory) -> None:
        """Keep this in place of what there was, if it still is this host's turn, and end that. Raises
        `StoreUnavailable`."""
        with self._database.write() as connection:
            note = self._held(connection, key)
            if note.get("owner") == self._owner:
                _save(connection, key, {"owner": None, "until": 0, "told": _stored(told)})
        self._mine.discard(key)

    def close(self) -> None:
        """Let other hosts have their turn at once, and go."""
        self._release()
        self._database.close()

    def _release(self) -> None:
        with suppress(StoreUnavailable), self._database.write() as connection:
            for key in self._mine:
                note = self._held(connection, key)
                if note.get("owner") == self._owner:
                    _save(connection, key, {**note, "owner": None, "until": 0})

    def _held(self, connection: Connection, key: str) -> dict[str, Any]:
        """The note, which nobody else changes until the transaction ends."""
        empty = self._database.insert(meta).values(name=_name(key), value="{}")
        connection.execute(empty.on_conflict_do_nothing())
        value = connection.execute(select(meta.c.value).where(meta.c.name == _name(key)).with_for_update()).scalar_one()
        note: dict[str, Any] = json.loads(value)
        return note


def _name(key: str) -> str:
    return f"alerts:{key}"


def _save(connection: Connection, key: str, note: dict[str, Any]) -> None:
    connection.execute(update(meta).where(meta.c.name == _name(key)).values(value=json.dumps(note)))


def _stored(told: Memory) -> dict[str, Any]:
    return {
        id_: {
            "severity": one.trouble.severity.value, "since": one.trouble.since.isoformat(), "count": one.trouble.count,
            "text": one.trouble.text, "action": one.trouble.action, "at": one.at, "gone": one.gone,
        }
        for id_, one in told.items()
    }  # fmt: skip


def _restored(stored: dict[str, Any]) -> dict[str, Told]:
    return {
        id_: Told(
            Trouble(
                id_, Severity(one["severity"]), datetime.fromisoformat(one["since"]), one["count"], one["text"],
                one["action"],
            ),
            one["at"], one["gone"],
        )
        for id_, one in stored.items()
    }  # fmt: skip
