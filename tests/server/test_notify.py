"""What systemd is told, without a server: the messages, and when a process counts as silent."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.server.notify import Heartbeats, Pulse, Reporter, ServiceManager, beat


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(60)
        yield bound


@pytest.mark.parametrize("abstract", [False, True])
def test_a_message_arrives_at_a_file_and_at_a_name_without_one(tmp_path: Path, abstract: bool) -> None:
    address = f"\0bridge-test-{os.getpid()}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(address)
        ServiceManager({"NOTIFY_SOCKET": address.replace("\0", "@")}).tell("READY=1", "STATUS=running")
        assert bound.recv(1000) == b"READY=1\nSTATUS=running"


def test_nobody_is_told_where_nobody_asked() -> None:
    manager = ServiceManager({"WATCHDOG_USEC": "1000000"})
    manager.tell("READY=1")
    assert (manager.listens, manager.watchdog) == (False, None)


def test_one_who_is_gone_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
    assert "systemd can't be told READY=1: " in caplog.text


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_or_there_is_none(environ: dict[str, str], seconds: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/run/notify", **environ}).watchdog == seconds


def test_who_beats_is_heard_once() -> None:
    heartbeats = Heartbeats()
    try:
        beat(heartbeats.writer)
        beat(heartbeats.writer)
        assert heartbeats.latest() == {os.getpid()}
        assert heartbeats.latest() == set()
        for _ in range(100_000):  # nobody reads: no beat may wait
            beat(heartbeats.writer)
        assert heartbeats.latest() == {os.getpid()}
    finally:
        heartbeats.close()


def test_a_process_is_silent_after_its_patience_and_has_longer_to_start() -> None:
    pulse, processes = Pulse(30, 600), {1: "serving process 1", 2: "the background work"}
    assert pulse.silent(processes, {1}, 0) == []
    assert pulse.silent(processes, set(), 30) == []
    assert pulse.silent(processes, set(), 31) == ["serving process 1"]
    assert pulse.silent(processes, {1}, 32) == []
    assert pulse.silent(processes, {1}, 601) == ["the background work"]
    assert pulse.silent({1: "serving process 1", 3: "the background work"}, {1}, 602) == []


def test_ready_comes_once_each_process_has_beaten(listener: socket.socket) -> None:
    heartbeats = Heartbeats()
    manager = ServiceManager({"NOTIFY_SOCKET": listener.getsockname()})
    reporter = Reporter(manager, lambda: True, lambda: {os.getpid(): "serving process 1"}, heartbeats)
    try:
        reporter.start()
        listener.settimeout(0.5)
        with pytest.raises(TimeoutError):
            listener.recv(1000)
        listener.settimeout(60)
        beat(heartbeats.writer)
        assert listener.recv(1000) == b"READY=1\nSTATUS=running"
    finally:
        reporter.stopping()
        heartbeats.close()


def test_ready_comes_once_it_answers_and_nothing_after_stopping(listener: socket.socket) -> None:
    answers: list[bool] = []
    manager = ServiceManager({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "400000"})
    reporter = Reporter(manager, lambda: bool(answers))
    reporter.start()
    listener.settimeout(0.5)
    with pytest.raises(TimeoutError):
        listener.recv(1000)
    listener.settimeout(60)
    answers.append(True)
    assert listener.recv(1000) == b"READY=1\nSTATUS=running"
    assert [listener.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    reporter.stopping()
    reporter.stopping()
    rest: list[bytes] = []
    while not rest or rest[-1] == b"WATCHDOG=1":
        rest.append(listener.recv(1000))
    assert rest[-1] == b"STOPPING=1\nSTATUS=stopping"
    listener.settimeout(0.5)
    with pytest.raises(TimeoutError):
        listener.recv(1000)
