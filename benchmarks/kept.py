"""Millions of calls that a PostgreSQL database keeps, made fast: for `python -m benchmarks.day`.

The first ones are those of `benchmarks.console`. The database copies them, each time to other calls of other people at
other moments; then each call gets the activity that was written of it.
"""

from __future__ import annotations

from sqlalchemy import Table, func, select, text

from benchmarks import console
from bridge.store.database import Database
from bridge.store.tables import calls, deliveries, events, queries

ONCE = 100_000
"""Calls that are made one by one."""
PAYLOAD = '{"rule": "agenda", "sequence": "98", "revision": 1, "trigger": "fin", "line": "912345678"}'
MOVED = {
    "call_sequence": "call_sequence || '-' || CAST(:copy AS text)",
    "digest": "digest || '-' || CAST(:copy AS text)",
    "e164": "'+34' || (substr(e164, 4)::bigint + :people)",
    "caller": "'+34' || (substr(caller, 4)::bigint + :people)",
    **dict.fromkeys(
        ("started_at", "ended_at", "updated_at", "received_at", "at"), "{} + make_interval(secs => :seconds)"
    ),
}
"""What differs between a row and its copy."""


def fill(database: Database, kept: int) -> None:
    """Bring an empty database to so many calls, more or less; one that has any stays as it is."""
    once = min(kept, ONCE)
    with database.read() as connection:
        if connection.execute(text("SELECT 1 FROM calls LIMIT 1")).first() is not None:
            return
    console.fill(database, once)
    with database.read() as connection:
        made = {table: connection.execute(select(func.max(table.c.id))).scalar() for table in (calls, events, queries)}
    copies = kept // once
    for copy in range(1, copies):
        values = {
            "copy": copy,
            "people": copy * max(1, once // 10),
            "seconds": console.DAYS * 86400 / once * copy / copies,
        }
        with database.write() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            for table, last in made.items():
                connection.execute(text(_copied(table)), {**values, "last": last})
        print(f"{(copy + 1) * once:,} calls", flush=True)
    with database.write() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(
            text(
                f"INSERT INTO {deliveries} (kind, key, connector, call_id, payload, state, attempts, created_at, "
                "first_at, settled_at, written_id, written, e164) SELECT 'activity', line || '/' || call_sequence || "
                "'/agenda', 'agenda', id, :payload, 'done', 1, ended_at, ended_at, ended_at, call_sequence, 1, e164 "
                f"FROM {calls}"
            ),
            {"payload": PAYLOAD},
        )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def _copied(table: Table) -> str:
    """The statement that copies the rows up to the last that was made."""
    names = [column.name for column in table.columns if column.name != "id" and column.computed is None]
    taken = ", ".join(MOVED.get(name, "{}").format(name) for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {taken} FROM {table} WHERE id <= :last"
