"""Calls that have long been over can be packed.

Nothing is packed here: that happens little by little, and only a day after a process of this version began, as one of
the version before, which may still run beside it, reads no packs. The index of when calls changed gives way to one of
those alone that are not packed; that of emissions' ids to one without the calls that came of none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make room for the packs."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("calls", sa.Column("packed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "packs",
        sa.Column("call_id", ID, nullable=False, autoincrement=False),
        sa.Column("events", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_packs_call_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", name="pk_packs"),
    )
    emitted = sa.text("idcall <> ''")
    op.create_index(
        "ix_calls_of_emission", "calls", ["idcall"], postgresql_where=emitted, sqlite_where=emitted
    )  # fmt: skip
    op.drop_index("ix_calls_idcall", "calls")
    op.create_index(
        "ix_calls_not_packed", "calls", ["updated_at", "id"],
        sqlite_where=sa.text("packed = 0"), postgresql_where=sa.text("NOT packed"),
    )  # fmt: skip
    op.drop_index("ix_calls_updated_at", "calls")
