"""`serve` where parts of the configuration or files of it are at fault: the rest serves, and nothing is lost."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bridge.cli import main
from tests.fakes.exchange import final
from tests.web.bridge_process import CALLER, KEY, Bridge, Reply, betrays, query, running, until, written

CONFIGURATION = """
server: {url_key: "${BRIDGE_URL_KEY}", workers: 1, threads: 40}
lines:
  - {number: "912345678", password: "${INFOCALLER_PASSWORD}"}
connectors:
  agenda:
    type: csv
    tables:
      contact: {file: contacts.csv, phones: [phone]}
      order: {file: orders.csv, key: number}
  shop:
    type: rest
    base_url: http://127.0.0.1:9/
    auth: {type: bearer, token: "${file:token}"}
    records:
      order: {search: {path: "/orders/{{ key }}"}, fields: {id: id, status: status}}
  journal:
    type: csv
    activities: {file: journal.csv}
    tables: {survey: {file: survey.csv}}
    colour: red
queries:
  ECO:
    answer: {ECO: "{{ vars.DATO }}"}
  CONTACTO:
    find: {contact: {in: agenda, phone: "{{ caller }}"}}
    answer: {NOMBRE: "{{ contact.name }}"}
    on_error: {NOMBRE: error}
  PEDIDO:
    find: {order: {in: agenda, key: "{{ vars.DATO }}"}}
    answer: {ESTADO: "{{ order.status }}"}
    on_error: {ESTADO: error}
  TIENDA:
    find: {order: {in: shop, key: "{{ vars.DATO }}"}}
    answer: {ESTADO: "{{ order.status }}"}
    on_error: {ESTADO: error}
  ENCUESTA:
    save: {in: journal, table: survey, fields: {score: "{{ vars.DATO }}"}}
    answer: {GUARDADO: "1"}
activities:
  - {in: journal, find: {}}
callbacks:
  - {name: promo, line: "912345678", rule_group: promo}
"""


def faulty(folder: Path) -> Path:
    """A folder in which a table is a spreadsheet, a secret is missing and a section has a key that means nothing."""
    (folder / "config.yaml").write_text(dedent(CONFIGURATION), encoding="utf-8")
    (folder / "config.yaml").chmod(0o600)
    (folder / "contacts.csv").write_bytes(b"PK\x03\x04 not text")
    (folder / "orders.csv").write_text("number,status\ndicho,enviado\n", encoding="utf-8")
    return folder


def variables(reply: Reply) -> dict[str, str]:
    pairs = json.loads(reply.text)["ApiCall"]["CustVars"]["CustVar"]
    return {pair["VarName"]: pair["VarValue"] for pair in ([pairs] if isinstance(pairs, dict) else pairs)}


def asked(bridge: Bridge, name: str) -> dict[str, str]:
    return variables(bridge.post("query", *written(query(name))))


Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A command that ends with exit `code`, in a shell that has neither the line's password nor any other secret."""
    for name in ("BRIDGE_URL_KEY", "INFOCALLER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(tmp_path / "config.yaml")])
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        return said.out

    return run


def rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.timeout(1200)
def test_what_is_at_fault_is_out_of_order_alone_and_nothing_is_lost_until_it_is_mended(
    tmp_path: Path, command: Command
) -> None:
    def jobs() -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(command("jobs", "list", "--json"))
        return found

    def status() -> Any:
        return json.loads(command("status", "--json", code=1))

    folder = faulty(tmp_path)
    with running(folder, work=True) as bridge:
        assert asked(bridge, "ECO") == {"ECO": "dicho"}
        assert asked(bridge, "PEDIDO") == {"ESTADO": "enviado"}
        assert asked(bridge, "CONTACTO") == {"NOMBRE": "error"}
        assert asked(bridge, "TIENDA") == {"ESTADO": "error"}
        assert asked(bridge, "ENCUESTA") == {"GUARDADO": "1"}
        fin = bridge.post("event/fin", *written(final(call_sequence="77", caller_number=CALLER)))
        assert fin.status == 200
        parts = ("connector shop is out of", "connector journal is out of", "contacts.csv: it is a spread")
        until(lambda: all(part in bridge.log for part in parts))
        assert bridge.log.count("level=error at=bridge.server") == 3
        until(lambda: len([job for job in jobs() if "out of order" in (job["error"] or "")]) == 2, 60)
        assert {job["kind"] for job in jobs()} == {"activity", "save"}
        assert {job["state"] for job in jobs()} <= {"pending", "failed"}

        command("lines", "pause", "912345678")
        assert json.loads(command("lines", "list", "--json"))[0]["mode"] == "held"
        command("callbacks", "pause", "promo")
        assert json.loads(command("callbacks", "sources", "--json"))[0]["mode"] == "held"
        assert "+34600111222" in command("calls", "list")
        troubles = {one["id"]: one["text"] for one in status()["troubles"]}
        assert {"configuration", "table:agenda.contact"} <= troubles.keys()  # a shell without the password
        assert "a spreadsheet" in troubles["table:agenda.contact"]
        assert not betrays(bridge.log)
        assert KEY not in bridge.log

        (folder / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
        until(lambda: asked(bridge, "CONTACTO") == {"NOMBRE": "Ana"})
        mended = dedent(CONFIGURATION).replace("    colour: red\n", "")
        (folder / "config.yaml").write_text(mended, encoding="utf-8")
        until(lambda: "connector journal is in order again" in bridge.log)
        until(lambda: rows(folder / "journal.csv") and rows(folder / "survey.csv"), 150)
        assert [row["caller"] for row in rows(folder / "journal.csv")] == ["+34600111222"]
        assert [row["score"] for row in rows(folder / "survey.csv")] == ["dicho"]
        until(lambda: not jobs())
        until(lambda: "table:agenda.contact" not in {one["id"] for one in status()["troubles"]})
        assert asked(bridge, "TIENDA") == {"ESTADO": "error"}
        assert "connector shop is in order again" not in bridge.log


def test_a_change_that_would_put_a_connector_out_of_order_is_refused_while_it_serves(tmp_path: Path) -> None:
    folder = faulty(tmp_path)
    good = dedent(CONFIGURATION).replace("    colour: red\n", "")
    (folder / "config.yaml").write_text(good, encoding="utf-8")
    (folder / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    with running(folder) as bridge:
        assert asked(bridge, "CONTACTO") == {"NOMBRE": "Ana"}
        (folder / "config.yaml").write_text(good.replace("phones: [phone]", "phone: phone"), encoding="utf-8")
        until(lambda: "configuration refused, the last good one goes on serving" in bridge.log)
        assert asked(bridge, "CONTACTO") == {"NOMBRE": "Ana"}
    (folder / "contacts.csv").unlink()
    (folder / "config.yaml").write_text(good, encoding="utf-8")
    with running(folder) as bridge:  # what served before the restart serves on
        assert asked(bridge, "CONTACTO") == {"NOMBRE": "Ana"}
        until(lambda: "what it held before goes on serving, as of 20" in bridge.log)
