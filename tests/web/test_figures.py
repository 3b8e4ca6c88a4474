"""What Prometheus is told of the CRMs: what waits for them, and how much of their limits is used."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from bridge.infocaller.messages import Format
from tests.connectors.salesforce_harness import client_credentials
from tests.fakes.salesforce import FakeSalesforce
from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, Bridge, query, running, written

CONFIGURATION = f"""
server: {{url_key: {KEY}, workers: 2, threads: 40}}
lines: [{{number: "{LINE}", password: "3956"}}]
connectors:
  shop:
    type: rest
    base_url: http://127.0.0.1:9
    records:
      contact: {{search: {{path: /c, params: {{q: "{{{{ phone }}}}"}}}}, items: data}}
    activity: {{create: {{path: /calls, json: {{key: "{{{{ activity.key }}}}"}}}}}}
"""
ECO = """
queries:
  ECO: {find: {contact: {in: org, phone: "{{ caller }}"}}, answer: {X: "1"}, deadline: 20s}
"""
RULE = "activities:\n  - in: shop\n"


def figures(bridge: Bridge) -> str:
    reply = bridge.ask("GET", "/metrics")
    assert reply.status == 200
    return reply.text


def test_what_waits_for_a_crm_is_counted(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION + RULE, encoding="utf-8")
    with running(tmp_path, work=True) as bridge:
        assert "infocaller_jobs{" not in figures(bridge)
        fin = replace(query(call="1"), query_name="", seconds=9)
        assert bridge.post("event/fin", *written(fin, Format.JSON)).status == 200
        until(lambda: 'infocaller_jobs{connector="shop",state="pending"} 1.0' in figures(bridge))
        text = figures(bridge)
    assert text.count("# TYPE infocaller_jobs gauge") == 1
    assert text.endswith("\n")


def test_the_days_requests_of_a_crm_are_told_by_every_process(tmp_path: Path) -> None:
    with closing(FakeSalesforce(tmp_path)) as fake:
        fake.api.used, fake.api.allowed = 40, 1000
        section = {
            "type": "salesforce",
            "login": client_credentials(fake),
            "ca_file": str(fake.ca_file),
            "records": {"contact": {"objects": ["Contact"]}},
        }
        queries = (
            'queries:\n  ECO: {find: {contact: {in: org, phone: "{{ caller }}"}}, answer: {X: "1"}, deadline: 20s}\n'
        )
        (tmp_path / "config.yaml").write_text(
            f"{CONFIGURATION}  org: {json.dumps(section)}\n{queries}", encoding="utf-8"
        )
        with running(tmp_path) as bridge:
            assert "infocaller_crm_requests_used{" not in figures(bridge)
            bridge.post("query", *written(query()))
            for _ in range(10):  # whichever process answers
                assert 'infocaller_crm_requests_allowed{connector="org"} 1000.0' in figures(bridge)
            assert 'infocaller_crm_requests_used{connector="org"} 4' in figures(bridge)
