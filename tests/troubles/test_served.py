"""Troubles of a bridge that runs in earnest: told once for the host when they begin and when they end, and shown."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running, until

ENVIRON = os.environ | {"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD}


def command(bridge: Bridge, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the bridge's commands, on its configuration."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments, "-c", str(bridge.configuration)],
        env=ENVIRON, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def status(bridge: Bridge) -> dict[str, Any]:
    """What `status --json` says."""
    said = command(bridge, "status", "--json")
    told: dict[str, Any] = json.loads(said.stdout)
    assert said.returncode == int(any(one["severity"] == "error" for one in told["troubles"])), said
    return told


def ids(bridge: Bridge) -> list[str]:
    return [one["id"] for one in status(bridge)["troubles"]]


def told(bridge: Bridge, id_: str) -> list[str]:
    """The levels of the log lines about a trouble."""
    return re.findall(rf"level=(\w+) at=bridge.troubles .* trouble={re.escape(id_)}$", bridge.log, re.M)


def test_a_trouble_is_logged_once_when_it_begins_and_once_when_it_ends(tmp_path: Path) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: "the background work has begun" in bridge.log)
        assert ids(bridge) == []
        assert command(bridge, "lines", "pause", LINE, "--reason", "lunch").returncode == 0
        (found,) = status(bridge)["troubles"]
        assert (found["id"], found["severity"], found["count"]) == (f"line:{LINE}", "warning", 1)
        assert "lunch" in found["text"]
        assert f"infocaller-bridge lines resume {LINE}" in found["action"]
        until(lambda: told(bridge, "line:•••678") == ["warning"])
        os.kill(bridge.serving[0], signal.SIGKILL)  # it may have been the one that watches
        assert command(bridge, "lines", "resume", LINE).returncode == 0
        until(lambda: told(bridge, "line:•••678") == ["warning", "info"])
        assert ids(bridge) == []
