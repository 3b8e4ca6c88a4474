"""What one call adds to the sums by hour and by day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from bridge.hours.zones import start_of
from bridge.infocaller.events import StatusType
from bridge.infocaller.values import seconds
from bridge.store.callfigures import MILLION, FigureKey, FigureKind, FigureOutcome, Figures, Sums, Uncounted
from bridge.store.calls import Call, CallState
from bridge.store.folded import FoldedCall
from bridge.store.tables import LONGEST_KEY

_QUICK, _FAIR = 20_000, 180_000  # milliseconds
_DEAREST = Decimal(10) ** 9
"""What costs more is no amount, and would be too large to be added up."""


def figures_of(entry: Uncounted, zone: str) -> Figures:
    """Return what a call that is over adds to the sums, on its line's clock."""
    call = entry.call
    if call.started_at is None:
        return {}
    local = call.started_at.astimezone(ZoneInfo(zone))
    hour = local.replace(minute=0, second=0, microsecond=0)  # fold and all: autumn has two such hours
    outcome, whole = _outcome(call), call.call
    key = FigureKey(FigureKind.CALL, hour, call.line, call.direction, outcome, whole.called.strip()[:LONGEST_KEY])
    waited = _waited(entry) if outcome is FigureOutcome.ANSWERED and call.direction == "received" else None
    sums = Sums(
        1,
        call.seconds or 0,
        _millionths(whole.cost_rx),
        _millionths(whole.cost_tx),
        int(waited is not None),
        waited or 0,
        int(waited is not None and waited <= _QUICK),
        int(waited is not None and waited <= _FAIR),
    )
    day = start_of(local.date(), zone)
    rings = {
        FigureKey(FigureKind.RING, day, call.line, call.direction, answered, extension[:LONGEST_KEY]): Sums(1, talked)
        for extension, answered, talked in _rings(whole)
    }
    return {key: sums, **rings}


def difference(changed: Iterable[tuple[Figures, Figures]]) -> dict[FigureKey, Sums]:
    """Return what has to be added to the sums when calls that added the first of each pair add the second."""
    total: dict[FigureKey, Sums] = defaultdict(Sums)
    for before, after in changed:
        for figures, times in ((before, -1), (after, 1)):
            for key, sums in figures.items():
                total[key].add(sums, times)
    return {key: sums for key, sums in total.items() if sums != Sums()}


def _outcome(call: Call) -> FigureOutcome:
    if call.call.answered:
        return FigureOutcome.ANSWERED
    if call.state is CallState.INCOMPLETE:
        return FigureOutcome.UNKNOWN
    if call.call.answered is None and call.direction == "received":
        return FigureOutcome.SCRIPT
    return FigureOutcome.UNANSWERED


def _waited(entry: Uncounted) -> int | None:
    """For how many milliseconds its caller waited for somebody; None: one of both events is missing, or came late."""
    if entry.began is None or entry.answered_at is None or entry.answered_at < entry.began:
        return None
    return (entry.answered_at - entry.began) // timedelta(milliseconds=1)


def _millionths(amount: Decimal | None) -> int:
    return 0 if amount is None or abs(amount) >= _DEAREST else int((amount * MILLION).to_integral_value())


def _rings(call: FoldedCall) -> Iterable[tuple[str, FigureOutcome, int]]:
    """Each extension or number that was rung, once: whether it answered, and how many seconds FIN says it was
    connected."""
    extensions: dict[str, bool] = {}
    for diversion in call.diversions:
        name = diversion.to.strip()
        if name:
            extensions[name] = extensions.get(name, False) or diversion.answered
    for name, answered in extensions.items():
        talked = sum(
            seconds(event.info[2].strip()) or 0
            for event in call.events
            if event.type == StatusType.CALL and event.name.strip() == name
        )
        yield name, FigureOutcome.ANSWERED if answered else FigureOutcome.UNANSWERED, min(talked, 10**9)
