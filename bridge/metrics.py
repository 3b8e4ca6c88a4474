"""What Prometheus reads: counted by every process of `serve`, added up when it is asked for.

The serving processes share a folder, named by PROMETHEUS_MULTIPROC_DIR before prometheus_client is first imported (that
is how the library decides). Without it a process counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bridge.errors import StoreUnavailable
from bridge.store.deliveries import State
from connectors.base import Usage

if TYPE_CHECKING:
    from bridge.queries import Answered

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Jobs = Mapping[tuple[str, State], int]
"""How many deliveries there are, by connector and state."""
_Metric = TypeVar("_Metric", Counter, Histogram)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """The bridge's counters. `folder`: where the processes share them; None: this process alone.

    Labels hold names of the configuration and outcomes only: never a number, nor what a sender made up.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not getattr(values.ValueClass, "_multiprocess", False):
            raise RuntimeError("PROMETHEUS_MULTIPROC_DIR has to be set before prometheus_client is imported")
        self._registry = CollectorRegistry()
        self._folder = folder
        self._children: dict[tuple[object, tuple[str, ...]], Counter | Histogram] = {}
        own = self._registry if folder is None else None
        self._requests = Counter("infocaller_requests", "Requests answered", ["route", "status"], registry=own)
        self._queries = Histogram(
            "infocaller_query_seconds", "Queries answered", ["query", "outcome"], buckets=_BUCKETS, registry=own
        )
        self._events = Histogram("infocaller_event_seconds", "Events kept", ["event"], buckets=_BUCKETS, registry=own)
        self._lookups = Counter(
            "infocaller_lookups", "Connectors asked during Queries", ["connector", "outcome"], registry=own
        )
        self._signatures = Counter("infocaller_signature_failures", "Requests with a wrong signature", registry=own)
        self._reloads = Counter("infocaller_config_reloads", "Changed configurations", ["outcome"], registry=own)
        self._loaded = Gauge(
            "infocaller_config_loaded_seconds",
            "When the configuration in use was taken up (Unix time)",
            registry=own,
            multiprocess_mode="max",
        )
        if folder is not None:
            MultiProcessCollector(self._registry, str(folder))  # type: ignore[no-untyped-call]  # the library's

    def requested(self, route: str, status: int) -> None:
        """A request was answered."""
        self._labelled(self._requests, route, str(status)).inc()

    def answered(self, answered: Answered) -> None:
        """A Query was answered."""
        query = answered.query if answered.outcome != "unknown_query" else ""
        self._labelled(self._queries, query, answered.outcome).observe(answered.ms / 1000)
        for step in answered.trail:
            if step.connector:
                self._labelled(self._lookups, step.connector, step.outcome).inc()

    def kept(self, event: str, seconds: float) -> None:
        """An event is on disk."""
        self._labelled(self._events, event).observe(seconds)

    def signature_failed(self) -> None:
        """A request had a wrong signature, or named an unknown line."""
        self._signatures.inc()

    def reloaded(self, ok: bool, at: float) -> None:
        """A changed configuration was taken up or refused, at `at` (Unix time)."""
        self._reloads.labels("ok" if ok else "refused").inc()
        if ok:
            self._loaded.set(at)

    def started(self, at: float) -> None:
        """The configuration was taken up for the first time."""
        self._loaded.set(at)

    def _labelled(self, metric: _Metric, *labels: str) -> _Metric:
        """What counts under these labels. The library would find it too, but takes several times as long."""
        known = self._children.get((metric, labels))
        if known is None:
            known = self._children[metric, labels] = metric.labels(*labels)
        return cast(_Metric, known)

    def text(self, now: Now | None = None) -> bytes:
        """Everything, as Prometheus reads it."""
        counted = generate_latest(self._registry)
        if now is None:
            return counted
        found = CollectorRegistry()
        found.register(now)
        return counted + generate_latest(found)


class Now(Collector):
    """What is not counted but looked up whenever it is asked for.

    `usages`: what CRMs said of their limits, by connector. `jobs`: what is in the database, of which that which is over
    is left out; while the database is away, there are no such figures.
    """

    def __init__(self, usages: Callable[[], Mapping[str, Usage]], jobs: Callable[[], Jobs]) -> None:
        self._usages, self._jobs = usages, jobs

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        used = GaugeMetricFamily("infocaller_crm_requests_used", "What the CRM counts of a day", labels=["connector"])
        allowed = GaugeMetricFamily("infocaller_crm_requests_allowed", "What it allows in a day", labels=["connector"])
        for name, usage in self._usages().items():
            used.add_metric([name], usage.used)
            allowed.add_metric([name], usage.allowed)
        yield from (used, allowed)
        jobs = GaugeMetricFamily("infocaller_jobs", "What has not reached a CRM", labels=["connector", "state"])
        try:
            for (name, state), count in self._jobs().items():
                if state in (State.PENDING, State.RUNNING, State.DEAD):
                    jobs.add_metric([name, state.value], count)
        except StoreUnavailable:
            return  # /readyz says why
        yield jobs
