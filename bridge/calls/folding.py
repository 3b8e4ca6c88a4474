"""FLOW 2, first half: the events of a call, in whatever order they came, become one call.

`fold` looks at all events of the call each time, so that neither order nor repetition matters. `Folding.advance` does
it in one transaction, together with what follows from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.config.model import Configuration, Line
from bridge.expressions.callview import decimal, moment
from bridge.infocaller.document import from_normalised
from bridge.infocaller.events import StatusType
from bridge.infocaller.messages import Document, StatusEvent
from bridge.infocaller.values import seconds
from bridge.store import calls, events
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.events import Event
from connectors.phone import parse

_log = logging.getLogger("bridge.calls.folding")

_USUAL_PATIENCE = 6 * 3600.0
_ORDER = {"inicio": 0, "fin": 2}

Plan = Callable[[Connection, Call, Sequence[Event]], None]
"""What follows from a call that changed: gets the call as it is stored now and the events that were new."""


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
        configuration = self._current()
        with self._database.write() as connection:
            now = self._clock()
            before = calls.get(connection, line, call_sequence)
            heard = events.of_call(connection, line, call_sequence)
            new = [event for event in heard if not event.folded]
            overdue = before is not None and before.close_at is not None and before.close_at <= now
            if not heard or not (new or (overdue and before is not None and before.state is CallState.OPEN)):
                return
            call = _stored(heard, before, configuration, now)
            if call.state is CallState.INCOMPLETE and (before is None or before.state is CallState.OPEN):
                _log.warning("call %s:%s: its FIN never came; closed as incomplete", line, call_sequence)
            number = calls.save(connection, call, now)
            events.folded(connection, [event.id for event in new])
            self._plan(connection, replace(call, id=number, version=call.version + 1), new)


def _stored(heard: Sequence[Event], before: Call | None, configuration: Configuration, now: datetime) -> Call:
    """The call as it is to be stored."""
    first = heard[0]
    line = configuration.line(first.line) or configuration.lines[0]
    folded = fold(heard, line)
    begun = min(event.received_at for event in heard)
    close_at = begun + timedelta(seconds=_patience(configuration))
    closed = close_at <= now or (before is not None and before.state is not CallState.OPEN)
    state = CallState.OVER if folded["over"] else CallState.INCOMPLETE if closed else CallState.OPEN
    folded["incomplete"] = state is CallState.INCOMPLETE
    return Call(
        line=first.line,
        call_sequence=first.call_sequence,
        state=state,
        call=folded,
        e164=folded["e164"],
        direction=folded["direction"],
        idcall=folded["idcall"],
        started_at=datetime.fromisoformat(folded["start"]),
        ended_at=moment(folded["end"]),
        seconds=folded["seconds"],
        cost=decimal(folded["cost"]),
        close_at=close_at if state is CallState.OPEN else None,
        id=before.id if before is not None else None,
        version=before.version if before is not None else 0,
    )


def _patience(configuration: Configuration) -> float:
    """Seconds until a call whose FIN never came counts as over: the longest `close_after` of the rules that wait for
    it, because what a CRM can't correct must not be written too early."""
    return max((rule.close_after for rule in configuration.activities if "call" in rule.on), default=_USUAL_PATIENCE)


def fold(heard: Sequence[Event], line: Line) -> dict[str, Any]:
    """All events of one call as one call, as JSON knows it. See `bridge.config.checks.expressions` for what each field
    is.

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
    answered = [diversion for diversion in diversions if diversion["answered"]]
    start, end = _times(final, heard[-1].received_at, zone)
    variables: dict[str, str] = {}
    for document in documents:
        variables.update(document.variables)
    return {
        "id": heard[0].call_sequence,
        "uuid": _last(heard, "uuid"),
        "number_id": _last(heard, "id"),
        "line": heard[0].line,
        "direction": "emitted" if newest.emitted else "received",
        "idcall": newest.idcall or next((d.idcall for d in documents if d.idcall), ""),
        "caller": newest.other_party,
        "called": newest.called,
        "e164": phone.e164,
        "hidden": phone.hidden,
        "start": (start or began.astimezone(zone)).isoformat(),
        "end": _iso(end),
        "seconds": final.seconds if final is not None else None,
        "cost": _cost(final),
        "cost_rx": _text(final.cost_rx) if final is not None else None,
        "cost_tx": _text(final.cost_tx) if final is not None else None,
        "over": final is not None,
        "incomplete": False,
        "answered": _answered(newest, final, diversions),
        "answered_by": answered[-1]["to"] if answered else "",
        "diversions": diversions,
        "vars": variables,
        "events": [_status(event) for event in (final.status if final is not None else ())],
        "heard": sorted({event.event for event in heard}),
    }


def _status(event: StatusEvent) -> dict[str, Any]:
    return {"type": event.type, "at": _iso(event.at), "name": event.name, "info": list(event.info)}


def _diversions(heard: Sequence[Event], final: Document | None, country: str) -> list[dict[str, Any]]:
    """To whom the call was put through: in the order that FIN lists, then what only events told of, as they came.

    FIN's list says when, in the line's time, and how long they talked; where it does not, the event says whether it was
    answered.
    """
    told = [_told(event) for event in heard if event.event.startswith("desvio")]
    listed = [
        _of_listed(event, told, country)
        for event in (final.status if final is not None else ())
        if event.type == StatusType.CALL and event.name
    ]
    named = [diversion for diversion in told if diversion["to"]]
    return [*listed, *named] or told


def _told(event: Event) -> dict[str, Any]:
    return {
        "to": event.diverted_to,
        "answered": event.event == "desvio_correcto",
        "at": event.received_at.isoformat(),
    }


def _of_listed(event: StatusEvent, told: list[dict[str, Any]], country: str) -> dict[str, Any]:
    """A diversion of FIN's list; the event that told of it is taken out of `told`."""
    talked = _seconds(event.info[2])
    same = [diversion for diversion in told if _same(diversion["to"], event.name, country)]
    same.sort(key=lambda diversion: talked is not None and diversion["answered"] != (talked > 0))
    if same:
        told.remove(same[0])
    answered = talked > 0 if talked is not None else bool(same) and same[0]["answered"]
    return {"to": event.name, "answered": answered, "at": _iso(event.at)}


def _same(one: str, other: str, country: str) -> bool:
    """Whether both are the same extension or number, however written."""
    return one.strip() == other.strip() or parse(one, country).same(parse(other, country))


def _answered(newest: Document, final: Document | None, diversions: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether somebody answered. An emitted call: it lasted. A received one: a diversion was answered; None where
    nobody was to be reached, or nothing is known yet."""
    if newest.emitted:
        return (final.seconds or 0) > 0 if final is not None else None
    if any(diversion["answered"] for diversion in diversions):
        return True
    return False if diversions else None


def _cost(final: Document | None) -> str | None:
    """CostRX + CostTX, exactly; None where FIN said neither. Amounts of single actions are part of them already."""
    if final is None or (final.cost_rx is None and final.cost_tx is None):
        return None
    return f"{(final.cost_rx or 0) + (final.cost_tx or 0):f}"


def _text(money: Decimal | None) -> str | None:
    return None if money is None else f"{money:f}"


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
    return min(both, key=lambda one: abs(one.astimezone(UTC) - near))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _seconds(text: str) -> int | None:
    """A duration of FIN's list, None where it has none."""
    return seconds(text.strip())
