"""A campaign of 50,000 people, by the commands alone, beside a bridge that works: taken in bounded time and memory,
called at the line's pace, cancelled at once."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.emission import EmissionPlatform
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.ports import free_port
from tests.waiting import until

ROWS = 50_000
PER_MINUTE = 600
CONFIG = """
server: {{port: {port}, workers: 1, threads: 32}}
database: {database}
lines:
  - number: "912345678"
    password: "3956"
    dial: {{per_day: 100000}}
    emission: {{url: "{url}", per_minute: {pace}, at_once: 1000}}
callbacks:
  - {{name: people, line: "912345678", rule_group: callbacks, hours: always}}
"""


def people(file: Path, rows: int) -> Path:
    with file.open("w", encoding="utf-8") as out:
        out.write("id,phone,name,city,note\n")
        first = 600_000_000 + len(file.stem) * 1_000_000  # another file, other people
        for number in range(rows):
            out.write(f"C{number},{first + number},Persona Número {number},Madrid,{'x' * 40}\n")
    return file


def command(config: Path, *arguments: object) -> tuple[dict[str, Any], int]:
    """What `campaign` says as JSON, and the most memory that it had, in KiB."""
    started = subprocess.Popen(
        [sys.executable, "-m", "bridge", "campaign", *map(str, arguments), "-c", str(config)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        said = started.stdout.read()
    assert started.returncode == 0
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return json.loads(said) if said.startswith("{") else {"said": said}, most


@pytest.mark.timeout(1200)
def test_fifty_thousand_are_taken_called_at_the_pace_and_cancelled_at_once(tmp_path: Path, database_url: str) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    with EmissionPlatform({"912345678": "3956"}) as platform:
        config.write_text(CONFIG.format(port=port, database=database_url, url=platform.url, pace=PER_MINUTE))
        bridge = Bridge(config)
        bridge.start()
        try:
            wait_until_ready(port, [bridge])
            small, least = command(config, people(tmp_path / "small.csv", 500), "--name", "small", "--json")
            taken, most = command(config, people(tmp_path / "big.csv", ROWS), "--name", "big", "--json")
            print(  # noqa: T201 - what was measured, for `pytest -s`
                f"\n{ROWS} rows in {taken['seconds']} s; {least} KiB for 500 rows, {most} KiB for all"
            )
            assert (small["new"], taken["new"], taken["total"]) == (500, ROWS, ROWS)
            assert taken["seconds"] < 180, "on a machine that does nothing else it is a tenth of that"
            assert most - least < 50 * 1024, "memory does not grow with the file"
            until(lambda: len(platform.ledger.rung) >= 100, 60)
            began = time.monotonic()
            command(config, "cancel", "big")
            command(config, "cancel", "small")
            print(  # noqa: T201 - what was measured, for `pytest -s`
                f"cancelled in {time.monotonic() - began:.2f} s, both commands with their start"
            )
            until(lambda: not command(config, "status", "big", "--json")[0]["states"].get("sending"))
            rung = len(platform.ledger.rung)
            time.sleep(3)
            assert len(platform.ledger.rung) <= rung + 2, "what was being sent may have gone out"
            assert platform.ledger.twice() == {}
            assert command(config, "status", "big", "--json")[0]["left"] == 0
            assert bridge.stop() == 0
        finally:
            bridge.kill()
