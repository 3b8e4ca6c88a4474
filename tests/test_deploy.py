"""The files that operators copy: they name figures that there are, and say what docs/containers.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bridge.service.metrics import CurrentState, Metrics, Now

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


def _figures() -> set[str]:
    """Every name that /metrics may have."""
    text = Metrics().text(Now(dict, dict, lambda: CurrentState(oldest_pending=0.0))).decode()
    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M):
        names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else {name}
    return names


@pytest.mark.parametrize("file", ["prometheus/rules.yaml", "prometheus/rules.test.yaml", "grafana/dashboard.json"])
def test_every_figure_that_is_asked_for_is_there(file: str) -> None:
    asked = set(re.findall(r"\binfocaller_\w+", (DEPLOY / file).read_text("utf-8")))
    assert asked
    assert asked <= _figures()


def test_each_rule_is_raised_by_its_tests() -> None:
    rules = set(re.findall(r"alert: (\w+)", (DEPLOY / "prometheus/rules.yaml").read_text("utf-8")))
    tested = set(re.findall(r'alertname="(\w+)"', (DEPLOY / "prometheus/rules.test.yaml").read_text("utf-8")))
    assert rules == tested


def test_the_rules_do_what_their_tests_say() -> None:
    promtool = shutil.which("promtool")
    if os.environ.get("CI") == "true":
        assert promtool, "CI tests the rules: .ci/run fetches promtool"
    if not promtool:
        pytest.skip("no promtool on this machine")
    done = subprocess.run(
        [promtool, "test", "rules", "rules.test.yaml"], cwd=DEPLOY / "prometheus", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text("utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def test_containers_may_write_only_where_the_bridge_writes() -> None:
    compose = YAML(typ="safe").load((ROOT / "compose.yaml").read_text("utf-8"))
    for name in ("bridge", "nginx"):
        service = compose["services"][name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"nginx": ["443:443"]}
    built = (ROOT / "Containerfile").read_text("utf-8")
    assert re.search(r"^USER 10001:10001$", built, re.M)


def test_the_image_is_made_of_files_that_are_there() -> None:
    built, ignored = ((ROOT / name).read_text("utf-8") for name in ("Containerfile", ".dockerignore"))
    wanted = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", built, re.M) for name in line.split()}
    assert wanted
    assert wanted <= set(re.findall(r"^!(.+)$", ignored, re.M))
    assert all((ROOT / name).exists() for name in wanted)
