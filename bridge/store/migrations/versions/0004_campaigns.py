"""Campaigns have a table, and a callback says which campaign it is of.

Before, a campaign was a JSON note in `meta`, and its callbacks those of its source whose task id begins with its name
and a slash. The notes are deleted: a process of that version that still runs calls what waits, but finds no campaign.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.String(48)
MOMENT = sa.DateTime(timezone=True)
NOTE = "campaign:"


def upgrade() -> None:
    """Make both, and take the notes over, however many callbacks a campaign has."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    campaigns = op.create_table(
        "campaigns",
        sa.Column("name", NAME, nullable=False),
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("file", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_campaigns"),
    )
    op.add_column("callbacks", sa.Column("campaign", NAME, server_default="", nullable=False))
    connection = op.get_bind()
    meta = sa.table("meta", sa.column("name"), sa.column("value"))
    callbacks = sa.table("callbacks", sa.column("source"), sa.column("task_id"), sa.column("campaign"))
    noted = sa.func.substr(meta.c.name, 1, len(NOTE)) == NOTE
    for text in connection.execute(sa.select(meta.c.value).where(noted)).scalars().all():
        note = json.loads(text)
        name, source, prefix = note["name"], note["source"], f"{note['name']}/"
        connection.execute(
            campaigns.insert().values(
                name=name,
                source=source,
                file=note["file"],
                started_at=_moment(note["started_at"]),
                paused=note["paused"],
                cancelled_at=_moment(note["cancelled_at"]) if note["cancelled_at"] else None,
            )
        )
        rows = (callbacks.c.source == source, sa.func.substr(callbacks.c.task_id, 1, len(prefix)) == prefix)
        connection.execute(callbacks.update().where(*rows).values(campaign=name))
    connection.execute(meta.delete().where(noted))
    where = sa.text("campaign <> ''")
    op.create_index(
        "ix_callbacks_campaign", "callbacks", ["campaign", "id"], postgresql_where=where, sqlite_where=where
    )


def _moment(text: str) -> datetime:
    """In UTC; without a zone on SQLite, which keeps none."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.replace(tzinfo=None) if op.get_bind().dialect.name == "sqlite" else moment
