"""What the day's figures are made of, looked up at once."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.callbacks import EmissionStatus
from bridge.config.model import Configuration
from bridge.lookups.finding import LookupOutcome
from bridge.store import deliveries, figures, overview, queries
from bridge.store.deliveries import State
from bridge.store.figures import HourOfCalls
from bridge.store.queries import QueryCount, QueryFilter, StoredQuery, TrailStep
from bridge.troubles import Severity, trouble_id
from bridge.web.console.charts import Bar, BarChart, bars
from bridge.web.console.context import Visit
from connectors.base import Usage

_HOURS = 24
_NEWEST = 200
"""Queries by which it is told how fast connectors answer."""
_FAILED = frozenset({LookupOutcome.LATE.value, LookupOutcome.DOWN.value})


@dataclass(frozen=True, slots=True)
class ConnectorFigures:
    """How a connector stands. `lookups`: how bad it is that it does not answer them, None: it does; `waiting` and
    `dead`: records that have to reach it; `usage`: what it said of its limits. `asked`: how often the newest Queries
    asked it; `median` and `slowest`: the milliseconds of those; `failed`: how many it did not answer in time, or at
    all."""

    name: str
    type: str
    lookups: Severity | None
    waiting: int
    dead: int
    usage: Usage | None
    asked: int = 0
    failed: int = 0
    median: float = 0.0
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The day. `today` are its hours so far, `hours` the last 24; `oldest`: since when something waits."""

    hours: Sequence[HourOfCalls] = ()
    today: Sequence[HourOfCalls] = ()
    waiting: int = 0
    dead: int = 0
    oldest: datetime | None = None
    callbacks: Mapping[str, int] = field(default_factory=dict)
    lines: Sequence[EmissionStatus] = ()
    connectors: Sequence[ConnectorFigures] = ()
    queries: Sequence[QueryCount] = ()

    def total(self, name: str) -> int:
        """Return a figure of the day: `answered`, `missed`, `received`, `emitted`, `other`."""
        return sum(getattr(hour, name) for hour in self.today)


def figures_of(visit: Visit) -> Figures:
    """Return the figures of this moment. Raises `StoreUnavailable`."""
    start, zone = visit.now, visit.zone()
    midnight = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    since = min(_hour_of(start, zone) - timedelta(hours=_HOURS - 1), midnight.astimezone(start.tzinfo))
    count = int((start - since) / timedelta(hours=1)) + 1
    with visit.parts.database.read() as connection:
        hours = figures.by_hour(connection, since, count)
        jobs = deliveries.counts(connection)
        oldest = overview.oldest_pending(connection)
        states = overview.callback_states(connection)
        outcomes = queries.by_outcome(connection, midnight, start)
        newest = queries.find(connection, QueryFilter(since=start - timedelta(hours=_HOURS)), _NEWEST)
    return Figures(
        hours[-_HOURS:],
        [hour for hour in hours if hour.start >= midnight],
        sum(number for (_, state), number in jobs.items() if state in (State.PENDING, State.RUNNING)),
        sum(number for (_, state), number in jobs.items() if state is State.DEAD),
        oldest, states, visit.parts.callbacks.queries.lines(), _connectors(visit, jobs, newest),
        outcomes,
    )  # fmt: skip


def _hour_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of an hour of a line's clock, in UTC: some clocks differ by half an hour."""
    local = moment.astimezone(zone)
    return moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _connectors(
    visit: Visit, jobs: Mapping[tuple[str, State], int], newest: Sequence[StoredQuery]
) -> Sequence[ConnectorFigures]:
    configuration: Configuration = visit.configuration
    steps: dict[str, list[TrailStep]] = {}
    for query in newest:
        for step in query.trail:
            steps.setdefault(step.connector, []).append(step)
    with visit.parts.serving.use() as service:
        usages = {name: source.connector.usage for name, source in service.sources.items()}
    troubles = {trouble.id: trouble.severity for trouble in visit.parts.troubles.all()}
    return [
        ConnectorFigures(
            name, options.type, troubles.get(trouble_id("crm", name)),
            jobs.get((name, State.PENDING), 0) + jobs.get((name, State.RUNNING), 0), jobs.get((name, State.DEAD), 0),
            usages.get(name), *_speed(steps.get(name, [])),
        )
        for name, options in configuration.connectors.items()
    ]  # fmt: skip


def _speed(steps: Sequence[TrailStep]) -> tuple[int, int, float, float]:
    """How often it was asked, how often in vain, the median of the milliseconds, and the most."""
    if not steps:
        return 0, 0, 0.0, 0.0
    took = [step.ms for step in steps]
    failed = sum(step.outcome in _FAILED for step in steps)
    return len(steps), failed, statistics.median(took), max(took)


def chart(visit: Visit, hours: Sequence[HourOfCalls]) -> BarChart:
    """Return the last 24 hours as a drawing."""
    zone = visit.zone()
    data = [
        Bar(f"{hour.start.astimezone(zone):%H}", (hour.answered, hour.missed, hour.other, hour.emitted))
        for hour in hours
    ]
    series = [
        visit.t("Received, answered"), visit.t("Received, missed"), visit.t("Received, other"), visit.t("Emitted"),
    ]  # fmt: skip
    return bars(visit.t("Calls of the last 24 hours, by the hour"), series, data, every=3)
