"""Records that open on the screens of who answered a call, each once.

A new table alone: a process of the version before does not know it, and opens nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make it."""
    names = ("line", "call_sequence", "connector", "extension")
    op.create_table(
        "screen_pops",
        sa.Column("id", ID, nullable=False),
        *(sa.Column(name, sa.String(128), nullable=False) for name in names),
        sa.Column("answered_at", MOMENT, nullable=False),
        sa.Column("begun_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_screen_pops"),
        sa.UniqueConstraint(*names, name="uq_screen_pops_once"),
    )
    op.create_index("ix_screen_pops_answered_at", "screen_pops", ["answered_at"])
