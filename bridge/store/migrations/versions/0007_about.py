"""As whom the caller of a logged call was found, and where people open that record.

A process of the version before that still runs leaves it empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the column, which holds nothing yet."""
    op.add_column("deliveries", sa.Column("about", sa.JSON(none_as_null=True), nullable=True))
