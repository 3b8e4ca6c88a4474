"""Who watches over the bridge hears from it while PostgreSQL keeps tasks waiting; events go to the spool meanwhile, and
nobody is told that they are refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from tests.web.bridge_process import LINE, Bridge, Reply, query, running, until, written

TASKS = 32
TOKEN = "0123456789abcdefghijklmnop"
CONFIGURATION = """
server: {{url_key: "${{BRIDGE_URL_KEY}}", workers: 1}}
database: {database}
lines: [{{number: "{line}", password: "${{INFOCALLER_PASSWORD}}"}}]
queries: {{ECO: {{answer: {{QUIEN: nadie}}}}}}
callbacks:
  - {{name: web, token: {token}, line: "{line}", rule_group: g, per_address: 1000/h, asked_per_number: 1000/h}}
"""


def _task(bridge: Bridge, number: int) -> Reply:
    body = json.dumps({"id": f"T{number}", "phone": "600111222"}).encode()
    return bridge.post("/callbacks/web", body, headers={"Authorization": f"Bearer {TOKEN}"})


def _event(bridge: Bridge, call: str) -> int:
    return bridge.post("event/fin", *written(query("", call=call))).status


def _configured(folder: Path, url: str) -> None:
    text = CONFIGURATION.format(database=url, line=LINE, token=TOKEN)
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def test_who_asks_whether_it_is_ready_does_not_wait_behind_tasks(tmp_path: Path, postgres_url: str) -> None:
    _configured(tmp_path, postgres_url)
    with running(tmp_path) as bridge, psycopg.connect(postgres_url) as other, ThreadPoolExecutor(TASKS) as pool:
        assert _task(bridge, 0).status == 202
        other.execute("LOCK TABLE callbacks IN ACCESS EXCLUSIVE MODE")
        tasks = [pool.submit(_task, bridge, number) for number in range(1, TASKS)]
        locks = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'callbacks'::regclass"
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            until(lambda: watcher.execute(locks).fetchone() != (0,))
        until(lambda: json.loads(bridge.ask("GET", "/readyz", seconds=120).text)["checks"]["database"] == "ok")
        assert [bridge.ask("GET", "/healthz").status, _event(bridge, "1")] == [200, 200]
        assert bridge.post("query", *written(query("ECO"))).status == 200
        assert sum(task.done() for task in tasks) < TASKS / 2
        other.rollback()


def test_it_is_ready_while_the_database_says_nothing_for_long(tmp_path: Path, postgres_url: str) -> None:
    """Who probes has a second; that the database is slow is no reason to send the platform elsewhere."""
    _configured(tmp_path, postgres_url)
    with running(tmp_path) as bridge, psycopg.connect(postgres_url) as other, ThreadPoolExecutor(12) as pool:
        until(lambda: json.loads(bridge.ask("GET", "/readyz").text)["checks"]["database"] == "ok")
        other.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        figures = [pool.submit(bridge.ask, "GET", "/metrics", seconds=120) for _ in range(12)]
        locks = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass"
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            until(lambda: watcher.execute(locks).fetchone() != (0,))
        ready = bridge.ask("GET", "/readyz", seconds=120)
        assert sum(each.done() for each in figures) < len(figures) / 2
        assert ready.status == 200
        assert "has not answered within 1 s; events are kept in the spool" in ready.text
        other.rollback()
        until(lambda: json.loads(bridge.ask("GET", "/readyz").text)["checks"]["database"] == "ok")


def test_a_task_that_is_refused_is_no_event_that_is_refused(tmp_path: Path, postgres_url: str) -> None:
    """Events have the spool; that the database takes no writes is told as long as it is so, and once."""
    _configured(tmp_path, postgres_url)
    name = postgres_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as admin, running(tmp_path) as bridge:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        until(lambda: _task(bridge, 1).status == 503)
        assert _event(bridge, "1") == 200
        assert bridge.ask("GET", "/readyz").status == 200
        until(lambda: "trouble: The database can't be used" in bridge.log)
        assert "takes no writes" in bridge.log
        assert _task(bridge, 2).status == 503
        assert _event(bridge, "2") == 200
        admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        until(lambda: "trouble is over: The database can't be used" in bridge.log)
        until(lambda: _task(bridge, 3).status == 202)
        until(lambda: admin.execute("SELECT count(*) FROM events").fetchone() == (2,))
        assert "What comes in can't be kept" not in bridge.log
        assert bridge.log.count("trouble: The database can't be used") == 1
