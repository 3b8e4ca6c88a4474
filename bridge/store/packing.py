"""Calls that have long been over are packed, each into one compressed piece (`bridge.store.packs`), and unpacked again
when something more is heard of them.

Both are one transaction for a call, with the call's row held: whoever dies in the middle has changed nothing, and of
two that pack, one does. What stays in the tables is what calls are found and counted by.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from bridge.store import overview, packs
from bridge.store.calls import Call
from bridge.store.database import Database
from bridge.store.deliveries import State
from bridge.store.pacing import Pause, TransactionPace, no_pause
from bridge.store.packs import PACKED, Pack
from bridge.store.tables import NOT_PACKED, calls, deliveries, events
from bridge.store.tables import packs as table
from bridge.store.version import OLDEST_NOTE

STAYS = frozenset({"called", "answered", "answered_by", "diversions"})
"""What stays of a packed call beside its pack: what SQL looks at, and `called`. With its columns, a Query about the
caller's last call is answered from that, and nothing is unpacked while somebody waits."""
_SINCE = "packs_since"
"""The note in `meta` of when this database may have been packed for the first time."""
_HANDOVER = timedelta(days=1)
"""For so long after that nothing is packed: hosts of the version before, which read no packs, may still serve."""
_READS_PACKS = "0015"
"""The oldest revision whose processes read packs. From the first pack on, older ones take no more work."""
_ONCE = [events.c.line, events.c.call_sequence, events.c.event, events.c.diverted_to, events.c.digest]
_OF_EVENT = ("id", "event", "diverted_to", "digest", "received_at", "raw", "document", "panel", "e164")

_CARRIED = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("of"), deliveries.c.call_id == bindparam("call"))
    .values(payload=bindparam("payload"), exchange=bindparam("exchange"))
)
"""Says what a delivery carries; of that call, as SQLite may give the number of one that is gone to another."""


_THINNED = (
    update(calls).where(calls.c.id == bindparam("of")).values(call=bindparam("call"), counted=null(), packed=True)
)
"""Leaves of a call what stays."""


def begins(database: Database, now: datetime) -> bool:
    """Return whether packing may begin: every host is expected to have this version by now, and one that has not is
    told that it is too old."""
    with database.write() as connection:
        since = overview.noted(connection, _SINCE)
        if since is None:
            overview.note(database, connection, _SINCE, now.isoformat())
        may = since is not None and datetime.fromisoformat(since) + _HANDOVER <= now
        if may and (overview.noted(connection, OLDEST_NOTE) or "") < _READS_PACKS:
            overview.note(database, connection, OLDEST_NOTE, _READS_PACKS)
    return may


@dataclass(frozen=True, slots=True)
class _Ready:
    """A call's pack, made of its rows as they were in this `version`; `last`: when that was stored."""

    id: int
    version: int
    last: datetime
    stays: Mapping[str, Any]
    document: bytes
    events: Sequence[int]
    deliveries: Sequence[int]


def pack(database: Database, before: datetime, pause: Pause = no_pause) -> int:
    """Pack the calls that are over, delivered, in the reports, and unchanged since `before`, oldest first, in small
    transactions; how many those were. `pause` may end it early. Raises `StoreUnavailable`."""
    pace, total, after = TransactionPace(database, pause), 0, None
    while True:
        with database.read() as connection:  # all that can be done while nobody waits
            ready = _made(connection, before, after, pace.size)
        if not ready:
            return total
        after = ready[-1]
        with database.write() as connection:
            began = time.monotonic()
            total += _put(connection, ready, close_up=not database.postgresql)
        took = time.monotonic() - began
        if pace.ends(len(ready), took):
            return total


def unpack(database: Database, connection: Connection, call: Call) -> None:
    """Put everything of a packed call back where it was, if an event of it waits to be taken up. One that came again,
    as the pack has it already, waits no more. To be called with the call held."""
    theirs = and_(events.c.line == call.line, events.c.call_sequence == call.call_sequence)
    waits = connection.execute(select(events.c.id).where(theirs, ~events.c.folded).limit(1)).first()
    pack = packs.of_calls(connection, [call.id or 0]).get(call.id or 0) if waits else None
    if pack is None:
        return
    # without their numbers, which may be others' by now
    rows = [
        {name: value for name, value in row.items() if name != "id"}
        for row in packs.event_rows(pack, call.line, call.call_sequence)
    ]
    back = database.insert(events)
    again = {name: back.excluded[name] for name in ("received_at", "raw", "document", "panel", "e164", "folded")}
    connection.execute(back.on_conflict_do_update(index_elements=_ONCE, set_=again), rows)
    kept = [
        {"of": id_, "call": call.id, "payload": payload, "exchange": exchange}
        for id_, (payload, exchange) in pack.deliveries.items()
    ]
    if kept:
        connection.execute(_CARRIED, kept)
    connection.execute(
        update(calls)
        .where(calls.c.id == call.id)
        # what it was counted as since it was packed holds
        .values(call=pack.call, counted=func.coalesce(calls.c.counted, _kept(pack.counted)), packed=False)
    )
    connection.execute(delete(table).where(table.c.call_id == call.id))


def _kept(counted: Any) -> ColumnElement[Any]:
    return literal(counted, calls.c.counted.type)


def _made(connection: Connection, before: datetime, after: _Ready | None, limit: int) -> list[_Ready]:
    """The next calls that can be packed, `after` this one, with their packs."""
    under_way = exists().where(
        deliveries.c.call_id == calls.c.id, deliveries.c.state.not_in([State.DONE, State.DISCARDED])
    )
    theirs = and_(events.c.line == calls.c.line, events.c.call_sequence == calls.c.call_sequence)
    # what is found by another number than the call's must go on being found by it, to be forgotten
    apart = exists().where(theirs, or_(~events.c.folded, events.c.e164.not_in(["", calls.c.e164])))
    over = (NOT_PACKED, calls.c.state != "open", calls.c.version == calls.c.counted_version)
    query = select(calls).where(*over, calls.c.updated_at < before, ~under_way, ~apart)
    if after is not None:
        at = calls.c.updated_at
        query = query.where(at >= after.last, or_(at > after.last, calls.c.id > after.id))
    rows = connection.execute(query.order_by(calls.c.updated_at, calls.c.id).limit(limit)).all()
    return [_pack_of(connection, row._mapping) for row in rows]


def _pack_of(connection: Connection, row: Mapping[Any, Any]) -> _Ready:
    theirs = (events.c.line == row["line"], events.c.call_sequence == row["call_sequence"], events.c.folded)
    heard = [
        {name: event._mapping[name] for name in _OF_EVENT}
        for event in connection.execute(select(events).where(*theirs).order_by(events.c.received_at, events.c.id))
    ]
    columns = (deliveries.c.id, deliveries.c.payload, deliveries.c.exchange)
    carried = {
        id_: (payload, exchange)
        for id_, payload, exchange in connection.execute(select(*columns).where(deliveries.c.call_id == row["id"]))
    }
    return _Ready(
        row["id"], row["version"], row["updated_at"],
        {name: value for name, value in row["call"].items() if name in STAYS},
        packs.encode(Pack(row["call"], row["counted"], heard, carried)),
        [event["id"] for event in heard], list(carried),
    )  # fmt: skip


def _put(connection: Connection, ready: Sequence[_Ready], *, close_up: bool) -> int:
    """Put the packs in the place of what they were made of, where that is as it was; how many those were. A call that
    somebody else holds is left out: it changes, goes, or is packed."""
    query = select(calls.c.id, calls.c.version).where(calls.c.id.in_([each.id for each in ready]), NOT_PACKED)
    held = {row.id: row.version for row in connection.execute(query.with_for_update(skip_locked=True))}
    same = [each for each in ready if held.get(each.id) == each.version]
    if not same:
        return 0
    made = [{"call_id": each.id, "events": len(each.events), "document": each.document} for each in same]
    connection.execute(insert(table), made)
    connection.execute(_THINNED, [{"of": each.id, "call": each.stays} for each in same])
    emptied: list[dict[str, Any]] = [
        {"of": id_, "call": each.id, "payload": PACKED, "exchange": ""} for each in same for id_ in each.deliveries
    ]
    if emptied:
        connection.execute(_CARRIED, emptied)
    connection.execute(delete(events).where(events.c.id.in_([id_ for each in same for id_ in each.events])))
    if close_up:
        _close_up(connection, calls, [each.id for each in same])
        _close_up(connection, deliveries, [row["of"] for row in emptied])
    return len(same)


def _close_up(connection: Connection, of: Table, ids: Sequence[int]) -> None:
    """Have SQLite use the room that shorter rows leave: it joins pages where rows are taken out, not where they have
    become shorter. So they are taken out, by another number, and put back by their own. What refers to them is
    looked at when the transaction ends."""
    if ids:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(update(of).where(of.c.id.in_(ids)).values(id=-of.c.id))
        connection.execute(update(of).where(of.c.id.in_([-id_ for id_ in ids])).values(id=-of.c.id))
