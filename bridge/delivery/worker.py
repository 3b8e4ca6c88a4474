"""The background work: claims deliveries and runs them, wakes what was forgotten, lets old data go.

A delivery's attempt, step by step: claim (a lease, committed) → send, without any transaction → settle (done, later or
dead, committed). Whatever dies in between, the lease runs out and it is claimed again; that the CRM has it once is the
connector's promise (its key).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import uuid4

from bridge.delivery import retry
from bridge.delivery.retry import Later, NotNow
from bridge.errors import StoreUnavailable
from bridge.lookups.outage import OutOfOrder
from bridge.queue.base import ADVANCE, BULK, DELIVER, Handlers, Queue, Together, Wakeup, call_key
from bridge.runtime.tracing import Traces
from bridge.store import (
    audit,
    bulkruns,
    calls,
    deliveries,
    events,
    evidence,
    exclusions,
    overview,
    packing,
    privacy,
    screenpops,
)
from bridge.store.database import Database
from bridge.store.deliveries import Delivery, Failure, State, Took
from bridge.store.outagelog import OutageLog
from connectors.base import Ambiguous, ConnectorError, Misconfigured, Rejected, TimedOut, Unavailable, WriteResult

_log = logging.getLogger(__name__)

_NOT_YET = 1.0
"""Seconds until the next try of what could not be done yet."""
_KINDS = (TimedOut, Unavailable, Misconfigured, Rejected, Ambiguous)
"""What a delivery is kept to have met, and people are told what to do by; connectors derive errors from these."""
_SOON = 60.0
"""Seconds from the start to what is done once a day: a process that is restarted daily must do it too."""


@dataclass(frozen=True, slots=True)
class Delivered(WriteResult):
    """What a write came to, and whom it was about: `about` is kept with the delivery (`deliveries.Delivery`)."""

    about: Mapping[str, object] | None = None


Sender = Callable[[Delivery], WriteResult]
"""Brings a delivery to its CRM. Raises `ConnectorError` (see `bridge.delivery.retry` for what follows), or `NotNow`."""

BatchSender = Callable[[Sequence[Delivery]], Sequence[WriteResult | Exception]]
"""Brings several of one connector to it at once: what each came to, in their order."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How deliveries of a kind go several at once: `send` takes up to `size(connector)` of them."""

    send: BatchSender
    size: Callable[[str], int]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How the work goes on. Seconds, but for `threads` (of everything that waits for no CRM) and `per_connector`."""

    threads: int = 8
    per_connector: int = 8
    lease: float = 20.0
    sweep: float = 30.0
    grace: float = 30.0
    """What should have been done this long ago was forgotten, and is woken again."""
    sign: float = 20.0
    """How often it is noted that somebody works."""
    retention: float = 90 * 86400.0
    raw_retention: float = 7 * 86400.0
    """How long a call that is over is kept as it came, before it is packed."""
    audit_retention: float = 365 * 86400.0
    evidence: float = 1827 * 86400.0
    """How long is kept what allowed each emission."""
    checks: float = 90 * 86400.0
    """How long is kept what checks against exclusion lists said."""
    purge: float = 86400.0


class Deliverer:
    """The handler of `DELIVER`: one attempt of one delivery.

    `senders` by the delivery's kind; `random` as in `retry.decide`. `batches`, by kind: where several that wait for one
    connector may go together, they do, as soon as more than one waits. `traces`: what spans are made by; None: nobody
    wants any.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        senders: Mapping[str, Sender],
        random: Callable[[], float],
        *,
        batches: Mapping[str, Batch] | None = None,
        lease: float = 20.0,
        traces: Traces | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._database = database
        self._queue = queue
        self._traces = traces
        self._batches = batches or {}
        self._senders = senders
        self._random = random
        self._lease = timedelta(seconds=lease)
        self._now = now
        self._owner = uuid4().hex
        self._in_hand: set[int] = set()

    def __call__(self, key: str) -> None:
        """Attempt the delivery with this number; raises only `StoreUnavailable`."""
        id_ = int(key)
        now = self._now()
        with self._database.write() as connection:
            delivery = deliveries.claim(connection, id_, self._owner, now, now + self._lease)
        if delivery is None:
            self._come_back(id_)
            return
        together = [delivery, *self._others(delivery, now)]
        self._in_hand |= {member.id for member in together}
        try:
            if len(together) == 1:
                self._attempt(delivery, now)
            else:
                self._attempt_all(together, now)
        finally:
            self._in_hand -= {member.id for member in together}

    def renew(self) -> None:
        """Keep what is in hand; to be called several times within a lease."""
        if in_hand := list(self._in_hand):
            with self._database.write() as connection:
                deliveries.renew(connection, in_hand, self._owner, self._now() + self._lease)

    def _come_back(self, id_: int) -> None:
        """It can't be claimed now. If its time is still to come (a lease runs, or it was put off), be there then."""
        with self._database.read() as connection:
            delivery = deliveries.get(connection, id_)
        due = delivery and {State.PENDING: delivery.next_at, State.RUNNING: delivery.lease_until}.get(delivery.state)
        if delivery and due and due > self._now():
            with self._database.write() as connection:
                due += timedelta(milliseconds=100)
                self._queue.wake(connection, DELIVER, str(id_), due, lane=delivery.connector)

    def _others(self, delivery: Delivery, now: datetime) -> list[Delivery]:
        """More of its kind that wait for its connector, where several may go at once."""
        batch = self._batches.get(delivery.kind)
        most = batch.size(delivery.connector) - 1 if batch is not None else 0
        if most < 1:
            return []
        with self._database.write() as connection:
            return deliveries.claim_more(
                connection, delivery.kind, delivery.connector, self._owner, now, now + self._lease, most
            )

    def _attempt_all(self, together: Sequence[Delivery], began: datetime) -> None:
        clock = time.monotonic()
        try:
            outcomes = self._batches[together[0].kind].send(together)
        except Exception as error:  # noqa: BLE001 (whatever it was, each of them has it)
            outcomes = [error] * len(together)
        for delivery, outcome in zip(together, outcomes, strict=True):
            self._settle(delivery, began, clock, outcome)

    def _note(self, traces: Traces, delivery: Delivery, clock: float, outcome: WriteResult | Exception) -> None:
        name = type(outcome).__name__ if isinstance(outcome, Exception) else "done"
        attributes: dict[str, str | int] = {
            "infocaller.connector": delivery.connector, "infocaller.job": delivery.id,
            "infocaller.attempt": delivery.attempts, "infocaller.outcome": name,
        }  # fmt: skip
        failed = "" if isinstance(outcome, (WriteResult, NotNow)) else name
        traces.note(f"deliver {delivery.kind}", "client", clock, attributes, failed=failed)

    def _settle(self, delivery: Delivery, began: datetime, clock: float, outcome: WriteResult | Exception) -> None:
        if self._traces is not None:
            self._note(self._traces, delivery, clock, outcome)
        if isinstance(outcome, WriteResult):
            self._done(delivery, Took(began, _ms(clock)), outcome)
        elif isinstance(outcome, NotNow):
            self._put_off(delivery, outcome.seconds, Failure(str(outcome), "Unavailable"))
        elif isinstance(outcome, OutOfOrder):
            self._put_off(delivery, retry.OUT_OF_ORDER, _failure(outcome), anew=True)
        else:
            self._fail(delivery, Took(began, _ms(clock)), outcome)

    def _attempt(self, delivery: Delivery, began: datetime) -> None:
        clock = time.monotonic()
        outcome: WriteResult | Exception
        try:
            sender = self._senders.get(delivery.kind)
            if sender is None:
                raise LookupError(f"nothing here delivers {delivery.kind}; the configuration or the version changed")
            outcome = sender(delivery)
        except Exception as error:  # noqa: BLE001 (a fault in one delivery is its own; it is kept with it)
            outcome = error
        self._settle(delivery, began, clock, outcome)

    def _done(self, delivery: Delivery, took: Took, written: WriteResult) -> None:
        with self._database.write() as connection:
            state = deliveries.done(
                connection, delivery.id, self._owner, delivery.wanted_revision, took,
                written_id=written.id, exchange=written.exchange,
                about=written.about if isinstance(written, Delivered) else None,
            )  # fmt: skip
            if state is State.PENDING:
                self._queue.wake(connection, DELIVER, str(delivery.id), lane=delivery.connector)

    def _put_off(self, delivery: Delivery, seconds: float, why: Failure, *, anew: bool = False) -> None:
        due = self._now() + timedelta(seconds=seconds)
        with self._database.write() as connection:
            if deliveries.release(connection, delivery.id, self._owner, due, why, anew=anew):
                self._queue.wake(connection, DELIVER, str(delivery.id), due, lane=delivery.connector)

    def _fail(self, delivery: Delivery, took: Took, error: Exception) -> None:
        now = self._now()
        age = (now - (delivery.first_at or took.at)).total_seconds()
        verdict = retry.decide(age, delivery.attempts, error, self._random)
        failure = _failure(error)
        _report(delivery, error, verdict)
        with self._database.write() as connection:
            if isinstance(verdict, Later):
                due = now + timedelta(seconds=verdict.seconds)
                if deliveries.later(connection, delivery.id, self._owner, due, took, failure):
                    self._queue.wake(connection, DELIVER, str(delivery.id), due, lane=delivery.connector)
            else:
                whole = Failure(f"{failure.text} ({verdict.reason})", failure.name, failure.exchange)
                deliveries.dead(connection, delivery.id, self._owner, took, whole)


class Worker:
    """Runs everything in the background: `start`, and `stop` to end with nothing half done.

    `handlers` and `together`: those of the flows, by kind. `deliverer` is the one of `DELIVER`. `connectors`: their
    names; each is a lane of its own, so that one that hangs takes no thread from the others.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        handlers: Handlers,
        deliverer: Deliverer,
        connectors: tuple[str, ...],
        *,
        together: Together = MappingProxyType({}),
        pace: WorkerSettings | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._database = database
        self._queue = queue
        self._deliverer = deliverer
        self._pace = pace or WorkerSettings()
        self._now = now
        self._lanes = {"": self._pace.threads, **dict.fromkeys(connectors, self._pace.per_connector)}
        self._runner = queue.runner({**handlers, DELIVER: deliverer}, self._lanes, self._alone, together)
        self._stopping = threading.Event()
        self._threads = [
            self._every("renew", self._pace.lease / 4, deliverer.renew),
            self._every("sweep", self._pace.sweep, self.sweep),
            self._every("purge", self._pace.purge, self.purge),
            self._every("sign", self._pace.sign, self.sign, first=0.2),
        ]

    def take_up(self, connectors: Iterable[str], pace: WorkerSettings) -> None:
        """Serve connectors that came into the configuration meanwhile, too, and keep things as long as it says now."""
        self._pace = pace
        self._lanes.update({name: self._pace.per_connector for name in connectors if name not in self._lanes})

    @property
    def working(self) -> bool:
        """Whether it works now; false while another process of the same SQLite file does, or the database is away."""
        return self._runner.working

    def start(self) -> None:
        """Begin. Never fails: while the database is away it tries again."""
        self._runner.start()
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Take nothing new, finish what runs; false when something still ran after `timeout` seconds (its lease runs
        out, and it is done again by whoever works next)."""
        ended = self._runner.stop(timeout)
        self._stopping.set()
        for thread in self._threads:
            thread.join(5)
        return ended

    def sweep(self, limit: int = 1000) -> int:
        """Wake what was forgotten (a wake-up may be lost, the tables are not), and return how many that were."""
        now = self._now()
        before = now - timedelta(seconds=self._pace.grace)
        with self._database.read() as connection:
            waiting = events.waiting(connection, before, limit) + calls.to_close(connection, now, limit)
            overdue = deliveries.overdue(connection, before, limit)
            runs = bulkruns.forgotten(connection, before)
        wakeups = [Wakeup(ADVANCE, key) for key in dict.fromkeys(call_key(*call) for call in waiting)]
        wakeups += [Wakeup(DELIVER, str(id_), None, name if name in self._lanes else "") for id_, name in overdue]
        wakeups += [Wakeup(BULK, str(run)) for run in runs]
        if not wakeups:
            return 0
        with self._database.write() as connection:
            return self._queue.wake_if_idle(connection, wakeups)

    def purge(self) -> None:
        """Let go of what is older than the retention; of what is dead, when it is twice as old; of the audit log, of
        evidence and of checks against exclusion lists by their own. Pack the calls that are kept for longer. Ends early
        when the work ends."""
        now, keep = self._now(), timedelta(seconds=self._pace.retention)
        with self._database.write() as connection:
            audit.purge(connection, now - timedelta(seconds=self._pace.audit_retention))
            bulkruns.drop(connection, now - keep)
            screenpops.drop(connection, now - timedelta(seconds=self._pace.purge))
        evidence.purge(self._database, now - timedelta(seconds=self._pace.evidence))
        exclusions.purge_all(self._database, now - timedelta(seconds=self._pace.checks))
        pause = self._stopping.wait
        erased = privacy.purge(self._database, now - keep, now - 2 * keep, pause)
        if erased.total:
            _log.info("older than the retention and gone: %s", erased)
        if packing.begins(self._database, now):
            packed = packing.pack(self._database, now - timedelta(seconds=self._pace.raw_retention), pause)
            if packed:
                _log.info("older than raw_retention and packed: %d calls", packed)

    def sign(self) -> bool:
        """Note in the database that somebody works, unless it is another process that does, or nobody yet; whether."""
        if not self.working:
            return False
        with self._database.write() as connection:
            overview.note_work(self._database, connection, self._now())
        return True

    def _alone(self) -> None:
        """Nobody else works on this database, so every lease is of a process that is gone."""
        with self._database.write() as connection:
            deliveries.free(connection, self._now() + timedelta(seconds=self._pace.lease))
        self.sweep()

    def _every(
        self, name: str, seconds: float, function: Callable[[], object], first: float = _SOON
    ) -> threading.Thread:
        def go_on() -> None:
            pause, outage = min(seconds, first), OutageLog(_log, name)
            while not self._stopping.wait(pause):
                pause = seconds
                try:
                    if function() is False:
                        pause = min(seconds, _NOT_YET)
                    outage.back()
                except StoreUnavailable as error:
                    outage.away(str(error))
                except Exception:  # noqa: BLE001 (once more next time)
                    _log.exception("%s failed", name)

        return threading.Thread(target=go_on, name=name, daemon=True)


def _ms(clock: float) -> int:
    return int((time.monotonic() - clock) * 1000)


def _failure(error: Exception) -> Failure:
    text = str(error) or type(error).__name__
    if isinstance(error, ConnectorError):
        kind = next((kind for kind in _KINDS if isinstance(error, kind)), type(error))
        return Failure(text, kind.__name__, error.exchange)
    return Failure(f"{type(error).__name__}: {text}"[:2000], type(error).__name__)


def _report(delivery: Delivery, error: Exception, verdict: Later | retry.Never) -> None:
    consequence = f"again in {verdict.seconds:.0f} s" if isinstance(verdict, Later) else f"dead: {verdict.reason}"
    expected = isinstance(error, ConnectorError | StoreUnavailable)
    _log.log(
        logging.WARNING if expected and isinstance(verdict, Later) else logging.ERROR,
        "%s %s for %s, attempt %d: %s; %s",
        delivery.kind, delivery.id, delivery.connector, delivery.attempts,
        error if expected else type(error).__name__, consequence,
        exc_info=None if expected else error,
    )  # fmt: skip
