"""The tables about calls, from the sums by hour and by day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from bridge.reports.cells import NOTHING, WEEKDAYS, CellKind, CellValue, ReportColumn, ReportTable, span
from bridge.reports.period import Period
from bridge.store.callfigures import MILLION, FigureKey, FigureKind, FigureOutcome, Sums
from bridge.texts import Text

_HOURS = range(24)
_NAME = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}


@dataclass(slots=True)
class CallCounts:
    """How many calls there were of each kind; `missed` are `unanswered` and `script` together."""

    received: int = 0
    answered: int = 0
    unanswered: int = 0
    script: int = 0
    unknown: int = 0
    emitted: int = 0
    reached: int = 0
    sums: Sums = field(default_factory=Sums)

    @property
    def missed(self) -> int:
        return self.unanswered + self.script

    def add(self, key: FigureKey, sums: Sums) -> None:
        """Add the sums of a key."""
        self.sums.add(sums)
        if key.direction == "emitted":
            self.emitted += sums.calls
            self.reached += sums.calls if key.outcome is FigureOutcome.ANSWERED else 0
            return
        self.received += sums.calls
        name = key.outcome.value
        setattr(self, name, getattr(self, name) + sums.calls)

    def merge(self, other: CallCounts) -> None:
        """Take in what another has."""
        self.received += other.received
        self.answered += other.answered
        self.unanswered += other.unanswered
        self.script += other.script
        self.unknown += other.unknown
        self.emitted += other.emitted
        self.reached += other.reached
        self.sums.add(other.sums)


_Counts = dict[Any, CallCounts]


def _counts() -> _Counts:
    return defaultdict(CallCounts)


@dataclass(slots=True)
class CallFigures:
    """Calls, counted in all the ways that the tables need: by date, hour, (weekday, hour), (line, number) and (line,
    direction); and who was rung, by (direction, outcome)."""

    whole: CallCounts = field(default_factory=CallCounts)
    by_day: _Counts = field(default_factory=_counts)
    by_hour: _Counts = field(default_factory=_counts)
    by_weekday: _Counts = field(default_factory=_counts)
    by_number: _Counts = field(default_factory=_counts)
    by_direction: _Counts = field(default_factory=_counts)
    rings: dict[str, dict[tuple[str, FigureOutcome], Sums]] = field(default_factory=dict)

    def add_hour(self, at: datetime, counts: CallCounts) -> None:
        """Take in an hour, `at` its beginning on the line's own clock."""
        day = at.date()
        for total in (self.by_day[day], self.by_hour[at.hour], self.by_weekday[day.weekday(), at.hour]):
            total.merge(counts)

    def add(self, key: FigureKey, sums: Sums) -> None:
        """Take in calls of a line, or rings of an extension, whenever they were."""
        if key.kind is FigureKind.RING:
            kinds = self.rings.setdefault(key.number, defaultdict(Sums))
            kinds[key.direction, key.outcome].add(sums)
            return
        number = key.number or key.line
        for total in (self.whole, self.by_number[key.line, number], self.by_direction[key.line, key.direction]):
            total.add(key, sums)


def tables(counted: CallFigures, period: Period) -> Iterator[ReportTable]:
    """Yield the tables."""
    yield _summary(counted.whole)
    yield _speed(counted.whole)
    yield _days(counted, period)
    yield _hours(counted)
    yield _week("weekdays", Text("Received calls by weekday and hour"), counted, "received")
    yield _week("missed_by_weekday", Text("Missed calls by weekday and hour"), counted, "missed")
    yield _numbers(counted)
    yield _extensions(counted)
    yield _costs(counted)


def share(part: int, whole: int) -> float | None:
    """Return what part of it that is, None of nothing."""
    return part / whole if whole else None


WHAT = ReportColumn("what", Text("What"), CellKind.WORDS)
CALLS = ReportColumn("calls", Text("Calls"))
_RECEIVED = ReportColumn("received", Text("Received"))
_ANSWERED = ReportColumn("answered", Text("Answered"))
_MISSED = ReportColumn("missed", Text("Missed"))
_EMITTED = ReportColumn("emitted", Text("Emitted"))
_TIME = ReportColumn("seconds", Text("Duration"), CellKind.SPAN)
_COST = ReportColumn("cost", Text("Cost"), CellKind.MONEY)
_MISSED_SHARE = ReportColumn("missed_share", Text("Share missed"), CellKind.SHARE)


def _summary(whole: CallCounts) -> ReportTable:
    received, emitted = whole.received, whole.emitted
    return ReportTable(
        "summary",
        Text("Calls"),
        (WHAT, CALLS, ReportColumn("share", Text("Share"), CellKind.SHARE)),
        (
            (Text("Received"), received, None),
            (Text("Answered"), whole.answered, share(whole.answered, received)),
            (Text("Missed: rang, and nobody answered"), whole.unanswered, share(whole.unanswered, received)),
            (Text("Missed: over before it rang anywhere"), whole.script, share(whole.script, received)),
            (Text("Their end is not known"), whole.unknown, share(whole.unknown, received)),
            (Text("Emitted"), emitted, None),
            (Text("Emitted and answered"), whole.reached, share(whole.reached, emitted)),
        ),
        note=Text(
            "A call that is over before it rings anywhere was ended by its caller or by the script: nobody can tell "
            "which. An emitted call counts as answered when it lasted for a second or more; that may be voicemail."
        ),
    )


def _speed(whole: CallCounts) -> ReportTable:
    sums = whole.sums
    waited = sums.waited // sums.timed // 1000 if sums.timed else None
    rung = sums.timed + whole.unanswered
    return ReportTable(
        "speed",
        Text("How soon somebody answered"),
        (
            WHAT,
            CALLS,
            ReportColumn("of_answered", Text("Of those answered"), CellKind.SHARE),
            ReportColumn("of_rung", Text("Of those that rang"), CellKind.SHARE),
        ),
        (
            (Text("Within 20 seconds"), sums.within_20, share(sums.within_20, sums.timed), share(sums.within_20, rung)),
            (Text("Within 3 minutes"), sums.within_180, share(sums.within_180, sums.timed),
             share(sums.within_180, rung)),
            (Text("Measured"), sums.timed, None, None),
        ),
        note=Text(
            "Measured from the platform's INICIO to its first DESVIO_CORRECTO, as they came: the whole wait, with what "
            "was played and keyed in. It is known of {timed:,} of {answered:,} answered calls, which waited for "
            "{waited} on average; both events need their URLs in the panel. Those that rang: these, and those that "
            "nobody answered.",
            timed=sums.timed, answered=whole.answered, waited=span(waited) if waited is not None else NOTHING,
        ),
    )  # fmt: skip


def _days(counted: CallFigures, period: Period) -> ReportTable:
    def row(counts: CallCounts) -> tuple[CellValue, ...]:
        return (counts.received, counts.answered, counts.missed, counts.emitted, counts.sums.seconds, _cost(counts))

    none = CallCounts()
    return ReportTable(
        "days",
        Text("Calls by day"),
        (ReportColumn("day", Text("Day"), CellKind.DAY), _RECEIVED, _ANSWERED, _MISSED, _EMITTED, _TIME, _COST),
        [(day, *row(counted.by_day.get(day, none))) for day in period.days()],
        (Text("Total"), *row(counted.whole)),
    )


def _hours(counted: CallFigures) -> ReportTable:
    none = CallCounts()
    by_hour = [counted.by_hour.get(hour, none) for hour in _HOURS]
    return ReportTable(
        "hours",
        Text("Calls by hour"),
        (_HOUR, _RECEIVED, _ANSWERED, _MISSED, _MISSED_SHARE, _EMITTED),
        [
            (_hour(hour), counts.received, counts.answered, counts.missed, share(counts.missed, counts.received),
             counts.emitted)
            for hour, counts in enumerate(by_hour)
        ],
    )  # fmt: skip


_HOUR = ReportColumn("hour", Text("Hour"), CellKind.WORDS)


def _hour(hour: int) -> str:
    return f"{hour:02}:00"


def _week(name: str, title: Text, counted: CallFigures, what: str) -> ReportTable:
    def count(weekday: int, hour: int) -> int:
        counts = counted.by_weekday.get((weekday, hour))
        return getattr(counts, what) if counts is not None else 0

    columns = [ReportColumn(name, WEEKDAYS[place]) for name, place in _NAME.items()]
    rows: list[Sequence[CellValue]] = [
        (_hour(hour), *(count(weekday, hour) for weekday in _NAME.values())) for hour in _HOURS
    ]
    return ReportTable(name, title, (_HOUR, *columns), rows)


def _numbers(counted: CallFigures) -> ReportTable:
    rows = [
        (line, number, counts.received, counts.answered, counts.missed, share(counts.missed, counts.received),
         counts.emitted)
        for (line, number), counts in sorted(counted.by_number.items())
    ]  # fmt: skip
    number = ReportColumn("number", Text("Number called"), CellKind.WORDS)
    columns = (_LINE, number, _RECEIVED, _ANSWERED, _MISSED, _MISSED_SHARE, _EMITTED)
    return ReportTable("lines", Text("Calls by line"), columns, rows)


_LINE = ReportColumn("line", Text("Line"), CellKind.WORDS)


def _extensions(counted: CallFigures) -> ReportTable:
    def row(name: str, kinds: dict[tuple[str, FigureOutcome], Sums]) -> tuple[CellValue, ...]:
        answered, not_answered = (
            kinds.get(("received", outcome), Sums()) for outcome in (FigureOutcome.ANSWERED, FigureOutcome.UNANSWERED)
        )
        rang = answered.calls + not_answered.calls
        emitted = sum(sums.calls for (direction, _), sums in kinds.items() if direction == "emitted")
        talked = sum(sums.seconds for sums in kinds.values())
        return (name, rang, answered.calls, not_answered.calls, share(answered.calls, rang), emitted, talked)

    rows = [row(name, kinds) for name, kinds in counted.rings.items()]
    return ReportTable(
        "extensions",
        Text("Calls by extension"),
        (
            ReportColumn("extension", Text("Extension or number"), CellKind.EXTENSION),
            ReportColumn("rang", Text("Rang")),
            _ANSWERED,
            ReportColumn("unanswered", Text("Not answered")),
            ReportColumn("answered_share", Text("Share answered"), CellKind.SHARE),
            ReportColumn("emitted", Text("In emitted calls")),
            ReportColumn("talked", Text("Connected"), CellKind.SPAN),
        ),
        sorted(rows, key=lambda row: (-int(str(row[1])), str(row[0]))),
        note=Text(
            "A call that was put through to several counts once for each. Connected is what the platform lists as the "
            "duration of its calls to them."
        ),
    )


def _costs(counted: CallFigures) -> ReportTable:
    def row(counts: Sums) -> tuple[CellValue, ...]:
        return (
            counts.calls, counts.seconds, _amount(counts.cost_rx), _amount(counts.cost_tx),
            _amount(counts.cost_rx + counts.cost_tx),
        )  # fmt: skip

    directions = {"received": Text("received"), "emitted": Text("emitted")}
    rows: Sequence[Sequence[CellValue]] = [
        (line, directions.get(direction, direction), *row(counts.sums))
        for (line, direction), counts in sorted(
            counted.by_direction.items(), key=lambda item: (item[0][0], item[0][1] == "emitted")
        )
    ]
    return ReportTable(
        "costs",
        Text("Durations and costs"),
        (
            _LINE,
            ReportColumn("direction", Text("Direction"), CellKind.WORDS),
            CALLS,
            _TIME,
            ReportColumn("cost_rx", Text("Cost of receiving"), CellKind.MONEY),
            ReportColumn("cost_tx", Text("Cost of emitting"), CellKind.MONEY),
            _COST,
        ),
        rows,
        (Text("Total"), "", *row(counted.whole.sums)),
        note=Text(
            "Without tax, as the platform says at the end of each call (CostRX, CostTX). A call whose end was not "
            "heard of costs nothing here."
        ),
    )


def _cost(counts: CallCounts) -> Decimal:
    return _amount(counts.sums.cost_rx + counts.sums.cost_tx)


def _amount(millionths: int) -> Decimal:
    return Decimal(millionths) / MILLION
