"""An upgrade of several hosts, one after the other: the version before goes on beside the new one, or, where that can't
be, is told, takes no more work, and loses nothing."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
import requests
from sqlalchemy import text

from bridge.simulator.calls import Platform, SimulatedCall, Target
from bridge.store.database import unprepared
from bridge.store.schema import connect
from bridge.store.tables import REVISION
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.acceptance.versions import NEXT, next_version
from tests.ports import free_port
from tests.waiting import until

LINE, PASSWORD, TOKEN = "912345678", "3956", "0123456789abcdefghijklmnop"
CONFIG = """
server: {{port: {port}, workers: 1, metrics_token: {token}}}
database: {database}
lines: [{{number: "{line}", password: "{password}", emission: {{url: "http://127.0.0.1:9"}}}}]
connectors:
  agenda: {{type: csv, activities: {{file: {folder}/calls.csv}}}}
queries:
  HOLA: {{answer: {{SALUDO: "1"}}}}
activities: [{{in: agenda, find: {{}}, close_after: 1s}}]
callbacks: [{{name: web, token: {token}, line: "{line}", rule_group: web, hours: always}}]
"""


class Site:
    """A web host and a working one of this version, to which hosts of the next one come."""

    def __init__(self, folder: Path, database: str, code: Path) -> None:
        self.folder, self.port, self.database = folder, free_port(), database
        self.web, self.work = self._host("web", "--web"), self._host("work", "--work")
        self.next_work = self._host("next_work", "--work", code)
        self.sent = 0

    def _host(self, name: str, role: str, code: Path | None = None) -> Bridge:
        (self.folder / name).mkdir()
        config = self.folder / name / "config.yaml"
        values = {"line": LINE, "password": PASSWORD, "token": TOKEN, "folder": self.folder, "database": self.database}
        config.write_text(CONFIG.format(port=self.port, **values), encoding="utf-8")
        return Bridge(config, role, code=code)

    def start(self) -> None:
        connect(self.database).close()
        for bridge in (self.web, self.work):
            bridge.start()
        wait_until_ready(self.port, [self.web, self.work])
        until(lambda: "has begun" in self.work.log.read_text(), 30)

    def end(self) -> None:
        for bridge in (self.web, self.work, self.next_work):
            bridge.kill()

    def call(self, count: int) -> None:
        """Send the events of as many calls; each is acknowledged."""
        with Platform(Target(f"http://127.0.0.1:{self.port}", LINE, PASSWORD)) as platform:
            for _ in range(count):
                self.sent += 1
                call = SimulatedCall(str(70_000_000 + self.sent), f"6{self.sent:08}", diverted="911000001")
                for event in ("inicio", "desvio_correcto", "fin"):
                    assert platform.event(call, event).status == 200

    def answers(self) -> bool:
        with Platform(Target(f"http://127.0.0.1:{self.port}", LINE, PASSWORD)) as platform:
            return platform.query(SimulatedCall("1", "600000001"), "HOLA").result == "0"

    def ready(self) -> tuple[int, str]:
        answer = requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=10)
        return answer.status_code, answer.text

    def ask(self) -> requests.Response:
        body, headers = {"id": f"T{self.sent}", "phone": "600111222"}, {"Authorization": f"Bearer {TOKEN}"}
        return requests.post(f"http://127.0.0.1:{self.port}/callbacks/web", json=body, headers=headers, timeout=10)

    def activities(self) -> Counter[str]:
        file = self.folder / "calls.csv"
        if not file.exists():
            return Counter()
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return Counter(row["bridge_key"].split(":")[1] for row in csv.DictReader(lines))

    def each_once(self) -> bool:
        counted = self.activities()
        assert set(counted.values()) <= {1}, counted
        return len(counted) == self.sent

    def column(self, query: str) -> list[str]:
        with closing(unprepared(self.database)) as database, database.read() as connection:
            return cast("list[str]", list(connection.execute(text(query)).scalars()))


@pytest.mark.timeout(960)
def test_the_version_before_goes_on_beside_the_next_one(tmp_path: Path, empty_postgres_url: str) -> None:
    site = Site(tmp_path, empty_postgres_url, next_version(tmp_path, oldest=REVISION))
    try:
        site.start()
        site.call(3)
        site.next_work.start()
        until(lambda: "has begun" in site.next_work.log.read_text(), 30)
        assert site.column("SELECT version_num FROM alembic_version") == [NEXT]
        site.call(10)
        assert site.ask().status_code == 202
        site.work.kill()
        site.work.start()  # one that starts again finds the newer tables, and goes on too
        site.call(10)
        until(site.each_once, 40)
        assert set(site.column("SELECT later FROM events")) == {"of the next version"}
        until(lambda: site.work.log.read_text().count("has begun") == 2, 30)
        assert site.ready()[0] == 200
        assert "spool" not in site.ready()[1]
        until(lambda: "beside which this one works on" in site.web.log.read_text(), 30)
    finally:
        site.end()


@pytest.mark.timeout(960)
def test_a_process_that_is_too_old_for_the_database_is_told_and_takes_no_more_work(
    tmp_path: Path, empty_postgres_url: str
) -> None:
    code = next_version(tmp_path, oldest=NEXT)
    site = Site(tmp_path, empty_postgres_url, code)
    try:
        site.start()
        site.call(10)
        site.next_work.start()
        until(lambda: not site.work.runs, 40)
        assert site.work.stop() == 1
        assert f"newer version of the bridge ({NEXT})" in site.work.log.read_text()
        until(lambda: f"newer version of the bridge ({NEXT})" in site.ready()[1], 20)
        site.call(10)
        assert site.ready()[0] == 200
        assert "events are kept in the spool" in site.ready()[1]
        refused = site.ask()
        assert refused.status_code == 503
        assert site.answers()
        assert site.column("SELECT count(DISTINCT call_sequence)::text FROM events") == ["10"]
        site.work.start()  # as systemd would
        until(lambda: "trying again in" in site.work.log.read_text(), 30)
        assert site.work.runs
        assert site.web.stop() == 0
        site.web.code = code
        site.web.start()
        wait_until_ready(site.port, [site.web])
        assert site.ask().status_code == 202
        until(site.each_once, 40)
    finally:
        site.end()
