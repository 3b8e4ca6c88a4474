"""A campaign that sells, and people who say no when their turn has come already: kill -9 in between, and none of them
is rung. The lines are Portuguese, where the bridge knows no hours of the law, so that it is a test at any hour."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.emission import EmissionPlatform
from bridge.store import callbacks as store
from bridge.store import oppositions
from bridge.store.callbacks import CallbackFilter, CallbackState
from bridge.store.database import Database
from bridge.store.oppositions import NewOpposition, new_reference
from bridge.store.schema import connect
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.fakes.loopback import HttpLoopback, HttpRequest
from tests.ports import free_port
from tests.waiting import until

LINE = "211000000"
PEOPLE = [f"+35121200{number:04}" for number in range(40)]
CONFIG = """
server: {{port: {port}, workers: 1, threads: 32}}
database: {database}
lines:
  - number: "{line}"
    password: "3956"
    country: PT
    timezone: Europe/Lisbon
    emission: {{url: "{url}", per_minute: 6000, at_once: 1000}}
connectors:
  crm:
    type: rest
    base_url: {crm}
    timeout: 9s
    records:
      people: {{search: {{path: /people, params: {{phone: "{{{{ phone.e164 }}}}"}}}}, fields: {{id: id}}}}
callbacks:
  - name: spring
    purpose: commercial
    consent: {{basis: "{{{{ task.basis }}}}", date: "{{{{ task.date }}}}"}}
    line: "{line}"
    rule_group: spring
    hours: always
    find: {{person: {{in: crm, table: people, phone: "{{{{ task.phone }}}}", optional: true}}}}
"""


class SlowCrm(HttpLoopback):
    """A CRM that thinks until it is let go: what asks it just before ringing has its turn already."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answers = threading.Event(), threading.Event()

    def take(self, request: HttpRequest) -> None:
        """Answer that there is nothing, in the end."""
        self.asked.set()
        self.answers.wait(60)
        request.reply(b"[]", headers={"Content-Type": "application/json"})

    def close(self) -> None:
        self.answers.set()
        super().close()


def said(config: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "bridge", *arguments, "-c", str(config)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def callbacks(config: Path) -> list[dict[str, Any]]:
    return list(json.loads(said(config, "callbacks", "list", "--json", "--limit", "100")))


def say_no(database: Database) -> set[str]:
    """Every second of those whose turn has come, and a few whose turn is to come, say no now."""
    with database.write() as connection:
        in_turn = CallbackFilter(states=frozenset({CallbackState.QUEUED}))
        queued = [callback.number for callback in store.find(connection, in_turn, 100)]
        assert queued, "they have their turn, and wait for the CRM"
        refusing = {*queued[::2], *PEOPLE[-5:]}
        now = datetime.now(UTC)
        new = [NewOpposition(number, new_reference(), now, "import") for number in refusing]
        oppositions.add(database, connection, new)
    return refusing


@pytest.mark.timeout(480)
def test_who_says_no_between_their_turn_and_the_ring_is_not_rung_after_kill_9_either(
    tmp_path: Path, database_url: str
) -> None:
    port, config = free_port(), tmp_path / "config.yaml"
    (tmp_path / "spring.csv").write_text("phone\n" + "".join(f"{number}\n" for number in PEOPLE), encoding="utf-8")
    with (
        EmissionPlatform({LINE: "3956"}) as platform,
        SlowCrm() as crm,
        closing(connect(database_url, tmp_path)) as database,
    ):
        config.write_text(
            CONFIG.format(port=port, database=database_url, url=platform.url, crm=crm.address, line=LINE),
            encoding="utf-8",
        )
        bridge = Bridge(config)
        bridge.start()
        try:
            wait_until_ready(port, [bridge])
            command = [sys.executable, "-m", "bridge", "campaign", str(tmp_path / "spring.csv"), "-c", str(config)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as taking:
                until(crm.asked.is_set, 60)
                refusing = say_no(database)
                bridge.kill()
            assert taking.returncode == 0
            assert platform.ledger.rung == []
            crm.answers.set()
            bridge.start()
            until(lambda: len(platform.ledger.rung) >= len(PEOPLE) - len(refusing), 120)
            until(lambda: not {"waiting", "queued", "sending"} & {entry["state"] for entry in callbacks(config)}, 120)
            assert bridge.stop() == 0
        finally:
            bridge.kill()
        assert {entry.number for entry in platform.ledger.rung} == set(PEOPLE) - refusing
        assert platform.ledger.twice() == {}
        ended = {entry["number"]: (entry["state"], entry["gate"]) for entry in callbacks(config)}
        assert {ended[number] for number in refusing} == {("rejected", "opposed")}
