"""The queue on PostgreSQL, for workers on several hosts: Procrastinate's tables, with a runner of the bridge's own.

A wake-up is a Procrastinate job, deferred on the connection of the caller's transaction. Its rules hold here as they do
for its own workers, which the version before ran beside this one: a job is `todo`, then `doing` with the worker's
number, then gone; of jobs with one lock, one is `doing` at a time, the one of the highest priority first.

A job of Procrastinate's own worker costs three transactions and an event loop's work. Here one thread, on one
connection, gives back all that has ended, then takes all that there are free threads for, by one statement each. A run
answers every wake-up of its key that is due when it is taken.

- A job that waits for its time holds up every later job of the same lock, unless that has a higher priority. So the
  priority is the time due, earlier being higher: what is due first goes first.
- A job whose worker was killed stays `doing`. The reaper gives it back once the worker's heartbeat has been missing for
  long; one reaper at a time, in one transaction, so that none is given back twice.

Finished jobs are deleted as they finish; what is left of others (aborted ones, lanes that nobody serves any more) once
an hour.
"""

from __future__ import annotations

import json
import logging
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, LiteralString

import psycopg
from procrastinate.manager import get_channel_for_queues
from psycopg import sql
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, text

from bridge.queue.base import MOST_THREADS, Handlers, Queue, Runner, Together, Wakeup, answer, pause
from bridge.store.database import Database
from bridge.store.faults import unavailable
from bridge.store.outagelog import OutageLog
from bridge.store.postgres import PostgresConnection

_log = logging.getLogger(__name__)

_TASK = "infocaller-bridge"
_GENERAL = "general"
"""The queue of everything without a lane; lanes are `lane:NAME`."""
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_REAPER = 0x1F0CA12E
_GATHER = 0.01
"""Seconds for which what ends and what comes is gathered: a transaction costs more than most of what is done."""
_LOOK = 1.0
"""Seconds between two looks at what has become due, of which nobody tells."""
_TIMEOUT = 10
"""Seconds for one of the runner's statements."""
_SETTINGS: tuple[LiteralString, ...] = (
    # Choosing jobs takes less than planning how to; and whether few wait or many, indexes are the way.
    "plan_cache_mode = force_generic_plan",
    "enable_seqscan = off",
)
_HOURLY = 3600.0

_WAITING = text(
    "SELECT lock FROM procrastinate_jobs WHERE lock = ANY(:locks) AND status IN ('todo', 'doing') "
    "AND (scheduled_at IS NULL OR scheduled_at <= now())"
)
# Without a time, a job is due at once. PostgreSQL decides by its own clock what is due; another machine's may be hours
# off. One text for all of them costs the driver less than a list for each column.
_DEFER = text(
    "SELECT procrastinate_defer_jobs_v1(array_agg(ROW(job.queue, :task, job.priority, job.lock, NULL, job.args,"
    " clock_timestamp() + make_interval(secs => job.seconds))::procrastinate_job_to_defer_v1))"
    " FROM jsonb_to_recordset(CAST(:jobs AS jsonb))"
    " AS job (queue text, priority int, lock text, args jsonb, seconds float)"
)

# As `procrastinate_fetch_job_v2` chooses, for several queues and jobs at once. With the chosen jobs go those of the
# same lock that are due: a run that begins after this commit answers them, too. What another transaction holds
# (another worker's choice) is left alone.
_TAKE: LiteralString = """
WITH chosen AS (
    SELECT next.id, next.lock FROM unnest(%(queues)s::text[], %(free)s::int[]) AS lane (queue, free)
    CROSS JOIN LATERAL (
        SELECT job.id, job.lock FROM procrastinate_jobs job
        WHERE job.queue_name = lane.queue AND job.status = 'todo'
        AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
        AND NOT EXISTS (
            SELECT FROM procrastinate_jobs other WHERE other.lock = job.lock AND other.status IN ('todo', 'doing')
            AND (other.status = 'doing' OR other.priority > job.priority
                 OR other.priority = job.priority AND other.id < job.id))
        ORDER BY job.priority DESC, job.id LIMIT lane.free FOR UPDATE OF job SKIP LOCKED
    ) AS next
), same AS (
    SELECT alike.id FROM chosen CROSS JOIN LATERAL (
        SELECT job.id FROM procrastinate_jobs job
        WHERE job.lock = chosen.lock AND job.id <> chosen.id AND job.status = 'todo'
        AND (job.scheduled_at IS NULL OR job.scheduled_at <= now()) FOR UPDATE OF job SKIP LOCKED
    ) AS alike
), answered AS (DELETE FROM procrastinate_jobs WHERE id IN (SELECT id FROM same))
UPDATE procrastinate_jobs job SET status = 'doing', worker_id = %(worker)s FROM chosen WHERE job.id = chosen.id
RETURNING job.id, job.queue_name, job.args, job.attempts
"""
# A job that was given to others meanwhile is theirs. Nobody waits for the disk: a job of which the server forgets that
# it is done is run again.
_FINISH: LiteralString = (
    "DELETE FROM procrastinate_jobs job USING set_config('synchronous_commit', 'off', true) WHERE job.id = ANY(%(ids)s)"
    " AND job.status = 'doing' AND (job.worker_id = %(worker)s OR job.worker_id IS NULL)"
)
_RETRY: LiteralString = (
    "SELECT procrastinate_retry_job_v2(job.id, now() + make_interval(secs => put_off.seconds), put_off.priority, NULL,"
    " NULL) FROM unnest(%(ids)s::bigint[], %(seconds)s::float[], %(priorities)s::int[])"
    " AS put_off (id, seconds, priority) JOIN procrastinate_jobs job ON job.id = put_off.id"
    " WHERE job.status = 'doing' AND (job.worker_id = %(worker)s OR job.worker_id IS NULL)"
)
_REGISTER: LiteralString = "SELECT worker_id FROM procrastinate_register_worker_v1()"
_UNREGISTER: LiteralString = "SELECT procrastinate_unregister_worker_v1(%s)"
_PRUNE: LiteralString = "SELECT procrastinate_prune_stalled_workers_v1(%s)"
_BEAT: LiteralString = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %s"
_ADOPT: LiteralString = (
    "UPDATE procrastinate_jobs SET worker_id = %s WHERE id = ANY(%s) AND status = 'doing'"
    " AND (worker_id = %s OR worker_id IS NULL)"
)
_ALONE: LiteralString = "SELECT pg_try_advisory_xact_lock(%s)"
_REAP: LiteralString = (
    "SELECT procrastinate_retry_job_v2(stalled.id, now(), NULL, NULL, NULL) FROM ("
    " SELECT job.id FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id"
    " WHERE job.status = 'doing' AND job.task_name = %s"
    " AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %s))"
    " FOR UPDATE OF job SKIP LOCKED) stalled"
)
_SWEEP: LiteralString = (
    "DELETE FROM procrastinate_jobs WHERE task_name = %s AND (status IN ('succeeded', 'failed', 'aborted',"
    " 'cancelled') OR status = 'todo' AND (scheduled_at < now() - interval '1 day' OR priority > %s))"
)


def _now() -> datetime:
    return datetime.now(UTC)


def _queue(lane: str) -> str:
    return f"lane:{lane}" if lane else _GENERAL


def _priority(due: datetime) -> int:
    """Earlier is higher."""
    return -int((due - _EPOCH).total_seconds())


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Seconds between a worker's signs of life; how long they may be missing until its jobs are given to others; how
    often that is looked at."""

    every: float = 4.0
    dead_after: float = 20.0
    reap_every: float = 4.0


class ProcrastinateQueue(Queue):
    """Wake-ups as Procrastinate's jobs in the same PostgreSQL database."""

    def __init__(
        self, database: Database, heartbeat: Heartbeat | None = None, now: Callable[[], datetime] = _now
    ) -> None:
        self._database = database
        self._heartbeat = heartbeat or Heartbeat()
        self._now = now

    def wake_all(self, connection: Connection, wakeups: Sequence[Wakeup]) -> None:
        """See `Queue`."""
        if not wakeups:
            return
        now = self._now()
        jobs = json.dumps([_job(wakeup, now) for wakeup in wakeups])
        connection.execute(_DEFER, {"task": _TASK, "jobs": jobs})

    def wake_if_idle(self, connection: Connection, wakeups: Sequence[Wakeup]) -> int:
        """See `Queue`."""
        locks = [_lock(wakeup) for wakeup in wakeups]
        waiting = set(connection.execute(_WAITING, {"locks": locks}).scalars())
        missing = [wakeup for wakeup, lock in zip(wakeups, locks, strict=True) if lock not in waiting]
        self.wake_all(connection, missing)
        return len(missing)

    def runner(
        self,
        handlers: Handlers,
        lanes: Mapping[str, int],
        alone: Callable[[], None],  # noqa: ARG002 (nobody is ever alone here)
        together: Together = MappingProxyType({}),
    ) -> Runner:
        """See `Queue`. Any number of runners share the work; it is never certain that one is `alone`."""
        return ProcrastinateRunner(self._database, handlers, together, lanes, self._heartbeat, self._now)


def _lock(wakeup: Wakeup) -> str:
    return f"{_queue(wakeup.lane)}|{wakeup.kind}|{wakeup.key}"


def _job(wakeup: Wakeup, now: datetime) -> dict[str, Any]:
    """As `_DEFER` takes it."""
    due = wakeup.due or now
    return {
        "queue": _queue(wakeup.lane),
        "priority": _priority(due),
        "lock": _lock(wakeup),
        "args": {"kind": wakeup.kind, "key": wakeup.key},
        "seconds": (due - now).total_seconds() if due > now else None,
    }


class _Bell:
    """Wakes a thread that waits for a socket."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()
        self._heard.setblocking(False)
        self._rung.setblocking(False)

    def ring(self) -> None:
        with suppress(OSError):  # it rings already, or nobody listens any more
            self._rung.send(b"!")

    def silence(self) -> bool:
        """Whether it had rung."""
        with suppress(BlockingIOError):
            return bool(self._heard.recv(4096))
        return False

    def fileno(self) -> int:
        return self._heard.fileno()

    def close(self) -> None:
        self._heard.close()
        self._rung.close()


class _Session:
    """A connection to PostgreSQL that hears of new jobs. Each statement is a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.connection = PostgresConnection.connect(
            url, autocommit=True, connect_timeout=5, application_name="infocaller-bridge work",
            keepalives_idle=5, keepalives_interval=2, keepalives_count=3, tcp_user_timeout=_TIMEOUT * 1000,
        )  # fmt: skip
        self.connection.keep_to(_TIMEOUT)
        self.connection.add_notify_handler(self._told)
        self._news = False
        try:
            self.connection.execute("SELECT set_config('statement_timeout', %s, false)", [f"{_TIMEOUT}s"])
            for setting in _SETTINGS:
                self.connection.execute(sql.SQL("SET {}").format(sql.SQL(setting)))
            for channel in get_channel_for_queues():
                self.connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except BaseException:
            self.connection.close()
            raise

    def _told(self, _notification: object) -> None:
        self._news = True

    def news(self) -> bool:
        """Return whether a job came since this was asked last."""
        driver = self.connection.pgconn
        driver.consume_input()
        while driver.notifies() is not None:
            self._news = True
        news, self._news = self._news, False
        return news

    def close(self) -> None:
        """Let go of it."""
        self.connection.close()


@dataclass(frozen=True, slots=True)
class _TakenJob:
    """A job whose handler runs here. `attempts`: those that failed before."""

    id: int
    queue: str
    kind: str
    key: str
    attempts: int

    @property
    def lock(self) -> tuple[str, str, str]:
        return self.queue, self.kind, self.key


class ProcrastinateRunner(Runner):
    """See `ProcrastinateQueue.runner`."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        together: Together,
        lanes: Mapping[str, int],
        heartbeat: Heartbeat,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._together = together
        self._lanes = lanes
        self._heartbeat = heartbeat
        self._now = now
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="work")
        self._running: dict[int, _TakenJob] = {}
        self._futures: set[Future[None]] = set()
        self._ended: list[tuple[_TakenJob, bool]] = []
        self._ended_lock = threading.Lock()
        self._worker: int | None = None
        self._beat_at = self._reap_at = self._sweep_at = 0.0
        self._working = False
        self._outage = OutageLog(_log, "the work")
        self._bell = _Bell()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="runner", daemon=True)

    def start(self) -> None:
        """See `Runner`."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """See `Runner`."""
        self._stopping.set()
        self._bell.ring()
        self._thread.join(timeout)
        ended = not self._thread.is_alive()
        self._pool.shutdown(wait=ended, cancel_futures=True)
        return ended

    @property
    def working(self) -> bool:
        """See `Runner`."""
        return self._working

    # The runner's thread

    def _live(self) -> None:
        with closing(self._bell):
            while not self._stopping.is_set():
                try:
                    with closing(self._session()) as session:
                        self._work(session)
                except Exception as error:  # noqa: BLE001 (the one thread that everything hangs on)
                    if not isinstance(error, psycopg.Error):
                        _log.exception("the work stopped and starts again")
                    self._outage.away(str(unavailable(self._database.name, error)))
                finally:
                    self._working = False
                self._stopping.wait(1.0)
            wait(self._futures)

    def _session(self) -> _Session:
        url = self._database.engine.url.set(drivername="postgresql")
        return _Session(url.render_as_string(hide_password=False))

    def _work(self, session: _Session) -> None:
        """Work until stopped and everything that runs has ended, or until the database fails."""
        self._register(session)
        self._working = True
        self._outage.back()
        with selectors.DefaultSelector() as selector:
            selector.register(session.connection, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while self._running or not self._stopping.is_set():
                self._live_on(session)
                self._round(session)
                time.sleep(_GATHER)
                rung, news = self._bell.silence(), session.news()
                if not rung and not news:
                    selector.select(min(_LOOK, self._heartbeat.every, self._heartbeat.reap_every))
                    self._bell.silence()
                    session.news()
        session.connection.execute(_UNREGISTER, [self._worker])

    def _register(self, session: _Session) -> None:
        """Become a worker, anew with each session: a job that the server gave to the last one without its hearing of it
        is nobody's then, and given to others. What runs here still is the new worker's."""
        with session.connection.transaction():
            session.connection.execute(_PRUNE, [self._heartbeat.dead_after])
            row = session.connection.execute(_REGISTER).fetchone()
            worker = int(row[0]) if row is not None else None
            session.connection.execute(_ADOPT, [worker, list(self._running), self._worker])
            if self._worker is not None:
                session.connection.execute(_UNREGISTER, [self._worker])
        self._worker, self._beat_at = worker, time.monotonic()

    def _live_on(self, session: _Session) -> None:
        """Give a sign of life, and look for others whose signs are missing, now and then."""
        clock = time.monotonic()
        if clock >= self._beat_at + self._heartbeat.every:
            if not session.connection.execute(_BEAT, [self._worker]).rowcount:
                self._register(session)  # it was taken for dead
            self._beat_at = clock
        if clock >= self._reap_at + self._heartbeat.reap_every:
            reaped = self._reap(session, sweep=clock >= self._sweep_at)
            if reaped:
                _log.warning("%d jobs of a worker that is gone are given to others", reaped)
            self._reap_at = clock
            if clock >= self._sweep_at:
                self._sweep_at = clock + _HOURLY

    def _reap(self, session: _Session, *, sweep: bool) -> int:
        """Give back the jobs of workers without a heartbeat; how many. Nothing while another reaper is at it."""
        execute = session.connection.execute
        with session.connection.transaction():
            if execute(_ALONE, [_REAPER]).fetchone() != (True,):
                return 0
            if sweep:
                execute(_SWEEP, [_TASK, _priority(self._now() - timedelta(days=1))])
            return len(execute(_REAP, [_TASK, self._heartbeat.dead_after]).fetchall())

    def _round(self, session: _Session) -> None:
        """Give back what has ended, and begin what is due and has a free thread."""
        with self._ended_lock:
            ended = list(self._ended)
        if ended:
            self._give_back(session, ended)
            with self._ended_lock:
                del self._ended[: len(ended)]
            for run, _ in ended:
                if self._running.get(run.id) is run:
                    del self._running[run.id]
            self._futures = {future for future in self._futures if not future.done()}
        if self._stopping.is_set():
            return
        busy = Counter(run.queue for run in self._running.values())
        lanes = {_queue(lane): threads for lane, threads in dict(self._lanes).items()}
        free = {queue: threads - busy[queue] for queue, threads in lanes.items() if threads > busy[queue]}
        try:
            taken = self._take(session, free) if free else []
        except UniqueViolation:  # another worker took another job of the same lock at the same moment
            self._bell.ring()
            return
        self._begin(taken)

    def _begin(self, taken: Sequence[_TakenJob]) -> None:
        here = {run.lock for run in self._running.values()}
        several: dict[str, list[_TakenJob]] = {}
        for run in taken:
            if run.lock in here:  # whoever took us for dead gave it to others, and so to us: later, then
                self._end(run, well=False)
                continue
            self._running[run.id] = run
            if run.kind in self._together:
                several.setdefault(run.kind, []).append(run)
            else:
                self._futures.add(self._pool.submit(self._run, run))
        for runs in several.values():
            self._futures.add(self._pool.submit(self._run_all, runs))

    def _take(self, session: _Session, free: Mapping[str, int]) -> list[_TakenJob]:
        rows = session.connection.execute(
            _TAKE, {"queues": list(free), "free": list(free.values()), "worker": self._worker}, prepare=True
        )
        return [_TakenJob(id_, queue, args["kind"], args["key"], attempts) for id_, queue, args, attempts in rows]

    def _give_back(self, session: _Session, ended: Sequence[tuple[_TakenJob, bool]]) -> None:
        """Delete the jobs that were done; put off those whose handler raised."""
        if well := [run.id for run, well in ended if well]:
            session.connection.execute(_FINISH, {"ids": well, "worker": self._worker})
        if failed := [run for run, well in ended if not well]:
            seconds = [pause(run.attempts + 1) for run in failed]
            priorities = [_priority(self._now() + timedelta(seconds=each)) for each in seconds]
            again = {"ids": [run.id for run in failed], "seconds": seconds, "priorities": priorities}
            session.connection.execute(_RETRY, {**again, "worker": self._worker})

    # The threads of the handlers

    def _run_all(self, runs: Sequence[_TakenJob]) -> None:
        """Several of a kind at once, or, where that can't be, one after the other."""
        if len(runs) > 1:
            try:
                self._together[runs[0].kind]([run.key for run in runs])
            except Exception as error:  # noqa: BLE001 (whose fault it is shows when each runs by itself)
                _log.debug("%d of %s are done one by one: %s", len(runs), runs[0].kind, error)
            else:
                for run in runs:
                    self._end(run, well=True)
                return
        for run in runs:
            self._run(run)

    def _run(self, run: _TakenJob) -> None:
        well = False
        try:
            well = answer(self._handlers, run.kind, run.key)
        finally:
            self._end(run, well=well)

    def _end(self, run: _TakenJob, *, well: bool) -> None:
        with self._ended_lock:
            self._ended.append((run, well))
        self._bell.ring()
