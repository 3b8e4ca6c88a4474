"""A task is known by what it comes from, a connector or a source without one, instead of by its source's name.

`origin` is empty in the callbacks that are there: what it is only the configuration can say, so `bridge.callbacks.
identity` fills it in. Until then they are known by their source, as before, also to a process of the old version that
still runs beside the new one: it stores no origin.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add it, and have it keep a task from being there twice."""
    origin = sa.Column("origin", sa.Text(), server_default="", nullable=False)
    with op.batch_alter_table("callbacks") as batch:
        batch.add_column(origin)
        batch.drop_constraint("uq_callbacks_once", type_="unique")
    for name, column, where in (
        ("uq_callbacks_once", "origin", sa.text("origin <> ''")),
        ("uq_callbacks_old", "source", sa.text("origin = ''")),
    ):
        op.create_index(
            name, "callbacks", ["task_key", column], unique=True, postgresql_where=where, sqlite_where=where
        )
