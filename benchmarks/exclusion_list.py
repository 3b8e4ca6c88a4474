"""How long the round trip with an exclusion list takes: `python -m benchmarks.exclusion_list` (two minutes;
`--rows 100000` for a shorter one, `--database postgresql://…` for PostgreSQL).

The numbers of a campaign's file go out (`campaign numbers`), and nineteen of twenty come back (`campaign permitted`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import machine
from bridge.store.schema import connect

CONFIG = """
language: en
database: "{database}"
lines: [{{number: "912345678", password: "3956"}}]
callbacks:
  - name: people
    line: "912345678"
    rule_group: callbacks
    purpose: commercial
    hours: {{days: mon-fri, from: "09:00", to: "20:00"}}
    consent: {{basis: "{{{{ task.basis }}}}", date: "{{{{ task.since }}}}"}}
"""


def _files(folder: Path, rows: int) -> None:
    with (folder / "people.csv").open("w") as people, (folder / "back.csv").open("w") as back:
        people.write("id;phone;name;basis\n")
        back.write("phone;permitted\n")
        for number in range(rows):
            people.write(f"C{number};{600_000_000 + number};Person {number};\n")
            if number % 20:
                back.write(f"{600_000_000 + number};yes\n")


def _run(folder: Path, *arguments: str) -> str:
    """What a command says, with its start: how long it took, and the most memory that it had."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "bridge", "campaign", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = process.stdout.read().strip()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    assert process.returncode == 0, said
    return f"{time.perf_counter() - began:.1f} s, {used.ru_maxrss // 1024} MiB: {said}"


def main() -> None:
    """Print what was measured."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--database", default="sqlite:///bridge.db")
    given = options.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG.format(database=given.database), encoding="utf-8")
        connect(given.database, folder).close()
        _files(folder, given.rows)
        print(f"{given.rows:,} out: {_run(folder, 'numbers', 'people.csv', '-o', 'out.txt')}")
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        print(f"and back: {_run(folder, 'permitted', 'back.csv', '--checked-on', day)}")


if __name__ == "__main__":
    main()
