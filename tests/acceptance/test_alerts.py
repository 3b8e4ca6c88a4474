"""A CRM goes away and comes back, and the one who is to be told reads it in the mail."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge.simulator.calls import Platform, SimulatedCall, Target
from tests.acceptance.processes import Bridge, ready
from tests.fakes.smtp import MailServer
from tests.fakes.webhook import Hook
from tests.ports import free_port
from tests.waiting import until

CONFIG = """
server: {{port: {port}, workers: 1, threads: 32}}
database: {database}
language: en
lines: [{{number: "912345678", password: "3956"}}]
connectors:
  shop:
    type: rest
    base_url: {crm}
    timeout: 1s
    activity: {{create: {{method: POST, path: /calls, json: {{key: "{{{{ activity.key }}}}"}}}}}}
activities: [{{in: shop, find: {{}}}}]
alerts:
  - {{email: ana@example.com, severity: warning, after: 2s, remind: 1m}}
smtp: {{host: localhost, port: {smtp}, from: bridge@example.com}}
"""


@pytest.mark.timeout(3600)
def test_a_crm_that_goes_away_is_told_reminded_of_and_resolved_over_a_restart(
    tmp_path: Path, database_url: str
) -> None:
    port, config = free_port(), tmp_path / "config.yaml"
    with MailServer() as server, Hook() as crm:
        base = crm.url.partition("/services")[0]
        config.write_text(CONFIG.format(port=port, database=database_url, crm=base, smtp=server.port))
        crm.status = 503

        def about(what: str) -> list[str]:
            subjects = [str(mail.message["Subject"]) for mail in server.mails if "crm:shop" in mail.text]
            return [subject for subject in subjects if subject.startswith(f"[infocaller-bridge] {what}")]

        bridge = Bridge(config)
        bridge.start()
        try:
            until(lambda: ready(port), 150)
            with Platform(Target(f"http://127.0.0.1:{port}", "912345678", "3956")) as platform:
                assert all(
                    exchange.good for exchange in platform.events(SimulatedCall(caller="600111222", sequence="1"))
                )
            until(lambda: about("WARNING"), 120)
            time.sleep(3)  # it is noted after the mail has gone: who dies between the two tells it once more
            bridge.kill()
            bridge.start()
            until(lambda: ready(port), 150)
            until(lambda: about("Still there"), 150)
            assert len(about("WARNING")) == 1, "the restart told nothing twice"
            crm.status = 200
            until(lambda: about("Resolved"), 150)
            assert len(about("Resolved")) == 1
        finally:
            bridge.stop()
        assert all("600111222" not in mail.text for mail in server.mails)
