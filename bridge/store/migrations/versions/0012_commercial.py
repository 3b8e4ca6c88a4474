"""Oppositions, what exclusion lists permit, and the evidence of what allowed each emission.

New tables alone: a process of the version before does not know them. It asks nobody whether a number may be called for
business, as it knows of no such calls.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _words(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=False, server_default="")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "oppositions",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        _words("number", 32),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        _words("source", 128),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_oppositions"),
        sa.UniqueConstraint("reference", name="uq_oppositions_reference"),
    )
    op.create_index("ix_oppositions_digest", "oppositions", ["digest"])
    op.create_index("ix_oppositions_number", "oppositions", ["number"])
    op.create_table(
        "exclusion_checks",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        *(_words("source", 256), _words("file")),
        sa.Column("checked_on", sa.Date(), nullable=True),
        sa.Column("numbers", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_exclusion_checks"),
    )
    op.create_table(
        "exclusions",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("permitted_on", sa.Date(), nullable=True),
        sa.Column("denied_on", sa.Date(), nullable=True),
        sa.Column("asked_in", ID, nullable=True),
        sa.Column("answered_in", ID, nullable=True),
        sa.PrimaryKeyConstraint("number", "source", name="pk_exclusions"),
    )
    op.create_index("ix_exclusions_asked_in", "exclusions", ["asked_in", "number"])
    op.create_table(
        "evidence",
        sa.Column("id", ID, nullable=False),
        sa.Column("installation", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        *(_words("number", 32), _words("customer", 32), _words("content")),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("annuls", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint("installation", "seq", name="uq_evidence_once"),
    )
    op.create_index("ix_evidence_number", "evidence", ["number"])
    op.create_index("ix_evidence_customer", "evidence", ["customer"])
    op.create_index("ix_evidence_at", "evidence", ["at"])
    annuls = sa.text("annuls IS NOT NULL")
    op.create_index(
        "ix_evidence_annuls", "evidence", ["installation", "annuls"], postgresql_where=annuls, sqlite_where=annuls
    )
