"""FLOW 2, first half: the events of a call, in whatever order they came, become one call.

`fold` looks at all events of the call each time, so that neither order nor repetition matters. `Folding.advance` does
it in one transaction, together with what follows from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.config.model import Configuration, Line
from bridge.infocaller.document import from_normalised
from bridge.infocaller.events import StatusType
from bridge.infocaller.messages import Document, StatusEvent
from bridge.infocaller.values import seconds
from bridge.store import calls, events, packing
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.events import Event
from bridge.store.folded import Diversion, FoldedCall
from connectors.phone import parse

_log = logging.getLogger("bridge.calls.folding")

_USUAL_PATIENCE = 6 * 3600.0
_ORDER = {"inicio": 0, "fin": 2}

CallPlan = Callable[[Connection, Call, Sequence[Event]], None]
"""What follows from a call that changed: gets the call as it is stored now and the events that were new."""

Plan = Callable[[Connection, Sequence[tuple[Call, Sequence[Event]]]], None]
"""What follows from several."""


def call_by_call(*plans: CallPlan) -> Plan:
    """Return what follows from several calls, in ways that know nothing of each other."""

    def plan(connection: Connection, changed: Sequence[tuple[Call, Sequence[Event]]]) -> None:
        for call, new in changed:
            for follow in plans:
                follow(connection, call, new)

    return plan


class Folding:
    """Folds events into calls. `current` gives the newest configuration; `clock` the time, aware; `plan` is called in
    the same transaction."""

    def __init__(
        self, database: Database, current: Callable[[], Configuration], plan: Plan, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._current = current
        self._plan = plan
        self._clock = clock

    def advance(self, line: str, call_sequence: str) -> None:
        """Take up what is new of this call, or close it if its FIN never came in time. Doing it twice changes nothing.

        Raises `StoreUnavailable`, and `bridge.store.calls.Changed` when somebody else did it meanwhile.
        """
        self.advance_all([(line, call_sequence)])

    def advance_all(self, keys: Sequence[tuple[str, str]]) -> None:
        """Do the same for several calls, (line, call_sequence), all or none, by as many statements as for one."""
        configuration = self._current()
        with self._database.write() as connection:
            now = self._clock()
            held = calls.get_all(connection, keys)
            for call in held.values():
                if call.packed:
                    packing.unpack(self._database, connection, call)
            changed: dict[tuple[str, str], tuple[Call, list[Event]]] = {}
            for key, heard in events.of_calls(connection, keys).items():
                new = [event for event in heard if not event.folded]
                if heard and (new or _overdue(held.get(key), now)):
                    changed[key] = _stored(heard, held.get(key), configuration, now), new
            if not changed:
                return
            numbers = calls.save_all(connection, [call for call, _ in changed.values()], now)
            if ids := [event.id for _, new in changed.values() for event in new]:
                events.folded(connection, ids)
            self._plan(
                connection,
                [
                    (replace(call, id=numbers[key], version=call.version + 1), new)
                    for key, (call, new) in changed.items()
                ],
            )
        for (line, call_sequence), (call, _) in changed.items():
            before = held.get((line, call_sequence))
            if call.state is CallState.INCOMPLETE and (before is None or before.state is CallState.OPEN):
                _log.warning("call %s:%s: its FIN never came; closed as incomplete", line, call_sequence)


def _overdue(call: Call | None, now: datetime) -> bool:
    """Whether a call is still open though its FIN should have come."""
    return call is not None and call.state is CallState.OPEN and call.close_at is not None and call.close_at <= now


def _stored(heard: Sequence[Event], before: Call | None, configuration: Configuration, now: datetime) -> Call:
    """The call as it is to be stored."""
    first = heard[0]
    line = configuration.line(first.line) or configuration.lines[0]
    folded = fold(heard, line)
    begun = min(event.received_at for event in heard)
    close_at = begun + timedelta(seconds=_patience(configuration))
    closed = close_at <= now or (before is not None and before.state is not CallState.OPEN)
    state = CallState.OVER if folded.over else CallState.INCOMPLETE if closed else CallState.OPEN
    return Call(
        line=first.line,
        call_sequence=first.call_sequence,
        state=state,
        call=replace(folded, incomplete=state is CallState.INCOMPLETE),
        e164=folded.e164,
        direction=folded.direction,
        idcall=folded.idcall,
        started_at=folded.start,
        ended_at=folded.end,
        seconds=folded.seconds,
        cost=folded.cost,
        close_at=close_at if state is CallState.OPEN else None,
        id=before.id if before is not None else None,
        version=before.version if before is not None else 0,
    )


def _patience(configuration: Configuration) -> float:
    """Seconds until a call whose FIN never came counts as over: the longest `close_after` of the rules that wait for
    it, because what a CRM can't correct must not be written too early."""
    return max((rule.close_after for rule in configuration.activities if "call" in rule.on), default=_USUAL_PATIENCE)


def fold(heard: Sequence[Event], line: Line) -> FoldedCall:
    """Return all events of one call as one call.

    INICIO counts before the diversions, and those before FIN, whenever they came. Among events of one name, the order
    of `heard` decides where they contradict each other: the later one holds, a corrected FIN for one.
    """
    began = min(event.received_at for event in heard)
    heard = sorted(heard, key=lambda event: _ORDER.get(event.event, 1))  # stable: else as they came
    documents = [from_normalised(dict(event.document)) for event in heard]
    newest = documents[-1]
    final = newest if heard[-1].event == "fin" else None
    zone = ZoneInfo(line.timezone)
    phone = parse(newest.other_party, line.country)
    diversions = _diversions(heard, final, line.country)
    answered = [diversion for diversion in diversions if diversion.answered]
    start, end = _times(final, heard[-1].received_at, zone)
    variables: dict[str, str] = {}
    for document in documents:
        variables.update(document.variables)
    return FoldedCall(
        id=heard[0].call_sequence,
        uuid=_last(heard, "uuid"),
        number_id=_last(heard, "id"),
        line=heard[0].line,
        direction="emitted" if newest.emitted else "received",
        idcall=newest.idcall or next((d.idcall for d in documents if d.idcall), ""),
        caller=newest.other_party,
        called=newest.called,
        e164=phone.e164,
        hidden=phone.hidden,
        start=_fixed(start or began.astimezone(zone)),
        end=_fixed(end) if end is not None else None,
        seconds=final.seconds if final is not None else None,
        cost=_cost(final),
        cost_rx=final.cost_rx if final is not None else None,
        cost_tx=final.cost_tx if final is not None else None,
        over=final is not None,
        answered=_answered(newest, final, diversions),
        answered_by=answered[-1].to if answered else "",
        diversions=tuple(diversions),
        vars=variables,
        events=final.status if final is not None else (),
        heard=tuple(sorted({event.event for event in heard})),
    )


def _fixed(moment: datetime) -> datetime:
    """The same moment at the same offset, which no longer depends on a zone's rules."""
    return moment.replace(tzinfo=timezone(moment.utcoffset() or timedelta()))


def _diversions(heard: Sequence[Event], final: Document | None, country: str) -> list[Diversion]:
    """To whom the call was put through: in the order that FIN lists, then what only events told of, as they came.

    FIN's list says when, in the line's time, and how long they talked; where it does not, the event says whether it was
    answered.
    """
    from_events = [
        Diversion(event.diverted_to, event.event == "desvio_correcto", event.received_at)
        for event in heard
        if event.event.startswith("desvio")
    ]
    listed = [
        _of_listed(event, from_events, country)
        for event in (final.status if final is not None else ())
        if event.type == StatusType.CALL and event.name
    ]
    named = [diversion for diversion in from_events if diversion.to]
    return [*listed, *named] or from_events


def _of_listed(event: StatusEvent, from_events: list[Diversion], country: str) -> Diversion:
    """A diversion of FIN's list; the event that told of it is taken out of `from_events`."""
    talked = seconds(event.info[2].strip())
    same = [diversion for diversion in from_events if _same(diversion.to, event.name, country)]
    same.sort(key=lambda diversion: talked is not None and diversion.answered != (talked > 0))
    if same:
        from_events.remove(same[0])
    answered = talked > 0 if talked is not None else bool(same) and same[0].answered
    return Diversion(event.name, answered, event.at)


def _same(extension: str, other: str, country: str) -> bool:
    """Whether both are the same extension or number, however written."""
    return extension.strip() == other.strip() or parse(extension, country).same(parse(other, country))


def _answered(newest: Document, final: Document | None, diversions: Sequence[Diversion]) -> bool | None:
    """Whether somebody answered. An emitted call: it lasted, or until its FIN a diversion was answered, for which
    somebody must have picked up. A received one: a diversion was answered. None where nobody was to be reached, or
    nothing is known yet."""
    if newest.emitted and final is not None:
        return (final.seconds or 0) > 0
    if any(diversion.answered for diversion in diversions):
        return True
    if newest.emitted:
        return None
    return False if diversions else None


def _cost(final: Document | None) -> Decimal | None:
    """CostRX + CostTX, exactly; None where FIN said neither. Amounts of single actions are part of them already."""
    if final is None or (final.cost_rx is None and final.cost_tx is None):
        return None
    return (final.cost_rx or Decimal(0)) + (final.cost_tx or Decimal(0))


def _last(heard: Sequence[Event], name: str) -> str:
    return str(next((event.panel[name] for event in reversed(heard) if event.panel.get(name)), ""))


def _times(final: Document | None, heard_at: datetime, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Start and end of a call that FIN told of at `heard_at`, right after its end; None where it does not say.

    In the hour that autumn has twice, the end is the one nearest to when FIN came, and the start the one nearest to the
    end less the call's seconds.
    """
    if final is None:
        return None, None
    end = _local(final.end, zone, heard_at)
    ended = (end or heard_at).astimezone(UTC)  # clocks that change are not to be reckoned with
    start = _local(final.start, zone, ended - timedelta(seconds=final.seconds or 0))
    return start, end


def _local(moment: datetime | None, zone: ZoneInfo, near: datetime) -> datetime | None:
    """The line's local time with its zone; where there are two of that name, the one nearest to `near`."""
    if moment is None:
        return None
    near = near.astimezone(UTC)
    both = [moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    return min(both, key=lambda candidate: abs(candidate.astimezone(UTC) - near))
