"""Reports: calls are added up by hour, and each call says with which version of it that was done.

All calls that are kept count as not added up yet; that is done in the background, in small pieces. A process of the
version before goes on as it did: what it stores or changes is found by its version.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime(timezone=True)


def _key(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, primary_key=True)


def _sum(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind(), nullable=False, server_default="0")


def upgrade() -> None:
    """Make the table, and the index of what it does not hold yet, however many calls there are."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    op.create_table(
        "figures",
        _key("kind", 8),
        sa.Column("at", MOMENT, nullable=False, primary_key=True),
        *(_key("line", 128), _key("direction", 16), _key("outcome", 16), _key("number", 128)),
        _sum("calls"),
        *(_sum(name, sa.BigInteger) for name in ("seconds", "cost_rx", "cost_tx")),
        *(_sum("timed"), _sum("waited", sa.BigInteger), _sum("within_20"), _sum("within_180")),
        sa.PrimaryKeyConstraint("kind", "at", "line", "direction", "outcome", "number", name="pk_figures"),
    )
    op.add_column("calls", _sum("counted_version"))
    op.add_column("calls", sa.Column("counted", sa.JSON(), nullable=True))
    uncounted = sa.text("state <> 'open' AND version <> counted_version")
    op.create_index("ix_calls_uncounted", "calls", ["id"], postgresql_where=uncounted, sqlite_where=uncounted)
    missed = sa.text("origin = 'built_in:missed_calls'")
    op.create_index(
        "ix_callbacks_missed_made", "callbacks", ["created_at"], postgresql_where=missed, sqlite_where=missed
    )
