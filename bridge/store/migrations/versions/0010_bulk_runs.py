"""What a person has done to many deliveries at once.

A new table alone: a process of the version before does not know it, and leaves the runs to the new ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "bulk_runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("criteria", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reached", ID, nullable=False),
        sa.Column("until", ID, nullable=False),
        sa.Column("started_by", sa.String(64), nullable=False, server_default=""),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_runs"),
    )
