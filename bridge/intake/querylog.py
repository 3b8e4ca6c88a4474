"""What Queries were asked and answered, and when the panel's URLs were called: kept behind the answers.

A Query costs a place in a list; one thread makes rows of them and writes them together. Of a process that is killed the
last half second is lost, and what a database that is away can't take fills a bounded piece of memory and is then left
out: it is a record of what was said, on which no promise rests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.infocaller.messages import Document
from bridge.intake.queryrows import AnsweredQuery, row
from bridge.queries.answering import Answered, Question
from bridge.store import panelurls, queries
from bridge.store.database import unprepared
from bridge.store.outagelog import OutageLog
from bridge.store.panelurls import Happened, Kind, PanelUrl
from bridge.store.queries import StoredQuery
from bridge.texts import Text
from bridge.troubles import Severity, Troubles

_log = logging.getLogger("bridge.intake.querylog")
_EVERY = 0.5
_URLS_EVERY = 5.0
_AGAIN = 2.0
"""Seconds until a database that is away is tried again."""
_MOST = 200
"""Rows in one transaction."""
_SLICE = 25
"""Rows that are made in one go, while which no Query is answered."""
_BREATH = 0.001
_ROOM = 32 << 20
_EACH = 3000
"""Bytes that a Query takes up besides its document, about."""
_LONGEST_ERROR = 300
_HOUR = 3600


def _nobody(_count: int) -> None:
    """Who counts what is lost, where nobody does."""


class QueryLog:
    """Keeps the record of one process. `answered`, `kept` and `refused` return at once and never raise.

    `lost`: told how many Queries left no record. `every`: seconds between two writes. `room`: bytes of Queries that may
    wait. `start` begins to write; `close` writes what waits, if the database takes it.
    """

    def __init__(
        self,
        loaded: Loaded,
        troubles: Troubles | None = None,
        lost: Callable[[int], None] = _nobody,
        *,
        every: float = _EVERY,
        room: int = _ROOM,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # its own, so that who waits for it holds up no event; and no commit waits for the disk
        url = loaded.configuration.database.get_secret_value()
        self._database = unprepared(url, loaded.folder, pool=1, durable=False)
        self._troubles, self._lost = troubles or Troubles(), lost
        self._every, self._room, self._clock = every, room, clock
        self._guard = threading.Lock()
        self._fresh: list[tuple[int, AnsweredQuery]] = []
        self._filled = self._left_out = 0
        self._called: dict[PanelUrl, Happened] = {}
        self._errors: dict[PanelUrl, Happened] = {}
        self._rows: deque[tuple[int, StoredQuery]] = deque()
        self._hours: dict[tuple[int, str, str], tuple[int, float]] = {}
        self._outage = OutageLog(_log, "the record of Queries")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def answered(self, question: Question, document: Document, answered: Answered, by: Configuration) -> None:
        """Note a Query that was answered just now, by this configuration."""
        size = _EACH + len(document.source)
        asked = AnsweredQuery(self._clock(), question, document, answered, by)
        with self._guard:
            if self._filled + size > self._room:
                self._left_out += 1
            else:
                self._filled += size
                self._fresh.append((size, asked))

    def kept(self, line: str, event: str) -> None:
        """Note an event that is on disk."""
        self._note(self._called, PanelUrl(line, "event", event), "kept")

    def refused(self, line: str, kind: Kind, name: str, reason: str) -> None:
        """Note a request that was refused. `line` and `name` are the configuration's, or empty."""
        self._note(self._errors, PanelUrl(line, kind, name), reason[:_LONGEST_ERROR])

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="query-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, if the database takes it, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()  # each of its waits for the database ends by itself
        self._turn(urls=True)
        self._drop(len(self._rows))
        self._database.close()

    def _note(self, happened: dict[PanelUrl, Happened], url: PanelUrl, what: str, at: float | None = None) -> None:
        moment = datetime.fromtimestamp(self._clock() if at is None else at, UTC)
        with self._guard:
            happened[url] = Happened(moment, what)

    # What the thread does

    def _run(self) -> None:
        next_urls, pause = time.monotonic() + _URLS_EVERY, self._every
        while not self._stop.wait(pause):
            urls = time.monotonic() >= next_urls
            pause = self._every if self._turn(urls=urls) else _AGAIN
            if urls:
                next_urls = time.monotonic() + _URLS_EVERY

    def _turn(self, *, urls: bool) -> bool:
        """Write what came, and `urls` if they are due; whether the database took it."""
        try:
            self._take()
            while self._rows or self._hours:
                self._write()
            if urls:
                self._write_urls()
        except StoreUnavailable as error:
            self._outage.away(str(error))
            return False
        except Exception:  # noqa: BLE001 - whatever it is, what comes next is written again
            _log.exception("the record of Queries could not be written")
            self._hours.clear()
            self._drop(len(self._rows))
            return True
        self._outage.back()
        self._troubles.clear("query_log")
        return True

    def _take(self) -> None:
        """Make rows of what came; their room is taken until they are written."""
        with self._guard:
            fresh, self._fresh = self._fresh, []
            left_out, self._left_out = self._left_out, 0
        for start in range(0, len(fresh), _SLICE):
            if start:
                time.sleep(_BREATH)  # so that Queries are answered meanwhile
            for size, asked in fresh[start : start + _SLICE]:
                self._make(size, asked)
        for (line, name), last in {(asked.question.line.number, asked.name): asked for _, asked in fresh}.items():
            happened, what = (self._called, last.answered.outcome) if name else (self._errors, last.answered.text)
            self._note(happened, PanelUrl(line, "query", name), what[:_LONGEST_ERROR], last.at)
        if left_out:
            self._tell(left_out)

    def _make(self, size: int, asked: AnsweredQuery) -> None:
        hour = (int(asked.came) // _HOUR, asked.name, asked.answered.outcome)
        count, ms = self._hours.get(hour, (0, 0.0))
        self._hours[hour] = (count + 1, ms + asked.answered.ms)
        if asked.configuration.log_queries:
            try:
                self._rows.append((size, row(asked)))
                return
            except Exception:  # noqa: BLE001 - a connector's link may be at fault, which must not cost the others
                _log.exception("of a Query %s no record can be made", asked.name)
                self._lost(1)
        self._free(size)

    def _write(self) -> None:
        """Write some of the rows, and all counts."""
        batch = [stored for _, stored in islice(self._rows, _MOST)]
        if self._database.path is not None and not self._database.path.exists():
            raise StoreUnavailable(f"{self._database.path} is not there yet")  # it is made by who sees to its rights
        try:
            with self._database.write() as connection:
                queries.add(self._database, connection, batch)
                queries.count(self._database, connection, self._counts())
        except (SQLAlchemyError, ValueError, TypeError):
            self._one_by_one(batch)
        self._hours.clear()
        self._free(sum(self._rows.popleft()[0] for _ in batch))

    def _one_by_one(self, batch: list[StoredQuery]) -> None:
        """One row that the database refuses must not take its neighbours along."""
        refused = 0
        with self._database.write() as connection:
            for stored in batch:
                try:
                    with connection.begin_nested():
                        queries.add(self._database, connection, [stored])
                except (SQLAlchemyError, ValueError, TypeError) as error:
                    refused += 1
                    _log.error("a Query %s can't be kept", stored.query, exc_info=error)
            queries.count(self._database, connection, self._counts())
        if refused:
            self._lost(refused)

    def _counts(self) -> queries.Hours:
        return {
            (datetime.fromtimestamp(hour * _HOUR, UTC), name, outcome): sums
            for (hour, name, outcome), sums in self._hours.items()
        }

    def _write_urls(self) -> None:
        with self._guard:
            called, self._called = self._called, {}
            errors, self._errors = self._errors, {}
        if not called and not errors:
            return
        try:
            with self._database.write() as connection:
                panelurls.note(self._database, connection, called, errors)
        except StoreUnavailable:
            with self._guard:
                self._called, self._errors = {**called, **self._called}, {**errors, **self._errors}
            raise

    def _drop(self, count: int) -> None:
        if count:
            self._free(sum(self._rows.popleft()[0] for _ in range(count)))
            self._lost(count)

    def _free(self, size: int) -> None:
        with self._guard:
            self._filled -= size

    def _tell(self, left_out: int) -> None:
        self._lost(left_out)
        self._troubles.report(
            "query_log",
            severity=Severity.WARNING,
            text=Text(
                "Of Queries no record is kept any more, because the database takes none: they are answered, but calls "
                "and the console show none of them"
            ),
            action=Text("Mend the database; what it says is in the log"),
        )
