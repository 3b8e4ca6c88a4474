"""What holds a line's or a source's emissions back, and where the line's pace stands. No decisions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update

from bridge.store.database import Database
from bridge.store.tables import callbacks, calls, emission_states

Kind = Literal["line", "source"]


RESTORED = ("restored database", "base de datos restaurada")
"""What the reason of a line begins with, in English or Spanish, that is held because its database was restored."""


class Mode(StrEnum):
    """Whether a line or a source emits."""

    RUNNING = "running"
    PAUSED = "paused"
    """For what the platform said; tried again by itself, one emission at a time."""
    STOPPED = "stopped"
    """For what the platform said; until a person resumes it, or the configuration changes."""
    HELD = "held"
    """Until a person resumes it: another person paused it, or the database was restored from a backup."""


@dataclass(frozen=True, slots=True)
class EmissionState:
    """How a line (`name` its number) or a source stands.

    `until`: paused until then; `delay`: seconds of this pause, which the next one doubles; `reason` and `since` for
    people; `probe`: the callback that tries whether it goes on. `last_slot`: the pace's; of a
    source, when one of its had its turn last.
    `wake_at`: when somebody will look at it again. Of a source that is polled:
    `polled_at` the last time, `failures` in a row, `error` of the last one.
    """

    kind: Kind
    name: str
    mode: Mode = Mode.RUNNING
    until: datetime | None = None
    delay: int = 0
    reason: str = ""
    since: datetime | None = None
    last_slot: datetime | None = None
    wake_at: datetime | None = None
    probe: int | None = None
    polled_at: datetime | None = None
    failures: int = 0
    error: str = ""

    @property
    def restored(self) -> bool:
        """Whether it is held because the database was restored from a backup."""
        return self.mode is Mode.HELD and self.reason.startswith(RESTORED)


def held(database: Database, connection: Connection, kind: Kind, name: str) -> EmissionState:
    """Return how it stands, held until the transaction ends so that nobody else changes it; made where it was not
    there."""
    connection.execute(database.insert(emission_states).values(kind=kind, name=name).on_conflict_do_nothing())
    row = connection.execute(_of(kind, name).with_for_update()).one()
    return _state(row)


def get(connection: Connection, kind: Kind, name: str) -> EmissionState:
    """Return the state of a line or a source; that of one that was never held back, where none is stored."""
    row = connection.execute(_of(kind, name)).first()
    return EmissionState(kind, name) if row is None else _state(row)


def all_of(connection: Connection, kind: Kind) -> dict[str, EmissionState]:
    """Return all that is known, by name."""
    query = select(emission_states).where(emission_states.c.kind == kind)
    return {row.name: _state(row) for row in connection.execute(query)}


def names(connection: Connection) -> tuple[set[str], set[str]]:
    """Return the lines and the sources that there is anything about. Looks through whole tables."""
    states = connection.execute(select(emission_states.c.kind, emission_states.c.name)).all()
    called = connection.execute(select(callbacks.c.line, callbacks.c.source).distinct()).all()
    heard = connection.execute(select(calls.c.line).distinct()).scalars().all()
    lines = {row.name for row in states if row.kind == "line"} | {row.line for row in called} | set(heard)
    return lines, {row.name for row in states if row.kind == "source"} | {row.source for row in called}


def save(connection: Connection, kind: Kind, name: str, values: Mapping[str, Any]) -> None:
    """Change it; no values change nothing."""
    if not values:
        return
    same = (emission_states.c.kind == kind, emission_states.c.name == name)
    connection.execute(update(emission_states).where(*same).values(dict(values)))


def _of(kind: Kind, name: str) -> Any:
    return select(emission_states).where(emission_states.c.kind == kind, emission_states.c.name == name)


def _state(row: Row[Any]) -> EmissionState:
    return EmissionState(**{**row._mapping, "mode": Mode(row.mode)})
