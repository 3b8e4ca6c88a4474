"""The demo, and the configuration to start from: what a newcomer runs first."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.waiting import until

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


@pytest.mark.acceptance
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


# As a shell without job control starts what it runs in the background.
_IGNORING_INTERRUPTS = ["sh", "-c", """trap '' INT; exec "$@" """, "sh"]


@pytest.mark.acceptance
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_that_stays_up_opens_a_console_with_its_calls_in_it(tmp_path: Path, ending: signal.Signals) -> None:
    environ = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [*_IGNORING_INTERRUPTS, sys.executable, "-m", "bridge", "demo", "--serve"]
    said = tmp_path / "said"
    with said.open("w", encoding="utf-8") as output:
        demo = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=output, stderr=output)
    try:
        until(lambda: "user admin, password" in said.read_text(encoding="utf-8"), 120)
        told = re.search(r"(http://\S+)/console/ : user admin, password (\w+)", said.read_text(encoding="utf-8"))
        assert told
        base, password = told.groups()
        browser = requests.Session()
        form = browser.get(f"{base}/console/login", timeout=30).text
        token = re.search(r'name="csrf" value="(\w+)"', form)
        assert token
        fields = {"name": "admin", "password": password, "csrf": token[1]}
        assert browser.post(f"{base}/console/login", data=fields, timeout=30).status_code == 200
        assert "+34 600 11 12 22" in browser.get(f"{base}/console/calls", timeout=30).text
    finally:
        demo.send_signal(ending)
        try:
            assert demo.wait(60) == 0
        finally:
            demo.kill()
            demo.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["said"]


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
    assert asked.stdout.endswith(" pasan, 0 fallan\n")  # the language that it says
    assert not asked.stdout.startswith("0 ")


def test_what_it_says_at_its_top_works(example: Path) -> None:
    text = (example / "config.yaml").read_text(encoding="utf-8")
    commands = [line.split() for line in text.splitlines() if line.startswith("#     infocaller-bridge ")]
    assert len(commands) == 3
    for _, _, *arguments in commands:
        given = ["config.yaml" if word == "config.example.yaml" else word for word in arguments]
        ended = run(example, *given)
        assert ended.returncode == 0, ended.stdout + ended.stderr
