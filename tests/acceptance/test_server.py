"""`serve` as a process tree: it starts, stops, mends itself and takes up changes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.server.serving import claim
from tests.web.bridge_process import (
    CONFIGURATION,
    KEY,
    PASSWORD,
    SERVE,
    Bridge,
    answers,
    command_line,
    is_running,
    query,
    running,
    until,
    written,
)


def echo(bridge: Bridge, name: str = "ECO") -> str:
    reply = bridge.post("query", *written(query(name)))
    answer: str = json.loads(reply.text)["ApiCall"]["Status"]["Result"]
    return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: len(bridge.tree) >= 4)
        tree = bridge.tree
        bridge.process.send_signal(number)
        assert bridge.process.wait(30) == 0
    assert not [pid for pid in tree if is_running(pid)]
    assert not list(tmp_path.glob("infocaller-bridge-*"))
    assert "Traceback" not in bridge.log
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", bridge.port))


def test_nobody_is_killed_at_a_plain_stop(tmp_path: Path) -> None:
    for attempt in range(3):
        (tmp_path / str(attempt)).mkdir()
        with running(tmp_path / str(attempt)) as bridge:
            for _ in range(20):
                echo(bridge)
            bridge.process.terminate()
            assert bridge.process.wait(30) == 0
        assert "illing" not in bridge.log
        assert "is killed" not in bridge.log


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted, which takes the rights of root")
def test_a_full_temporary_folder_stops_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    try:
        with running(tmp_path, temporary=small) as bridge:
            processes = bridge.serving
            with (small / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(bytes(4096))
            results = [echo(bridge, f"UNKNOWN{number}") for number in range(10)] + [echo(bridge) for _ in range(30)]
            assert results == ["1"] * 10 + ["0"] * 30
            assert bridge.serving == processes
            assert 'infocaller_requests_total{route="query",status="200"} 40.0' in bridge.ask("GET", "/metrics").text
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_what_earlier_versions_left_in_the_temporary_folder_is_swept(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, in_use = (tmp_path / f"infocaller-bridge-metrics-{name}" for name in ("left", "in-use"))
    for folder, owner in ((left, ended.pid), (in_use, os.getpid())):
        folder.mkdir()
        (folder / f"gauge_max_{owner}.db").touch()
    with running(tmp_path):
        assert not left.exists()
        assert in_use.exists()


def test_processes_that_die_in_quick_succession_end_the_service_which_comes_back(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        while bridge.process.poll() is None:
            for victim in bridge.serving:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            time.sleep(0.2)
        assert bridge.process.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" not in bridge.log
    with running(tmp_path) as again:  # as systemd starts it
        assert echo(again) == "0"


def test_ctrl_c_reaches_the_whole_group_and_all_stop_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        tree = bridge.tree
        os.killpg(bridge.process.pid, signal.SIGINT)
        assert bridge.process.wait(30) == 0
    assert not [pid for pid in tree if is_running(pid)]


def _heeds(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def test_a_stop_is_heeded_while_it_starts(tmp_path: Path) -> None:
    """Where it has no way of stopping yet, SIGTERM does not end the first process of a container."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION % "")
    variables = os.environ | {"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD}
    command = [*SERVE, "-c", str(tmp_path / "config.yaml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=variables) as starting:
        try:
            until(lambda: _heeds(starting.pid, signal.SIGTERM))
            starting.terminate()
            assert starting.wait(30) == 0
        finally:
            starting.kill()
        assert starting.stderr is not None
        assert b"listening on" not in starting.stderr.read()


def test_a_request_in_flight_is_answered_when_it_stops(tmp_path: Path) -> None:
    body, content_type = written(query())
    head = f"POST /infocaller/{KEY}/query HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
    with running(tmp_path) as bridge, bridge.raw() as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # a thread is waiting for the body
        serving = bridge.serving
        bridge.process.terminate()
        # A connection that the kernel still takes in, and nobody serves, must not use up the time that the body has.
        until(lambda: not answers(bridge, seconds=1))
        for _ in range(3):  # as its parent does every few seconds, and others that know its number
            for number in serving:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGTERM)
            time.sleep(0.1)
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert bridge.process.wait(30) == 0


def test_a_serving_process_that_dies_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        victim = bridge.serving[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in bridge.tree and len(bridge.tree) == 3)
        until(lambda: answers(bridge))
        assert echo(bridge) == "0"


def test_the_background_work_is_started_again_when_it_dies(tmp_path: Path) -> None:
    with running(tmp_path, work=True) as bridge:
        begun = "the background work has begun"
        until(lambda: bridge.log.count(begun) == 1)
        worker = next(pid for pid in bridge.tree if b"bridge.server.background" in command_line(pid))
        os.kill(worker, signal.SIGKILL)
        until(lambda: bridge.log.count(begun) == 2)


def test_nothing_goes_on_serving_when_the_parent_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: len(bridge.tree) >= 4)
        tree = bridge.tree
        bridge.process.kill()
        bridge.process.wait()
        until(lambda: not [pid for pid in tree if is_running(pid)])


def test_a_changed_configuration_is_taken_up_and_a_faulty_one_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        assert echo(bridge, "NUEVA") != "0"
        good = bridge.configuration.read_text() + "  NUEVA: {answer: {result: 0}, deadline: 20s}\n"
        bridge.configuration.write_text(good.replace("threads: 40", "threads: 41"))
        until(lambda: bridge.log.count("configuration taken up") == 2)  # both processes
        assert [echo(bridge, "NUEVA") for _ in range(8)] == ["0"] * 8
        until(lambda: "server.threads changed: that counts from the next start on" in bridge.log)
        bridge.configuration.write_text(good)
        until(lambda: bridge.log.count("configuration taken up") == 4)
        assert bridge.log.count("server.threads changed") == 2, "it is what it was at the start"
        assert "database changed" not in bridge.log
        assert bridge.log.count("is longer than a caller") == 2, "what was said before is not said again"

        bridge.configuration.write_text(good + "  ROTA: {anser: {X: '1'}}\n")
        until(lambda: bridge.log.count("configuration refused") >= 2)
        until(lambda: "anser" in bridge.log)
        assert [echo(bridge, "NUEVA") for _ in range(8)] == ["0"] * 8
        text = bridge.ask("GET", "/metrics").text
        assert 'infocaller_config_reloads_total{outcome="ok"} 4.0' in text
        assert 'infocaller_config_reloads_total{outcome="refused"} 2.0' in text

        victim = bridge.serving[0]
        os.kill(victim, signal.SIGKILL)  # the one in its place must not need the file to be good
        until(lambda: victim not in bridge.tree and len(bridge.tree) == 3)
        until(lambda: all(echo(bridge) == "0" for _ in range(8)))


def test_what_only_a_restart_takes_up_is_said(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        text = bridge.configuration.read_text()
        bridge.configuration.write_text(f"{text}database: sqlite:///other.db\nstate: elsewhere\n")
        for key in ("database", "state"):
            until(lambda key=key: f"{key} changed: that counts from the next start on" in bridge.log)  # type: ignore[misc]


def test_a_new_key_counts_at_once_and_stays_out_of_the_log(tmp_path: Path) -> None:
    other = "another-unguessable-part"
    with running(tmp_path) as bridge:
        bridge.configuration.write_text(bridge.configuration.read_text().replace("${BRIDGE_URL_KEY}", other))
        until(lambda: bridge.log.count("configuration taken up") == 2)
        assert bridge.post("query", *written(query())).status == 404
        assert bridge.post(f"/infocaller/{other}/query", *written(query())).status == 200
        bridge.post(f"/{other}", b"")
        until(lambda: "path=/•••" in bridge.log)
        assert other not in bridge.log


def test_without_a_key_the_segment_is_absent(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((CONFIGURATION % "").replace("  url_key: ${BRIDGE_URL_KEY}\n", ""))
    with running(tmp_path) as bridge:
        assert bridge.post("/infocaller/query", *written(query())).status == 200
        assert bridge.post(f"/infocaller/{KEY}/query", *written(query())).status == 404


def test_many_callers_at_once_are_all_answered(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        results: list[str] = []
        threads = [threading.Thread(target=lambda: results.extend(echo(bridge) for _ in range(5))) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["0"] * 500


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BridgeError, match=f"port {port} of 127.0.0.1 is in use: .* another$"):
            claim("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "", "a" * 500, "127.0.0.1:80"])
def test_an_address_that_is_not_ours_is_said_in_one_line(host: str) -> None:
    with pytest.raises(BridgeError, match=r"server\.host") as raised:
        claim(host or " ", 0)
    assert "\n" not in str(raised.value)


def test_names_and_both_families_can_be_listened_on() -> None:
    for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0"):
        with claim(host, 0) as claimed:
            assert claimed.getsockname()[1]


def test_a_second_bridge_on_the_same_port_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        second = subprocess.run(
            [
                sys.executable,
                "-m",
                "bridge",
                "serve",
                "--config",
                str(bridge.configuration),
                "--port",
                str(bridge.port),
            ],
            env=os.environ | {"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert f"port {bridge.port} of 127.0.0.1 is in use" in second.stderr
        assert "Traceback" not in second.stderr
        assert answers(bridge)


def test_a_faulty_configuration_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("lines: []\n")
    ended = subprocess.run([*SERVE, "-c", str(tmp_path / "config.yaml")], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert not list(tmp_path.glob("infocaller-bridge-*"))
