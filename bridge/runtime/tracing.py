"""Traces for OpenTelemetry: each piece of work becomes a span once it is done, made of what is known of it by then.

So nothing is carried along while somebody waits. Without an address in `OTEL_EXPORTER_OTLP_ENDPOINT` (or
`…_TRACES_ENDPOINT`) nothing of OpenTelemetry is imported, and `traces` returns None. No attribute holds a phone number,
a value of a call, or the text of an error.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_log = logging.getLogger("bridge.runtime.tracing")
_NAME = "infocaller-bridge"
_PROTOCOL = "http/protobuf"
_LAST = 3.0
"""Seconds at the end for what was not sent yet."""

Attributes = Mapping[str, str | int]
Side = Literal["server", "client"]
"""Whether others asked us, or we others."""


@dataclass(frozen=True, slots=True)
class ChildSpan:
    """A part of a piece of work: we asked somebody else. As for `Traces.note`."""

    name: str
    began: float
    ended: float
    attributes: Attributes
    failed: str = ""


class Traces:
    """Sends spans to where the environment says, from a thread of its own. While nobody is there they are dropped: no
    work waits for them."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context  # noqa: PLC0415 - an extra

        self._provider, self._tracer = provider, provider.get_tracer(_NAME)
        self._kinds = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
        self._inside, self._error = set_span_in_context, StatusCode.ERROR

    def note(
        self,
        name: str,
        side: Side,
        began: float,
        attributes: Attributes,
        *,
        ended: float | None = None,
        failed: str = "",
        steps: Sequence[ChildSpan] = (),
    ) -> None:
        """Note what was done. `began` and `ended` (None: now) are on the monotonic clock; `failed`: in a word why it
        went wrong, empty where it did not; `steps` become its children. Never raises: no work may suffer."""
        try:
            self._note(name, side, began, attributes, ended, failed, steps)
        except Exception:  # noqa: BLE001 - whatever a library does
            _log.exception("a span is lost")

    def _note(
        self, name: str, side: Side, began: float, attributes: Attributes, ended: float | None, failed: str,
        steps: Sequence[ChildSpan],
    ) -> None:  # fmt: skip
        monotonic = time.monotonic()
        epoch = time.time() - monotonic
        span = self._tracer.start_span(
            name, kind=self._kinds[side], attributes=attributes, start_time=_ns(epoch + began)
        )
        if span.is_recording():
            inside = self._inside(span)
            for step in steps:
                part = self._tracer.start_span(
                    step.name, inside, self._kinds["client"], step.attributes, start_time=_ns(epoch + step.began)
                )
                if step.failed:
                    part.set_status(self._error, step.failed)
                part.end(_ns(epoch + step.ended))
            if failed:
                span.set_status(self._error, failed)
        span.end(_ns(epoch + (monotonic if ended is None else ended)))

    def flush(self) -> None:
        """Send what is there, and return when that is done."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(_LAST)


def traces(environ: Mapping[str, str]) -> Traces | None:
    """Return what writes traces, for this process; None where the environment, OpenTelemetry's own variables, asks for
    none, or what they need is not installed, which the log then says."""
    if not _wanted(environ):
        return None
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in (None, "", _PROTOCOL):
        _log.error(
            "no traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL is %s, and the bridge knows %s", protocol, _PROTOCOL
        )
        return None
    try:
        provider = _provider()
    except ImportError:
        _log.error("no traces are sent: install the bridge with its extra `otel`, as in docs/deployment.md")
        return None
    except Exception as error:  # noqa: BLE001 - what is wrong with a variable of OpenTelemetry's keeps nothing from serving
        _log.error("no traces are sent: %s", error)
        return None
    return Traces(provider)


def _wanted(environ: Mapping[str, str]) -> bool:
    """Whether there is somewhere to send traces to, and nothing that forbids it."""
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    exporters = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return any(environ.get(name) for name in endpoints) and "otlp" in exporters.split(",") and not disabled


def _provider() -> TracerProvider:
    """What makes spans and sends them, by the process's own environment, which the libraries read themselves."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # each try again would be a line otherwise
    ours = Resource({"service.version": version(_NAME), "host.name": os.uname().nodename, "process.pid": os.getpid()})
    resource = ours.merge(Resource.create())
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": _NAME}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
