"""The same tasks by a poll of two workers and by hand of two bridges, all at once, on one PostgreSQL: one call each."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.callbacks import CallbackService, CallbackState
from bridge.config.load import load
from bridge.queue import queue_for
from bridge.store.database import Database
from bridge.store.schema import connect
from connectors.base import Task
from tests.acceptance import test_calls_once as calls
from tests.acceptance.processes import Bridge
from tests.ports import free_port
from tests.waiting import until

TASKS = 60


def _desk(database: Database, config: Path) -> CallbackService:
    configuration = load(config).configuration
    return CallbackService(database, queue_for(database), lambda: configuration, lambda: datetime.now(UTC))


@pytest.mark.timeout(480)
def test_the_same_task_from_every_side_at_once_is_one_call(tmp_path: Path, postgres_url: str) -> None:
    port = free_port()
    with calls.platform(tmp_path, port) as url:
        config = calls.configured(tmp_path, postgres_url, port, url, TASKS)
        workers = [Bridge(config, "--work"), Bridge(config, "--work")]
        databases = [connect(postgres_url), connect(postgres_url)]
        try:
            desks = [_desk(database, config) for database in databases]
            tasks = [Task(f"T{n}", {"id": f"T{n}", "phone": f"6{n:08}"}) for n in range(TASKS)]
            with ThreadPoolExecutor(8) as pool:
                for bridge in workers:
                    bridge.start()
                taken = [pool.submit(desk.intake.accept, "list", task) for task in tasks for desk in desks * 2]
                new = Counter(future.result().new for future in taken)
            assert new[True] <= TASKS
            until(lambda: len(rung(tmp_path)) >= TASKS, 60)
            until(lambda: all(one.state is not CallbackState.SENDING for one in calls.stored(databases[0])), 30)
            assert [bridge.stop() for bridge in workers] == [0, 0]
            assert set(rung(tmp_path).values()) == {1}
            assert len(calls.stored(databases[0])) == TASKS
        finally:
            for bridge in workers:
                bridge.kill()
            for database in databases:
                database.close()


def rung(folder: Path) -> Counter[str]:
    return Counter(entry.number for entry in calls.entries(folder) if entry.rang)
