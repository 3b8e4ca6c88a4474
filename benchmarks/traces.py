"""What does a Query cost more when it is traced? `python -m benchmarks.traces` (half a minute).

The processor's time of a Query that is looked up in a CSV file, from its document to its answer, in one process:
without traces and with them, sent by OTLP to a process that takes and forgets them. The quickest of several rounds
counts.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import Process
from pathlib import Path

from bridge.config.load import load
from bridge.infocaller.document import read, write_request
from bridge.infocaller.messages import Document, Format
from bridge.runtime.tracing import Traces, traces
from bridge.service.composition import Service
from bridge.service.metrics import Metrics
from bridge.troubles import Troubles
from bridge.web.entry import AccessLogEntry
from bridge.web.infocaller import Infocaller
from bridge.web.receive import VerifiedRequest
from connectors.steps import complete

ROUNDS, QUERIES, AT_ONCE = 5, 4000, 400
CONFIG = """
lines: [{number: "912345678", password: "3956"}]
connectors: {agenda: {type: csv, tables: {contact: {file: contacts.csv, phones: [phone]}}}}
queries: {DESVIO: {find: {contact: {in: agenda, phone: "{{ caller }}"}}, answer: {NOMBRE: "{{ contact.name }}"}}}
"""


class Forgetful(BaseHTTPRequestHandler):
    """Takes what comes."""

    def do_POST(self) -> None:
        """Read it, and say that it is well."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


def processor_time(service: Service, writer: Traces | None) -> float:
    """Seconds of the processor for a Query, those of the thread that sends included."""
    platform = Infocaller(Metrics(), None, Troubles(), traces=writer)
    asked = Document(
        Format.JSON, "912345678", "98565656", call_type="R", caller_number="600111222", query_name="DESVIO"
    )
    body, kind = write_request(asked, Format.JSON, password="3956")
    line, spent = service.configuration.lines[0], 0.0
    for _ in range(QUERIES // AT_ONCE):
        gc.collect()
        began = time.process_time()
        for _ in range(AT_ONCE):
            entry = AccessLogEntry("POST", "/infocaller/query", "127.0.0.1")
            request = VerifiedRequest(service, read(body, kind), line, "", {}, time.monotonic(), entry)
            assert complete(platform.query(request)).status == 200
        if writer is not None:
            writer.flush()
        spent += time.process_time() - began
    return spent / QUERIES


def main() -> None:
    """Measure both in turn, and print them."""
    server = HTTPServer(("127.0.0.1", 0), Forgetful)
    collector = Process(target=server.serve_forever, daemon=True)
    collector.start()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_address[1]}"
    writer = traces(os.environ)
    assert writer is not None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "contacts.csv").write_text("id,phone,name\n7,600111222,Ana\n", encoding="utf-8")
        Path(folder, "config.yaml").write_text(CONFIG, encoding="utf-8")
        service = Service.open(load(Path(folder, "config.yaml")))
        rounds = [(processor_time(service, None), processor_time(service, writer)) for _ in range(ROUNDS)]
        service.close()
    without, traced = (min(times) * 1e6 for times in zip(*rounds, strict=True))
    print(f"a Query without traces: {without:.0f} µs of the processor; traced: {traced:.0f} µs")
    writer.close()
    collector.terminate()


if __name__ == "__main__":
    main()
