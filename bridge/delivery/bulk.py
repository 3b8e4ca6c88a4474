"""Many deliveries tried again or given up at once: planned, begun, followed and stopped.

A run goes through the deliveries by their numbers, a lot in each transaction, and wakes itself in the same one: what
kills the worker loses nothing and repeats nothing. It ends at the newest delivery of its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.delivery import operator
from bridge.queue.base import BULK, DELIVER, Queue, Wakeup
from bridge.store import bulkruns, deliveries
from bridge.store.bulkruns import BulkRun, BulkState
from bridge.store.database import Database
from bridge.store.deliveries import Delivery, DeliveryFilter

RETRY, DISCARD = "retry", "discard"
LOT = 200
_SAMPLE = 5
MOST = 100_000
"""As many are counted for a plan; a run takes them all, however many there are."""


@dataclass(frozen=True, slots=True)
class BulkChoice:
    """Which deliveries: `state` as `operator.STATES` names it, only of this `kind` and `connector` where not empty."""

    state: str
    kind: str = ""
    connector: str = ""

    @property
    def filter(self) -> DeliveryFilter:
        """What finds them. Raises `KeyError` for a state that nothing can be done about."""
        return operator.selection(self.state, self.kind, self.connector)


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What a run would do: to how many (`capped`: at least so many), for example which, up to which number."""

    total: int
    capped: bool
    sample: Sequence[Delivery]
    until: int


def plan(database: Database, choice: BulkChoice) -> BulkPlan:
    """Return what a run would do now; changes nothing. Raises `StoreUnavailable`."""
    with database.read() as connection:
        total = deliveries.count(connection, choice.filter, MOST + 1)
        sample = deliveries.find(connection, choice.filter, _SAMPLE)
        return BulkPlan(min(total, MOST), total > MOST, sample, deliveries.newest_id(connection))


def start(
    database: Database, queue: Queue, action: str, choice: BulkChoice, until: int, who: str, now: datetime
) -> int:
    """Begin a run over what was planned up to the delivery `until`; return its number. Raises `StoreUnavailable`."""
    criteria = {"state": choice.state, "kind": choice.kind, "connector": choice.connector}
    with database.write() as connection:
        total = deliveries.count(connection, choice.filter, None, until)
        id_ = bulkruns.add(connection, {
            "action": action, "criteria": criteria, "state": BulkState.RUNNING.value, "total": total, "done": 0,
            "reached": 0, "until": until, "started_by": who, "started_at": now, "updated_at": now,
        })  # fmt: skip
        queue.wake(connection, BULK, str(id_))
    return id_


def stop(database: Database, id_: int, now: datetime) -> bool:
    """Do no further lot. What is done stays so. Return false when it does not run. Raises `StoreUnavailable`."""
    with database.write() as connection:
        run = bulkruns.get(connection, id_, lock=True)
        if run is None or run.state is not BulkState.RUNNING:
            return False
        bulkruns.change(connection, id_, {"state": BulkState.STOPPED.value, "updated_at": now})
        return True


class BulkRunner:
    """The handler of `BULK`: does one lot of a run and wakes itself for the next."""

    def __init__(self, database: Database, queue: Queue, now: Callable[[], datetime]) -> None:
        self._database, self._queue, self._now = database, queue, now

    def __call__(self, key: str) -> None:
        """Do the next lot of the run with this number. Raises `StoreUnavailable`."""
        with self._database.write() as connection:
            run = bulkruns.get(connection, int(key), lock=True)
            if run is None or run.state is not BulkState.RUNNING:
                return
            now, choice = self._now(), BulkChoice(**run.criteria)
            lot = deliveries.find(connection, choice.filter, LOT, run.reached, run.until)
            done = 0
            for delivery in lot:
                if run.action == DISCARD:
                    done += deliveries.discard(connection, delivery.id, now)
                elif deliveries.retry(connection, delivery.id, now) is not None:
                    done += 1
                    self._queue.wake(connection, DELIVER, str(delivery.id), lane=delivery.connector)
            bulkruns.change(connection, run.id, _after(run, lot, done) | {"updated_at": now})
            if len(lot) == LOT:
                self._queue.wake_all(connection, [Wakeup(BULK, key)])


def _after(run: BulkRun, lot: Sequence[Delivery], done: int) -> dict[str, object]:
    changes: dict[str, object] = {"done": run.done + done, "reached": lot[-1].id if lot else run.reached}
    return changes if len(lot) == LOT else changes | {"state": BulkState.FINISHED.value}
