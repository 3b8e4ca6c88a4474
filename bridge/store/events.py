"""Events as the platform sent them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, tuple_, update

from bridge.errors import ProtocolError
from bridge.store import packs
from bridge.store.columns import storable
from bridge.store.database import Database
from bridge.store.tables import LONGEST_KEY, events


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that has just come in.

    `line` LineNumber, `call_sequence` CallSequence, `event` one of inicio, desvio_correcto, desvio_fallido, fin;
    `diverted_to` what `[_NumDesvio]` said, empty where nothing; `digest` tells two events of the same name apart.
    `received_at` is aware. `raw` is the text as it came, without signature and sensitive variables; `document` the same
    read, as JSON knows it; `panel` what the URL said (`uuid`, `id`, …). `e164` is the other party's number, empty for
    none: by it a person's data is found.
    """

    line: str
    call_sequence: str
    event: str
    digest: str
    received_at: datetime
    raw: str
    document: Mapping[str, Any]
    diverted_to: str = ""
    panel: Mapping[str, Any] = field(default_factory=dict)
    e164: str = ""

    def __post_init__(self) -> None:
        named = (("LineNumber", self.line), ("CallSequence", self.call_sequence), ("_NumDesvio", self.diverted_to))
        for name, value in named:
            if len(value) > LONGEST_KEY:
                raise ProtocolError(f"{name} has {len(value)} characters; {LONGEST_KEY} at most are accepted")


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event: an `Arrival` with its number, and whether it has been folded into its call."""

    id: int
    line: str
    call_sequence: str
    event: str
    diverted_to: str
    digest: str
    received_at: datetime
    raw: str
    document: Mapping[str, Any]
    panel: Mapping[str, Any]
    e164: str
    folded: bool


# Made once: making a statement takes longer than having it done.
_OF_CALLS = select(events).where(tuple_(events.c.line, events.c.call_sequence).in_(bindparam("keys", expanding=True)))
_FOLDED = update(events).where(events.c.id.in_(bindparam("ids", expanding=True))).values(folded=True)

Identity = tuple[str, str, str, str, str]
_IDENTITY = (events.c.line, events.c.call_sequence, events.c.event, events.c.diverted_to, events.c.digest)


def identity(arrival: Arrival) -> Identity:
    """Return what makes an event the same event: line, call, name, diversion, digest, as they are stored."""
    return (
        storable(arrival.line),
        storable(arrival.call_sequence),
        arrival.event,
        storable(arrival.diverted_to),
        arrival.digest,
    )


def add(database: Database, connection: Connection, arrivals: Sequence[Arrival]) -> dict[Identity, int]:
    """Store those that are not there yet; their numbers, by identity. What was there already is left as it is."""
    # Calls in one order everywhere: two transactions that add the same events must not wait for one another. Within a
    # call the order of arrival stays.
    rows = [_row(arrival) for arrival in sorted(arrivals, key=lambda each: (each.line, each.call_sequence))]
    statement = database.insert(events).on_conflict_do_nothing().returning(events.c.id, *_IDENTITY)
    added = connection.execute(statement, rows)
    return {(line, call, event, diverted, digest): id_ for id_, line, call, event, diverted, digest in added}


def ids(connection: Connection, identities: Iterable[Identity]) -> dict[Identity, int]:
    """Return the numbers of events that are stored, by identity."""
    stored = connection.execute(select(events.c.id, *_IDENTITY).where(tuple_(*_IDENTITY).in_(list(identities))))
    return {(line, call, event, diverted, digest): id_ for id_, line, call, event, diverted, digest in stored}


def of_call(connection: Connection, line: str, call_sequence: str) -> list[Event]:
    """Return the events of a call in the order of their arrival, packed or not."""
    (rows,) = of_calls(connection, [(line, call_sequence)]).values()
    packed = [Event(**row) for row in packs.events_of(connection, line, call_sequence)]
    return sorted([*packed, *rows], key=attrgetter("received_at", "id"))


def of_calls(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Event]]:
    """Return the events of calls, each in the order of their arrival, by line and call_sequence; without those that are
    packed."""
    heard: dict[tuple[str, str], list[Event]] = {key: [] for key in keys}
    for row in connection.execute(_OF_CALLS, {"keys": list(keys)}):
        heard[row.line, row.call_sequence].append(Event(**row._mapping))
    return {key: sorted(each, key=attrgetter("received_at", "id")) for key, each in heard.items()}


def of_sequence(connection: Connection, call_sequence: str, lines: Iterable[str]) -> list[Event]:
    """Return the events of the call that the platform calls so, on the first of the lines that heard of it."""
    return next(filter(None, (of_call(connection, line, call_sequence) for line in lines)), [])


def began(connection: Connection, line: str, call_sequence: str) -> datetime | None:
    """Return when the first INICIO of a call came; None where none has."""
    query = select(func.min(events.c.received_at)).where(
        events.c.line == line, events.c.call_sequence == call_sequence, events.c.event == "inicio"
    )
    return connection.execute(query).scalar()


def folded(connection: Connection, ids: Iterable[int]) -> None:
    """These events are in their call now."""
    connection.execute(_FOLDED, {"ids": list(ids)})


def unfolded_of(connection: Connection, e164: str) -> bool:
    """Return whether events of this number wait to be taken up."""
    query = select(events.c.id).where(events.c.e164 == e164, ~events.c.folded).limit(1)
    return connection.execute(query).first() is not None


def waiting(connection: Connection, before: datetime, limit: int) -> list[tuple[str, str]]:
    """(line, call_sequence) of calls with events received before `before` that are in no call yet, oldest first."""
    oldest = func.min(events.c.received_at)
    query = (
        select(events.c.line, events.c.call_sequence)
        .where(~events.c.folded, events.c.received_at < before)
        .group_by(events.c.line, events.c.call_sequence)
        .order_by(oldest)
        .limit(limit)
    )
    return [(line, call_sequence) for line, call_sequence in connection.execute(query)]


def _row(arrival: Arrival) -> dict[str, Any]:
    return {
        "line": arrival.line,
        "call_sequence": arrival.call_sequence,
        "event": arrival.event,
        "diverted_to": arrival.diverted_to,
        "digest": arrival.digest,
        "received_at": arrival.received_at,
        "raw": arrival.raw,
        "document": arrival.document,
        "panel": arrival.panel,
        "e164": arrival.e164,
    }
