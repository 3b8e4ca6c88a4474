"""Calling hours that are changed in the file of a bridge that serves."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.simulator.emission import EmissionPlatform
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.ports import free_port
from tests.waiting import until

CONFIG = """
server: {{port: {port}, workers: 1, threads: 32}}
database: {database}
lines:
  - number: "912345678"
    password: "3956"
    emission: {{url: "{url}", per_minute: 600}}
callbacks:
  - {{name: web, token: 0123456789abcdefghijklmnop, line: "912345678", rule_group: callbacks, holidays: none,
      hours: {hours}}}
"""


def listed(config: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bridge", "callbacks", "list", "--json", "-c", str(config)]
    return list(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


@pytest.mark.timeout(960)
def test_what_waits_is_rung_when_the_hours_become_longer(tmp_path: Path, database_url: str) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    day = f"{datetime.now(UTC) + timedelta(days=3):%a}".lower()
    with EmissionPlatform({"912345678": "3956"}) as platform:

        def write(hours: str) -> None:
            config.write_text(CONFIG.format(port=port, database=database_url, url=platform.url, hours=hours))

        write(f'{{days: {day}, from: "09:00", to: "20:00"}}')
        bridge = Bridge(config)
        bridge.start()
        try:
            wait_until_ready(port, [bridge])
            asked = requests.post(
                f"http://127.0.0.1:{port}/callbacks/web",
                json={"id": "T1", "phone": "600111222"},
                headers={"Authorization": "Bearer 0123456789abcdefghijklmnop"},
                timeout=10,
            )
            assert asked.status_code == 202
            until(lambda: [one["gate"] for one in listed(config)] == ["hours"], 60)
            assert not platform.ledger.rung
            write("always")
            until(lambda: platform.ledger.rung, 60)
        finally:
            bridge.stop()
        assert [one.number for one in platform.ledger.rung] == ["+34600111222"]
