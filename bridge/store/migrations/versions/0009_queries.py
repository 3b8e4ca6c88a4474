"""What Queries were asked and answered is kept, counted by hour, and so is when each of the panel's URLs was called.

New tables only: a process of the version before that still runs writes nothing to them, and reads nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _words(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=False, server_default="")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "queries",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("line", sa.String(128), nullable=False),
        sa.Column("call_sequence", sa.String(128), nullable=False),
        sa.Column("query", sa.String(128), nullable=False),
        _words("direction", 16),
        _words("caller", 32),
        _words("called", 128),
        _words("variables"),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("result", sa.Integer(), nullable=False, server_default="0"),
        _words("text"),
        _words("answer"),
        _words("connector", 128),
        _words("record_kind", 128),
        _words("record_id", 256),
        _words("record_name", 256),
        sa.Column("record_link", sa.Text(), nullable=True),
        sa.Column("ms", sa.Double(), nullable=False, server_default="0"),
        _words("trail"),
        sa.PrimaryKeyConstraint("id", name="pk_queries"),
    )
    op.create_index("ix_queries_call", "queries", ["call_sequence", "line"])
    op.create_index("ix_queries_at", "queries", ["at", "id"])
    op.create_index("ix_queries_caller", "queries", ["caller", "at", "id"])
    unusual = sa.text("outcome <> 'found'")
    op.create_index("ix_queries_unusual", "queries", ["at", "id"], postgresql_where=unusual, sqlite_where=unusual)
    op.create_table(
        "query_hours",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("query", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("ms", sa.Double(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("hour", "query", "outcome", name="pk_query_hours"),
    )
    op.create_table(
        "panel_urls",
        sa.Column("line", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("called_at", MOMENT, nullable=True),
        _words("outcome", 32),
        sa.Column("error_at", MOMENT, nullable=True),
        _words("error"),
        sa.PrimaryKeyConstraint("line", "kind", "name", name="pk_panel_urls"),
    )
