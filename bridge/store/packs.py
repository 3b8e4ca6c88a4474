"""Packs: what a call that has long been over needs no more by itself, compressed into one piece beside it.

A pack holds the call as its events came to, those events as they came, and what its deliveries carried. Whoever reads
one of these reads it here where it is packed; `bridge.store.packing` moves it in and out again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from bridge.store.columns import among
from bridge.store.packwords import WORDS
from bridge.store.tables import calls, packs

PACKED: dict[str, Any] = {"packed": True}
"""What stands for the payload of a delivery whose own is in the pack of its call."""
_FORMAT = b"\1"
"""Which words the compressor knew beforehand. A pack is read with those that it was made with, for ever."""
_END = "\0"
"""Between the texts of a pack; a stored text never holds it."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Pack:
    """What is packed of a call: `call`, as JSON keeps it (`FoldedCall.to_json`), what it was `counted` as, its `events`
    as rows of their table but for what the call says of itself, and payload and exchange of `deliveries`, by id."""

    call: Mapping[str, Any]
    counted: Any
    events: Sequence[Mapping[str, Any]]
    deliveries: Mapping[int, tuple[Any, str]]


def encode(pack: Pack) -> bytes:
    """Return it as it is stored."""
    raws = [event["raw"] for event in pack.events]
    events = [
        {**event, "received_at": event["received_at"].isoformat(), "raw": len(raw)}
        for event, raw in zip(pack.events, raws, strict=True)
    ]
    deliveries = [[id_, payload, exchange] for id_, (payload, exchange) in pack.deliveries.items()]
    rest = json.dumps([events, pack.call, pack.counted, deliveries])
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=WORDS)
    text = _END.join([*raws, rest]).encode()
    return _FORMAT + compressor.compress(text) + compressor.flush()


def decode(stored: bytes) -> Pack:
    """Return what `encode` was given."""
    if stored[:1] != _FORMAT:
        raise ValueError("a pack was written by a newer version of the bridge")
    text = zlib.decompressobj(-zlib.MAX_WBITS, zdict=WORDS).decompress(stored[1:]).decode()
    *raws, rest = text.split(_END)
    events, call, counted, deliveries = json.loads(rest)
    return Pack(
        call,
        counted,
        [
            {**event, "received_at": datetime.fromisoformat(event["received_at"]), "raw": raw}
            for event, raw in zip(events, raws, strict=True)
        ],
        {id_: (payload, exchange) for id_, payload, exchange in deliveries},
    )


def of_calls(connection: Connection, ids: Collection[int]) -> dict[int, Pack]:
    """Return the packs of these calls, by the call's id; a call that is not packed has none."""
    numbers = list(ids)
    stored: dict[int, Pack] = {}
    for first in range(0, len(numbers), _AT_ONCE):
        some = among(connection, packs.c.call_id, numbers[first : first + _AT_ONCE])
        query = select(packs.c.call_id, packs.c.document).where(some)
        stored |= {id_: decode(document) for id_, document in connection.execute(query)}
    return stored


def events_of(connection: Connection, line: str, call_sequence: str) -> list[dict[str, Any]]:
    """Return the packed events of a call as rows of their table."""
    query = select(packs.c.document, calls.c.line, calls.c.call_sequence).join(calls, calls.c.id == packs.c.call_id)
    row = connection.execute(query.where(calls.c.line == line, calls.c.call_sequence == call_sequence)).first()
    return [] if row is None else event_rows(decode(row.document), row.line, row.call_sequence)


def event_rows(pack: Pack, line: str, call_sequence: str) -> list[dict[str, Any]]:
    """Return the events of a pack as rows of their table."""
    return [{**event, "line": line, "call_sequence": call_sequence, "folded": True} for event in pack.events]


def count_events(connection: Connection, of: ColumnElement[bool]) -> int:
    """Return how many events are in the packs of the calls for which `of` holds."""
    query = select(func.coalesce(func.sum(packs.c.events), 0)).join(calls, calls.c.id == packs.c.call_id).where(of)
    return int(connection.execute(query).scalar_one())


def unpacked_calls(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows of calls, those that are packed with what is in their packs."""
    packed = of_calls(connection, [row["id"] for row in rows if row["packed"]])
    return [
        {**row, "call": pack.call, "counted": pack.counted} if (pack := packed.get(row["id"])) else row for row in rows
    ]


def unpacked_deliveries(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows of deliveries, those that are packed with payload and exchange as they were."""
    packed = of_calls(connection, {row["call_id"] for row in rows if row["payload"] == PACKED and row["call_id"]})
    if not packed:
        return list(rows)
    unpacked: list[Mapping[str, Any]] = []
    for row in rows:
        pack = packed.get(row["call_id"]) if row["payload"] == PACKED else None
        kept = pack.deliveries.get(row["id"]) if pack is not None else None
        unpacked.append(row if kept is None else {**row, "payload": kept[0], "exchange": kept[1]})
    return unpacked
