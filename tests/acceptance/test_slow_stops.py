"""What is in hand when the bridge is told to stop, and takes long: it is ended in order, or not begun."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.script import Reaction
from bridge.store import callbacks
from bridge.store.callbacks import CallbackFilter, CallbackState
from bridge.store.schema import connect
from tests.acceptance.crm import Crm
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.ports import free_port
from tests.waiting import until

TOKEN = "0123456789abcdefghijklmnop"
CONFIG = """
server: {{port: {port}, workers: 2, threads: 32}}
lines:
  - number: "912345678"
    password: "3956"
    emission: {{url: "{platform}", per_minute: 600, timeout: {timeout}}}
connectors:
  shop:
    type: rest
    base_url: {crm}
    auth: {{type: none}}
    timeout: 50s
    records:
      contact:
        search: {{path: /customers, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        fields: {{id: id, name: full_name}}
queries:
  QUIEN:
    find: {{contact: {{in: shop, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
    cache: none
    deadline: 40s
callbacks:
  - {{name: web, token: {token}, line: "912345678", rule_group: callbacks, hours: always{find}}}
"""
FIND = ', find: {contact: {in: shop, phone: "{{ task.phone }}"}}'


@dataclass
class World:
    """A bridge between a CRM and the platform."""

    folder: Path
    port: int
    bridge: Bridge
    crm: Crm
    platform: EmissionPlatform

    def start(self) -> None:
        self.bridge.start()
        wait_until_ready(self.port, [self.bridge])

    def ask_for_a_call(self) -> None:
        where, sender = f"http://127.0.0.1:{self.port}/callbacks/web", {"Authorization": f"Bearer {TOKEN}"}
        task = {"id": "T1", "phone": "600000001"}
        assert requests.post(where, json=task, headers=sender, timeout=10).status_code == 202

    def states(self) -> list[CallbackState]:
        database = connect(f"sqlite:///{self.folder}/bridge.db")
        try:
            with database.read() as connection:
                return [callback.state for callback in callbacks.find(connection, CallbackFilter(), 10)]
        finally:
            database.close()


@contextmanager
def world(folder: Path, *, crm_takes: float = 0.0, timeout: str = "10s", find: str = "") -> Iterator[World]:
    port = free_port()
    config = folder / "config.yaml"
    with Crm("--delay", str(crm_takes)) as crm, EmissionPlatform({"912345678": "3956"}) as platform:
        config.write_text(
            CONFIG.format(port=port, crm=crm.url, platform=platform.url, token=TOKEN, timeout=timeout, find=find)
        )
        made = World(folder, port, Bridge(config), crm, platform)
        try:
            made.start()
            yield made
        finally:
            made.bridge.kill()


@pytest.mark.timeout(480)
def test_a_query_has_its_whole_deadline_when_the_bridge_stops(tmp_path: Path) -> None:
    with world(tmp_path, crm_takes=17.0) as slow, ThreadPoolExecutor(1) as pool:
        target = Target(f"http://127.0.0.1:{slow.port}", "912345678", "3956", timeout=60)
        with Platform(target) as platform:
            asked = pool.submit(platform.query, SimulatedCall("600000001", new_sequence()), "QUIEN")
            until(slow.crm.asked)
            assert slow.bridge.stop() == 0
            assert asked.result().variables == {"NOMBRE": "Customer 1"}
        assert "is killed" not in slow.bridge.log.read_text()


@pytest.mark.timeout(480)
def test_an_emission_has_its_whole_time_when_the_bridge_stops(tmp_path: Path) -> None:
    with world(tmp_path, timeout="40s") as slow:
        slow.platform.script.always(Reaction(delay=18.0))
        slow.ask_for_a_call()
        until(lambda: slow.states() == [CallbackState.SENDING])
        assert slow.bridge.stop() == 0
        assert slow.states() == [CallbackState.ACCEPTED]
        assert "is ended" not in slow.bridge.log.read_text()


@pytest.mark.timeout(480)
def test_no_emission_is_begun_once_the_bridge_stops(tmp_path: Path) -> None:
    with world(tmp_path, crm_takes=8.0, find=FIND) as slow:
        slow.ask_for_a_call()
        until(slow.crm.asked)
        time.sleep(0.5)  # it looks up whom to call
        assert slow.bridge.stop() == 0
        assert not slow.platform.ledger.rung
        assert set(slow.states()) <= {CallbackState.WAITING, CallbackState.QUEUED}
        slow.start()
        until(lambda: slow.states() == [CallbackState.ACCEPTED])
        assert len(slow.platform.ledger.rung) == 1
