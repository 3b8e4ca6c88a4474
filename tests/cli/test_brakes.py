"""What stops something works whatever is wrong with the configuration beside the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fakes.exchange import Exchange, arrival, final

Spoil = Callable[[Path], object]


def replaced(before: str, after: str) -> Spoil:
    return lambda config: config.write_text(config.read_text("utf-8").replace(before, after), "utf-8")


FAULTS: dict[str, Spoil] = {
    "a spreadsheet": lambda config: (config.parent / "contacts.csv").write_bytes(b"PK\x03\x04"),
    "the line's password is not set": replaced('"3956"', "${NOT_SET_ANYWHERE}"),
    "a key that means nothing": replaced("type: csv", "type: csv\n    colour: red"),
    "an expression": lambda config: config.write_text(
        config.read_text("utf-8") + 'queries: {Q: {answer: {A: "{{ nobody.x }}"}}}\n', "utf-8"
    ),
    "an indentation": replaced("  crm:", " crm:\n   x"),
    "a bracket in lines": replaced('password: "3956"}', 'password: "3956"'),
}


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=FAULTS)
def test_lines_are_paused_and_work_is_listed(config: Path, exchange: Exchange, run: Run, spoil: Spoil) -> None:
    exchange.tell(arrival("fin", final(call_sequence="1")))
    spoil(config)
    assert run("check").code == 1
    paused = run("lines", "pause", "912345678")
    assert (paused.code, "check" in paused.err) == (0, True)
    [line] = json.loads(run("lines", "list", "--json").out)
    assert (line["name"], line["mode"]) == ("912345678", "held")
    assert [job["kind"] for job in json.loads(run("jobs", "list", "--json").out)] == ["activity"]
    assert "600111222" in run("calls", "list").out
    assert run("lines", "resume", "912345678").code == 0
    status = json.loads(run("status", "--json").out)
    assert [one["mode"] for one in status["lines"]] == ["running"]


@pytest.mark.parametrize("open_", ['{days: mon-sun, from: "10:00", to: "20:00"}', "{days: never}"])
def test_sources_that_name_a_calendar_stand_in_nobodys_way(
    config: Path, exchange: Exchange, run: Run, open_: str
) -> None:
    exchange.tell(arrival("fin", final(call_sequence="1")))
    web = f"""
hours: {{office: {{open: {open_}}}}}
callbacks: [{{name: web, line: "912345678", rule_group: x, token: 0123456789abcdefghijklmnop, hours: office}}]
"""
    config.write_text(config.read_text("utf-8").replace('"3956"', "${NOT_SET_ANYWHERE}") + web, "utf-8")
    assert run("lines", "pause", "912345678").code == 0
    assert run("callbacks", "list").code == 0
    assert run("callbacks", "pause", "web").code == 0
    status = json.loads(run("status", "--json").out)
    assert [line["mode"] for line in status["lines"]] == ["held"]
    assert {"configuration", "line:912345678", "source:web"} <= {trouble["id"] for trouble in status["troubles"]}


def test_a_database_that_cant_be_told_is_not_guessed(config: Path, exchange: Exchange, run: Run) -> None:
    config.write_text("database: postgresql://u:${NOT_SET_ANYWHERE}@h/n\n" + config.read_text("utf-8"), "utf-8")
    said = run("lines", "pause", "912345678")
    assert said.code == 1
    assert "NOT_SET_ANYWHERE is not set" in said.err
