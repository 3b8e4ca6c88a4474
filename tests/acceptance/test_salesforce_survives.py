"""The kill -9 run with Salesforce as the CRM: one Task for each call, with and without an external id."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.simulator.calls import Target
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.acceptance.test_events_survive import CALLS, KEY, Sender, calls, killed_again_and_again
from tests.fakes.salesforce import FakeSalesforce
from tests.ports import free_port
from tests.waiting import until

CONFIG = """
server: {{port: {port}, url_key: {key}, workers: 1, threads: 64}}
database: sqlite:///bridge.db
lines: [{{number: "912345678", password: "3956"}}]
connectors:
  crm:
    type: salesforce
    login: {{domain: "{url}", client_id: "{id}", client_secret: "{secret}"}}
    ca_file: {ca}
    timeout: 5s
    records: {{contact: {{objects: [Contact], fields: {{name: Name}}}}}}
    activity: {activity}
activities:
  - {{in: crm, close_after: 3s}}
"""


def configured(folder: Path, fake: FakeSalesforce, activity: str) -> tuple[Path, int]:
    port, signin = free_port(), fake.signin
    config = folder / "config.yaml"
    config.write_text(
        CONFIG.format(
            port=port,
            key=KEY,
            url=fake.url,
            id=signin.client_id,
            secret=signin.client_secret,
            ca=fake.ca_file,
            activity=activity,
        ),
        encoding="utf-8",
    )
    return config, port


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("activity", ["{external_id: Infocaller_Id__c}", "{status: Completed}"])
def test_each_call_is_one_task(tmp_path: Path, activity: str) -> None:
    chance = random.Random(5)
    folder = tmp_path / "org"
    folder.mkdir()
    with contextlib.closing(FakeSalesforce(folder)) as fake:
        for number in range(40):
            fake.org.add("Contact", LastName=f"Persona {number}", Phone=f"6{number:08}")
        fake.org.reindex()
        config, port = configured(tmp_path, fake, activity)
        bridge = Bridge(config)
        bridge.start()
        try:
            wait_until_ready(port, [bridge])
            sender = Sender(Target(f"http://127.0.0.1:{port}", "912345678", "3956", KEY, timeout=5))
            with killed_again_and_again([bridge], sender, chance), ThreadPoolExecutor(12) as pool:
                for future in [pool.submit(sender.send, call, order) for call, order in calls(chance)]:
                    future.result()
            until(lambda: len({row["CallObject"] for row in fake.org.all("Task")}) >= CALLS, 120)
            assert bridge.stop() == 0
        finally:
            bridge.kill()
        tasks = fake.org.all("Task")
        per_call = Counter(str(row["CallObject"]) for row in tasks)
        assert len(per_call) == CALLS
        assert set(per_call.values()) == {1}
        assert sum(bool(row["WhoId"]) for row in tasks) == sum(number % 50 < 40 for number in range(CALLS))
