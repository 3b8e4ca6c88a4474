"""Bulk runs: what a person has done to many deliveries, lot after lot. No decisions here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from bridge.store.tables import bulk_runs


class BulkState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class BulkRun:
    """One run. `action`: what is done (`retry`, `discard`); `criteria`: to which deliveries; `total`: how many those
    were when it began; `reached`: the number of the last delivery that was looked at; `until`: of the last that is;
    `done`: how many it changed."""

    id: int
    action: str
    criteria: Mapping[str, str]
    state: BulkState
    total: int
    done: int
    reached: int
    until: int
    started_by: str
    started_at: datetime
    updated_at: datetime


def add(connection: Connection, values: Mapping[str, Any]) -> int:
    """Store a run; return its number."""
    return int(connection.execute(insert(bulk_runs).values(values).returning(bulk_runs.c.id)).scalar_one())


def get(connection: Connection, id_: int, *, lock: bool = False) -> BulkRun | None:
    """Return a run, None where there is none. With `lock`, held until the transaction ends."""
    query = select(bulk_runs).where(bulk_runs.c.id == id_)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _run(row._mapping)


def newest(connection: Connection, limit: int) -> Sequence[BulkRun]:
    """Return the newest runs, newest first."""
    rows = connection.execute(select(bulk_runs).order_by(bulk_runs.c.id.desc()).limit(limit))
    return [_run(row._mapping) for row in rows]


def change(connection: Connection, id_: int, values: Mapping[str, Any]) -> None:
    """Change a run."""
    connection.execute(update(bulk_runs).where(bulk_runs.c.id == id_).values(values))


def forgotten(connection: Connection, before: datetime) -> Sequence[int]:
    """Return the numbers of runs that run, and of which nothing was done since `before`."""
    query = select(bulk_runs.c.id).where(bulk_runs.c.state == BulkState.RUNNING, bulk_runs.c.updated_at < before)
    return list(connection.execute(query).scalars())


def drop(connection: Connection, before: datetime) -> None:
    """Drop those in which nothing was done since `before`."""
    connection.execute(delete(bulk_runs).where(bulk_runs.c.updated_at < before))


def _run(row: Mapping[Any, Any]) -> BulkRun:
    return BulkRun(**{**row, "state": BulkState(row["state"])})
