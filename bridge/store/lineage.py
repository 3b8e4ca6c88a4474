"""Which database this is, and how many emissions each installation made on it. A copy has the same `lineage`, and the
counts of when it was made. No decisions here; kept in `meta`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from sqlalchemy import Connection, or_, select, text

from bridge.store.database import Database
from bridge.store.tables import meta

_LINEAGE = "lineage"
_COUNT = "emissions:"
_RAISE = text(
    "INSERT INTO meta (name, value) VALUES (:name, '1') ON CONFLICT (name) "
    "DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS VARCHAR) RETURNING value"
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a database says of itself. `lineage` is empty where no bridge that counts has worked on it; `counters` are
    by installation."""

    lineage: str = ""
    counters: dict[str, int] = field(default_factory=dict)


def recorded(connection: Connection) -> Recorded:
    """Return what the database says of itself."""
    ours = or_(meta.c.name == _LINEAGE, meta.c.name.startswith(_COUNT, autoescape=True))
    rows = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value).where(ours))}
    lineage = rows.pop(_LINEAGE, "")
    return Recorded(lineage, {name.removeprefix(_COUNT): int(value) for name, value in rows.items()})


def begin(database: Database, connection: Connection) -> str:
    """Give the database its lineage, unless it has one; which it has then."""
    row = database.insert(meta).values(name=_LINEAGE, value=secrets.token_hex(8))
    connection.execute(row.on_conflict_do_nothing())
    return str(connection.execute(select(meta.c.value).where(meta.c.name == _LINEAGE)).scalar_one())


def count(connection: Connection, installation: str) -> tuple[str, int]:
    """Count one emission more of this installation; return the database's lineage (empty: none) and the emission's
    number. Until the transaction ends, nobody else of the installation gets one."""
    number = int(connection.execute(_RAISE, {"name": f"{_COUNT}{installation}"}).scalar_one())
    lineage = connection.execute(select(meta.c.value).where(meta.c.name == _LINEAGE)).scalar()
    return lineage or "", number


def reach(database: Database, connection: Connection, installation: str, number: int) -> None:
    """Have this installation's count go on from `number`."""
    row = database.insert(meta).values(name=f"{_COUNT}{installation}", value=str(number))
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": str(number)}))
