"""Notes in the database that several hosts take turns at: what was told, what was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, select, update

from bridge.errors import StoreUnavailable
from bridge.store.database import Database
from bridge.store.tables import meta


class SharedNotes:
    """Notes of one `kind`, by a key. Who takes a turn (`claim`) ends it with `write`; who never comes back from one is
    waited for as long as its lease runs."""

    def __init__(self, database: Database, kind: str) -> None:
        self._database, self._kind = database, kind
        self._owner = uuid4().hex
        self._mine: set[str] = set()

    def read(self, key: str) -> dict[str, Any]:
        """Return the note as it is, whoever's turn it is. Raises `StoreUnavailable`."""
        with self._database.read() as connection:
            value = connection.execute(select(meta.c.value).where(meta.c.name == self._name(key))).scalar()
        return _content(json.loads(value)) if value else {}

    def claim(self, key: str, now: float, lease: float) -> dict[str, Any] | None:
        """Take the turn, for `lease` seconds at most, and return the note; None: it is somebody else's. Raises
        `StoreUnavailable`."""
        with self._database.write() as connection:
            note = self._held(connection, key)
            if note.get("owner") not in (None, self._owner) and float(note.get("until", 0)) > now:
                self._mine.discard(key)
                return None
            self._mine.add(key)
            self._save(connection, key, {**note, "owner": self._owner, "until": now + lease})
            return _content(note)

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        """Keep this in place of what there was, if it still is our turn, and end that. Raises `StoreUnavailable`."""
        with self._database.write() as connection:
            if self._held(connection, key).get("owner") == self._owner:
                self._save(connection, key, {"owner": None, "until": 0, **content})
        self._mine.discard(key)

    def release(self) -> None:
        """Let others have their turn at once."""
        with suppress(StoreUnavailable), self._database.write() as connection:
            for key in self._mine:
                note = self._held(connection, key)
                if note.get("owner") == self._owner:
                    self._save(connection, key, {**note, "owner": None, "until": 0})

    def _held(self, connection: Connection, key: str) -> dict[str, Any]:
        """The note, which nobody else changes until the transaction ends."""
        name = self._name(key)
        empty = self._database.insert(meta).values(name=name, value="{}")
        connection.execute(empty.on_conflict_do_nothing())
        value = connection.execute(select(meta.c.value).where(meta.c.name == name).with_for_update()).scalar_one()
        note: dict[str, Any] = json.loads(value)
        return note

    def _save(self, connection: Connection, key: str, note: Mapping[str, Any]) -> None:
        connection.execute(update(meta).where(meta.c.name == self._name(key)).values(value=json.dumps(note)))

    def _name(self, key: str) -> str:
        return f"{self._kind}:{key}"


def _content(note: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in note.items() if name not in ("owner", "until")}
