"""Where a serving process puts what must not be lost: events, and what Queries save. When a call here has returned, or
its steps are done, it is on disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from bridge.callbacks import Accepted, CallbackService
from bridge.config.load import Loaded
from bridge.config.model import Configuration, Line
from bridge.delivery import saves
from bridge.errors import StoreUnavailable
from bridge.infocaller.document import digest, normalised, text, without
from bridge.infocaller.events import Panel
from bridge.infocaller.messages import Document
from bridge.intake.inbox import Inbox
from bridge.intake.starts import CallStarts
from bridge.queries.answering import ToSave
from bridge.queue import queue_for
from bridge.runtime.state import state_folder
from bridge.store import deliveries
from bridge.store.database import Database, unprepared
from bridge.store.deliveries import NewDelivery, State
from bridge.store.events import Arrival
from bridge.store.oppositions import NewOpposition
from bridge.store.schema import connect, upgrade
from bridge.store.spool import Spool
from bridge.store.version import heed
from bridge.texts import Text, said
from bridge.troubles import Severity, Troubles
from connectors.base import Deadline, Task
from connectors.phone import Phone, parse
from connectors.steps import Steps
from connectors.threads import DaemonThreadPool

_log = logging.getLogger("bridge.intake.keeper")
_LOOKING = 3.0
"""Seconds that whoever looks waits for the database."""
_PROBE = 1.0
"""Seconds that whoever asks whether this host is ready waits for it, where there is a spool: probes have no more."""
_AGAIN = 1.0
"""Seconds until a database that could not be opened is tried again."""
_TRY = 3.0
"""Seconds between two tries to write, after a write that failed."""


class Keeper:
    """The inbox of one process, with its database; `current` gives the newest configuration (whose `sensitive` holds).

    Opening never fails: Queries must be answered though nothing can be kept. A PostgreSQL that is away has the spool
    take what comes; an SQLite file that can't be opened is tried again, and whoever wants to keep something meanwhile
    is told why it can't be. A write that failed is remembered, and told to `troubles`, until one goes through.
    """

    def __init__(self, loaded: Loaded, current: Callable[[], Configuration], troubles: Troubles | None = None) -> None:
        self._loaded = loaded
        self._current = current
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._spool: Spool | None = None
        self._database: Database | None = None
        self._inbox: Inbox | None = None
        self._inboxes: Database | None = None
        self._looks: Database | None = None
        self._look: Future[tuple[str, bool]] | None = None
        self._looking = DaemonThreadPool(1, "keeper-look")
        self._desk: CallbackService | None = None
        self._starts = CallStarts(self._database_at_hand)
        self._reason = ""
        self._troubles = troubles or Troubles()
        self._unkept = ""
        self._trying: threading.Thread | None = None
        if not self._open():
            self._opener = threading.Thread(target=self._open_later, name="keeper", daemon=True)
            self._opener.start()

    def _open(self) -> bool:
        """Open what is not open yet; whether everything is as it should be."""
        url = self._loaded.configuration.database.get_secret_value()
        try:
            if url.startswith("sqlite"):
                database, spool = connect(url, self._loaded.folder), None
                inboxes = looks = database
            else:
                spool = self._spool or Spool(state_folder(self._loaded) / "spool.db")
                self._spool = spool
                # tasks, what else comes in, and whoever only looks: nobody waits behind the others
                database = self._database or unprepared(url, pool=1)
                inboxes = self._inboxes or unprepared(url, pool=1)
                looks = self._looks or unprepared(url, pool=1, patience=_LOOKING)
        except StoreUnavailable as error:
            self._failed(error)
            return False
        with self._lock:
            self._database, self._inboxes, self._looks = database, inboxes, looks
            if self._inbox is None:
                self._inbox = Inbox(inboxes, queue_for(inboxes), spool=spool)
        try:
            upgrade(database)
        except StoreUnavailable as error:
            self._failed(error)
            return False
        self._reason = ""
        return True

    def _open_later(self) -> None:
        while not self._stop.wait(_AGAIN) and not self._open():
            pass

    def _failed(self, error: StoreUnavailable) -> None:
        if str(error) != self._reason:
            self._reason = str(error)
            _log.error("%s; tried again every %g s", error, _AGAIN)

    def _ready(self) -> Inbox:
        inbox = self._inbox
        if inbox is None:
            raise StoreUnavailable(self._reason)
        return inbox

    def event(self, name: str, document: Document, panel: Panel, line: Line) -> Steps[bool]:
        """Keep an event; whether it was new. Raises `StoreUnavailable`, and `ProtocolError` for identifiers of a size
        that no platform sends."""
        sensitive = self._current().sensitive
        cleared = without(document, sensitive)
        arrival = Arrival(
            line=document.line_number,
            call_sequence=document.call_sequence,
            event=name,
            digest=digest(document),
            received_at=datetime.now(UTC),
            raw=text(cleared),
            document=normalised(cleared),
            diverted_to=panel.diverted or "",
            panel={key: value for key, value in asdict(panel).items() if value is not None},
            e164=parse(document.other_party, line.country).e164,
        )
        with self._noted():
            kept = yield from self._ready().keep_steps(arrival)
            return kept.new

    def save(self, saved: ToSave | NewOpposition, deadline: Deadline) -> Steps[str]:
        """Keep what a Query saves; return the reference of an opposition, else nothing. Raises `StoreUnavailable`, also
        when that takes longer than the deadline."""
        if deadline.passed:
            raise StoreUnavailable("there was no time left to keep it")
        item: NewDelivery | NewOpposition
        if isinstance(saved, NewOpposition):
            item = saved
        else:
            item = saves.new(saved.key, saved.connector, saved.table, saved.fields, e164=saved.caller)
        with self._noted():
            kept = yield from self._ready().save_steps(item, deadline.remaining)
        return kept.reference

    def began(self, line: str, call_sequence: str) -> datetime | None:
        """Return when this call began; None where that is not known at once."""
        return self._starts.of(line, call_sequence)

    def _database_at_hand(self) -> Database | None:
        away = self._inbox is None or self._inbox.spooling or bool(self._unkept)
        return None if away else self._looks

    def tasks(self) -> TaskKeeper:
        """Return where tasks that come by HTTP go."""
        return TaskKeeper(self._callbacks, self._ready, self._noted, self._noted_of_task)

    def _callbacks(self) -> CallbackService:
        if self._database is None:
            raise StoreUnavailable(self._reason)
        if self._desk is None:
            self._desk = CallbackService(self._database, queue_for(self._database), self._current, _now)
        return self._desk

    @property
    def database(self) -> Database | None:
        """The database, for whoever only looks; None while it could not be opened."""
        return self._looks

    def jobs(self) -> dict[tuple[str, State], int]:
        """Return how many deliveries are in each state, by connector and state. Raises `StoreUnavailable`."""
        if self._looks is None:
            raise StoreUnavailable(self._reason)
        with self._looks.read() as connection:
            return deliveries.counts(connection)

    def check(self) -> tuple[str, bool]:
        """For `/readyz`: how the database is, and whether an event could be kept now, in it or in the spool."""
        if self._inbox is None or self._looks is None:
            return self._reason, False
        elsewhere = next((str(trouble.text) for trouble in self._troubles.all() if trouble.id == "database"), "")
        if self._unkept or elsewhere:
            return self._unkept or elsewhere, False
        if self._inbox.spooling:
            return f"{self._inbox.away}; events are kept in the spool", True
        if self._spool is None:
            return self._looked_at(self._looks)
        with self._lock:
            if self._look is None or self._look.done():
                self._look = self._looking.submit(partial(self._looked_at, self._looks))
            look = self._look
        try:
            return look.result(_PROBE)
        except TimeoutError:
            return f"{self._looks.name} has not answered within {_PROBE:g} s; events are kept in the spool", True

    def _looked_at(self, database: Database) -> tuple[str, bool]:
        try:
            with database.read() as connection:
                heed(connection, database.name)
                return "ok", True
        except StoreUnavailable as error:
            return f"{error}{'; events are kept in the spool' if self._spool else ''}", self._spool is not None

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Remember whether what is written inside goes through."""
        try:
            yield
        except StoreUnavailable as error:
            self._not_kept(str(error))
            raise
        if self._unkept:
            self._kept()

    def _noted_of_task(self) -> AbstractContextManager[object]:
        """The same of a task. What else comes has the spool where there is one, and that tasks are refused is said by
        whoever sees that PostgreSQL is away."""
        return self._noted() if self._spool is None else nullcontext()

    def _not_kept(self, why: str) -> None:
        with self._lock:
            self._unkept = why
            self._troubles.report(
                "database",
                severity=Severity.ERROR,
                text=Text(
                    "What comes in can't be kept: {why}. Queries are answered; events and saved records are refused, "
                    "and the platform does not send them again",
                    why=said(why),
                ),
                action=Text("Mend what the text names; the bridge tries again every few seconds"),
            )
            if self._trying is None and not self._stop.is_set():
                self._trying = threading.Thread(target=self._try, name="keeper-try", daemon=True)
                self._trying.start()

    def _kept(self) -> None:
        with self._lock:
            self._unkept = ""
            self._troubles.clear("database")

    def _try(self) -> None:
        """Write now and then until that works: whoever could not keep something need not come again."""
        while not self._stop.wait(_TRY):
            if self._unkept:
                try:
                    self._ready().try_to_keep()
                except StoreUnavailable as error:
                    self._unkept = str(error)
                    continue
                self._kept()
            with self._lock:
                if not self._unkept:
                    self._trying = None
                    return

    def close(self) -> None:
        """Store what waits, and let go."""
        self._stop.set()
        self._starts.close()
        self._looking.close()
        for part in (self._inbox, self._inboxes, self._looks, self._database, self._spool):
            if part is not None:
                part.close()


class TaskKeeper:
    """Where tasks that come by HTTP go: into the database, or nowhere; `callbacks` and `inbox` raise while it is away.

    A task that is sent as it is needs the database's answer, so while PostgreSQL is away its sender hears
    `StoreUnavailable` and sends it again. One that is only announced is spooled like an event.
    """

    def __init__(
        self,
        callbacks: Callable[[], CallbackService],
        inbox: Callable[[], Inbox],
        noted: Callable[[], AbstractContextManager[object]] = nullcontext,
        noted_of_task: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._callbacks, self._inbox, self._noted, self._noted_of_task = callbacks, inbox, noted, noted_of_task

    def unfit(self, source: str, task: Task) -> tuple[Phone, str | None]:
        """Return who is to be rung, and why that can't be, None where it can. Raises `NoSuchSource`."""
        return self._callbacks().intake.unfit(source, task)

    def known(self, source: str, task: Task) -> bool:
        """Return whether this task is there already. Raises `NoSuchSource`."""
        return self._callbacks().intake.known(source, task)

    def accept(self, source: str, task: Task) -> Accepted:
        """Take a task. Raises `NoSuchSource`, `NoSuchTask`, `NobodysTask`."""
        with self._noted_of_task():
            return self._callbacks().intake.accept(source, task)

    def look_at(self, tasks: Sequence[NewDelivery]) -> None:
        """Have tasks read from their CRM."""
        with self._noted():
            self._inbox().save_all(tasks)


def _now() -> datetime:
    return datetime.now(UTC)
