"""A call that was missed, on the wire: the next Query knows of it, a task waits, and the figures tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.simulator.calls import Platform, SimulatedCall, Target, wall_clock
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running, until

CONFIGURATION = """
server: {url_key: "${BRIDGE_URL_KEY}", workers: 1, threads: 20}
language: en
lines: [{number: "912345678", password: "${INFOCALLER_PASSWORD}", extensions: ["101"]}]
queries:
  ANTES:
    deadline: 1m
    find:
      answered: {in: calls, table: answered, phone: "{{ caller }}", optional: true}
      missed: {in: calls, table: missed, phone: "{{ caller }}", optional: true}
    answer: {AGENTE: "{{ answered.answered_by }}", PERDIDA: "{{ missed.id }}"}
callbacks:
  - {from: missed_calls, line: "912345678", rule_group: missed, dial: by_hand, hours: always}
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    monkeypatch.setenv("BRIDGE_URL_KEY", KEY)
    monkeypatch.setenv("INFOCALLER_PASSWORD", PASSWORD)
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    file.chmod(0o600)
    with running(tmp_path, work=True) as bridge:
        yield bridge


def call(platform: Platform, sequence: str, ago: int, *, answered: bool) -> None:
    start = wall_clock(ago=timedelta(seconds=ago))
    told = SimulatedCall("600111222", sequence, diverted="101", answered=answered, seconds=30, start=start)
    assert all(exchange.good for exchange in platform.events(told))


def test_a_missed_call_is_known_waits_and_ends_with_the_next_conversation(
    served: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked() -> dict[str, str]:
        return dict(platform.query(SimulatedCall("600111222", "9"), "ANTES").variables)

    def by_command(*words: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main([*words, "-c", str(tmp_path / "config.yaml")])
        return capsys.readouterr().out

    with Platform(Target(f"http://127.0.0.1:{served.port}", LINE, PASSWORD, KEY)) as platform:
        assert asked() == {"AGENTE": "", "PERDIDA": ""}
        call(platform, "1", 900, answered=True)
        call(platform, "2", 600, answered=False)
        until(lambda: asked() == {"AGENTE": "101", "PERDIDA": "2"})
        assert json.loads(by_command("ask", "ANTES", "--caller", "600111222", "--json"))["variables"] == asked()
        [task] = json.loads(by_command("callbacks", "list", "--source", "missed_calls", "--json"))
        assert (task["state"], task["gate"], task["number"]) == ("waiting", "by_hand", "+34600111222")
        assert task["age"] > 500
        assert "1 missed call; waits for somebody" in by_command("callbacks", "list", "--source", "missed_calls")
        figures = served.ask("GET", "/metrics").text
        assert 'infocaller_missed_calls{source="missed_calls",state="waiting"} 1.0' in figures
        assert "infocaller_oldest_missed_seconds " in figures
        call(platform, "3", 60, answered=True)
        until(lambda: asked() == {"AGENTE": "101", "PERDIDA": ""})
        until(lambda: 'state="cancelled"} 1.0' in served.ask("GET", "/metrics").text)
        assert by_command("callbacks", "list", "--source", "missed_calls", "--state", "waiting").startswith(
            "there are none"
        )
