"""How fast is a Query? `python -m benchmarks.query` (a minute; with `--node-red` it installs Node-RED by npm first).

A Query is looked up in a CSV file of 10,000 contacts and answered, as JSON and as XML, at 64 connections. Beside it, in
the same run and on the same number of processes: a constant answer by bare Flask on the same server, the same job by
plain Node.js, and by Node-RED. The load comes from this same machine, so ratios count, not figures; what hardly depends
on it is the processor's time that all of a server's processes take for an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flask import Flask

from benchmarks.load import Load, closed_loop, free_port, machine, processor_seconds, request, running
from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format

SECONDS, CONNECTIONS, ROUNDS, CONTACTS = 4.0, 64, 3, 10_000
LINE, PASSWORD = "912345678", "3956"
PROCESSES = os.cpu_count() or 1
HERE = Path(__file__).parent
BASE = "constant answer, bare Flask, same server"

CONFIG = """
server: {{port: {port}, workers: {processes}}}
lines: [{{number: "{line}", password: "{password}"}}]
connectors:
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}}}
queries:
  DESVIO:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "{{{{ contact.agent | dial }}}}", NOMBRE: "{{{{ contact.name }}}}"}}
    not_found: {{DESTINO: "910000000"}}
"""

constant = Flask(__name__)


@constant.post("/")
def _constant() -> str:
    return '{"ApiCall": {"Status": {"Result": "0"}}}'


def contacts(folder: Path) -> list[str]:
    """Write the contacts; return their numbers."""
    numbers = random.Random(1).sample(range(600_000_000, 699_999_999), CONTACTS)
    rows = [f"{n},Persona Número {n},{number},911{n:06}\n" for n, number in enumerate(numbers)]
    (folder / "contacts.csv").write_text("id,name,phone,agent\n" + "".join(rows), encoding="utf-8")
    return [str(number) for number in numbers]


def query_requests(numbers: list[str], form: Format, path: str) -> list[bytes]:
    """Return Queries of calls from known numbers; one in ten from a stranger."""
    made = []
    for n, number in enumerate(numbers[:2000]):
        caller = f"7{n:08}" if n % 10 == 9 else number
        document = Document(form, LINE, str(10_000_000 + n), call_type="R", caller_number=caller, query_name="DESVIO")
        body, content_type = write_request(document, form, password=PASSWORD)
        made.append(request(path, body, content_type))
    return made


def _measure(process: subprocess.Popen[bytes], port: int, requests: list[bytes]) -> Load:
    asyncio.run(closed_loop(port, requests, CONNECTIONS, 1.0))  # warm
    before = processor_seconds(process)
    load = asyncio.run(closed_loop(port, requests, CONNECTIONS, SECONDS))
    load.processor = processor_seconds(process) - before
    return load


def _node_red(folder: Path) -> list[str] | None:
    """The command that starts Node-RED with the same job as a flow; installs it in `benchmarks/.node-red`."""
    home = HERE / ".node-red"
    if not (home / "node_modules" / "node-red").is_dir():
        home.mkdir(exist_ok=True)
        command = ["npm", "install", "--no-fund", "--no-audit", "--loglevel=error", "--prefix", str(home), "node-red"]
        if subprocess.run(command, check=False).returncode:
            return None
    function = (HERE / "node_red" / "function.js").read_text().replace("PASSWORD", PASSWORD)
    flow = [
        {"id": "tab", "type": "tab", "label": "query"},
        {"id": "in", "type": "http in", "z": "tab", "url": "/", "method": "post", "wires": [["do"]]},
        {"id": "do", "type": "function", "z": "tab", "func": function, "outputs": 1, "wires": [["out"]]},
        {"id": "out", "type": "http response", "z": "tab", "wires": []},
    ]
    (folder / "flows.json").write_text(json.dumps(flow))
    settings = HERE / "node_red" / "settings.js"
    red = home / "node_modules" / "node-red" / "red.js"
    contacts = f"CONTACTS_CSV={folder / 'contacts.csv'}"
    return ["env", contacts, "node", str(red), "-u", str(folder), "-s", str(settings)]


def _flask(port: int) -> list[str]:
    options = f"--interface wsgi --workers {PROCESSES} --blocking-threads 600 --http 1 --no-ws --backlog 2048"
    more = f"--backpressure 2400 --port {port} benchmarks.query:constant"
    return [sys.executable, "-m", "granian", *options.split(), *more.split()]


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--node-red", action="store_true", help="compare with Node-RED too, installed by npm")
    with_node_red = arguments.parse_args().node_red
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = contacts(folder)
        ours, flask, node, red = free_port(), free_port(), free_port(), free_port()
        (folder / "config.yaml").write_text(CONFIG.format(port=ours, processes=PROCESSES, line=LINE, password=PASSWORD))
        serve = [sys.executable, "-m", "bridge", "serve", "-c", str(folder / "config.yaml")]
        servers: dict[str, tuple[list[str], int, Format, str]] = {
            BASE: (_flask(flask), flask, Format.JSON, "/"),
            "Query, JSON": (serve, ours, Format.JSON, "/infocaller/query"),
            "Query, XML": (serve, ours, Format.XML, "/infocaller/query"),
        }
        if shutil.which("node"):
            command = ["node", str(HERE / "node_server.js"), str(node), str(folder / "contacts.csv"), PASSWORD]
            servers["the same job, plain Node.js"] = ([*command, str(PROCESSES)], node, Format.JSON, "/")
        red_command = _node_red(folder) if with_node_red else None
        if red_command:
            servers["the same job, Node-RED (one process)"] = ([*red_command, "-p", str(red)], red, Format.JSON, "/")
        measured: dict[str, list[Load]] = {}
        for _ in range(ROUNDS):
            for what, (command, port, form, path) in servers.items():
                with running(command, port) as process:
                    measured.setdefault(what, []).append(_measure(process, port, query_requests(numbers, form, path)))
    _print(measured)


def _print(measured: dict[str, list[Load]]) -> None:
    """The median round of each, and the ratio to the constant answer of the same round."""
    print(machine())
    print(f"{PROCESSES} processes, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS:g} s, the median one\n")
    print("| what | per second | p50 ms | p99 ms | failed | of the constant answer | CPU µs each |")
    print("|---|---|---|---|---|---|---|")
    base = measured[BASE]
    for what, loads in measured.items():
        ratios = sorted(load.rate / other.rate for load, other in zip(loads, base, strict=True))
        load = sorted(loads, key=lambda each: each.rate)[len(loads) // 2]
        failed = sum(each.failed for each in loads)
        times = f"{load.at(0.5):.1f} | {load.at(0.99):.1f}"
        each = sorted(load.each for load in loads)[len(loads) // 2]
        print(f"| {what} | {load.rate:,.0f} | {times} | {failed} | {ratios[len(ratios) // 2]:.2f} | {each:.0f} |")


if __name__ == "__main__":
    main()
