"""A connector and a source of callbacks that are written into the file of a bridge that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.simulator.emission import EmissionPlatform
from tests.acceptance.platform import LINE, PASSWORD
from tests.acceptance.processes import Bridge
from tests.waiting import until

CONFIG = """
database: {database}
lines:
  - number: "{line}"
    password: "{password}"
    emission: {{url: "{url}", per_minute: 600}}
"""
ADDED = """
connectors:
  list: {{type: csv, tasks: {{file: tasks.csv}}}}
callbacks:
  - {{from: list, line: "{line}", rule_group: callbacks, every: 1s, hours: always}}
"""


@pytest.mark.timeout(480)
def test_tasks_of_a_connector_that_was_added_are_called_without_a_restart(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "tasks.csv").write_text("id,phone\nT1,600111222\n")
    config = tmp_path / "config.yaml"
    with EmissionPlatform({LINE: PASSWORD}) as platform:
        text = CONFIG.format(database=database_url, line=LINE, password=PASSWORD, url=platform.url)
        config.write_text(text)
        bridge = Bridge(config, "--work")
        bridge.start()
        try:
            until(lambda: "has begun" in bridge.log.read_text(), 60)
            config.write_text(text + ADDED.format(line=LINE))
            until(lambda: platform.ledger.rung, 10)
        finally:
            bridge.stop()
    assert [entry.number for entry in platform.ledger.rung] == ["+34600111222"]
