"""A number's calls are found by what became of them and when, however many there are.

One index over what the rows say already: no row is written, and what a process of the version before goes on writing
is in it. Making it reads the whole table once, a minute or more for five million calls; meanwhile other processes can
read calls, and what they want to write to them waits or is done again later. Events go to another table.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

_VERDICT = """CASE WHEN state = 'open' THEN CASE WHEN {answered} THEN 'talking' ELSE 'open' END
WHEN {answered} THEN 'answered' WHEN state = 'over' AND direction = 'received' THEN 'missed' ELSE 'other' END"""
_ANSWERED = {"postgresql": "infocaller_bridge_answered(call)", "sqlite": "json_extract(call, '$.answered') = 1"}
_FUNCTION = """
CREATE OR REPLACE FUNCTION infocaller_bridge_answered(call json) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN coalesce(call ->> 'answered' = 'true', false);
EXCEPTION WHEN others THEN
    RETURN call::text LIKE '%"answered": true, "answered_by": %';
END $$
"""
"""A caller's variable may hold a NUL (`\\u0000`), and then PostgreSQL reads no part of the document: neither may the
index refuse the call, nor this step fail over one that is kept."""


def upgrade() -> None:
    """Make it, however long that takes."""
    database = op.get_bind().dialect.name
    if database == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
        op.get_bind().exec_driver_sql(_FUNCTION.replace("%", "%%"))
    verdict = _VERDICT.format(answered=_ANSWERED[database])
    op.get_bind().exec_driver_sql(
        f"CREATE INDEX ix_calls_history ON calls (e164, ({verdict}), coalesce(ended_at, started_at), id) "
        "WHERE e164 <> ''"
    )
