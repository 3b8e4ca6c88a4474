"""Callbacks: tasks that ask for a call, and what holds lines and sources back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _words(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), server_default="", nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "callbacks",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("task_key", sa.String(64), nullable=False),
        _words("task_id", 512),
        _words("line", 128),
        _words("number", 32),
        _words("customer", 32),
        sa.Column("state", sa.String(16), nullable=False),
        _words("digest", 64),
        sa.Column("task", sa.JSON(), nullable=False),
        sa.Column("due", MOMENT, nullable=True),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        _words("gate", 32),
        _words("reason"),
        _number("attempts"),
        _number("windows"),
        _number("emissions"),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("rung_at", MOMENT, nullable=True),
        _words("idcall", 128),
        sa.Column("request", sa.JSON(), nullable=True),
        sa.Column("result", sa.Integer(), nullable=True),
        _words("answer"),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False),
        _words("owner", 64),
        sa.Column("lease_until", MOMENT, nullable=True),
        _words("last_report", 512),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        _number("version"),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
        sa.UniqueConstraint("source", "task_key", name="uq_callbacks_once"),
    )
    op.create_index("ix_callbacks_due", "callbacks", ["state", "source", "next_at", "id"])
    under_way = sa.text("state IN ('queued', 'sending', 'accepted')")
    at_work = ["line", "state", "rung_at"]
    op.create_index("ix_callbacks_at_work", "callbacks", at_work, postgresql_where=under_way, sqlite_where=under_way)
    op.create_index("ix_callbacks_number", "callbacks", ["number", "rung_at"])
    op.create_index("ix_callbacks_customer", "callbacks", ["customer"])
    op.create_index("ix_callbacks_line", "callbacks", ["line", "rung_at"])
    op.create_index("ix_callbacks_idcall", "callbacks", ["idcall"])
    op.create_index("ix_callbacks_settled_at", "callbacks", ["settled_at"])
    op.create_table(
        "emission_states",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("mode", sa.String(16), server_default="running", nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        _number("delay"),
        _words("reason"),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("last_slot", MOMENT, nullable=True),
        sa.Column("wake_at", MOMENT, nullable=True),
        sa.Column("probe", ID, nullable=True),
        sa.Column("polled_at", MOMENT, nullable=True),
        _number("failures"),
        _words("error"),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_emission_states"),
    )
