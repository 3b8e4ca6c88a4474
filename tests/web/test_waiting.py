"""CRMs that hang, commits and pages that take their time: the loop answers everybody else, and in time."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fakes.sockets import RawServer
from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, Reply, query, running, written

CONFIGURATION = """
server: {{url_key: {key}, workers: 1, threads: 2}}
lines: [{{number: "{line}", password: "{password}"}}]
connectors:
  crm:
    type: rest
    base_url: {url}
    timeout: 60s
    breaker: {{failures: 1000000}}
    records:
      contact:
        search: {{path: /contacts, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        fields: {{id: id, name: name, phone: phone}}
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}, note: {{file: notes.csv}}}}}}
queries:
  CRM: &crm
    find: {{contact: {{in: crm, phone: "{{{{ caller }}}}"}}}}
    answer: {{QUIEN: "{{{{ contact.name }}}}"}}
    on_timeout: {{QUIEN: NADIE}}
    deadline: 500ms
  CACHE: {{<<: *crm, cache: {{fresh: 1h, stale: 2h}}}}
  PACIENTE: {{<<: *crm, deadline: 60s}}
  CSV:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{QUIEN: "{{{{ contact.name }}}}"}}
  NOTA:
    save: {{in: agenda, table: note, fields: {{text: "{{{{ vars.DATO }}}}"}}}}
    answer: {{QUIEN: "{{{{ vars.DATO }}}}"}}
"""


class Crm(RawServer):
    """A CRM that knows everybody, and answers as long as `gate` is open; it counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.gate = threading.Event()
        self.asked: list[str] = []

    def _answer(self, sock: socket.socket) -> None:
        received = b""
        while not self.stopping.is_set():
            data = sock.recv(65536)
            if not data:
                return
            received += data
            while b"\r\n\r\n" in received:
                request, _, received = received.partition(b"\r\n\r\n")
                number = re.search(rb"q=(\d+)", request)
                assert number
                self.asked.append(number[1].decode())
                while not self.gate.wait(0.05):
                    if self.stopping.is_set():
                        return
                body = json.dumps({"data": [{"id": "1", "name": "Ana", "phone": number[1].decode()}]})
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                sock.sendall(f"{head}{body}".encode())

    def __exit__(self, *error: object) -> None:
        self.gate.set()
        super().__exit__(*error)


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Crm() as crm:
        yield crm


@pytest.fixture
def bridge(crm: Crm, tmp_path: Path) -> Iterator[Bridge]:
    (tmp_path / "contacts.csv").write_text("id,name,phone\n1,Eva,600111222\n")
    (tmp_path / "config.yaml").write_text(
        CONFIGURATION.format(key=KEY, line=LINE, password=PASSWORD, url=crm.url), encoding="utf-8"
    )
    with running(tmp_path) as bridge:
        yield bridge


def who(reply: Reply) -> str:
    """What the variable QUIEN came to."""
    assert reply.status == 200, reply.text
    (variable,) = json.loads(reply.text)["ApiCall"]["CustVars"]["CustVar"]
    assert variable["VarName"] == "QUIEN"
    return str(variable["VarValue"])


def ask(bridge: Bridge, name: str, caller: str = "600111222") -> str:
    return who(bridge.post("query", *written(query(name, caller=caller))))


def test_all_lookups_hang_and_everybody_gets_the_default_while_others_are_answered(bridge: Bridge, crm: Crm) -> None:
    """More Queries than there are threads for lookups, each of another caller. The CRM would hold them for a minute."""
    with ThreadPoolExecutor(30) as callers:
        late = [callers.submit(ask, bridge, "CRM", f"6002223{number:02}") for number in range(30)]
        until(lambda: len(crm.asked) >= 2)
        assert [ask(bridge, "CSV") for _ in range(20)] == ["Eva"] * 20
        event = bridge.post("event/fin", *written(query()))
        assert [each.result() for each in late] == ["NADIE"] * 30
    assert event.status == 200
    assert bridge.ask("GET", "/readyz").status == 200
    figures = bridge.ask("GET", "/metrics").text
    assert 'infocaller_query_seconds_count{outcome="on_timeout",query="CRM"} 30.0' in figures
    assert 'infocaller_lookups_total{connector="crm",outcome="late"} 30.0' in figures


def test_what_comes_too_late_for_one_caller_is_there_for_the_next(bridge: Bridge, crm: Crm) -> None:
    assert ask(bridge, "CACHE") == "NADIE"
    crm.gate.set()
    until(lambda: ask(bridge, "CACHE") == "Ana")
    asked = len(crm.asked)
    crm.gate.clear()
    assert [ask(bridge, "CACHE") for _ in range(5)] == ["Ana"] * 5
    assert len(crm.asked) == asked


def test_callers_who_want_the_same_are_answered_by_one_lookup(bridge: Bridge, crm: Crm) -> None:
    with ThreadPoolExecutor(20) as callers:
        waiting = [callers.submit(ask, bridge, "PACIENTE") for _ in range(20)]
        until(lambda: crm.asked)
        until(lambda: ask(bridge, "CSV") == "Eva")
        crm.gate.set()
        assert [each.result() for each in waiting] == ["Ana"] * 20
    assert len(crm.asked) < 5  # one, but for those who came when it was answered


def test_who_waits_when_the_bridge_stops_is_answered(bridge: Bridge, crm: Crm) -> None:
    with ThreadPoolExecutor(2) as callers:
        waiting = callers.submit(ask, bridge, "PACIENTE")
        until(lambda: crm.asked)
        bridge.process.terminate()
        until(lambda: "stopping" in bridge.log.lower() or _refuses(bridge))
        crm.gate.set()
        assert waiting.result() == "Ana"
        assert bridge.process.wait(30) == 0


def _refuses(bridge: Bridge) -> bool:
    try:
        bridge.ask("GET", "/healthz", seconds=0.5)
    except OSError:
        return True
    return False


def test_a_bridge_whose_lookups_hang_stops_all_the_same(bridge: Bridge, crm: Crm) -> None:
    assert [ask(bridge, "CRM", f"60022233{number}") for number in range(3)] == ["NADIE"] * 3
    bridge.process.terminate()
    assert bridge.process.wait(30) == 0
    assert "is killed" not in bridge.log
    assert "Traceback" not in bridge.log


def test_what_was_keyed_in_is_on_disk_before_the_answer(bridge: Bridge) -> None:
    said = [replace(query("NOTA", call=str(number)), variables={"DATO": f"n{number}"}) for number in range(20)]
    with ThreadPoolExecutor(10) as callers:
        answers = list(callers.map(lambda document: who(bridge.post("query", *written(document))), said))
    assert answers == [f"n{number}" for number in range(20)]
    assert 'infocaller_jobs{connector="agenda",state="pending"} 20.0' in bridge.ask("GET", "/metrics").text


def test_the_bridge_is_alive_and_ready_while_the_database_says_nothing(tmp_path: Path) -> None:
    """A PostgreSQL that takes connections and never says a word."""
    with RawServer() as database:
        (tmp_path / "config.yaml").write_text(
            f"server: {{url_key: {KEY}, workers: 1}}\n"
            f"database: postgresql://postgres@127.0.0.1:{database.port}/none\n"
            f'lines: [{{number: "{LINE}", password: "{PASSWORD}"}}]\n'
            "queries: {ECO: {answer: {QUIEN: nadie}}}\n"
        )
        with running(tmp_path) as bridge, ThreadPoolExecutor(40) as others:
            pages = [others.submit(bridge.ask, "GET", "/readyz", seconds=120) for _ in range(40)]
            assert [bridge.ask("GET", "/healthz").status for _ in range(10)] == [200] * 10
            assert [ask(bridge, "ECO") for _ in range(10)] == ["nadie"] * 10
            assert bridge.post("event/fin", *written(query())).status == 200  # into the spool
            for page in pages:
                assert page.result().status == 200
                assert "events are kept in the spool" in page.result().text
            bridge.process.terminate()
            bridge.process.wait(60)
