"""The calls of a number, and those that nobody answered, are found in the order of their time.

Indexes over what the rows say already: no row is written, and what a process of the version before goes on writing is
in them. Making them reads the whole table, a minute for a million calls; meanwhile other processes can read calls, and
what they want to write to them waits or is done again later. Events go to another table.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

_VERDICT = """CASE WHEN state = 'open' THEN CASE WHEN {answered} THEN 'talking' ELSE 'open' END
WHEN {answered} THEN 'answered' WHEN state = 'over' AND direction = 'received' THEN 'missed' ELSE 'other' END"""
_ANSWERED = {"postgresql": "infocaller_bridge_answered(call)", "sqlite": "json_extract(call, '$.answered') = 1"}


def upgrade() -> None:
    """Make them, however long that takes."""
    database = op.get_bind().dialect.name
    if database == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    op.create_index("ix_calls_number", "calls", ["e164", "started_at", "id"])
    op.drop_index("ix_calls_e164", "calls")
    verdict = _VERDICT.format(answered=_ANSWERED[database])
    op.get_bind().exec_driver_sql(
        f"CREATE INDEX ix_calls_missed ON calls (started_at, id, e164) WHERE ({verdict}) = 'missed'"
    )
