"""The tables about callbacks: missed calls that were called back, and how callbacks ended. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from statistics import median_low

from bridge.reports.calltables import WHAT, share
from bridge.reports.cells import NOTHING, CellKind, ReportColumn, ReportTable, span
from bridge.store.callbacks import OPEN, CallbackState
from bridge.store.callfigures import MissedTask
from bridge.texts import Text

SPOKEN = "spoken_since"
"""The gate by which a task ends when somebody spoke with its caller before it was called back."""
_SOON = timedelta(hours=1)
_DAY = timedelta(days=1)
_ENDS: Mapping[CallbackState, Text] = {
    CallbackState.ANSWERED: Text("Answered"),
    CallbackState.NO_ANSWER: Text("Nobody answered"),
    CallbackState.BUSY: Text("Busy"),
    CallbackState.FAILED: Text("Failed"),
    CallbackState.NO_OUTCOME: Text("Outcome not known"),
    CallbackState.MAY_HAVE_RUNG: Text("May have rung"),
    CallbackState.REJECTED: Text("Could not be called"),
    CallbackState.CANCELLED: Text("Cancelled"),
    CallbackState.EXPIRED: Text("Too late"),
}


def tables(missed: Sequence[MissedTask] | None, outcomes: Mapping[tuple[str, str, str], int]) -> Iterator[ReportTable]:
    """Yield the tables. `missed` None: no task is made of missed calls. `outcomes`: how many callbacks ended, by
    source, campaign and state."""
    if missed is not None:
        yield _missed(missed)
    yield _outcomes(outcomes)


def _missed(tasks: Sequence[MissedTask]) -> ReportTable:
    back = [task for task in tasks if task.rung_at is not None]
    waits = sorted(max(timedelta(), task.rung_at - task.made_at) for task in back if task.rung_at is not None)
    answered = sum(task.state == CallbackState.ANSWERED for task in back)
    rest = [task for task in tasks if task.rung_at is None]
    spoken = sum(task.gate == SPOKEN and task.state == CallbackState.CANCELLED for task in rest)
    waiting = sum(task.state in OPEN for task in rest)
    ended = len(rest) - spoken - waiting
    soon, within_day = (sum(wait <= limit for wait in waits) for limit in (_SOON, _DAY))
    rows = (
        (Text("To call back"), len(tasks), None),
        (Text("Called back"), len(back), share(len(back), len(tasks))),
        (Text("Called back and answered"), answered, share(answered, len(tasks))),
        (Text("Called back within an hour"), soon, share(soon, len(tasks))),
        (Text("Called back within a day"), within_day, share(within_day, len(tasks))),
        (Text("Spoken with before that"), spoken, share(spoken, len(tasks))),
        (Text("Still waiting"), waiting, share(waiting, len(tasks))),
        (Text("Not called back"), ended, share(ended, len(tasks))),
    )
    half = span(median_low(waits) // timedelta(seconds=1)) if waits else NOTHING
    return ReportTable(
        "called_back",
        Text("Missed calls that were called back"),
        (WHAT, ReportColumn("tasks", Text("Callers")), ReportColumn("share", Text("Share"), CellKind.SHARE)),
        rows,
        note=Text(
            "Of the callers whose first missed call was in this time, however often they called; as it stands now. "
            "Half of those called back were rung within {half} of it.",
            half=half,
        ),
    )


def _outcomes(outcomes: Mapping[tuple[str, str, str], int]) -> ReportTable:
    by_name: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    for (source, campaign, state), number in outcomes.items():
        by_name[source, campaign][state] += number
        total[state] += number
    there = [state for state in _ENDS if total[state]]

    def row(counts: Counter[str]) -> tuple[int, ...]:
        return (*(counts[state] for state in there), sum(counts[state] for state in _ENDS))

    return ReportTable(
        "callbacks",
        Text("How callbacks ended"),
        (
            ReportColumn("source", Text("Source"), CellKind.WORDS),
            ReportColumn("campaign", Text("Campaign"), CellKind.WORDS),
            *(ReportColumn(state.value, _ENDS[state]) for state in there),
            ReportColumn("all", Text("Total")),
        ),
        [(source, campaign, *row(counts)) for (source, campaign), counts in sorted(by_name.items())],
        (Text("Total"), "", *row(total)) if by_name else None,
        note=Text("Those that ended in this time. Answered may be voicemail."),
    )
