"""The demo, and the configuration to start from: what a newcomer runs first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The program, as it is run in `folder`."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "INFOCALLER_"))}
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=folder,
        env=given | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)} | (environ or {}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_demo_shows_calls_from_the_query_to_the_activity_and_leaves_nothing_behind(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    ended = run(tmp_path, "demo", environ={**proxies, "NO_PROXY": "", "no_proxy": ""})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for shown in (
        '"VarName": "DESTINO", "VarValue": "+34911000001"',
        "contact in agenda: found",
        '"VarName": "PEDIDO", "VarValue": "00077"',
        "<VarName>DESTINO</VarName><VarValue>101</VarValue>",
        "ok   FIN: kept on disk",
        "Llamada de Ana Muñoz",
        "| contestada |",
        "ok   the phone rang once: +34600111222",
        "All went as it should.",
    ):
        assert shown in ended.stdout, shown
    assert "FAIL" not in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example with its data, copied to where nothing else of the project is."""
    shutil.copy(ROOT / "config.example.yaml", tmp_path / "config.yaml")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "config.yaml").chmod(0o600)
    return tmp_path


def test_the_configuration_to_start_from_is_good_and_its_cases_pass(example: Path) -> None:
    checked = run(example, "check")
    assert checked.returncode == 0, checked.stderr
    asked = run(example, "test")
    assert asked.returncode == 0, asked.stdout
    assert asked.stdout.endswith(" passed, 0 failed\n")
    assert not asked.stdout.startswith("0 ")


def test_what_it_says_at_its_top_works(example: Path) -> None:
    text = (example / "config.yaml").read_text(encoding="utf-8")
    commands = [line.split() for line in text.splitlines() if line.startswith("#     infocaller-bridge ")]
    assert len(commands) == 3
    for _, _, *arguments in commands:
        given = ["config.yaml" if word == "config.example.yaml" else word for word in arguments]
        ended = run(example, *given)
        assert ended.returncode == 0, ended.stdout + ended.stderr
