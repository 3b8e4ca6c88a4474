"""How long until the bridge answers? `python -m benchmarks.start` (a minute).

From starting `serve` with a CSV file of 10,000 contacts, indexed before, to the first answered Query; and an admin's
commands. The processor's time of all processes hardly depends on what else the machine does; the quickest round counts.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import free_port, machine, memory, processor_seconds
from benchmarks.query import CONFIG, LINE, PASSWORD, PROCESSES, contacts, query_requests
from bridge.infocaller.messages import Format

COMMANDS = (["--help"], ["urls", "--base", "https://bridge.example.com"], ["check"], ["status"], ["calls"])


def _first_answer(folder: Path, port: int, query: bytes) -> tuple[float, float, float]:
    """Seconds until the first answer, the processor's until then, and bytes of memory a second later."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve", "-c", str(folder / "config.yaml")], stderr=subprocess.DEVNULL
    ) as process:
        try:
            while not _answered(port, query):
                if process.poll() is not None or time.perf_counter() > began + 60:
                    raise SystemExit("it does not answer")
                time.sleep(0.005)
            took, used = time.perf_counter() - began, processor_seconds(process)
            time.sleep(1)
            return took, used, memory(process)
        finally:
            process.terminate()


def _answered(port: int, query: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(query)
            return connection.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _command(arguments: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds that a command takes, and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "bridge", *arguments]
    if arguments[0] != "--help":
        command += ["-c", str(folder / "config.yaml")]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, used


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is started; the quickest counts")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        numbers = contacts(folder)
        text = CONFIG.format(port=port, processes=PROCESSES, line=LINE, password=PASSWORD)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        query = query_requests(numbers[:1], Format.JSON, "/infocaller/query")[0]
        starts = [_first_answer(folder, port, query) for _ in range(rounds)]
        commands = {arguments[0]: [_command(arguments, folder) for _ in range(rounds)] for arguments in COMMANDS}
    print(f"{machine()}; {PROCESSES} processes, the quickest of {rounds} rounds\n")
    print("| what | s | CPU s |")
    print("|---|---|---|")
    took, used, size = (min(values) for values in zip(*starts, strict=True))
    print(f"| `serve`, until the first answer; then {size / 1e6:.0f} MB | {took:.2f} | {used:.2f} |")
    for what, measured in commands.items():
        took, used = (min(values) for values in zip(*measured, strict=True))
        print(f"| `{what}` | {took:.2f} | {used:.2f} |")


if __name__ == "__main__":
    main()
