"""Whoever opposes during a call is not rung again by a campaign that is under way, within a second, though everything
is killed with -9; and of all that rings there is evidence.

The line is Portuguese, as no rules of that country are known here: the hours of Spain would make this a test of
weekdays.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence, wall_clock
from bridge.simulator.emission import EmissionPlatform
from bridge.store import campaigns, evidence
from bridge.store.callbacks import CallbackState
from bridge.store.database import Database
from bridge.store.oppositions import read_reference
from bridge.store.schema import connect
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.ports import free_port
from tests.waiting import until

LINE, PASSWORD, KEY = "212345678", "3956", "unguessable-part-of-the-url"
PEOPLE, ROUNDS = 30, 5
FIRST = 912_000_000
CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 1, threads: 32}}
database: {database}
lines:
  - number: "{line}"
    password: "{password}"
    country: PT
    timezone: Europe/Lisbon
    dial: {{per_day: 100000}}
    emission: {{url: "{url}", per_minute: 600, at_once: 1000}}
queries:
  BAJA: {{save: {{in: oppositions}}, answer: {{REF: "{{{{ opposition.reference }}}}"}}, on_error: {{result: 3}}}}
callbacks:
  - name: people
    line: "{line}"
    rule_group: callbacks
    purpose: commercial
    consent: {{basis: "{{{{ task.basis }}}}", date: "{{{{ task.since }}}}"}}
    hours: always
    per_number: 100/d
"""


def command(config: Path, *arguments: object) -> Any:
    """What a command says as JSON."""
    program = [sys.executable, "-m", "bridge", *map(str, arguments), "-c", str(config), "--json"]
    return json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


def left(database: Database) -> int:
    """How many of the campaign are still to be called."""
    with database.read() as connection:
        counts = list(campaigns.counts(connection, "spring"))
    return sum(count for state, _, count in counts if state in (CallbackState.WAITING, CallbackState.QUEUED))


@pytest.mark.timeout(480)
def test_who_opposes_during_a_campaign_is_not_rung_again(tmp_path: Path, database_url: str) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    people = tmp_path / "people.csv"
    numbers = [f"{FIRST + person}" for _ in range(ROUNDS) for person in range(PEOPLE)]
    rows = "".join(f"{place},{number},consent,2026-01-02\n" for place, number in enumerate(numbers))
    people.write_text(f"id,phone,basis,since\n{rows}", encoding="utf-8")
    someone = f"+351{FIRST + 5}"
    with EmissionPlatform({LINE: PASSWORD}) as platform:
        config.write_text(
            CONFIG.format(port=port, key=KEY, database=database_url, line=LINE, password=PASSWORD, url=platform.url)
        )
        bridge = Bridge(config)
        bridge.start()
        try:
            wait_until_ready(port, [bridge])
            command(config, "campaign", people, "--name", "spring")
            until(lambda: any(entry.number == someone for entry in platform.ledger.rung), 60)
            call = SimulatedCall(someone, new_sequence(), diverted="101", answered=True, seconds=30, start=wall_clock())
            with Platform(Target(f"http://127.0.0.1:{port}", LINE, PASSWORD, KEY, timeout=5)) as caller:
                answered = caller.query(call, "BAJA")
            opposed_at = datetime.now(UTC)
            assert answered.status == 200
            [row] = command(config, "oppositions", "list", "--number", someone)
            assert read_reference(row["reference"]) == row["reference"]
            assert answered.variables["REF"] == row["reference"]
            bridge.kill()
            bridge.start()
            database = connect(database_url)
            until(lambda: not left(database), 180)
            rung = Counter(entry.number for entry in platform.ledger.rung)
            late = [entry for entry in platform.ledger.rung if entry.number == someone
                    and entry.at > opposed_at + timedelta(seconds=1)]  # fmt: skip
            assert late == []
            assert rung[someone] < ROUNDS
            others = [times for number, times in rung.items() if number != someone]
            assert sum(others) >= (PEOPLE - 1) * (ROUNDS - 1), "all but what was being sent when it was killed"
            with database.read() as connection:
                proofs = {number: len(evidence.of_number(connection, number)) for number in rung}
            database.close()
            assert all(proofs[number] >= times for number, times in rung.items())
            assert command(config, "evidence", "verify")["good"]
            assert bridge.stop() == 0
        finally:
            bridge.kill()
