"""Traces, as a collector gets them that speaks OTLP over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from bridge.runtime.tracing import traces
from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence
from bridge.simulator.emission import EmissionPlatform
from tests.fakes.loopback import HttpLoopback, HttpRequest
from tests.ports import free_port
from tests.web.bridge_process import CALLER, KEY, LINE, PASSWORD, Bridge, betrays, running, until

TOKEN = "0123456789abcdefghijklmnop"
TO_RING = "600333444"
CONFIGURATION = """
server: {{url_key: "{key}", workers: 1, threads: 8}}
lines: [{{number: "{line}", password: "{password}", emission: {{url: "{platform}"}}}}]
connectors:
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
    activities: {{file: calls.csv}}
  away: {{type: rest, base_url: "http://127.0.0.1:{closed}", timeout: 1s,
    records: {{contact: {{search: {{path: "/by/{{{{ phone.e164 }}}}"}}, fields: {{id: id, phone: phone}}}}}}}}
queries:
  DESVIO:
    find:
      contact: {{in: agenda, phone: "{{{{ caller }}}}"}}
      order: {{in: away, table: contact, phone: "{{{{ caller }}}}", optional: true}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
  CAIDO: {{find: {{contact: {{in: away, phone: "{{{{ caller }}}}"}}}}, answer: {{NUMERO: "{{{{ contact.id }}}}"}}}}
activities: [{{in: agenda}}]
callbacks:
  - {{name: web, token: {token}, line: "{line}", rule_group: callbacks, hours: always}}
"""


class Collector(HttpLoopback):
    """Takes what comes by OTLP over HTTP, as protobuf. `bodies`: the documents as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []
        self.asked: set[tuple[str, str]] = set()

    def take(self, request: HttpRequest) -> None:
        """Keep the document."""
        self.asked.add((request.path, request.headers["Content-Type"]))
        self.bodies.append(request.body)
        request.reply()

    @property
    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in list(self.bodies)]

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def services(self) -> set[str]:
        """What the processes call themselves."""
        return {
            attribute.value.string_value
            for request in self.requests
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }

    def one(self, name: str) -> Span:
        """The span of this name, which is there once."""
        [span] = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def attributes(span: Span) -> dict[str, str | int]:
    return {
        each.key.removeprefix("infocaller."): each.value.string_value or each.value.int_value
        for each in span.attributes
    }


def _played(bridge: Bridge, platform: EmissionPlatform) -> SimulatedCall:
    """A call that comes in, with its Queries, and one that goes out."""
    call = SimulatedCall(CALLER, new_sequence(), diverted="911000001")
    with Platform(Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY, timeout=30)) as caller:
        assert caller.query(call, "DESVIO").variables == {"NOMBRE": "Ana"}
        assert caller.query(call, "CAIDO").result != "0"
        assert caller.query(call, CALLER).result != "0"  # a name that nobody knows may be anything
        assert {sent.status for sent in caller.events(call)} == {200}
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    task = f'{{"id": "T1", "phone": "{TO_RING}"}}'.encode()
    assert bridge.ask("POST", "/callbacks/web", task, headers).status == 202
    until(lambda: platform.ledger.rung)
    return call


def test_what_the_bridge_does_becomes_spans(tmp_path: Path, collector: Collector) -> None:
    (tmp_path / "contacts.csv").write_text(f"id,phone,name\n7,{CALLER},Ana\n", encoding="utf-8")
    with EmissionPlatform({LINE: PASSWORD}) as platform:
        configuration = CONFIGURATION.format(
            key=KEY, line=LINE, password=PASSWORD, platform=platform.url, closed=free_port(), token=TOKEN
        )
        (tmp_path / "config.yaml").write_text(configuration, encoding="utf-8")
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_SERVICE_NAME": "line of the clinic",
        }
        with running(tmp_path, work=True, environ=environ) as bridge:
            call = _played(bridge, platform)
            wanted = {
                "Query DESVIO",
                "Query CAIDO",
                "Query",
                "event desvio_correcto",
                "event fin",
                "deliver activity",
                "emission",
            }
            until(lambda: wanted <= {span.name for span in collector.spans})
    assert collector.asked == {("/v1/traces", "application/x-protobuf")}
    assert collector.services == {"line of the clinic"}

    whole = collector.one("Query DESVIO")
    parts = [span for span in collector.spans if span.parent_span_id == whole.span_id]
    assert [span.name for span in parts] == ["find contact", "find order"]
    assert {span.trace_id for span in parts} == {whole.trace_id}
    assert [attributes(span) for span in parts] == [
        {"connector": "agenda", "outcome": "found"},
        {"connector": "away", "outcome": "down"},
    ]
    assert attributes(whole) == {"call": call.sequence, "outcome": "found", "result": 0}
    for span in (whole, *parts):
        assert whole.start_time_unix_nano <= span.start_time_unix_nano < span.end_time_unix_nano
        assert span.end_time_unix_nano <= whole.end_time_unix_nano
        assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 60
    assert whole.status.code == Status.STATUS_CODE_UNSET
    failed = collector.one("Query CAIDO").status
    assert (failed.code, failed.message) == (Status.STATUS_CODE_ERROR, "on_error")
    assert collector.one("Query").status.message == "unknown_query"
    assert attributes(collector.one("event fin")) == {"call": call.sequence}
    delivered = attributes(collector.one("deliver activity"))
    assert (delivered["connector"], delivered["outcome"], delivered["attempt"]) == ("agenda", "done", 1)
    assert attributes(collector.one("emission"))["outcome"] == "accepted"

    everything = b"".join(collector.bodies)
    for secret in (CALLER, TO_RING, LINE, KEY, TOKEN, "Ana", "911000001"):
        assert secret.encode() not in everything, secret
    assert not betrays(str(collector.requests))


AWAY = """
import os, time
from bridge.runtime.tracing import traces
writer = traces(os.environ)
began = time.monotonic()
for _ in range(3000):  # more than are kept
    writer.note("event inicio", "server", began, {})
writer.close()
print(time.monotonic() - began)
"""


def test_nobody_waits_for_a_collector_that_is_away() -> None:
    # in a process of its own, as what can't be sent is tried for longer than anybody waits, and said in the log then
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{free_port()}/v1/traces"}
    done = subprocess.run([sys.executable, "-c", AWAY], env=environ, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 60


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "bridge"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_somebody_wants_it(environ: dict[str, str]) -> None:
    assert traces(environ) is None


def test_a_protocol_that_the_bridge_lacks_is_said(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert traces(environ) is None
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in caplog.text


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
from bridge.runtime.tracing import traces
assert traces({}) is None
assert traces({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) is None
"""


def test_the_bridge_serves_without_opentelemetry() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no traces are sent: install the bridge with its extra `otel`" in done.stderr
