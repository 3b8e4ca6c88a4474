"""Procrastinate's own tables on PostgreSQL, brought up to date with the version that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, text

from bridge.errors import StoreUnavailable
from bridge.store.database import Database
from bridge.store.faults import translated

if TYPE_CHECKING:
    from procrastinate.schema import SchemaManager

_NOTE = "procrastinate"
_READ = text("SELECT value FROM meta WHERE name = :name")
_WRITE = "INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

# Fetching a job looks for others with the same lock; with none but Procrastinate's own indexes that reads all that wait
# for each of them (measured: 95 ms a job with 2,000 waiting, 4 ms with these).
_INDEXES = (
    "infocaller_bridge_jobs_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing')",
    "infocaller_bridge_jobs_next ON procrastinate_jobs (queue_name, priority DESC, id) WHERE status = 'todo'",
)


def upgrade_procrastinate(database: Database, lock: int) -> None:
    """Make Procrastinate's tables, or run those of its migrations that are newer than what was run before.

    Raises `StoreUnavailable` when the database is away, or Procrastinate is not installed.
    """
    try:
        from procrastinate.schema import SchemaManager  # noqa: PLC0415 (an option)
    except ImportError:
        raise StoreUnavailable("PostgreSQL needs: pip install '.[distributed]', in the bridge's own folder") from None
    steps = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda step: step.name)
    with database.read() as connection:
        if _note(connection) == steps[-1].name:
            return
    with translated(database.name), database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as each:
        driver: Any = each.connection.driver_connection
        driver.within = None  # as the server's timeout
        driver.execute("SET statement_timeout = 0")
        driver.execute("SET lock_timeout = '60s'")
        driver.execute("SELECT pg_advisory_lock(%s)", [lock])
        try:
            _run(database.name, each, steps, SchemaManager)
        finally:
            driver.execute("SELECT pg_advisory_unlock(%s)", [lock])
            each.invalidate()  # its timeouts were changed


def _run(name: str, connection: Connection, steps: list[Path], schema: type[SchemaManager]) -> None:
    driver: Any = connection.connection.driver_connection
    applied = _note(connection)  # once more, now that nobody else is at it
    if applied is None:
        if driver.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()[0] is not None:
            raise StoreUnavailable(
                f"{name} holds a procrastinate_jobs table that the bridge did not make; give the bridge a "
                "database of its own"
            )
        with driver.transaction():
            driver.execute(schema.get_schema())
            driver.execute(_WRITE, [_NOTE, steps[-1].name])
    else:
        _run_newer(driver, steps, applied)
    with driver.transaction():
        for index in _INDEXES:
            driver.execute(f"CREATE INDEX IF NOT EXISTS {index}")


def _run_newer(driver: Any, steps: list[Path], applied: str) -> None:
    for step in (step for step in steps if step.name > applied):
        with driver.transaction():
            driver.execute(step.read_text(encoding="utf-8"))
            driver.execute(_WRITE, [_NOTE, step.name])


def _note(connection: Connection) -> str | None:
    return cast("str | None", connection.execute(_READ, {"name": _NOTE}).scalar())
