"""What a bridge that serves keeps of Queries and of the panel's URLs, and what is left of it when it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format
from bridge.store import panelurls, queries
from bridge.store.panelurls import PanelUrl
from bridge.store.queries import QueryFilter, StoredQuery
from bridge.store.schema import connect
from tests.web.bridge_process import CALLER, LINE, PASSWORD, Bridge, query, running, until, written

CONFIGURATION = """
server: {url_key: "${BRIDGE_URL_KEY}", workers: 2}
database: %s
sensitive: [PIN]
lines: [{number: "912345678", password: "${INFOCALLER_PASSWORD}"}]
connectors:
  crm:
    type: csv
    tables: {contact: {file: contacts.csv, phones: [phone]}}
    link: "https://crm.example.com/{{ record.id }}"
queries:
  DESVIO:
    find: {contact: {in: crm, phone: "{{ caller }}"}}
    answer: {DESTINO: "{{ contact.agent }}", ECO: "{{ vars.PIN }}"}
    not_found: {DESTINO: "910000000"}
"""


@pytest.fixture
def folder(tmp_path: Path, database_url: str) -> Path:
    (tmp_path / "contacts.csv").write_text("id,phone,name,agent\n7,600111222,Ana,911000001\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIGURATION % database_url)
    (tmp_path / "config.yaml").chmod(0o600)
    return tmp_path


def kept(url: str) -> list[StoredQuery]:
    database = connect(url)
    try:
        with database.read() as connection:
            return queries.find(connection, QueryFilter())
    finally:
        database.close()


def errors(url: str) -> dict[PanelUrl, str]:
    database = connect(url)
    try:
        with database.read() as connection:
            return {each.url: each.error for each in panelurls.last_called(connection)}
    finally:
        database.close()


def ask(bridge: Bridge, name: str = "DESVIO", caller: str = CALLER) -> None:
    assert bridge.post("query", *written(query(name, {"PIN": "987654", "DATO": "1"}, caller=caller))).status == 200


def event(bridge: Bridge, name: str) -> None:
    body, content_type = write_request(
        Document(Format.JSON, LINE, "98565656", call_type="R", caller_number=CALLER), Format.JSON, password=PASSWORD
    )
    assert bridge.post(f"event/{name}", body, content_type).status == 200


def test_what_was_asked_and_answered_outlives_the_process(folder: Path, database_url: str) -> None:
    with running(folder) as bridge:
        ask(bridge)
        ask(bridge, caller="699999999")
        bridge.process.send_signal(signal.SIGTERM)
        assert bridge.process.wait(60) == 0
    unknown, ana = kept(database_url)
    assert (ana.outcome, ana.connector, ana.record_id, ana.record_name) == ("found", "crm", "2", "Ana")
    assert ana.record_link == "https://crm.example.com/7"  # its own column, as expressions read it
    assert ana.variables == {"PIN": "", "DATO": "1"}
    assert ana.answer == {"DESTINO": "911000001", "ECO": ""}
    assert (unknown.outcome, unknown.caller, unknown.connector) == ("not_found", "+34699999999", "")
    assert [step.outcome for step in unknown.trail] == ["not_found"]


def test_each_url_of_the_panel_tells_its_last_call_and_error(folder: Path, database_url: str) -> None:
    with running(folder) as bridge:
        ask(bridge)
        event(bridge, "INICIO")
        ask(bridge, "NADA")
        for number in range(20):  # whoever guesses fills nothing
            bridge.post(f"nothing{number}", b"{}")
            bridge.post(f"query/made-up-{number}", b"rubbish")
        bridge.post("event/fin", *written(query(), password="wrong"))
        bridge.post("query", *written(query("DESVIO", line="933000000"), password="wrong"))
        bridge.ask("GET", "/infocaller/wrong-key/query")
        expected = 7
        until(lambda: len(errors(database_url)) == expected)
        bridge.process.send_signal(signal.SIGTERM)
        bridge.process.wait(60)
    told = errors(database_url)
    assert len(told) == expected
    assert told[PanelUrl(LINE, "event", "inicio")] == ""
    assert "signature is wrong" in told[PanelUrl(LINE, "event", "fin")]
    assert "'NADA'" in told[PanelUrl(LINE, "query", "")]
    assert "line 933000000 is not in the configuration" in told[PanelUrl("", "query", "DESVIO")]
    assert "nothing at this URL" in told[PanelUrl("", "other", "")]
    assert "Query" not in told[PanelUrl(LINE, "query", "DESVIO")]
    assert PanelUrl("", "query", "") in told  # documents that can't be read, for Queries that there are not
