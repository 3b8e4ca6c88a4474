"""How a large campaign goes: `python -m benchmarks.campaign` (two minutes; `--database postgresql://…` for PostgreSQL).

50,000 rows are taken by the command, beside a bridge that works; then the line calls a simulated platform at 600 a
minute, which tells the end of each call two seconds later; then the campaign is cancelled. The platform runs on this
same machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from benchmarks.load import free_port, machine
from bridge.simulator.calls import Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.outcomes import CallOutcome, OutcomeSender

LINE, PASSWORD = "912345678", "3956"
CONFIG = """
server: {{port: {port}, workers: 1, threads: 64}}
database: "{database}"
lines:
  - number: "{line}"
    password: "{password}"
    dial: {{per_day: 1000000}}
    emission: {{url: "{url}", per_minute: {pace}, at_once: 1000}}
callbacks:
  - {{name: people, line: "{line}", rule_group: callbacks, hours: always}}
"""


def _people(file: Path, rows: int, first: int = 600_000_000) -> Path:
    with file.open("w", encoding="utf-8") as out:
        out.write("id,phone,name,city\n")
        for number in range(rows):
            out.write(f"C{number},{first + number},Persona Número {number},Madrid\n")
    return file


def _campaign(config: Path, *arguments: object) -> tuple[str, float, float, int]:
    """What the command says; with its start, how long it took and how much CPU; the most memory that it had, in KiB."""
    command = [sys.executable, "-m", "bridge", "campaign", *map(str, arguments), "-c", str(config)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    assert process.returncode == 0, said
    return said, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss


def _wait_until_ready(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("the bridge did not start")


def _measure(
    config: Path, folder: Path, platform: EmissionPlatform, options: argparse.Namespace
) -> list[tuple[str, Any]]:
    _, _, _, least = _campaign(config, _people(folder / "few.csv", 500, 610_000_000), "--json")
    said, _, busy, most = _campaign(config, _people(folder / "many.csv", options.rows), "--json")
    taken = json.loads(said)
    time.sleep(10)  # the first slots, and whatever the taking kept the machine from
    began, before = time.time(), len(platform.ledger.rung)
    time.sleep(options.seconds)
    took, rung = time.time() - began, len(platform.ledger.rung) - before
    moments = [entry.at.timestamp() for entry in platform.ledger.rung[before : before + rung]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    per_minute = rung / took * 60
    _, cancelled, cancelling, _ = _campaign(config, "cancel", "many")
    _campaign(config, "cancel", "few")
    after = len(platform.ledger.rung)
    time.sleep(3)
    return [
        (f"{options.rows:,} rows taken, beside a working bridge", f"{taken['seconds']:.1f} s, {busy:.1f} s of CPU"),
        ("memory of the command: 500 rows, all rows", f"{least / 1024:.0f} MiB, {most / 1024:.0f} MiB"),
        (
            f"pace over {took:.0f} s, wanted {options.pace}",
            f"{per_minute:.1f} a minute ({per_minute / options.pace - 1:+.1%})",
        ),
        ("longest pause between two emissions", f"{max(gaps) * 1000:.0f} ms"),
        ("cancelled, with the command's own start", f"{cancelled:.2f} s, {cancelling:.2f} s of CPU"),
        ("rung after that", str(len(platform.ledger.rung) - after)),
        ("numbers rung twice", str(len(platform.ledger.twice()))),
    ]


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database", default="sqlite:///bridge.db", help="an empty one")
    arguments.add_argument("--rows", type=int, default=50_000)
    arguments.add_argument("--pace", type=int, default=600, help="emissions a minute")
    arguments.add_argument("--seconds", type=int, default=60, help="how long the pace is measured")
    options = arguments.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder, config = Path(name), Path(name) / "config.yaml"
        outcomes = OutcomeSender(
            {LINE: Target(f"http://127.0.0.1:{port}", LINE, PASSWORD)}, lambda _entry: [CallOutcome(delay=2.0)]
        )
        with EmissionPlatform({LINE: PASSWORD}, outcomes=outcomes) as platform:
            config.write_text(
                CONFIG.format(
                    port=port,
                    database=options.database,
                    line=LINE,
                    password=PASSWORD,
                    url=platform.url,
                    pace=options.pace,
                )
            )
            with (folder / "log").open("wb") as log:
                bridge = subprocess.Popen([sys.executable, "-m", "bridge", "serve", "-c", str(config)], stderr=log)
            try:
                _wait_until_ready(port)
                found = _measure(config, folder, platform, options)
            finally:
                bridge.terminate()
                bridge.wait(60)
    print(f"{machine()}; {options.database.partition(':')[0]}\n\n| what | measured |\n|---|---|")
    for what, measured in found:
        print(f"| {what} | {measured} |")


if __name__ == "__main__":
    main()
