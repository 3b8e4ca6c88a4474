"""Where events and saved records come in: when `keep` or `save` has returned, they are on disk.

The database is written by group commit, the wake-up in the same transaction. While PostgreSQL is away, the spool takes
over (`bridge.store.spool`), and a thread moves its rows to the database when that is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import StoreUnavailable
from bridge.intake.groupcommit import GroupCommit
from bridge.queue.base import ADVANCE, DELIVER, Queue, Wakeup, call_key
from bridge.store import deliveries, events, oppositions, overview, schema
from bridge.store.columns import storable
from bridge.store.database import Database
from bridge.store.deliveries import NewDelivery
from bridge.store.events import Arrival
from bridge.store.oppositions import NewOpposition
from bridge.store.spool import Item, Spool
from connectors.steps import Steps, complete

_log = logging.getLogger(__name__)

_USUAL = 16 * 1024
"""Bytes of an event with all that is kept with it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """It is on disk. `new` is false when it was there already (it was changed in nothing). `id`: its row's number; None
    while only the spool has it, when `new` is not known either and said to be true. `reference`: an opposition's."""

    new: bool
    id: int | None
    reference: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


class Inbox:
    """Keeps what comes in. Used from many threads; each process has its own, and closes it when it stops.

    `patience`: seconds until a caller is told that it could not be stored. `spool`: for PostgreSQL, where to keep what
    comes while it is away; then `database` is the inbox's own, opened for it alone, and one connection does: a commit
    that has not come back after `hanging` seconds is broken off, and spooled instead. `most`: items in one commit.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        *,
        spool: Spool | None = None,
        patience: float = 6.0,
        hanging: float = 2.0,
        most: int = 500,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._database = database
        self._queue = queue
        self._spool = spool
        self._patience = patience
        self._hanging = hanging
        self._now = now
        self._route = threading.Lock()
        self._spooling = spool is not None and not spool.empty()
        self._away = "away"
        self._began: dict[int, float] = {}
        self._stopping = threading.Event()
        self._group: GroupCommit[Item, Kept] = GroupCommit(self._commit, name="inbox", most=most)
        self._threads: list[threading.Thread] = []
        if spool:
            self._start(self._watch)
            self._start(self._tend, spool)

    @property
    def spooling(self) -> bool:
        """Whether the database is away and the spool takes what comes."""
        return self._spooling

    @property
    def away(self) -> str:
        """Why the database can't be used; empty while it can."""
        return self._away

    def keep(self, arrival: Arrival) -> Kept:
        """Keep an event. Raises `StoreUnavailable`: it is not certain to be on disk, tell the sender so."""
        return complete(self.keep_steps(arrival))

    def keep_steps(self, arrival: Arrival) -> Steps[Kept]:
        """Do the same, for whoever may not block meanwhile."""
        return self._group.steps(arrival, self._patience)

    def save(self, delivery: NewDelivery | NewOpposition, patience: float | None = None) -> Kept:
        """Keep what has to reach a CRM, or an opposition. Raises `StoreUnavailable`, after `patience` seconds where the
        caller has less than usual; it may come to be stored all the same."""
        return complete(self.save_steps(delivery, patience))

    def save_steps(self, delivery: NewDelivery | NewOpposition, patience: float | None = None) -> Steps[Kept]:
        """Do the same, for whoever may not block meanwhile."""
        return self._group.steps(delivery, self._patience if patience is None else min(patience, self._patience))

    def save_all(self, saved: Sequence[NewDelivery]) -> None:
        """Keep several things that have to reach a CRM. Raises `StoreUnavailable`; some of them may be kept then."""
        self._group.put_all(saved, self._patience)

    def try_to_keep(self) -> None:
        """Write something of the size of an event where an event would go now, and drop it again. Raises
        `StoreUnavailable` where that can't be kept."""
        if not self._spooling:
            try:
                for text in ("x" * _USUAL, ""):
                    with self._database.write() as connection:
                        overview.note(self._database, connection, "tried", text)
            except StoreUnavailable:
                if self._spool is None:
                    raise
            else:
                return
        if self._spool is not None:
            self._spool.try_to_keep(_USUAL)

    def close(self) -> None:
        """Store what waits, and stop."""
        self._group.close()
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, name=f"inbox {function.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # What the group's thread does

    def _commit(self, items: Sequence[Item]) -> Sequence[Kept | Exception]:
        if self._spool is None:
            return self._to_database(items)
        with self._route:
            if self._spooling:
                return self._to_spool(self._spool, items)
        try:
            return self._to_database(items)
        except StoreUnavailable as error:
            _log.warning("the database is away, the spool takes over: %s", error)
            with self._route:
                self._spooling, self._away = True, str(error)
                return self._to_spool(self._spool, items)

    def _to_database(self, items: Sequence[Item]) -> Sequence[Kept | Exception]:
        self._began[threading.get_ident()] = time.monotonic()
        try:
            with self._database.write() as connection:
                return store(self._database, connection, self._queue, items, self._now())
        except (SQLAlchemyError, ValueError, TypeError):
            # One row that the database refuses must not fail its neighbours: now each by itself.
            return self._one_by_one(items)
        finally:
            del self._began[threading.get_ident()]

    def _one_by_one(self, items: Sequence[Item]) -> Sequence[Kept | Exception]:
        results: list[Kept | Exception] = []
        with self._database.write() as connection:
            for item in items:
                try:
                    with connection.begin_nested():
                        results += store(self._database, connection, self._queue, [item], self._now())
                except (SQLAlchemyError, ValueError, TypeError) as error:
                    _log.error("%s can't be stored", _name(item), exc_info=error)
                    results.append(StoreUnavailable(f"{_name(item)} can't be stored: {type(error).__name__}"))
        return results

    def _to_spool(self, spool: Spool, items: Sequence[Item]) -> Sequence[Kept]:
        spool.append(items)
        return [Kept(True, None, item.reference if isinstance(item, NewOpposition) else "") for item in items]

    # What the spool's threads do

    def _watch(self) -> None:
        while not self._stopping.wait(0.25):
            if any(time.monotonic() - began > self._hanging for began in list(self._began.values())):
                self._database.cut()

    def _tend(self, spool: Spool) -> None:
        while not self._stopping.wait(0.25):
            if self._spooling:
                self._move(spool)

    def _move(self, spool: Spool) -> None:
        try:
            # It may have been away when this process started, and be a new one now.
            schema.upgrade(self._database)
            while not self._stopping.is_set() and spool.move(self._take_over):
                pass
            with self._route:
                if self._spooling and spool.empty():
                    self._spooling = False
                    _log.warning("the database is back, and everything is in it")
        except StoreUnavailable as error:
            self._away = str(error)
            _log.debug("the spool still can't be moved: %s", error)
            self._stopping.wait(1.0)

    def _take_over(self, items: Sequence[Item]) -> Sequence[str]:
        return [str(result) if isinstance(result, Exception) else "" for result in self._to_database(items)]


def store(database: Database, connection: Connection, queue: Queue, items: Sequence[Item], now: datetime) -> list[Kept]:
    """Store events, deliveries and oppositions, each once, wake those that are new, and return what came of each, in
    their order."""
    arrivals = [item for item in items if isinstance(item, Arrival)]
    saved = [item for item in items if isinstance(item, NewDelivery)]
    new_events = events.add(database, connection, arrivals) if arrivals else {}
    known_events = {events.identity(arrival) for arrival in arrivals} - new_events.keys() if arrivals else set()
    old_events = events.ids(connection, known_events) if known_events else {}
    new_saved = deliveries.add(database, connection, saved, now)
    wakeups = [Wakeup(ADVANCE, key) for key in {call_key(line, call): None for line, call, *_ in new_events}]
    wakeups += [
        Wakeup(DELIVER, str(new_saved[storable(delivery.key)]), None, delivery.connector)
        for delivery in saved
        if storable(delivery.key) in new_saved
    ]
    if wakeups:
        queue.wake_all(connection, wakeups)
    references = oppositions.add(database, connection, [item for item in items if isinstance(item, NewOpposition)])
    seen: set[object] = set()
    return [
        Kept(True, None, references[item.e164])
        if isinstance(item, NewOpposition)
        else _kept(connection, item, new_events, old_events, new_saved, seen)
        for item in items
    ]


def _kept(
    connection: Connection,
    item: Arrival | NewDelivery,
    new_events: dict[events.Identity, int],
    old_events: dict[events.Identity, int],
    new_saved: dict[str, int],
    seen: set[object],
) -> Kept:
    """`seen`: what an earlier item of the same group was; the second of two alike is not new."""
    if isinstance(item, Arrival):
        same = events.identity(item)
        if same in new_events:
            new = same not in seen
            seen.add(same)
            return Kept(new, new_events[same])
        return Kept(new=False, id=old_events.get(same))
    key = storable(item.key)
    if key in new_saved:
        new = key not in seen
        seen.add(key)
        return Kept(new, new_saved[key])
    stored = deliveries.by_key(connection, key)
    return Kept(new=False, id=stored.id if stored else None)


def _name(item: Item) -> str:
    if isinstance(item, Arrival):
        return f"event {item.event} of call {item.line}:{item.call_sequence}"
    if isinstance(item, NewOpposition):
        return "an opposition"
    return f"{item.kind} {item.key}"
