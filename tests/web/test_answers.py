"""A list of contacts and orders in CSV files, on the line: what the platform hears in either format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from msgspec.structs import replace

from bridge.cli import main
from bridge.infocaller.messages import Document, Format
from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence
from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, Reply, query, running, written

CONFIGURATION = f"""
server: {{url_key: {KEY}, workers: 1, threads: 40}}
lines:
  - {{number: "{LINE}", password: "3956", extensions: ["101", "102"]}}
connectors:
  agenda:
    type: csv
    tables:
      contact: {{file: contacts.csv, key: id, phones: [phone, mobile]}}
      order: {{file: orders.csv, key: number}}
    activities: {{file: calls.csv}}
queries:
  DESVIO:
    find:
      contact: {{in: agenda, phone: "{{{{ caller }}}}"}}
    answer:
      DESTINO: "{{{{ contact.agent | dial }}}}"
      NOMBRE: "{{{{ contact.name }}}}"
    not_found: {{DESTINO: "101"}}
    ambiguous: {{DESTINO: "102", text: several have this number}}
  PEDIDO:
    find:
      order: {{in: agenda, key: "{{{{ vars.PEDIDO }}}}"}}
    answer: {{ESTADO: "{{{{ order.status }}}}"}}
    not_found: {{ESTADO: DESCONOCIDO}}
activities:
  - in: agenda
"""
CONTACTS = """id,name,phone,mobile,agent
C1,Ana Muñoz,+34 911 000 001,600 11 12 22,911000001
C2,O'Brien & Sons <UK>,+44 20 7946 0018,,911000001
C3,José “Pepe” 5 €,933 00 00 02,0034 600 22 23 33,102
C4,Eva,955 000 003,,101
C5,Adán,955 000 003,,101
"""
ORDERS = "number,status\n00077,Enviado\n77,Entregado\n"
ANA = {"DESTINO": "+34911000001", "NOMBRE": "Ana Muñoz"}
ASKED = {
    "known": ("DESVIO", "600111222", {}, ANA),
    "known by another number": ("DESVIO", "911000001", {}, ANA),
    "with signs": ("DESVIO", "+442079460018", {}, {"DESTINO": "+34911000001", "NOMBRE": "O'Brien & Sons <UK>"}),
    "beyond ISO-8859-1": ("DESVIO", "600222333", {}, {"DESTINO": "102", "NOMBRE": 'José "Pepe" 5 EUR'}),
    "unknown": ("DESVIO", "699999999", {}, {"DESTINO": "101"}),
    "hidden": ("DESVIO", "X", {}, {"DESTINO": "101"}),
    "ambiguous": ("DESVIO", "955000003", {}, {"DESTINO": "102"}),
    "order with zeros": ("PEDIDO", "X", {"PEDIDO": "00077"}, {"ESTADO": "Enviado"}),
    "order without zeros": ("PEDIDO", "X", {"PEDIDO": "77"}, {"ESTADO": "Entregado"}),
    "no such order": ("PEDIDO", "X", {"PEDIDO": "077"}, {"ESTADO": "DESCONOCIDO"}),
}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "contacts.csv").write_text(CONTACTS, encoding="utf-8")
    (folder / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with running(folder, work=True) as bridge:
        yield bridge


@dataclass
class Heard:
    """An answer as any reader of JSON or XML sees it; the five signs undone as the platform undoes them."""

    result: str
    variables: dict[str, str]


def heard(reply: Reply, form: Format) -> Heard:
    assert reply.status == 200, reply.text
    if form is Format.XML:
        root = etree.fromstring(reply.text.encode("iso-8859-1"))
        spaces = {"i": "http://tempuri.org/"}
        pairs = root.iterfind(".//i:CustVar", spaces)
        return Heard(
            root.findtext(".//i:Result", namespaces=spaces) or "",
            {pair[0].text or "": pair[1].text or "" for pair in pairs},
        )
    call: dict[str, Any] = json.loads(reply.text)["ApiCall"]
    return Heard(
        call["Status"]["Result"], {pair["VarName"]: _plain(pair["VarValue"]) for pair in call["CustVars"]["CustVar"]}
    )


def _plain(value: str) -> str:
    for entity, sign in (("&gt;", ">"), ("&lt;", "<"), ("&apos;", "'"), ("&quot;", '"'), ("&amp;", "&")):
        value = value.replace(entity, sign)
    return value


def ask(bridge: Bridge, name: str, caller: str, variables: dict[str, str]) -> dict[str, Any]:
    """What `ask` says, as a script reads it."""
    given = [f"--var={key}={value}" for key, value in variables.items()]
    out = StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit):
        main(["ask", name, "-c", str(bridge.configuration), "--caller", caller, *given, "--json"])
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("who", ASKED)
def test_the_platform_hears_who_calls_and_what_was_keyed_in(bridge: Bridge, who: str, form: Format) -> None:
    name, caller, variables, expected = ASKED[who]
    document = replace(query(name, caller=caller), variables=variables)
    answer = heard(bridge.post("query", *written(document, form)), form)
    assert answer == Heard("0", expected)


@pytest.mark.parametrize("form", list(Format))
def test_an_emitted_call_is_about_whom_it_rang(bridge: Bridge, form: Format) -> None:
    emitted = replace(query("DESVIO", caller=LINE), call_type="E", outbound_number="600111222", variables={})
    assert heard(bridge.post("query", *written(emitted, form)), form).variables == ANA


@pytest.mark.parametrize("who", ASKED)
def test_ask_says_what_the_server_answers(bridge: Bridge, who: str) -> None:
    name, caller, variables, _ = ASKED[who]
    document = replace(query(name, caller=caller), variables=variables)
    answer = heard(bridge.post("query", *written(document)), Format.JSON)
    told = ask(bridge, name, caller, variables)
    assert (str(told["result"]), told["variables"]) == (answer.result, answer.variables)


def simulate(bridge: Bridge, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `simulate` against this bridge."""
    out = StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(["simulate", *arguments, "-c", str(bridge.configuration), "--base", f"http://127.0.0.1:{bridge.port}"])
    assert isinstance(ended.value.code, int)
    return ended.value.code, out.getvalue()


def test_a_simulated_call_is_answered_and_leaves_its_row(bridge: Bridge) -> None:
    code, out = simulate(bridge, "received", "--query", "DESVIO", "--diverted", "101")
    assert code == 0, out
    assert "+34911000001" in out
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("--- ")] == [
        "--- INICIO", "--- Query DESVIO", "--- DESVIO_CORRECTO", "--- FIN",
    ]  # fmt: skip
    (call,) = set(re.findall(r"CallSequence\W+(\d+)", out))
    until(lambda: _rows(bridge.configuration.parent / "calls.csv", call) == 1)


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8"])
def test_calls_in_any_format_and_charset_are_answered(bridge: Bridge, form: Format, charset: str) -> None:
    target = Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY, form, charset)
    with Platform(target) as platform:
        call = SimulatedCall("600111222", new_sequence(), diverted="101")
        answered = platform.query(call, "DESVIO")
        told = [platform.event(call, "inicio"), *platform.events(call)]
    assert "+34911000001" in answered.received
    assert all(exchange.good for exchange in [answered, *told])
    until(lambda: _rows(bridge.configuration.parent / "calls.csv", call.sequence) == 1)


def _rows(file: Path, call: str) -> int:
    """How many activities this call has; other tests' calls have theirs in the same file."""
    return file.read_text(encoding="utf-8").count(f"\n{LINE}:{call}:") if file.exists() else 0


def test_a_hidden_caller_and_an_emitted_call_can_be_simulated(bridge: Bridge) -> None:
    code, out = simulate(bridge, "received", "--caller", "X", "--query", "DESVIO")
    assert code == 0
    assert '"VarValue": "101"' in out
    code, out = simulate(bridge, "emitted", "--to", "600111222", "--query", "DESVIO")
    assert code == 0
    assert "+34911000001" in out


def test_a_burst_is_summed_up(bridge: Bridge) -> None:
    code, out = simulate(bridge, "burst", "--query", "DESVIO", "--count", "30", "--at-once", "10", "--json")
    told = json.loads(out)
    assert (code, told["calls"], told["Result 0"]) == (0, 30, 30)


def test_a_bridge_on_another_machine_takes_a_yes(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "received", "-c", str(bridge.configuration), "--base", "http://192.0.2.1:8080"])
    assert ended.value.code == 2
    assert "add --yes" in capsys.readouterr().err


def test_what_urls_prints_is_what_is_served(bridge: Bridge) -> None:
    out = StringIO()
    base = f"http://127.0.0.1:{bridge.port}"
    with redirect_stdout(out), pytest.raises(SystemExit):
        main(["urls", "-c", str(bridge.configuration), "--base", base])
    paths = [word.removeprefix(base) for word in out.getvalue().split() if word.startswith(base)]
    assert len(paths) == 6
    for path in paths:
        document: Document = replace(query("DESVIO", call=f"u{len(path)}"), variables={})
        assert bridge.post(path, *written(document)).status == 200, path
