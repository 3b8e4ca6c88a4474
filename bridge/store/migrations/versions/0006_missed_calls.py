"""Missed calls are tasks: one that waits a number, which the index sees to. And a callback may wait for a person.

A process of the version before that still runs makes no such tasks, and calls what it knows as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make both, however many callbacks there are."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("callbacks", sa.Column("by_hand_at", MOMENT, nullable=True))
    where = sa.text("origin = 'built_in:missed_calls' AND state IN ('waiting', 'queued') AND customer <> ''")
    op.create_index(
        "uq_callbacks_missed", "callbacks", ["customer"], unique=True, postgresql_where=where, sqlite_where=where
    )
