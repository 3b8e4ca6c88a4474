"""What Prometheus reads: counted by every process of `serve`, added up when it is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.counters import SharedCounters
from bridge.errors import StoreUnavailable
from bridge.store.deliveries import State
from connectors.base import Usage

if TYPE_CHECKING:
    from bridge.queries import Answered

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Jobs = Mapping[tuple[str, State], int]
"""How many deliveries there are, by connector and state."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_COUNTERS = {
    "infocaller_requests": ("Requests answered", ("route", "status")),
    "infocaller_lookups": ("Connectors asked during Queries", ("connector", "outcome")),
    "infocaller_signature_failures": ("Requests with a wrong signature", ()),
    "infocaller_config_reloads": ("Changed configurations", ("outcome",)),
}
_HISTOGRAMS = {
    "infocaller_query_seconds": ("Queries answered", ("query", "outcome")),
    "infocaller_event_seconds": ("Events kept", ("event",)),
}
_LOADED = "infocaller_config_loaded_seconds"


class Metrics:
    """The bridge's counters. `shared`: made before the processes that count together were forked; None: this process
    counts alone.

    Labels hold names of the configuration and outcomes only: never a number, nor what a sender made up.
    """

    def __init__(self, shared: SharedCounters | None = None) -> None:
        self._shared = shared or SharedCounters()
        self._registry = CollectorRegistry()
        self._registry.register(_Counted(self._shared))

    def requested(self, route: str, status: int) -> None:
        """A request was answered."""
        self._shared.add(("infocaller_requests", route, str(status)))

    def answered(self, answered: Answered) -> None:
        """A Query was answered."""
        query = answered.query if answered.outcome != "unknown_query" else ""
        self._observe(("infocaller_query_seconds", query, answered.outcome), answered.ms / 1000)
        for step in answered.trail:
            if step.connector:
                self._shared.add(("infocaller_lookups", step.connector, step.outcome))

    def kept(self, event: str, seconds: float) -> None:
        """An event is on disk."""
        self._observe(("infocaller_event_seconds", event), seconds)

    def signature_failed(self) -> None:
        """A request had a wrong signature, or named an unknown line."""
        self._shared.add(("infocaller_signature_failures",))

    def reloaded(self, ok: bool, at: float) -> None:
        """A changed configuration was taken up or refused, at `at` (Unix time)."""
        self._shared.add(("infocaller_config_reloads", "ok" if ok else "refused"))
        if ok:
            self.started(at)

    def started(self, at: float) -> None:
        """The configuration was taken up at `at` (Unix time)."""
        self._shared.put((_LOADED,), at)

    def _observe(self, name: tuple[str, ...], seconds: float) -> None:
        bucket = bisect_left(_BUCKETS, seconds)
        self._shared.add(name, length=len(_BUCKETS) + 2, changes=((bucket, 1.0), (len(_BUCKETS) + 1, seconds)))

    def text(self, now: Now | None = None) -> bytes:
        """Everything, as Prometheus reads it."""
        counted = generate_latest(self._registry)
        if now is None:
            return counted
        found = CollectorRegistry()
        found.register(now)
        return counted + generate_latest(found)


class _Counted(Collector):
    """What all processes have counted. A row of a histogram: its buckets, the last without an end; then the sum."""

    def __init__(self, shared: SharedCounters) -> None:
        self._shared = shared

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        sums: dict[tuple[str, ...], list[float]] = {
            (name,): [0.0] for name, (_, labels) in _COUNTERS.items() if not labels
        }
        for name, values in self._shared.rows():
            before = sums.get(name)
            if before is None:
                sums[name] = list(values)
            elif name[0] == _LOADED:
                before[0] = max(before[0], values[0])
            else:
                sums[name] = [one + other for one, other in zip(before, values, strict=True)]
        counters = {name: CounterMetricFamily(name, text, labels=labels) for name, (text, labels) in _COUNTERS.items()}
        histograms = {
            name: HistogramMetricFamily(name, text, labels=labels) for name, (text, labels) in _HISTOGRAMS.items()
        }
        loaded = GaugeMetricFamily(_LOADED, "When the configuration in use was taken up (Unix time)")
        for (family, *labels), numbers in sums.items():
            if family in counters:
                counters[family].add_metric(labels, numbers[0])
            elif family in histograms:
                *counts, total = numbers
                bounds = [*(str(bound) for bound in _BUCKETS), "+Inf"]
                histograms[family].add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
            else:
                loaded.add_metric([], numbers[0])
        yield from (*counters.values(), *histograms.values(), loaded)


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
