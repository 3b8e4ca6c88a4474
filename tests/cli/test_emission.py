"""`simulate emission`: the platform's side to practise on, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.callbacks.emitter import Emitter, Sent
from bridge.config.emission import Emission
from bridge.infocaller.emission import EmissionRequest
from bridge.infocaller.results import Consequence
from tests.cli.conftest import CONFIGURATION, Run
from tests.web.bridge_process import PASSWORD, betrays, running, until

LINE = "912345678"


class Platform:
    """The command, running."""

    def __init__(self, process: subprocess.Popen[str], out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err
        until(lambda: "the emission API is at" in self.err or process.poll() is not None)
        self.url = self.err.split("is at ")[1].split(": ")[0] if "is at" in self.err else ""

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def ask(self, number: str = "+34600111222", password: str = PASSWORD) -> Sent:
        section = Emission.model_validate({"url": self.url, "timeout": "30s"})
        return Emitter(section).send(EmissionRequest(LINE, number, "callbacks"), password)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def platform(config: Path, *options: str) -> Iterator[Platform]:
    out, err = config.parent / "out", config.parent / "err"
    with out.open("w") as to_out, err.open("w") as to_err:
        command = [sys.executable, "-m", "bridge", "simulate", "emission", "-c", str(config), "--port", "0", *options]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=to_out, stderr=to_err, text=True, env=environ)
    try:
        yield Platform(process, out, err)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    return file


def test_requests_are_answered_as_the_options_say_and_kept(config: Path) -> None:
    options = ["--next", "reset-after", "--next", "11", "--next=-100", "--next", "garbage"]
    with platform(config, *options, "--outcome", "never", "--json") as running:
        said = [running.ask("+34600333444").consequence(), *(running.ask().consequence() for _ in range(4))]
        wrong = running.ask(password="0000")
        assert running.end() == 0
    assert said == [
        Consequence.MAY_HAVE_RUNG,
        Consequence.PAUSE_LINE,
        Consequence.TRY_AGAIN,
        Consequence.MAY_HAVE_RUNG,
        Consequence.ACCEPTED,
    ]
    assert wrong.consequence() is Consequence.STOP_LINE
    told = [json.loads(line) for line in running.out.splitlines()]
    assert [entry["rang"] for entry in told] == [True, False, False, True, True, False]
    assert "6 requests, 3 rang; rung more than once: +34600111222" in running.err
    assert not betrays(running.out + running.err)


def test_the_events_of_the_calls_reach_the_bridge_in_turn(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        options = ["--base", f"http://127.0.0.1:{bridge.port}"]
        os.environ |= {"BRIDGE_URL_KEY": "unguessable-part-of-the-url", "INFOCALLER_PASSWORD": PASSWORD}
        try:
            with platform(bridge.configuration, *options, "--outcome", "busy", "--outcome", "answered") as simulated:
                simulated.ask("+34600111001")
                simulated.ask("+34600111002")
                until(lambda: simulated.out.count("FIN: 200") == 2)
                assert simulated.end() == 0
        finally:
            del os.environ["BRIDGE_URL_KEY"], os.environ["INFOCALLER_PASSWORD"]
        until(lambda: bridge.log.count("event=fin") == 2)
    assert "+34600111001 by 912345678" in simulated.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--next", "explode"], "write a Resultado"),
        (["--base", "http://192.0.2.1:8080"], "not this machine"),
        (["--outcome", "married"], "married"),
    ],
)
def test_wrong_options_are_wrong_usage(run: Run, options: list[str], says: str) -> None:
    said = run("simulate", "emission", "--port", 0, *options)
    assert said.code == 2
    assert says in said.err


def test_the_help_names_every_result_and_fault(capsys: pytest.CaptureFixture[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "bridge", "simulate", "emission", "--help"], capture_output=True, text=True, check=True
    ).stdout
    words = " ".join(shown.split())
    for word in ("14 too many emissions", "-100 internal error", "reset_before", "hang", "redirect", "huge"):
        assert word in words
