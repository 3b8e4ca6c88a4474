"""Which version of the bridge a database is of, and whether a process of this one may go on working on it.

A newer version brings the tables up to date under processes that run. Nearly always those can live with it: a step only
adds. Where a step leaves something that they would break, or be broken by, `OLDEST` is raised with it. It stands in the
database, and whoever is older takes no more work from then on (`TooOld`).
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select

from bridge.errors import StoreUnavailable
from bridge.store.tables import OLDEST, REVISION, meta

alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, as it makes it."""
OLDEST_NOTE = "oldest_revision"
"""The note in `meta` of the oldest revision whose processes may work on this database."""


class TooOld(StoreUnavailable):
    """A newer version of the bridge has changed the database so that this one must leave it alone."""


def revision(connection: Connection) -> str | None:
    """Return which step of the migrations made the tables; None where there are none."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(alembic_version.select()).scalar()


def works_beside(connection: Connection) -> bool:
    """Return whether this version may work on tables of a newer one; a newer one that says nothing wants no other."""
    oldest = connection.execute(select(meta.c.value).where(meta.c.name == OLDEST_NOTE)).scalar()
    return oldest is not None and oldest <= REVISION


def heed(connection: Connection, name: str) -> str | None:
    """Return the revision as `revision` does. Raises `TooOld` where the database, called `name`, is of a version beside
    which this one can't work."""
    current = revision(connection)
    if current is not None and current > REVISION and not works_beside(connection):
        raise TooOld(
            f"{name} was written by a newer version of the bridge ({current}); "
            "install that version, or restore the backup made before it"
        )
    return current


def note_oldest(connection: Connection) -> None:
    """Note which versions may work beside this one, whose tables these are now. What was asked for stays: rows of a
    kind that older ones can't read do not go away."""
    noted = connection.execute(select(meta.c.value).where(meta.c.name == OLDEST_NOTE)).scalar()
    connection.execute(meta.delete().where(meta.c.name == OLDEST_NOTE))
    connection.execute(meta.insert().values(name=OLDEST_NOTE, value=max(OLDEST, noted or "")))
