"""`simulate`: the platform played from the command line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.cli import main
from tests.cli.conftest import Run

NOBODY = "http://127.0.0.1:1"


def test_without_a_further_word_it_places_a_received_call(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(config.read_text(encoding="utf-8") + "server: {port: 1}\n", encoding="utf-8")
    monkeypatch.chdir(config.parent)
    with pytest.raises(SystemExit) as ended:
        main(["simulate"])
    said = capsys.readouterr().out
    assert ended.value.code == 1
    assert [line for line in said.splitlines() if line.startswith("---")] == [
        line for line in said.splitlines() if "no answer" in line
    ]
    assert said.count("is the bridge running there?") == 2  # INICIO and FIN


def test_times_are_those_of_the_lines_zone_whatever_this_machines_is(run: Run, config: Path) -> None:
    zone = "Pacific/Kiritimati"
    text = config.read_text(encoding="utf-8").replace('"3956"', f'"3956", timezone: {zone}')
    config.write_text(text, encoding="utf-8")
    fin = run("simulate", "received", "--base", NOBODY).out.splitlines()[-2]
    start = datetime.fromisoformat(json.loads(fin)["ApiCall"]["Infocaller"]["StartDate"])
    assert abs(datetime.now(ZoneInfo(zone)).replace(tzinfo=None) - start) < timedelta(minutes=30)


def test_a_call_ends_when_its_fin_comes_so_that_the_bridge_knows_it_at_once(run: Run) -> None:
    fin = run("simulate", "received", "--base", NOBODY).out.splitlines()[-2]
    end = datetime.fromisoformat(json.loads(fin)["ApiCall"]["Infocaller"]["EndDate"])
    assert end <= datetime.now(ZoneInfo("Europe/Madrid")).replace(tzinfo=None)
