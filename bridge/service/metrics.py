"""What Prometheus reads: counted by every process of `serve`, added up when it is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.errors import StoreUnavailable
from bridge.runtime.counters import SharedCounters
from bridge.store import emissions, overview
from bridge.store.deliveries import State
from bridge.store.emissions import Mode
from bridge.troubles import Place, Trouble, current
from bridge.troubles.host import spool_rows
from connectors.base import Usage

if TYPE_CHECKING:
    from bridge.queries.answering import Answered

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Jobs = Mapping[tuple[str, State], int]
"""How many deliveries there are, by connector and state."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_COUNTERS = {
    "infocaller_requests": ("Requests answered", ("route", "status")),
    "infocaller_lookups": ("Connectors asked during Queries", ("connector", "outcome")),
    "infocaller_signature_failures": ("Requests with a wrong signature", ()),
    "infocaller_queries_not_kept": ("Queries of which no record is kept, as the database took none for long", ()),
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

    Labels hold names of the configuration and outcomes only: never a caller's number, nor what a sender made up.
    """

    def __init__(self, shared: SharedCounters | None = None) -> None:
        self._shared = shared or SharedCounters()
        self._registry = CollectorRegistry()
        self._registry.register(_Counted(self._shared))

    def requested(self, route: str, status: int) -> None:
        """Count a request that was answered."""
        self._shared.add(("infocaller_requests", route, str(status)))

    def answered(self, answered: Answered) -> None:
        """Count a Query that was answered."""
        query = answered.query if answered.outcome != "unknown_query" else ""
        self._observe(("infocaller_query_seconds", query, answered.outcome), answered.ms / 1000)
        for step in answered.trail:
            if step.connector:
                self._shared.add(("infocaller_lookups", step.connector, step.outcome))

    def kept(self, event: str, seconds: float) -> None:
        """Count an event that is on disk, with the seconds that took."""
        self._observe(("infocaller_event_seconds", event), seconds)

    def signature_failed(self) -> None:
        """A request had a wrong signature, or named an unknown line."""
        self._shared.add(("infocaller_signature_failures",))

    def queries_not_kept(self, count: int) -> None:
        """Of so many Queries no record is kept."""
        self._shared.add(("infocaller_queries_not_kept",), changes=((0, float(count)),))

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
        """Return everything, as Prometheus reads it."""
        counted = generate_latest(self._registry)
        if now is None:
            return counted
        looked_up = CollectorRegistry()
        looked_up.register(now)
        return counted + generate_latest(looked_up)


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
                sums[name] = [left + right for left, right in zip(before, values, strict=True)]
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


@dataclass(frozen=True, slots=True)
class CurrentState:
    """How things stand at this moment. `callbacks` by state, `lines` their mode by number; `oldest_pending`: seconds
    for which the oldest of what has not reached its CRM waits, 0 for nothing; None and empty: the database is away.
    `missed`: tasks of missed calls by source and state; `oldest_missed`: seconds for which one has waited, 0 where none
    does. `spool_rows`: rows of this host's spool."""

    troubles: Sequence[Trouble] = ()
    callbacks: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    oldest_pending: float | None = None
    missed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest_missed: float = 0.0
    spool_rows: int = 0


def standing(place: Place, reported: Sequence[Trouble]) -> CurrentState:
    """Return how things stand; see `bridge.troubles.current`."""
    now = datetime.now(UTC)
    state = CurrentState(tuple(current(place, reported, now)), spool_rows=spool_rows(place.state))
    database, configuration = place.database, place.configuration
    if database is None or configuration is None:
        return state
    try:
        with database.read() as connection:
            line_states = emissions.all_of(connection, "line")
            oldest = overview.oldest_pending(connection)
            states = overview.callback_states(connection)
            missed, oldest_missed = overview.missed_calls(connection), overview.oldest_missed(connection)
    except StoreUnavailable:
        return state  # it is among the troubles
    modes = {
        line.number: (line_states[line.number].mode if line.number in line_states else Mode.RUNNING).value
        for line in configuration.lines
    }
    pending, waiting = _seconds(oldest, now), _seconds(oldest_missed, now)
    return replace(state, callbacks=states, lines=modes, oldest_pending=pending, missed=missed, oldest_missed=waiting)


def _seconds(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0


def _families(now: CurrentState) -> Iterator[Metric]:
    troubles = GaugeMetricFamily("infocaller_troubles", "What needs a person", labels=["id", "severity"])
    for trouble in now.troubles:
        troubles.add_metric([trouble.id, trouble.severity.value], 1)
    rows = GaugeMetricFamily("infocaller_spool_rows", "What waits on this host's disk for the database")
    rows.add_metric([], now.spool_rows)
    yield from (troubles, rows)
    if now.oldest_pending is None:
        return
    oldest = GaugeMetricFamily("infocaller_oldest_pending_seconds", "How long the oldest job has waited for its CRM")
    oldest.add_metric([], now.oldest_pending)
    callbacks = GaugeMetricFamily("infocaller_callbacks", "Callbacks that are kept", labels=["state"])
    for state, count in now.callbacks.items():
        callbacks.add_metric([state], count)
    modes = GaugeMetricFamily("infocaller_line_mode", "Whether a line emits: 1 for its mode", labels=["line", "mode"])
    for number, mode in now.lines.items():
        for possible in Mode:
            modes.add_metric([number, possible.value], float(possible.value == mode))
    tasks = GaugeMetricFamily("infocaller_missed_calls", "Tasks of missed calls", labels=["source", "state"])
    for (source, state), count in now.missed.items():
        tasks.add_metric([source, state], count)
    age = GaugeMetricFamily("infocaller_oldest_missed_seconds", "How long a task of missed calls has waited at most")
    age.add_metric([], now.oldest_missed)
    yield from (oldest, callbacks, modes, tasks, age)


class Now(Collector):
    """What is not counted but looked up whenever it is asked for.

    `usages`: what CRMs said of their limits, by connector. `jobs`: what is in the database, of which that which is over
    is left out; while the database is away, there are no such figures. `standing`: see there.
    """

    def __init__(
        self,
        usages: Callable[[], Mapping[str, Usage]],
        jobs: Callable[[], Jobs],
        standing: Callable[[], CurrentState] | None = None,
    ) -> None:
        self._usages, self._jobs, self._standing = usages, jobs, standing or CurrentState

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        used = GaugeMetricFamily("infocaller_crm_requests_used", "What the CRM counts of a day", labels=["connector"])
        allowed = GaugeMetricFamily("infocaller_crm_requests_allowed", "What it allows in a day", labels=["connector"])
        for name, usage in self._usages().items():
            used.add_metric([name], usage.used)
            allowed.add_metric([name], usage.allowed)
        yield from (used, allowed)
        yield from _families(self._standing())
        jobs = GaugeMetricFamily("infocaller_jobs", "What has not reached a CRM", labels=["connector", "state"])
        try:
            for (name, state), count in self._jobs().items():
                if state in (State.PENDING, State.RUNNING, State.DEAD):
                    jobs.add_metric([name, state.value], count)
        except StoreUnavailable:
            return  # /readyz says why
        yield jobs
