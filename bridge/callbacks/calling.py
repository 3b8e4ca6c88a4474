"""The work on callbacks in the background, put together: turns, emissions, outcomes, reports, polls; and the thread
that sees to what was forgotten."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from bridge.callbacks import brakes, identity
from bridge.callbacks.fence import Fence
from bridge.callbacks.outcomes import Outcomes
from bridge.callbacks.parts import Parts, Random
from bridge.callbacks.polling import Polling
from bridge.callbacks.reconsidering import Reconsidering
from bridge.callbacks.reports import Reports, Use
from bridge.callbacks.sending import Sending
from bridge.callbacks.service import CallbackService
from bridge.callbacks.turns import LineScheduler
from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.queue.base import CALLBACK, EMISSIONS, LINE, POLL, Handlers, Queue, Wakeup
from bridge.runtime.tracing import Traces
from bridge.store import callbacks, emissions
from bridge.store.calls import Call
from bridge.store.database import Database
from bridge.store.deliveries import Delivery
from bridge.store.emissions import Kind, Mode
from bridge.store.events import Event
from bridge.store.journal import Journal
from bridge.store.outagelog import OutageLog
from connectors.base import WriteResult

_log = logging.getLogger("bridge.callbacks")

_EVERY = 5.0
"""Seconds between two looks at what was forgotten; leases are renewed as often."""
_GRACE = timedelta(seconds=15)
_PIECE = 500


class Calling:
    """Everything that works on callbacks, on one database. `current` gives the newest configuration, `use` what serves
    it, `folder` is the configuration's, `state` the bridge's own. `start`, then `stop`."""

    def __init__(  # noqa: PLR0913 - each is another part of the process
        self,
        database: Database,
        queue: Queue,
        current: Callable[[], Configuration],
        use: Use,
        folder: Path,
        state: Path,
        clock: Callable[[], datetime],
        random: Random,
        *,
        traces: Traces | None = None,
    ) -> None:
        self.service = CallbackService(database, queue, current, clock)
        self._parts = parts = Parts(
            database, queue, use, self.service.book, Reports(database, queue, clock), clock, random, traces
        )  # fmt: skip
        self._turns = LineScheduler(parts)
        self._outcomes = Outcomes(parts, self.service.missed)
        self.fence = Fence(database, Journal(state), self.service.book, clock)
        self._sending = Sending(parts, self._turns, self._outcomes, self.fence, folder, state / "spool.db")
        self._polling = Polling(parts, self.service.intake)
        self._reconsidering = Reconsidering(parts, state)
        self._taken_up: Configuration | None = None
        self._seen: dict[tuple[Kind, str], Any] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="callbacks", daemon=True)

    @property
    def handlers(self) -> Handlers:
        """What answers the wake-ups about callbacks."""
        return {
            CALLBACK: self._sending,
            LINE: lambda key: self._turns.look(key.partition(":")[0]),
            POLL: self._polling,
        }

    def deliver(self, delivery: Delivery) -> WriteResult:
        """Send a delivery of the kind `reports.KIND`. Raises `ConnectorError`, `NotNow`."""
        return self._parts.reports.deliver(delivery, self._parts.use)

    def plan(self, connection: Connection, call: Call, new: Sequence[Event]) -> None:
        """Settle the callback whose call changed, where it is one that was asked for; see whether a call was missed, or
        somebody has spoken. In the caller's transaction."""
        self._outcomes.plan(connection, call, new)
        self.service.missed.plan(connection, call)

    def own(self, connection: Connection, call: Call) -> frozenset[str]:
        """Return the connector whose task a call came of, if any."""
        return self._outcomes.own(connection, call)

    def start(self) -> None:
        """See whether the database was restored, then begin to see to what was forgotten."""
        self.look()
        self._turns.alarm.start()
        self._thread.start()

    def look(self) -> None:
        """See whether the database was restored. Where that can't be seen nothing goes out: each emission asks, too."""
        try:
            self.fence.look()
        except StoreUnavailable as error:
            _log.warning("callbacks wait: %s", error)

    def send_no_more(self) -> None:
        """Begin no emission any more: those under way need the time that is left."""
        self._sending.ending.set()

    def stop(self, timeout: float = 5.0) -> None:
        """End it. Emissions under way are the runner's to wait for."""
        self._stopping.set()
        self._turns.alarm.stop(timeout)
        self._thread.join(timeout)
        self.fence.close()

    def _go_on(self) -> None:
        chores = (
            (self._sending.renew, OutageLog(_log, "the renewal of what is being sent")),
            (self.fence.look, OutageLog(_log, "the look whether the database was restored")),
            (self.sweep, OutageLog(_log, "the look for forgotten callbacks")),
            (self.fence.prune, OutageLog(_log, "the pruning of the journal of emissions")),
        )
        while True:
            for chore, outage in chores:
                try:
                    chore()
                    outage.back()
                except StoreUnavailable as error:
                    outage.away(str(error))
                except Exception:  # noqa: BLE001 (once more next time)
                    _log.exception("seeing to callbacks failed")
            if self._stopping.wait(_EVERY):
                return

    def sweep(self) -> None:
        """See to what was forgotten: a wake-up may be lost, the tables are not. Raises `StoreUnavailable`."""
        self._take_up_changes()
        self._reconsidering.look()
        book, now, database = self._parts.book(), self._parts.clock(), self._parts.database
        names = list(book.rules)
        with database.read() as connection:
            left = callbacks.overdue(connection, now, now - _GRACE, _PIECE)
            late = callbacks.sources_due(connection, now)
            untold = callbacks.untold(connection, names, now, _PIECE)
            lines = emissions.all_of(connection, "line")
        if untold:
            self._tell(untold)
        wakeups = [Wakeup(CALLBACK, str(id_), None, EMISSIONS) for id_ in left] + self._polling.missed()
        for number in {book.rules[name].line.number for name in late if name in book.rules}:
            wake = lines[number].wake_at if number in lines else None
            if wake is None or wake + timedelta(seconds=_EVERY) < now:
                self._turns.look(number)
        if wakeups:
            with database.write() as connection:
                self._parts.queue.wake_if_idle(connection, wakeups)

    def _tell(self, ids: Sequence[int]) -> None:
        """Those that were cancelled together: their CRM hears of it now."""
        configuration = self._parts.book().configuration
        began = time.monotonic()
        for start in range(0, len(ids), 100):
            with self._parts.database.write() as connection:
                for id_ in ids[start : start + 100]:
                    self._parts.reports.tell(connection, configuration, id_)
                callbacks.told(connection, ids[start : start + 100])
            if time.monotonic() - began > _EVERY:
                return

    def _take_up_changes(self) -> None:
        """A line or a source that the platform stopped is tried again when its configuration changed, and when a
        process starts (a password may come from the environment)."""
        configuration = self._parts.book().configuration
        if configuration is not self._taken_up:
            identity.take_up(self._parts.database, configuration)
            self.service.missed.take_up()
            self._taken_up = configuration
        now: dict[tuple[Kind, str], Any] = {("line", line.number): line for line in configuration.lines}
        now |= {("source", source.title): source for source in configuration.callbacks}
        changed = [key for key, section in now.items() if self._seen.get(key) != section]
        for kind, name in changed:
            with self._parts.database.write() as connection:
                state = emissions.held(self._parts.database, connection, kind, name)
                if state.mode is Mode.STOPPED or (state.mode is Mode.PAUSED and (kind, name) in self._seen):
                    emissions.save(connection, kind, name, brakes.try_again(self._parts.clock()))
                    _log.warning("%s %s: one emission tries the configuration as it is now", kind, name)
        self._seen = now
