"""The queue on PostgreSQL, for workers on several hosts: Procrastinate.

A wake-up is a Procrastinate job, deferred on the connection of the caller's transaction. Three of its ways are worked
around:

- A job that waits for its time holds up every later job of the same lock, unless that has a higher priority. So the
  priority is the time due, earlier being higher: what is due first goes first.
- A job whose worker was killed stays `doing` for ever. The reaper gives it back once the worker's heartbeat has been
  missing for long; one reaper at a time, in one transaction, so that none is given back twice.
- A worker has one number of threads for all queues. So each lane is a queue with a worker of its own, in one event
  loop; handlers run in threads.

Finished jobs are deleted as they finish; what is left of others (aborted ones, lanes that nobody serves any more) once
an hour.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import uvloop
from procrastinate import App, PsycopgConnector, RetryDecision, SyncPsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager, get_channel_for_queues
from procrastinate.retry import BaseRetryStrategy
from psycopg import AsyncConnection
from sqlalchemy import Connection, text

from bridge.errors import StoreUnavailable
from bridge.queue.base import Handlers, Queue, Runner, Wakeup, pause
from bridge.store.database import Database
from bridge.store.faults import unavailable
from bridge.store.outagelog import OutageLog

_log = logging.getLogger(__name__)

_TASK = "infocaller-bridge"
_GENERAL = "general"
"""The queue of everything without a lane; lanes are `lane:NAME`."""
_POOL = 4
"""Connections that all lanes share to take jobs and give them back, besides the one that listens."""
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_REAPER = 0x1F0CA12E

_WAITING = text(
    "SELECT lock FROM procrastinate_jobs WHERE lock = ANY(:locks) AND status IN ('todo', 'doing') "
    "AND (scheduled_at IS NULL OR scheduled_at <= now())"
)
_ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
_REAP = text(
    "SELECT procrastinate_retry_job_v2(stalled.id, now(), NULL, NULL, NULL) FROM ("
    " SELECT job.id FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id"
    " WHERE job.status = 'doing' AND job.task_name = :task"
    " AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :seconds))"
    " FOR UPDATE OF job SKIP LOCKED) stalled"
)
_CLOCK = text("SELECT clock_timestamp()")
_SWEEP = text(
    "DELETE FROM procrastinate_jobs WHERE task_name = :task AND (status IN ('succeeded', 'failed', 'aborted',"
    " 'cancelled') OR status = 'todo' AND scheduled_at < now() - interval '1 day')"
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
        self._jobs = JobManager(SyncPsycopgConnector())  # never opened: it uses the callers' connections

    def wake_all(self, connection: Connection, wakeups: Sequence[Wakeup]) -> None:
        """See `Queue`."""
        if not wakeups:
            return
        # PostgreSQL decides by its own clock what is due; another machine's may be hours off
        database_now, own_now = connection.execute(_CLOCK).scalar_one(), self._now()
        jobs = [self._job(wakeup, own_now, database_now) for wakeup in wakeups]
        try:
            self._jobs.batch_defer_jobs(jobs, connection=connection.connection.driver_connection)
        except ConnectorException as error:
            raise unavailable(self._database.name, error.__cause__ or error) from error

    def wake_if_idle(self, connection: Connection, wakeups: Sequence[Wakeup]) -> int:
        """See `Queue`."""
        locks = [_lock(wakeup) for wakeup in wakeups]
        waiting = set(connection.execute(_WAITING, {"locks": locks}).scalars())
        missing = [wakeup for wakeup, lock in zip(wakeups, locks, strict=True) if lock not in waiting]
        self.wake_all(connection, missing)
        return len(missing)

    def runner(self, handlers: Handlers, lanes: Mapping[str, int], alone: Callable[[], None]) -> Runner:  # noqa: ARG002 (nobody is ever alone here)
        """See `Queue`. Any number of runners share the work; it is never certain that one is `alone`."""
        return ProcrastinateRunner(self._database, handlers, lanes, self._heartbeat, self._now)

    def _job(self, wakeup: Wakeup, own_now: datetime, database_now: datetime) -> Job:
        """`here` and `there`: what this machine's clock and PostgreSQL's show."""
        due = wakeup.due or own_now
        return Job(
            id=None,
            queue=_queue(wakeup.lane),
            lock=_lock(wakeup),
            queueing_lock=None,
            task_name=_TASK,
            task_kwargs={"kind": wakeup.kind, "key": wakeup.key},
            scheduled_at=database_now + max(due - own_now, timedelta()),
            priority=_priority(due),
        )


def _lock(wakeup: Wakeup) -> str:
    return f"{_queue(wakeup.lane)}|{wakeup.kind}|{wakeup.key}"


class _OneListener(PsycopgConnector):
    """A connector by which all workers of `queues` listen on one connection, where each would open its own."""

    def __init__(self, queues: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self._channels = tuple(get_channel_for_queues(queues))
        self._hearing: dict[str, Notify] = {}
        self._listening: asyncio.Task[None] | None = None

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Tell of what comes for `channels` until it is cancelled, or the connection fails for all."""
        self._hearing |= dict.fromkeys(channels, on_notification)
        if self._listening is None:
            self._listening = asyncio.create_task(super().listen_notify(self._tell, self._channels), name="listener")
        await asyncio.shield(self._listening)

    async def _tell(self, *, channel: str, payload: str) -> None:
        if hearing := self._hearing.get(channel):
            await hearing(channel=channel, payload=payload)

    async def close_async(self) -> None:
        """Close every connection."""
        if self._listening is not None:
            await _cancelled(self._listening)
        await super().close_async()


async def _commit_each(connection: AsyncConnection[Any]) -> None:
    """Have each statement be a transaction: Procrastinate's are whole by themselves, and two messages fewer each."""
    await connection.set_autocommit(True)


async def _opened(app: App) -> None:
    await app.open_async()


async def _cancelled(*tasks: asyncio.Future[Any]) -> list[Any]:
    """What came of the tasks, which are told to end."""
    for task in tasks:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


class _Again(BaseRetryStrategy):
    """A handler that raised is run again, later each time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:  # noqa: ARG002 (its signature)
        """When."""
        due = self._now() + timedelta(seconds=pause(job.attempts + 1))
        return RetryDecision(retry_at=due, priority=_priority(due))


class ProcrastinateRunner(Runner):
    """See `ProcrastinateQueue.runner`."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        lanes: Mapping[str, int],
        heartbeat: Heartbeat,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._lanes = dict(lanes)
        self._heartbeat = heartbeat
        self._now = now
        self._pool = ThreadPoolExecutor(sum(self._lanes.values()), thread_name_prefix="work")
        self._working = False
        self._outage = OutageLog(_log, "the work")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="runner", daemon=True)

    def start(self) -> None:
        """See `Runner`."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """See `Runner`."""
        self._stopping.set()
        if self._loop and self._stop:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout)
        ended = not self._thread.is_alive()
        self._pool.shutdown(wait=ended, cancel_futures=True)
        return ended

    @property
    def working(self) -> bool:
        """See `Runner`."""
        return self._working

    def _live(self) -> None:
        while not self._stopping.is_set():
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(self._work())
            except Exception as error:  # noqa: BLE001 (the database went away; the one thread that everything hangs on)
                cause = error.__cause__ or error
                self._outage.away(str(unavailable(self._database.name, cause)))
            finally:
                self._working = False
            self._stopping.wait(1.0)

    async def _work(self) -> None:
        """Work until stopped, or until the database fails."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self._stopping.is_set():
            return
        app = self._app()
        opening = asyncio.ensure_future(_opened(app))
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait([opening, stop], return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                await opening
                await self._share(app, stop)
        finally:
            await _cancelled(opening, stop)
            await app.close_async()

    async def _share(self, app: App, stop: asyncio.Task[Any]) -> None:
        """Work with an app that is open until `stop` is done, or something fails."""
        tasks = [
            asyncio.create_task(self._lane(app, lane, threads), name=_queue(lane))
            for lane, threads in self._lanes.items()
        ]
        tasks.append(asyncio.create_task(self._reap_for_ever(), name="reaper"))
        self._working = True
        self._outage.back()
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._working = False
            results = await _cancelled(*tasks)
        if failed := [result for result in results if isinstance(result, Exception)]:
            raise failed[0]

    def _app(self) -> App:
        url = self._database.engine.url.set(drivername="postgresql")
        arguments = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
        connector = _OneListener(
            [_queue(lane) for lane in self._lanes],
            conninfo=url.render_as_string(hide_password=False),
            kwargs={**arguments, "tcp_user_timeout": 10_000, "application_name": "infocaller-bridge work"},
            min_size=1,
            max_size=_POOL,
            timeout=10.0,
            configure=_commit_each,
        )
        app = App(connector=connector)
        app.task(name=_TASK, retry=_Again(self._now))(self._run)
        return app

    async def _lane(self, app: App, lane: str, threads: int) -> None:
        await app.run_worker_async(
            queues=[_queue(lane)],
            name=_queue(lane),
            concurrency=threads,
            delete_jobs="always",
            install_signal_handlers=False,
            fetch_job_polling_interval=2.0,
            update_heartbeat_interval=self._heartbeat.every,
            stalled_worker_timeout=self._heartbeat.dead_after,
        )

    async def _run(self, kind: str, key: str) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._handlers[kind], key)
        except StoreUnavailable as error:
            _log.warning("%s %s is tried again: %s", kind, key, error)
            raise
        except Exception:
            _log.exception("%s %s failed and is tried again", kind, key)
            raise

    async def _reap_for_ever(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(self._heartbeat.reap_every)
            hourly = rounds % max(1, int(3600 / self._heartbeat.reap_every)) == 0
            rounds += 1
            try:
                reaped = await asyncio.to_thread(self._reap, hourly)
            except StoreUnavailable as error:
                self._outage.away(str(error))
                continue
            self._outage.back()
            if reaped:
                _log.warning("%d jobs of a worker that is gone are given to others", reaped)

    def _reap(self, sweep: bool) -> int:
        """Give back the jobs of workers without a heartbeat; how many. Nothing while another reaper is at it."""
        with self._database.write() as connection:
            if not connection.execute(_ALONE, {"lock": _REAPER}).scalar():
                return 0
            if sweep:
                connection.execute(_SWEEP, {"task": _TASK})
            reaped = connection.execute(_REAP, {"task": _TASK, "seconds": self._heartbeat.dead_after})
            return len(cast("list[Any]", reaped.all()))
