"""Makes a report: reads the sums of its days, and the callbacks of its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.config.builtin import MISSED_CALLS
from bridge.config.callbacks import BUILT_IN_ORIGIN
from bridge.config.model import Configuration
from bridge.reports import callbacktables, calltables
from bridge.reports.calltables import CallCounts, CallFigures
from bridge.reports.cells import CallReport
from bridge.reports.counting import difference, figures_of
from bridge.reports.keeping import zone_of
from bridge.reports.period import Period
from bridge.store import callfigures
from bridge.store.callfigures import FigureKind, Span
from bridge.store.database import Database
from bridge.texts import Plural, Text

_FRESH = 200
"""Calls at most that a report adds up by itself where that was not done yet."""


def make(database: Database, configuration: Configuration, period: Period, now: datetime, line: str = "") -> CallReport:
    """Return the report of a period, on the lines' own clocks; `line`: of this one alone. Writes nothing. Raises
    `StoreUnavailable`."""
    zones = _zones(configuration, line)
    of_callbacks = (period.since(zones[0]), period.until(zones[0]), line)
    with database.read() as connection:
        left = callfigures.left_to_count(connection)
        counted = _counted(connection, configuration, period, line, left)
        missed = callfigures.missed_tasks(connection, *of_callbacks) if _makes_tasks(configuration) else None
        outcomes = callfigures.callback_outcomes(connection, *of_callbacks)
        notes = list(_notes(connection, configuration, period, now, zones, left))
    tables = [*calltables.tables(counted, period), *callbacktables.tables(missed, outcomes)]
    return CallReport(period, line, zones, tables, notes)


def _zones(configuration: Configuration, line: str) -> Sequence[str]:
    if line:
        return [zone_of(configuration, line)]
    return list(dict.fromkeys(each.timezone for each in configuration.lines))


def _makes_tasks(configuration: Configuration) -> bool:
    return any(source.origin == f"{BUILT_IN_ORIGIN}:{MISSED_CALLS}" for source in configuration.callbacks)


def _counted(connection: Connection, configuration: Configuration, period: Period, line: str, left: int) -> CallFigures:
    """The sums of each clock's period, and what they lack of calls that were over a moment ago."""
    counted = CallFigures()
    for zone, span in _spans(configuration, period, line):
        clock = ZoneInfo(zone)
        for hour in span.hours(connection):
            counted.add_hour(hour.at.astimezone(clock), CallCounts(*hour.counts, hour.sums))
        for key, sums in span.lines(connection):
            counted.add(key, sums)
    if 0 < left <= _FRESH:
        entries = callfigures.uncounted(connection, _FRESH)
        pairs = ((entry.counted, figures_of(entry, zone_of(configuration, entry.call.line))) for entry in entries)
        for key, sums in difference(pairs).items():
            at = key.at.astimezone(ZoneInfo(zone_of(configuration, key.line)))
            if period.first <= at.date() <= period.last and (not line or key.line == line):
                counted.add(key, sums)
                if key.kind is FigureKind.CALL:
                    counts = CallCounts()
                    counts.add(key, sums)
                    counted.add_hour(at, counts)
    return counted


def _spans(configuration: Configuration, period: Period, line: str) -> Iterator[tuple[str, Span]]:
    """The period by each clock, with the lines that go by it."""
    first = configuration.lines[0].timezone
    for zone in _zones(configuration, line):
        since, until = period.since(zone), period.until(zone)
        if line:
            yield zone, Span(since, until, only=[line])
        elif zone == first:  # and of lines that are gone from the configuration
            others = [each.number for each in configuration.lines if each.timezone != first]
            yield zone, Span(since, until, but=others)
        else:
            numbers = [each.number for each in configuration.lines if each.timezone == zone]
            yield zone, Span(since, until, only=numbers)


def _notes(
    connection: Connection,
    configuration: Configuration,
    period: Period,
    now: datetime,
    zones: Sequence[str],
    left: int,
) -> Iterator[Text]:
    """What keeps the report from being whole."""
    clock = ZoneInfo(zones[0])
    first = callfigures.first_at(connection)
    if left > _FRESH:
        yield Plural(
            "{count:,} call of the past is still to be added up, which goes on while the bridge runs.",
            "{count:,} calls of the past are still to be added up, which goes on while the bridge runs.",
            left,
        )
    if first is not None and first.astimezone(clock).date() > period.first:
        yield Text("Calls are known from {first:%Y-%m-%d} on.", first=first.astimezone(clock))
    kept_from = now - timedelta(seconds=configuration.retention)
    if kept_from > period.since(zones[0]):
        yield Text(
            "Callbacks that ended before {day:%Y-%m-%d} are not kept any more (retention).",
            day=kept_from.astimezone(clock),
        )
    if period.until(zones[0]) > now:
        yield Text("The period is not over.")
        going_on = callfigures.going_on(connection)
        if going_on:
            yield Plural(
                "{count:,} call goes on, and is not in it.", "{count:,} calls go on, and are not in it.", going_on
            )
    if len(zones) > 1:
        yield Text("Each line counts by its own clock: {zones}.", zones=", ".join(zones))
