"""Two bridges, each with a database and a state folder of its own, on one list of people: each phone rings once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bridge.simulator.emission import EmissionPlatform
from tests.acceptance.platform import LINE, PASSWORD
from tests.acceptance.processes import Bridge
from tests.waiting import until

TASKS = 60
CONFIG = """
database: sqlite:///bridge.db
lines:
  - number: "{line}"
    password: "{password}"
    emission: {{url: "{url}", per_minute: 1200, at_once: 1000}}
connectors:
  list: {{type: csv, tasks: {{file: {file}}}}}
callbacks:
{sources}
"""
ONE = '  - {{from: list, name: {name}, line: "{line}", rule_group: {name}, every: 1s, hours: always{more}}}'


def configured(folder: Path, url: str, file: Path, *sources: str) -> Path:
    folder.mkdir(exist_ok=True)
    rows = "".join(f"T{n},6{n:08},{'urgent' if n % 3 else 'usual'}\n" for n in range(TASKS))
    if not file.exists():
        file.write_text("id,phone,kind\n" + rows, encoding="utf-8")
    config = folder / "config.yaml"
    text = CONFIG.format(line=LINE, password=PASSWORD, url=url, file=file, sources="\n".join(sources))
    config.write_text(text, encoding="utf-8")
    return config


def source(name: str, when: str = "") -> str:
    return ONE.format(name=name, line=LINE, more=f", when: \"{{{{ task.kind == '{when}' }}}}\"" if when else "")


def rung(platform: EmissionPlatform) -> Counter[str]:
    return Counter(entry.number for entry in platform.ledger.rung)


@pytest.mark.timeout(600)
def test_of_two_bridges_on_one_list_one_calls_each(tmp_path: Path) -> None:
    with EmissionPlatform({LINE: PASSWORD}) as platform:
        file = tmp_path / "tasks.csv"
        bridges = [
            Bridge(configured(tmp_path / name, platform.url, file, source("calls")), "--work")
            for name in ("production", "test")
        ]
        try:
            for bridge in bridges:
                bridge.start()
            until(lambda: sum(rung(platform).values()) >= TASKS, 90)
            until(lambda: len((tmp_path / "tasks.results.csv").read_text().splitlines()) > 2 * TASKS, 30)
            assert [bridge.stop() for bridge in bridges] == [0, 0]
        finally:
            for bridge in bridges:
                bridge.kill()
        assert len(rung(platform)) == TASKS
        assert set(rung(platform).values()) == {1}


@pytest.mark.timeout(600)
def test_of_two_sources_of_one_list_one_calls_each(tmp_path: Path) -> None:
    with EmissionPlatform({LINE: PASSWORD}) as platform:
        sources = (source("usual"), source("urgent", "urgent"))
        config = configured(tmp_path / "bridge", platform.url, tmp_path / "tasks.csv", *sources)
        bridge = Bridge(config, "--work")
        try:
            bridge.start()
            until(lambda: sum(rung(platform).values()) >= TASKS, 90)
            assert bridge.stop() == 0
        finally:
            bridge.kill()
        assert set(rung(platform).values()) == {1}
        assert Counter(entry.rule_group for entry in platform.ledger.rung) == {"urgent": 40, "usual": 20}
