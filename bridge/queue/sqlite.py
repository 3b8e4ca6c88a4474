"""The queue on SQLite, without a server.

Wake-ups are rows. A runner reads those that are due, runs their handlers in threads, and deletes what they answered; a
crash in between leaves the rows, and they are run again. One runner works on a database: it holds a lock that the
kernel gives back when its process dies, so what runs needs no mark in the database, and a successor starts at once.

A wake-up wakes the runner of its own process as soon as it is committed. Another process's is noticed by SQLite's own
counter of changes (`PRAGMA data_version`, a few microseconds), looked at 20 times a second.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, delete, func, insert, or_, select, update

from bridge.errors import StoreUnavailable
from bridge.queue.base import MOST_THREADS, Handlers, Queue, Runner, Together, Wakeup, answer, pause
from bridge.store.database import Database
from bridge.store.faults import translated
from bridge.store.outagelog import OutageLog
from bridge.store.tables import pokes
from connectors.filelock import FileLock

_log = logging.getLogger(__name__)

_GLANCE = 0.05
"""Seconds between two looks for other processes' changes."""
_GATHER = 0.01
"""Seconds for which what changes is gathered: a look at what is due costs more than most of what is done."""


def _now() -> datetime:
    return datetime.now(UTC)


class SqliteQueue(Queue):
    """Wake-ups in the SQLite database itself."""

    def __init__(self, database: Database, now: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._now = now

    def wake_all(self, connection: Connection, wakeups: Sequence[Wakeup]) -> None:
        """See `Queue`."""
        if wakeups:
            connection.execute(insert(pokes), [self._row(wakeup) for wakeup in wakeups])

    def wake_if_idle(self, connection: Connection, wakeups: Sequence[Wakeup]) -> int:
        """See `Queue`."""
        missing = []
        for wakeup in wakeups:
            due = (pokes.c.kind == wakeup.kind, pokes.c.key == wakeup.key, pokes.c.due <= (wakeup.due or self._now()))
            if connection.execute(select(pokes.c.id).where(*due).limit(1)).first() is None:
                missing.append(wakeup)
        self.wake_all(connection, missing)
        return len(missing)

    def runner(
        self,
        handlers: Handlers,
        lanes: Mapping[str, int],
        alone: Callable[[], None],
        together: Together = MappingProxyType({}),  # noqa: ARG002 (others wait for a writer: it keeps to small steps)
    ) -> Runner:
        """See `Queue`. One runner at a time works on a database, over all processes; others wait for its end."""
        return SqliteRunner(self._database, handlers, lanes, alone, self._now)

    def _row(self, wakeup: Wakeup) -> dict[str, Any]:
        return {"kind": wakeup.kind, "key": wakeup.key, "lane": wakeup.lane, "due": wakeup.due or self._now()}


@dataclass(frozen=True, slots=True)
class _Run:
    """A key whose handler runs, for all of its wake-ups up to number `top` that were due at `at`."""

    kind: str
    key: str
    lane: str
    top: int
    at: datetime

    @property
    def name(self) -> tuple[str, str]:
        return self.kind, self.key

    def answered(self) -> ColumnElement[bool]:
        """The wake-ups that this run answers."""
        same = (pokes.c.kind == self.kind) & (pokes.c.key == self.key)
        return same & (pokes.c.id <= self.top) & (pokes.c.due <= self.at)


def _joined(kind: Any, key: Any) -> Any:
    """A key with its kind, as one value or expression."""
    return kind + " " + key


def _look(lane: str, others: Sequence[str]) -> Select[Any]:
    """A look for what is due in a lane and does not run, longest overdue first: made once, as making it takes longer
    than having it done. `others`: the lanes with a name; all that is in none of them is in the one without."""
    in_lane = pokes.c.lane == lane if lane else or_(pokes.c.lane == "", pokes.c.lane.not_in(others))
    running = select(func.json_each(bindparam("running")).table_valued("value").c.value)
    idle = _joined(pokes.c.kind, pokes.c.key).not_in(running)
    look = select(pokes.c.kind, pokes.c.key).where(pokes.c.due <= bindparam("now"), in_lane, idle)
    return look.order_by(pokes.c.due, pokes.c.id).limit(bindparam("most", type_=Integer))


class SqliteRunner(Runner):
    """See `SqliteQueue.runner`."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        lanes: Mapping[str, int],
        alone: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        if database.path is None:
            raise ValueError("this runner works on SQLite")
        self._database = database
        self._handlers = handlers
        self._lanes = lanes
        self._looks: dict[str, Select[Any]] = {}
        self._alone = alone
        self._now = now
        self._lock = FileLock(database.path.with_name(f"{database.path.name}.runner.lock"))
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="work")
        self._running: dict[tuple[str, str], _Run] = {}
        self._ended: list[tuple[_Run, bool]] = []
        self._failures: dict[tuple[str, str], int] = {}
        self._ended_lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._working = False
        self._outage = OutageLog(_log, "the work")
        self._thread = threading.Thread(target=self._live, name="runner", daemon=True)

    def start(self) -> None:
        """See `Runner`."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """See `Runner`."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout)
        self._pool.shutdown(wait=not self._thread.is_alive(), cancel_futures=True)
        return not self._thread.is_alive()

    @property
    def working(self) -> bool:
        """See `Runner`."""
        return self._working

    # The runner's thread

    def _live(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._lock.acquire(0):
                    self._hold()
                else:
                    self._stopping.wait(0.5)
            except Exception as error:  # noqa: BLE001 (the one thread that everything hangs on)
                self._complain(error)
                self._stopping.wait(1.0)

    def _hold(self) -> None:
        """Work while the lock is ours; ends when stopped, or by an error before the work began."""
        try:
            self._alone()
            end = self._database.after_commit(self._wake.set)
            try:
                self._working = True
                self._work()
            finally:
                self._working = False
                end()
        finally:
            self._lock.release()

    def _work(self) -> None:
        futures: set[Future[None]] = set()
        with translated(self._database.name), self._database.engine.connect() as glance:
            driver: Any = glance.connection.driver_connection
            while not self._stopping.is_set():
                self._wake.clear()
                try:
                    self._settle()
                    seen = driver.execute("PRAGMA data_version").fetchone()  # before the look at what is due
                    due = self._take(futures)
                except StoreUnavailable as error:
                    self._complain(error)
                    self._stopping.wait(1.0)
                    continue
                self._outage.back()
                self._sleep(due, driver, seen)
                futures = {future for future in futures if not future.done()}
        wait(futures)
        self._settle()

    def _sleep(self, seconds: float, driver: Any, seen: object) -> None:
        """Until something is due, or changed in the database, or ended here."""
        self._stopping.wait(_GATHER)
        while seconds > 0 and not self._wake.wait(min(seconds, _GLANCE)):
            seconds -= _GLANCE
            if driver.execute("PRAGMA data_version").fetchone() != seen:
                return

    def _take(self, futures: set[Future[None]]) -> float:
        """Begin what is due and has a free thread; seconds until the next is due."""
        now, lanes = self._now(), dict(self._lanes)
        if lanes.keys() != self._looks.keys():
            self._looks = {lane: _look(lane, [name for name in lanes if name]) for lane in lanes}
        with self._database.read() as connection:
            top = connection.execute(select(func.max(pokes.c.id))).scalar() or 0
            for lane, threads in lanes.items():
                free = threads - sum(run.lane == lane for run in self._running.values())
                for kind, key in self._due(connection, lane, free, now):
                    run = _Run(kind, key, lane, top, now)
                    self._running[run.name] = run
                    futures.add(self._pool.submit(self._run, run))
            next_due = connection.execute(select(func.min(pokes.c.due)).where(pokes.c.due > now)).scalar()
        return 30.0 if next_due is None else min(30.0, max(0.0, (next_due - now).total_seconds()))

    def _due(self, connection: Connection, lane: str, free: int, now: datetime) -> list[tuple[str, str]]:
        """Keys that are due in a lane, longest overdue first; as many as have a free thread."""
        if free <= 0:
            return []
        # A key may have several wake-ups; what is left out for that comes with the next round.
        running = json.dumps([_joined(*name) for name in self._running])
        rows = connection.execute(self._looks[lane], {"now": now, "running": running, "most": free * 4})
        return list(dict.fromkeys((kind, key) for kind, key in rows))[:free]

    def _settle(self) -> None:
        """Delete the wake-ups that were answered; put off those whose handler raised."""
        with self._ended_lock:
            ended = list(self._ended)
        if not ended:
            return
        with self._database.write() as connection:
            for run, well in ended:
                if well:
                    connection.execute(delete(pokes).where(run.answered()))
                else:
                    due = self._now() + timedelta(seconds=pause(self._failures[run.name]))
                    connection.execute(update(pokes).where(run.answered()).values(due=due))
        with self._ended_lock:
            del self._ended[: len(ended)]
        for run, _ in ended:
            del self._running[run.name]

    # The threads of the handlers

    def _run(self, run: _Run) -> None:
        well = False
        try:
            well = answer(self._handlers, run.kind, run.key)
        finally:
            if well:
                self._failures.pop(run.name, None)
            else:
                self._failures[run.name] = self._failures.get(run.name, 0) + 1
            with self._ended_lock:
                self._ended.append((run, well))
            self._wake.set()

    def _complain(self, error: Exception) -> None:
        if isinstance(error, StoreUnavailable):
            self._outage.away(str(error))
        else:
            _log.error("the work stopped and starts again", exc_info=error)
