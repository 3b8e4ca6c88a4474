"""The dental clinic of `examples/clinic/`, as it stands: checked, tested, and with calls placed on it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.config.load import load
from bridge.simulator.calls import Platform, SimulatedCall, Target
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running, until

EXAMPLE = Path(__file__).parents[1] / "examples" / "clinic"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    environ = {"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD, "EMISSION_URL": "http://127.0.0.1:9"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    clinic = tmp_path / "clinic"
    shutil.copytree(EXAMPLE, clinic)
    (clinic / "config.yaml").chmod(0o600)
    return clinic


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "-c", str(folder / "config.yaml")])
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().out

    return command


@pytest.fixture
def bridge(folder: Path) -> Iterator[Bridge]:
    with running(folder, work=True) as bridge:
        yield bridge


def platform(bridge: Bridge) -> Platform:
    return Platform(Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY))


def place(calls: Platform, call: SimulatedCall) -> None:
    for exchange in (calls.event(call, "inicio"), *calls.events(call)):
        assert exchange.good, exchange.error


def missed(run: Run) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(run("callbacks", "list", "--source", "perdidas", "--json")[1])
    return listed


def test_it_has_neither_fault_nor_warning_and_its_cases_pass(folder: Path, run: Run) -> None:
    assert load(folder / "config.yaml").warnings == ()
    assert run("check")[0] == 0
    code, said = run("test")
    assert (code, said.splitlines()[-1].endswith(" pasan, 0 fallan")) == (0, True), said


def test_a_call_is_answered_logged_and_remembered(folder: Path, run: Run, bridge: Bridge) -> None:
    with platform(bridge) as calls:
        told = calls.query(SimulatedCall("600333444", "1"), "DESVIO").variables
        asked = json.loads(run("ask", "DESVIO", "--caller", "600333444", "--json")[1])["variables"]
        assert told["ESTADO"] == asked["ESTADO"]
        began = datetime.now() - timedelta(minutes=10)
        place(calls, SimulatedCall("600333444", "2", variables={"RESULTADO": "1"}, diverted="103", start=began))
    file = folder / "llamadas.csv"
    until(lambda: file.exists() and len(file.read_text("utf-8-sig").splitlines()) > 1)
    [row] = csv.DictReader(StringIO(file.read_text("utf-8-sig"), newline=""), delimiter=";")
    assert (row["subject"], row["outcome"], row["answered_by"]) == ("Llamada de Íñigo Sáez", "Cita dada", "103")
    noons = [datetime.now().replace(hour=12, minute=0) + timedelta(days=days) for days in range(1, 7)]
    told_then = [
        json.loads(run("ask", "DESVIO", "--caller", "600333444", "--json", "--at", noon.isoformat())[1])["variables"]
        for noon in noons
    ]
    destinations = {answer["DESTINO"] for answer in told_then if answer["ESTADO"] == "ABIERTO"}
    assert destinations == {"103"}, "103 spoke last with who has 101"


def test_who_was_missed_is_one_task_until_somebody_has_spoken_with_them(run: Run, bridge: Bridge) -> None:
    began = datetime.now() - timedelta(minutes=30)
    with platform(bridge) as calls:
        for number in (1, 2):
            place(calls, SimulatedCall("600555666", str(number), diverted="100", answered=False, start=began))
        until(lambda: [task["state"] for task in missed(run)] == ["waiting"])
        later = began + timedelta(minutes=20)
        place(calls, SimulatedCall("600555666", "3", diverted="103", start=later))
        until(lambda: [task["state"] for task in missed(run)] == ["cancelled"])


def test_reminders_come_day_by_day_under_one_name(folder: Path, run: Run, bridge: Bridge) -> None:
    assert bridge.port  # which made the database
    reminders = folder / "recordatorios.csv"
    first = json.loads(run("campaign", str(reminders), "--json")[1])
    assert (first["taken"], first["known"], first["refused"]) == (2, 0, 0)
    head = reminders.read_text("utf-8").splitlines()[0]
    day_after = [head, "C4;600 333 444;el doctor Gil;30/11/2026 12:00", "C9;600 111 222;el doctor Gil;01/12/2026 9:00"]
    reminders.write_text("\n".join(day_after) + "\n", encoding="utf-8")
    second = json.loads(run("campaign", str(reminders), "--json")[1])
    assert (second["taken"], second["known"]) == (1, 1), "the same patient, another appointment"
