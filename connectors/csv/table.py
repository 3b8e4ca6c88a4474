"""A CSV table that is looked up: its index is made once, shared by all processes, and made anew when the file changes.

The file is looked at twice a second, by a thread, so no caller ever waits. A changed file is taken up when it has
been the same for two looks; one that is broken or gone leaves the last good content serving, that of an earlier start
too, and is logged once.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.base import ConnectorError, Deadline, Misconfigured, Unavailable
from connectors.csv import reading as csvread
from connectors.csv.build import Built
from connectors.csv.index import Content, Spec
from connectors.csv.store import Closed, IndexPlace, IndexStore
from connectors.csv.watch import FileState, FileStep, FileWatch, Limits

if TYPE_CHECKING:
    from connectors.csv.fetching import RemoteFile

ReportState = Callable[[str, bool | None], None]
"""Gets what is wrong with the file, empty: nothing, and what serves: what it held before, nothing, or (None) what it
holds now."""

_NOT_FEW = 20
_CUT = 10
"""A list of customers that had many rows is taken for cut off where so many times as few are left."""


@dataclass(frozen=True)
class TableTrouble:
    """Why a file can't be taken up as it is now, for people, and since when (Unix time)."""

    text: str
    since: float


class Table:
    """One table with its newest good content. `trouble` is set while that is not what the file holds now."""

    def __init__(
        self,
        place: IndexPlace,
        spec: Spec,
        log: logging.Logger,
        limits: Limits,
        report: ReportState | None = None,
        remote: RemoteFile | None = None,
    ) -> None:
        """Reads the file, which takes seconds for a million rows that no process has indexed yet. A file that is not
        there or broken is no error here: `content` says so. `report`: who keeps account of it, where somebody does;
        else it is logged. `remote`: who renews the file, where it is a copy."""
        self._source, self._log, self._report, self._limits = place.source, log, report, limits
        self._shown, self.remote = place.shown, remote
        self._closing = threading.Event()
        self._loading = threading.Lock()
        self._store = IndexStore(place, spec, limits, self._closing)
        self._watch = FileWatch(limits)
        self._content: Content | None = None
        self._failure: ConnectorError = Unavailable(f"{place.shown} has not been read yet")
        self._broken: ConnectorError | None = None
        self._good_at = 0.0  # when the content was last seen to be that of the file, Unix time
        self.trouble: TableTrouble | None = None
        earlier = self._store.recall() if spec.phones else None
        self._most = earlier[0].rows if earlier is not None else 0  # rows that it ever had, as far as is known
        self._may_be_cut = bool(spec.phones)
        self._told = ""
        with self._loading, suppress(Closed):
            self._load(first=True)

    @property
    def content(self) -> Content:
        """The newest good content. Raises `Unavailable` or `Misconfigured` where there is none yet."""
        content = self._content
        if content is None:
            raise type(self._failure)(str(self._failure))
        return content

    @property
    def stale(self) -> str:
        """Of when the content is, and why it is not what the file holds now; empty where it is."""
        trouble = self.trouble
        if trouble is None or self._content is None:
            return ""
        return f"as of {datetime.fromtimestamp(self._good_at).astimezone():%Y-%m-%d %H:%M:%S}, because {trouble.text}"

    def look(self) -> None:
        """Take the file up if it changed and has settled; called twice a second by one thread."""
        with self._loading:
            if self._content is not None and self._content.damaged:
                self._log.warning("the index of %s is damaged; it is made anew", self._shown)
                self._store.forget()
                with suppress(Closed):
                    self._load(first=True)
            step = self._watch.step(self._look(), time.monotonic())
            if step is FileStep.GONE:
                self._fail(None, self._gone())
            elif step is FileStep.LOAD:
                with suppress(Closed):
                    self._load(first=False)
            elif step is FileStep.CURRENT:
                self._good_at = self._seen_good()
                self._store.in_use(self._good_at)
            if self.remote is not None:
                self._account()

    def fresh(self) -> Content:
        """Return the content as the file is at this moment; waits for it. Raises like `content`."""
        with self._loading:
            if not self._watch.holds(self._look()):
                try:
                    self._settle()
                    self._load(first=False)
                except Closed:
                    raise Unavailable(f"{self._shown} is being closed") from None
                if not self._watch.holds(self._look()):
                    raise type(self._failure)(str(self._failure))
        return self.content

    def renewed(self, deadline: Deadline) -> Content:
        """Return the content, of a file that lies elsewhere as it is there now. Raises like `content`."""
        if self.remote is None:
            return self.content
        self.remote.fetch(deadline)
        return self.fresh()

    def _settle(self) -> None:
        """Wait for the end of whoever writes it now."""
        for _ in range(10):
            before = self._look()
            if self._closing.wait(self._limits.settle):
                raise Closed
            if self._look() == before:
                return

    def close(self) -> None:
        """End a load that is under way and let go of the file."""
        self._closing.set()
        with self._loading:
            self._content = None
            self._failure = Unavailable(f"{self._shown} is closed")
            self._tell("", False)

    def _look(self) -> FileState | None:
        try:
            status = self._source.stat()
        except OSError:
            return None
        return FileState(status.st_mtime_ns, status.st_size, status.st_ino)

    def _load(self, *, first: bool) -> None:
        """Replace the content by what the file holds now, or say why not."""
        look = self._look()
        try:
            content, built = self._store.open(self._content, first=first)
        except csvread.Damaged as error:
            kind = Misconfigured if isinstance(error, csvread.WrongColumns) else Unavailable
            self._fail(look, kind(f"{self._shown}: {error}"))
        except FileNotFoundError:
            self._fail(None, self._gone())
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM, errno.EISDIR)
            text = f"{self._shown} can't be read: {error.strerror} ({error.filename})"
            self._fail(look, Misconfigured(text) if denied else Unavailable(text), system=True)
        else:
            self._take(look, content, built)

    def _gone(self) -> Unavailable:
        return Unavailable(
            f"there is no file {self._shown}" if self.remote is None else f"{self._shown}: no copy is kept"
        )

    def _seen_good(self) -> float:
        """When what was loaded was last seen to be what there is to load."""
        return time.time() if self.remote is None else self.remote.good_at

    def _take(self, look: FileState | None, content: Content, built: Built | None) -> None:
        changed, self._content = content is not self._content, content
        self._most = max(self._most, content.rows)
        self._good_at = self._seen_good()
        self._watch.loaded(look, time.monotonic(), time.time())
        self._broken = None
        self._account()
        if built or changed:
            self._log.info("%s was read, with %d rows", self._shown, content.rows)
            for oddity in built.oddities.splitlines() if built else ():
                self._log.warning("%s has %d rows; %s", self._shown, content.rows, oddity)

    def _fail(self, look: FileState | None, error: ConnectorError, *, system: bool = False) -> None:
        """Note that the file can't be taken up."""
        self._watch.failed(look, time.monotonic(), system=system)
        self._broken = error
        self._account()

    def _account(self) -> None:
        """What keeps the file from being what it should be is said once, until something else or nothing does."""
        error = (self.remote.fault() if self.remote is not None else None) or self._broken
        if error is None:
            if self.trouble is not None:
                self._log.info("%s can be used again", self._shown)
            self.trouble = None
            cut_off = self._cut_off()
            self._tell(cut_off, None if cut_off else False)
            return
        self._failure = error
        text, before = str(error), self.trouble
        if before is not None and text == before.text:
            return
        if self._content is None and not self._closing.is_set():
            recalled = self._store.recall()
            if recalled is not None:
                self._content, self._good_at = recalled
        self.trouble = TableTrouble(text, time.time() if before is None else before.since)
        still = ""
        if self._content is not None:
            still = (
                f"; what it held before goes on serving, as of {datetime.fromtimestamp(self._good_at):%Y-%m-%d %H:%M}"
            )
        self._tell(text, self._content is not None, still)

    def _cut_off(self) -> str:
        """What is said where hardly any of many customers are left; empty where that is not so."""
        rows = 0 if self._content is None else self._content.rows
        if not self._may_be_cut or self._most < _NOT_FEW or rows * _CUT >= self._most:
            return ""
        return f"{self._shown} had {self._most:,} rows, and has {rows:,} now"

    def _tell(self, text: str, serves: bool | None, more: str = "") -> None:
        """Say it once, to whoever keeps account of it; else it is logged as a warning."""
        if text == self._told:
            return
        self._told = text
        if text:
            self._log.log(logging.WARNING if self._report is None else logging.INFO, "%s%s", text, more)
        if self._report is not None:
            self._report(text, serves)
