"""The demo: a bridge on example data in a temporary folder, and a simulated platform that places calls on it.

It runs the same server as `serve`, in a process of its own, on loopback; it needs no network and no configuration.
"""

from __future__ import annotations

import contextlib
import csv
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests

from bridge.infocaller.messages import Format
from bridge.simulator.calls import Exchange, Platform, SimulatedCall, Target, new_sequence
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.texts import Language, Plural, Text, literal, said


class Say(Protocol):
    """What the demo prints by."""

    def __call__(self, text: Text | str = "", /) -> object:
        """Print a text, a line or a paragraph."""


_LINE, _PASSWORD = "912345678", "3956"
_PATIENCE = 30.0


def run(say: Say, language: Language, *, keep_serving: bool = False) -> int:
    """Play the demo, telling it to `say`; 0 if all went as it should. `language`: that of the commands that it shows.
    `keep_serving`: until Ctrl-C or SIGTERM.

    Called in the main thread.
    """
    with _interrupted_by_signals(), tempfile.TemporaryDirectory(prefix="infocaller-bridge-demo-") as folder:
        port, key, password = str(_free_port()), secrets.token_urlsafe(24), secrets.token_hex(6)
        base = f"http://127.0.0.1:{port}"
        target = Target(base, _LINE, _PASSWORD, key)
        with _emissions(target) as emissions:
            emission_port = str(urlsplit(emissions.url).port)
            values = {"DEMO_PORT": port, "DEMO_URL_KEY": key, "DEMO_PASSWORD": _PASSWORD}
            values["DEMO_CONSOLE_PASSWORD"] = password
            config = _unpack(Path(folder), values | {"DEMO_EMISSION_PORT": emission_port})
            say(Text("A bridge starts at {address}, on example data in {folder}:", address=base, folder=folder))
            say(literal(f"  {', '.join(_names(config.parent))}\n"))
            with _server(config) as log:
                if not _ready(base):
                    say(Text("The bridge did not start; its log:"))
                    say(literal(log.read_text(errors="replace")))
                    return 1
                with Platform(target) as platform:
                    good = _Play(platform, emissions, config, say, language).all()
                if keep_serving:
                    _serve_on(base, config, password, say)
        say()
        say(Text("All went as it should.") if good else Text("Something did NOT go as it should; see above."))
        return 0 if good else 1


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that no server and no folder outlive it; SIGINT, too, where a shell that
    started it in the background had it ignored."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _emissions(target: Target) -> EmissionPlatform:
    """The platform's emission API on loopback, whose calls are answered after a moment."""
    outcomes = OutcomeSender({_LINE: target}, lambda _entry: [CallOutcome("answered", seconds=64, delay=0.3)])
    return EmissionPlatform({_LINE: _PASSWORD}, groups={"callbacks"}, outcomes=outcomes)


def _unpack(folder: Path, values: dict[str, str]) -> Path:
    """The example's files in `folder`, with this run's port and secrets; the configuration's path."""
    for file in resources.files("bridge").joinpath("demo_data").iterdir():
        if file.name.endswith((".yaml", ".csv")):
            (folder / file.name).write_bytes(file.read_bytes())
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    for name, value in values.items():
        text = re.sub(rf"\$\{{{name}:-[^}}]*\}}", value, text)
    config.write_text(text, encoding="utf-8")
    return config


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _server(config: Path) -> Iterator[Path]:
    """`serve` in a process of its own, ended as an admin would end it; gives the path of its log."""
    path = config.parent / "bridge.runtime.log"
    with path.open("wb") as log:
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            yield path
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(base: str) -> bool:
    end = time.monotonic() + _PATIENCE
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the environment knows nothing of this machine's ports
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                if session.get(f"{base}/readyz", timeout=2).ok:
                    return True
            time.sleep(0.05)
    return False


def _serve_on(base: str, config: Path, password: str, say: Say) -> None:
    say()
    say(Text("The bridge stays up at {address}; its files are in {folder}.", address=base, folder=config.parent))
    say(
        Text(
            "Look at its calls in the console, {address}/console/ : user admin, password {password}",
            address=base,
            password=password,
        )
    )
    say(Text("From another terminal, a call:"))
    say(literal(f"  infocaller-bridge simulate received -c {config} --query DESVIO --diverted 101"))
    say(Text("Ctrl-C ends it."))
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


class _Play:
    """The calls of the demo. Each step says what happens, what went over the wire and whether it is as it should be."""

    def __init__(
        self, platform: Platform, emissions: EmissionPlatform, config: Path, say: Say, language: Language
    ) -> None:
        self._platform = platform
        self._emissions = emissions
        self._config = config
        self._say = say
        self._language = language
        self._good = True

    def all(self) -> bool:
        """Play every call; whether all went as it should."""
        ana = SimulatedCall("600111222", new_sequence(), diverted="911000001", queries=("DESVIO", "PEDIDO", "ENCUESTA"))
        self._say(Text("=== 1. Ana calls from her mobile (600111222)"))
        self._expect(self._platform.event(ana, "inicio"), Text("kept on disk"))
        self._ask(
            Text("Whom to put her through to?"), ana, "DESVIO", {"DESTINO": "+34911000001", "NOMBRE": "Ana Muñoz"}
        )
        ana = replace(ana, variables={"PEDIDO": "00077"})
        self._ask(Text("She keys in an order number, 00077."), ana, "PEDIDO", {"ESTADO": "Enviado"})
        ana = replace(ana, variables={"PEDIDO": "00077", "NOTA": "5"})
        self._ask(Text("She gives the service 5 points."), ana, "ENCUESTA", {"GUARDADO": "1"})
        for exchange in self._platform.events(ana):
            self._expect(exchange, Text("kept on disk"))

        self._say()
        self._say(Text("=== 2. Someone who hides the number, in XML"))
        hidden = SimulatedCall("X", new_sequence(), seconds=12)
        target = replace(self._platform.target, format=Format.XML)
        with Platform(target) as in_xml:
            self._answer(in_xml.query(hidden, "DESVIO"), {"DESTINO": "101"})
            for exchange in in_xml.events(hidden):
                self._expect(exchange, Text("kept on disk"))

        self._say()
        self._say(Text("=== 3. What is left in the CRM (here: CSV files)"))
        self._rows("calls.csv", 2, "Llamada de Ana Muñoz")
        self._rows("survey.csv", 1, "+34600111222")

        self._say()
        self._say(Text("=== 4. Ana's task asks for a call: a new row in callbacks.csv"))
        self._task("T1;+34 600-111-222;Ana Muñoz;Llamar por el pedido 00077")
        self._rows("callbacks.results.csv", 3, "answered")
        for entry in self._emissions.ledger.entries:
            asked = Text(
                "    the platform was asked to call {number}, rule group {group}, variables {variables}: idcall "
                "{idcall}",
                number=entry.number, group=entry.rule_group, variables=str(dict(entry.variables)), idcall=entry.idcall,
            )  # fmt: skip
            self._say(asked)
        rung = [entry.number for entry in self._emissions.ledger.rung]
        self._judge(Text("the phone rang once: {numbers}", numbers=", ".join(rung)), rung == ["+34600111222"])
        return self._good

    def _task(self, row: str) -> None:
        """Somebody writes a row at the end of the list of tasks."""
        with (self._config.parent / "callbacks.csv").open("a", encoding="utf-8") as file:
            file.write(f"{row}\n")
        self._say(_indented(row))

    def _ask(self, what: Text, call: SimulatedCall, query: str, expected: dict[str, str]) -> None:
        self._say()
        self._say(
            Text(
                "--- {what} Query {query}; the way to its answer, as `infocaller-bridge ask` shows it:",
                what=what,
                query=query,
            )
        )
        variables = [f"--var={name}={value}" for name, value in call.variables.items()]
        command = [sys.executable, "-m", "bridge", "--language", self._language, "ask", query, "-c", str(self._config)]
        command += ["--caller", call.caller, *variables]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        self._say(_indented(shown.stdout + shown.stderr))
        self._answer(self._platform.query(call, query), expected)

    def _answer(self, exchange: Exchange, expected: dict[str, str]) -> None:
        self._say(Text("On the wire:"))
        self._say(_indented(exchange.sent))
        self._say(_indented(f"<-- {exchange.received}"))
        good = exchange.good and exchange.result == "0" and exchange.variables == expected
        variables = str(dict(exchange.variables))
        self._judge(Text("answered in {ms:g} ms: {variables}", ms=exchange.ms, variables=variables), good)

    def _expect(self, exchange: Exchange, done: Text) -> None:
        came: Text = Text("{done}, {ms:g} ms", done=done, ms=exchange.ms)
        if not exchange.good:
            came = Text("{status} {error}", status=exchange.status, error=said(exchange.error))
        self._judge(Text("{what}: {came}", what=exchange.what, came=came), exchange.good)

    def _rows(self, name: str, count: int, expected: str) -> None:
        """Wait until a CSV file has `count` rows; one of them holds `wanted`."""
        file = self._config.parent / name
        rows: list[list[str]] = []
        end = time.monotonic() + _PATIENCE
        while len(rows) <= count and time.monotonic() < end:
            time.sleep(0.1)
            if file.exists():
                with file.open(encoding="utf-8-sig", newline="") as text:
                    rows = list(csv.reader(text))
        self._say(literal(f"{name}:"))
        for row in rows:
            self._say(_indented(" | ".join(value.replace("\n", " / ") for value in row)))
        good = len(rows) == count + 1 and any(expected in value for row in rows for value in row)
        self._judge(
            Plural(
                "{count:,} row, with {expected}", "{count:,} rows, one of them with {expected}", max(0, len(rows) - 1),
                expected=repr(expected),
            ),
            good,
        )  # fmt: skip

    def _judge(self, what: Text, good: bool) -> None:
        self._good = self._good and good
        self._say(Text("ok   {what}", what=what) if good else Text("FAIL {what}", what=what))


def _indented(text: str) -> Text:
    """Return another program's output, indented."""
    return literal(textwrap.indent(text.strip(), "    "))
