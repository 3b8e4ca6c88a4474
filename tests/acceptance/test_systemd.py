"""`serve` under something that listens as systemd does: a socket for datagrams, and a watchdog."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Bridge as Command
from tests.waiting import until
from tests.web.bridge_process import CONFIGURATION, KEY, PASSWORD, running

WATCHDOG = 16  # seconds: half of them without a heartbeat, and a process counts as silent


class Systemd:
    """What is told to it: each message's assignments, in their order."""

    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def since(self, mark: int, text: str) -> bool:
        """Whether it was told this after so many messages."""
        return text in self.told[mark:]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self.told += message.decode().splitlines()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    listening = Systemd(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG * 1_000_000))
    try:
        yield listening
    finally:
        listening.close()


def test_it_is_told_ready_then_that_all_answer_and_then_that_it_ends(tmp_path: Path, systemd: Systemd) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: "READY=1" in systemd.told)
        until(lambda: systemd.told.count("WATCHDOG=1") >= 2)
        assert systemd.told[:2] == ["READY=1", "STATUS=running"]
        bridge.process.terminate()
        assert bridge.process.wait(60) == 0
    until(lambda: "STATUS=stopping" in systemd.told)
    assert systemd.told[-2:] == ["STOPPING=1", "STATUS=stopping"]


def test_it_hears_nothing_while_a_process_hangs(tmp_path: Path, systemd: Systemd) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: "WATCHDOG=1" in systemd.told)
        serving = bridge.serving
        [working] = set(bridge.tree[1:]) - set(serving)
        try:
            os.kill(serving[0], signal.SIGSTOP)
            until(lambda: any("serving process" in text for text in systemd.told))
            hanging = len(systemd.told)
            os.kill(working, signal.SIGSTOP)
            until(lambda: any("the background work" in text for text in systemd.told[hanging:]))
            assert "WATCHDOG=1" not in systemd.told[hanging:], systemd.told
            until(lambda: "does not answer: systemd hears no more of us" in bridge.log)
        finally:
            mark = len(systemd.told)
            for pid in (serving[0], working):
                os.kill(pid, signal.SIGCONT)
        until(lambda: systemd.since(mark, "STATUS=running"))
        until(lambda: systemd.since(mark, "WATCHDOG=1"))


def test_one_that_is_killed_is_replaced_and_is_no_reason_to_start_all_anew(tmp_path: Path, systemd: Systemd) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: "WATCHDOG=1" in systemd.told)
        victim = bridge.serving[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in bridge.tree and len(bridge.serving) == 2)
        mark = len(systemd.told)
        until(lambda: systemd.told[mark:].count("WATCHDOG=1") >= 2)
        assert "does not answer" not in "".join(systemd.told)


def test_the_background_work_alone_reports_as_well(
    tmp_path: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIGURATION % "")
    monkeypatch.setenv("BRIDGE_URL_KEY", KEY)
    monkeypatch.setenv("INFOCALLER_PASSWORD", PASSWORD)
    bridge = Command(config, "--work")
    bridge.start()
    try:
        until(lambda: "WATCHDOG=1" in systemd.told)
    finally:
        assert bridge.stop() == 0
    until(lambda: "STATUS=stopping" in systemd.told)
    assert (systemd.told[0], systemd.told[-2]) == ("READY=1", "STOPPING=1")
