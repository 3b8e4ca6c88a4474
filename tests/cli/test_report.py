"""`report`: for people, for scripts, as files, by e-mail."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest

from tests.cli.conftest import Run
from tests.fakes.exchange import LINE, Exchange, arrival, document, entry, final
from tests.fakes.smtp import MailServer

MARCH = ("--from", "2026-03-01", "--to", "2026-03-31")


@pytest.fixture(autouse=True)
def calls(exchange: Exchange) -> Exchange:
    """A call that 101 answered and one that nobody did, on the second of March; neither is added up yet."""
    for name, talked in (("a", "9"), ("b", "0")):
        exchange.tell(arrival("inicio", document(call_sequence=name)))
        said = final(call_sequence=name, status=(entry(2, "101", "", "", talked),))
        exchange.tell(arrival("fin", said))
    return exchange


def test_it_is_for_people(run: Run) -> None:
    said = run("report", *MARCH, "--language", "es")
    assert said.code == 0, said.err
    assert said.out.startswith("01/03/2026 a 31/03/2026\n\nLlamadas\n")
    assert "Recibidas" in said.out
    assert "lun 02/03/2026" in said.out
    assert "600111222" not in said.out
    only = run("report", *MARCH, "--table", "extensions", "--language", "es")
    assert "lun 02/03/2026" not in only.out
    assert only.out.splitlines()[-1].split() == ["101", "2", "1", "1", "50,0", "%", "0", "0:00:09"]


def test_and_for_scripts(run: Run) -> None:
    made = json.loads(run("report", *MARCH, "--json").out)
    assert (made["from"], made["to"], made["line"], made["timezones"]) == (
        "2026-03-01", "2026-03-31", None, ["Europe/Madrid"],
    )  # fmt: skip
    tables = made["tables"]
    assert tables["summary"][0] == {"what": "Received", "calls": 2, "share": None}
    assert tables["days"][1] == {
        "day": "2026-03-02", "received": 2, "answered": 1, "missed": 1, "emitted": 0, "seconds": 150, "cost": "0.093",
    }  # fmt: skip
    assert list(json.loads(run("report", *MARCH, "--json", "--table", "costs").out)["tables"]) == ["costs"]
    assert json.loads(run("report", *MARCH, "--json", "--line", "999").out)["tables"]["summary"][0]["calls"] == 0
    assert json.loads(run("report", "--json").out)["tables"]["summary"][0]["calls"] == 0  # this month


def test_as_files(run: Run, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("report", *MARCH, "--csv", "--table", "lines").out)))
    assert rows[0]["Línea"] == LINE
    target = tmp_path / "march.csv"
    assert run("report", *MARCH, "--csv", "--excel", "-o", target).code == 0
    assert "\r\nDuración y costes\r\n" in target.read_bytes().decode("utf-8-sig")
    assert run("report", *MARCH, "--xlsx", tmp_path / "march.xlsx").code == 0
    assert "Llamadas por día" in openpyxl.load_workbook(tmp_path / "march.xlsx").sheetnames
    assert run("report", *MARCH, "--xlsx", tmp_path / "none" / "march.xlsx").code == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--csv", "--json"), "choose one"),
        (("--excel",), "--excel and --output go with --csv"),
        (("--period", "today", *MARCH), "--period says"),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "it ends before it begins"),
        (("--from", "yesterday"), "write a date"),
        (("--table", "called_back"), "there is no such table"),
        (("--send", "--line", LINE), "leave out --line"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], why: str) -> None:
    said = run("report", *arguments)
    assert said.code == 2
    assert why in said.err


def test_it_is_sent_to_try_it(run: Run, config: Path) -> None:
    assert "nobody gets reports" in run("report", "--send").err
    with MailServer(refused=["luis@example.com"]) as server:
        config.write_text(
            f"{config.read_text()}reports: [{{email: ana@example.com}}, {{email: luis@example.com, every: week}}]\n"
            f"smtp: {{host: localhost, port: {server.port}, from: bridge@example.com}}\n"
        )
        said = run("report", *MARCH, "--send")
    assert said.code == 1
    assert said.out.startswith("ok   ana@example.com: sent\nFAIL luis@example.com: ")
    assert [mail.recipients for mail in server.mails] == [["ana@example.com"]]
