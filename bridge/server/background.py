"""The working process: folds events into calls, brings activities and saved records to the CRMs, purges old data."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

from sqlalchemy import Connection

from bridge.alerts import Alerts
from bridge.callbacks import announced, reports
from bridge.callbacks.calling import Calling
from bridge.calls import activities
from bridge.calls.activities import Activities
from bridge.calls.folding import Folding, call_by_call
from bridge.calls.screenpops import ScreenPops
from bridge.config.load import Loaded, environment, load_to_serve
from bridge.config.model import Configuration
from bridge.delivery import saves
from bridge.delivery.bulk import BulkRunner
from bridge.delivery.worker import Batch, Deliverer, Worker, WorkerSettings
from bridge.errors import ConfigurationFaults, StoreUnavailable
from bridge.queue import queue_for
from bridge.queue.base import ADVANCE, BULK, EMISSIONS, POP, POPS, split_call_key
from bridge.reports.keeping import FigureKeeper
from bridge.reports.mailing import ReportMailer
from bridge.runtime import log
from bridge.runtime.state import state_folder
from bridge.runtime.tracing import Traces, traces
from bridge.server import bounds
from bridge.server.notify import Reporter, ServiceManager, beat_in_thread
from bridge.server.processes import end_with, heed_signals, share_one_heap, stand_back
from bridge.service.composition import Current, Newest, Service
from bridge.service.reload import Watcher
from bridge.store import hosts
from bridge.store.calls import Call
from bridge.store.database import Database
from bridge.store.deliveries import Delivery
from bridge.store.events import Event
from bridge.store.installation import installation_id
from bridge.store.schema import connect
from bridge.store.version import TooOld, heed
from bridge.troubles import Troubles, Watch
from connectors.base import Connector, Deadline, Misconfigured, WriteResult

_log = logging.getLogger("bridge.server.background")
_PATIENCE = 60.0
"""Seconds that a CRM has for one saved record."""
_LONGEST_PAUSE = 15.0
_POOL = 10
_LOOK = 2.0
"""Seconds between two looks at the database's version."""


class Background:
    """Everything that works in the background, on one database. `start`, then `stop`."""

    def __init__(
        self,
        current: Current,
        database: Database,
        *,
        pace: WorkerSettings | None = None,
        troubles: Troubles | None = None,
        traces: Traces | None = None,
    ) -> None:
        self._current = current
        self._troubles = troubles or Troubles()
        with current.use() as service:
            configuration, connectors = service.configuration, tuple(service.sources)
        queue = queue_for(database)
        self._calling = Calling(
            database,
            queue,
            lambda: current.configuration,
            current.use,
            *_folders(current),
            _now,
            random.random,
            traces=traces,
        )
        made = Activities(database, queue, current.use, _now, self._calling.own)
        pops = ScreenPops(database, queue, current.use, _now, self._troubles)
        of_calls = call_by_call(pops.plan, self._calling.plan)

        def plan(connection: Connection, changed: Sequence[tuple[Call, Sequence[Event]]]) -> None:
            of_calls(connection, changed)
            made.plan(connection, changed)

        folding = Folding(database, lambda: current.configuration, plan, _now)
        senders = {
            activities.KIND: made.deliver,
            saves.KIND: self._save,
            reports.KIND: self._calling.deliver,
            announced.KIND: self._announced,
        }
        batches = {activities.KIND: Batch(made.deliver_all, made.batch)}
        deliverer = Deliverer(database, queue, senders, random.random, batches=batches, traces=traces)
        self._worker = Worker(
            database,
            queue,
            {
                ADVANCE: lambda key: folding.advance(*split_call_key(key)),
                BULK: BulkRunner(database, queue, _now),
                POP: pops,
                **self._calling.handlers,
            },
            deliverer,
            (*connectors, EMISSIONS, POPS),
            together={ADVANCE: lambda keys: folding.advance_all([split_call_key(key) for key in keys])},
            pace=pace or _pace(configuration),
        )

        self._figures = FigureKeeper(database, lambda: current.configuration)
        self._mailer = ReportMailer(database, lambda: current.loaded, self._troubles, _now)

    def start(self) -> None:
        """Begin. What may not be called is seen to before anything is."""
        self._calling.start()
        self._worker.start()
        self._figures.start()
        self._mailer.start()

    def stop(self) -> bool:
        """Take nothing new, begin no emission and finish what runs; false when something still ran after as long as
        `bounds` gives it."""
        self._calling.send_no_more()
        ended = self._worker.stop(bounds.of_work(self._current.configuration))
        self._calling.stop()
        self._figures.stop()
        self._mailer.stop()
        return ended

    def take_up(self) -> None:
        """Work by a changed configuration."""
        with self._current.use() as service:
            self._worker.take_up(service.sources, _pace(service.configuration))

    def _save(self, delivery: Delivery) -> WriteResult:
        with self._current.use() as service:
            return saves.deliver(delivery, _connector(service, delivery), Deadline.after(_PATIENCE))

    def _announced(self, delivery: Delivery) -> WriteResult:
        with self._current.use() as service:
            connector = _connector(service, delivery)
            return announced.deliver(delivery, connector, self._calling.service.intake, Deadline.after(_PATIENCE))


def _pace(configuration: Configuration) -> WorkerSettings:
    """How long things are kept. What a check said, for as long as it counts."""
    return WorkerSettings(
        retention=configuration.retention,
        raw_retention=configuration.raw_retention,
        audit_retention=configuration.console.audit_retention,
        evidence=configuration.commercial.evidence,
        checks=max([configuration.retention, *(source.exclusion_max_age for source in configuration.callbacks)]),
    )


def _connector(service: Service, delivery: Delivery) -> Connector:
    source = service.sources.get(delivery.connector)
    if source is None:
        raise Misconfigured(
            f"connector {delivery.connector} is not in the configuration any more: put it back, "
            f"or discard this with `infocaller-bridge jobs discard {delivery.id}`"
        )
    return source.connector


def _folders(current: Current) -> tuple[Path, Path]:
    """The configuration's, and the bridge's own."""
    with current.use() as service:
        return service.folder, service.state


def run(loaded: Loaded, parent: int | None = None) -> int:
    """Work until SIGTERM or SIGINT, or until the process `parent` is gone; the exit code. While the database is away,
    or of a version that is too new, it is tried again and again. When a newer version takes it over meanwhile, the work
    ends with exit code 1: whoever starts it anew may have the newer version by then."""
    share_one_heap()
    stop, too_old = threading.Event(), threading.Event()
    if parent is not None:
        end_with(parent, stop.set)

    def stopping(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    heed_signals()
    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    with ExitStack() as closing:
        reporter = Reporter(ServiceManager({} if parent is not None else environment()), lambda: True)
        database, background = _begun(loaded, stop, closing)
        if database is None or background is None:
            return 0
        threading.Thread(target=_heed_version, args=(database, stop, too_old), name="version", daemon=True).start()
        reporter.start()
        stop.wait()
        reporter.stopping()
        ended = background.stop()
    _log.info("the background work has ended" if ended else "what a CRM holds up is left behind, to be done again")
    code = int(too_old.is_set())
    if not ended:
        logging.shutdown()
        os._exit(code)  # a thread that hangs in a CRM would keep the process from ending
    return code


def _heed_version(database: Database, stop: threading.Event, too_old: threading.Event) -> None:
    """Have the work end, with what is in hand done, as soon as a newer version wants no other beside it."""
    while not stop.wait(_LOOK):
        try:
            with database.read() as connection:
                heed(connection, database.name)
        except TooOld as error:
            _log.error("the background work ends: %s", error)
            too_old.set()
            stop.set()
        except StoreUnavailable as error:
            _log.debug("the database's version can't be looked at: %s", error)


def _begun(
    loaded: Loaded, stop: threading.Event, closing: ExitStack
) -> tuple[Database, Background] | tuple[None, None]:
    """The database and the background work, under way, with what watches over it; None: stopped before the database was
    there."""
    state, newest = state_folder(loaded), Newest(loaded)
    troubles = Troubles(state)
    closing.callback(troubles.close)
    troubles.start()
    alerts = Alerts(state, lambda: newest.loaded, troubles)
    closing.callback(alerts.close)
    watch = Watch(state, lambda: newest.loaded, troubles, [alerts.follow])
    closing.callback(watch.close)
    watch.start()
    database = _opened(loaded, stop)
    if database is None:
        return None, None
    closing.callback(database.close)
    opened = partial(Service.open, background=True, troubles=troubles, others=_hosts(database, state))
    current = Current(opened(loaded), newest)
    closing.callback(current.close)
    watcher = Watcher(
        current,
        lambda changed, before: opened(changed, previous=before),
        lambda _good, _at: background.take_up(),
        troubles,
    )
    tracing = traces(environment())
    if tracing is not None:
        closing.callback(tracing.close)
    background = Background(current, database, troubles=troubles, traces=tracing)
    closing.callback(watcher.close)
    watcher.start()
    background.start()
    _log.info("the background work has begun, on %s", database.name)
    return database, background


def _opened(loaded: Loaded, stop: threading.Event) -> Database | None:
    """The database, when it is there; None: stopped before."""
    pause = 0.5
    while not stop.is_set():
        try:
            # what is in hand when a newer version comes is finished: only nothing new is begun
            url = loaded.configuration.database.get_secret_value()
            return connect(url, loaded.folder, pool=_POOL, heeds_version=False)
        except StoreUnavailable as error:
            _log.error("%s; trying again in %g s", error, pause)
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    return None


def _hosts(database: Database, state: Path) -> Callable[[], Collection[str]]:
    """What tells the installations on this database: several hosts may share one on PostgreSQL."""
    if not database.postgresql:
        return tuple
    try:
        hosts.note(database, installation_id(state))
    except StoreUnavailable as error:
        _log.error("other hosts on this database will take this one's claims for another installation's: %s", error)
    return lambda: hosts.every(database)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _main() -> int:
    """`python -m bridge.server.background CONFIG PARENT HEARTBEATS`: the working process beside those that serve. It
    beats into the descriptor of `HEARTBEATS`."""
    path, parent, heartbeats = sys.argv[1:]
    stand_back()
    beat_in_thread(int(heartbeats))
    loaded = load_to_serve(path)
    log.start(loaded.configuration.server.log)
    log.hide(log.secrets_in(loaded.configuration))
    return run(loaded, int(parent))


if __name__ == "__main__":
    atexit.register(gc.freeze)  # as `bridge.cli` does
    try:
        sys.exit(_main())
    except ConfigurationFaults as faults:  # changed for the worse since `serve` was started: it tries again
        sys.exit(f"the background work can't begin: {faults}")
