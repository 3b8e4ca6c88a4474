"""Dispositions on the wire: what the agent keyed in at the end of a call is the outcome of its activity."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.calls import Platform, SimulatedCall, Target
from tests.config.files import LINES, told
from tests.fakes.rest_crm import RestCrm
from tests.fakes.salesforce import FakeSalesforce
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running, until

RULES = """
activities:
  - in: agenda
    find: {}
    outcome: "{{ vars.RESULTADO }}"
    outcomes: {1: Vendido, 2: Volver a llamar}
  - in: crm
    find: {}
    outcome: "{{ call.menus['Resultado de la llamada'] }}"
    outcomes: {"1": Vendido, "02": Otra cosa}
    subject: "{{ call.outcome or 'sin resultado' }}"
  - in: sf
    find: {}
    outcome: "{{ vars.RESULTADO }}"
    outcomes: {1: Sold, 2: Call again}
"""
CONNECTORS = """
server: {{url_key: "${{BRIDGE_URL_KEY}}", workers: 1, threads: 20}}
lines: [{{number: "912345678", password: "${{INFOCALLER_PASSWORD}}"}}]
connectors:
  agenda: {{type: csv, activities: {{file: calls.csv}}}}
  crm:
    type: rest
    base_url: {crm}
    activity:
      find: {{path: /calls, params: {{key: "{{{{ activity.key }}}}"}}, items: data, key: key}}
      create:
        path: /calls
        json:
          key: "{{{{ activity.key }}}}"
          subject: "{{{{ activity.subject }}}}"
          note: "{{{{ activity.outcome }}}}"
  sf:
    type: salesforce
    login: {{domain: {sf}, client_id: {id}, client_secret: {secret}}}
    ca_file: {ca}
    activity: {{external_id: Infocaller_Id__c}}
"""


@pytest.fixture
def crm() -> Iterator[RestCrm]:
    with RestCrm() as crm:
        yield crm


@pytest.fixture
def salesforce(tmp_path: Path) -> Iterator[FakeSalesforce]:
    folder = tmp_path / "org"
    folder.mkdir()
    fake = FakeSalesforce(folder)
    yield fake
    fake.close()


@pytest.fixture
def bridge(tmp_path: Path, crm: RestCrm, salesforce: FakeSalesforce) -> Iterator[Bridge]:
    signin = salesforce.signin
    places = {"crm": crm.url, "sf": salesforce.url, "id": signin.client_id, "secret": signin.client_secret}
    file = tmp_path / "config.yaml"
    file.write_text(CONNECTORS.format(**places, ca=salesforce.ca_file) + RULES, encoding="utf-8")
    file.chmod(0o600)
    with running(tmp_path, work=True) as bridge:
        yield bridge


def rows(bridge: Bridge) -> list[dict[str, str]]:
    file = bridge.configuration.parent / "calls.csv"
    return list(csv.DictReader(StringIO(file.read_text("utf-8"), newline=""))) if file.exists() else []


def tasks(fake: FakeSalesforce) -> list[dict[str, Any]]:
    return [dict(row) for row in fake.org.all("Task")]


def test_what_the_agent_keyed_in_is_the_outcome_in_every_crm(
    bridge: Bridge, crm: RestCrm, salesforce: FakeSalesforce
) -> None:
    with Platform(Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY)) as platform:
        sold = SimulatedCall(
            "600111222", "1", variables={"RESULTADO": "2"}, menus={"Resultado de la llamada": "1"}, diverted="101"
        )
        silent = SimulatedCall("600111223", "2", diverted="101")
        odd = SimulatedCall("600111224", "3", variables={"RESULTADO": "7"}, menus={"Otro menú": "1"}, diverted="101")
        for call in (sold, silent, odd):
            assert platform.event(call, "inicio").good
            assert all(exchange.good for exchange in platform.events(call))
    until(lambda: len(rows(bridge)) == len(crm.store.calls) == len(tasks(salesforce)) == 3)
    assert {row["caller"]: row["outcome"] for row in rows(bridge)} == {
        "+34600111222": "Volver a llamar",
        "+34600111223": "",
        "+34600111224": "7",
    }
    notes = {row["caller"]: row["note"] for row in rows(bridge)}
    assert "Resultado: Volver a llamar" in notes["+34600111222"].splitlines()
    assert "Resultado" not in notes["+34600111223"]
    assert sorted(str(call["subject"]) for call in crm.store.calls) == ["Vendido", "sin resultado", "sin resultado"]
    assert sorted(str(task["CallDisposition"]) for task in tasks(salesforce)) == ["7", "Answered", "Call again"]


def test_words_without_an_outcome_are_a_fault(tmp_path: Path) -> None:
    rule = "activities:\n  - {in: crm, find: {}, outcomes: {1: Vendido}}\n"
    (said,) = told(tmp_path, f"{LINES}connectors:\n  crm: {{type: csv, activities: {{file: a.csv}}}}\n{rule}")
    assert 'write outcome: "{{ vars.NAME }}"' in said
