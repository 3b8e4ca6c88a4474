"""A CSV table that is looked up: its index is made once, shared by all processes, and made anew when the file changes.

The file is looked at twice a second, by a thread, so no caller ever waits. A changed file is taken up when it has
been the same for two looks; one that is broken or gone leaves the last good content serving, that of an earlier start
too, and is logged once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from connectors.base import ConnectorError, Misconfigured, Unavailable
from connectors.csv import reading as csvread
from connectors.csv.build import Built, Spec, write_index
from connectors.csv.index import Content, NoIndex

SMALL = 1024 * 1024
"""Bytes up to which a file is read in this process: some 10,000 rows, a few hundredths of a second."""
_RECENT = 2.0  # seconds after a change in which another one may leave the file's time as it is
_AGAIN = 30.0  # seconds after which a failure of the system is tried again
_BROKEN_AGAIN = 300.0  # and a broken file that looks the same as before
_SETTLED = 0.3  # seconds without a change after which a file that is needed at once counts as written
_UNUSED = 7 * 86400  # seconds after which an index that nobody used is deleted: it holds personal data
_TOUCH = 3600.0  # seconds between two notes that an index is in use
_SUFFIX = ".csvindex"
_CHILD = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order.pop('path'); "
    "from connectors.csv.build import main; main(order)"
)

Told = Callable[[str, bool], None]
"""Gets why the file can't be taken up as it is now, and whether what it held before serves; empty: it is taken up."""

Looked = tuple[int, int, int]
"""Modification time in ns, size and inode: what tells that a file changed."""


class Closed(Exception):
    """The table was closed while it waited."""


@dataclass(frozen=True)
class Place:
    """Where things are: the CSV file, and the folder for index files."""

    name: str
    source: Path
    cache: Path


@dataclass(frozen=True)
class Trouble:
    """Why a file can't be taken up as it is now, for people, and since when (Unix time)."""

    text: str
    since: float


class Table:
    """One table with its newest good content. `trouble` is set while that is not what the file holds now."""

    def __init__(self, place: Place, spec: Spec, log: logging.Logger, told: Told | None = None) -> None:
        """Reads the file, which takes seconds for a million rows that no process has indexed yet. A file that is not
        there or broken is no error here: `content` says so. `told`: who keeps account of it, where somebody does; else
        it is logged."""
        self._place, self._spec, self._log, self._told = place, spec, log, told
        self._closing = threading.Event()
        self._loading = threading.Lock()
        self._content: Content | None = None
        self._failure: ConnectorError = Unavailable(f"{place.source} has not been read yet")
        self._loaded: Looked | None = None  # what the file looked like when the content was taken
        self._digest = ""
        self._looked: Looked | None = None  # what it looked like last time
        self._failed: Looked | None = None  # what it looked like when it could not be used
        self._again_at = 0.0
        self._verify_at: float | None = None
        self._index: Path | None = None
        self._good_at = 0.0  # when the content was last seen to be that of the file, Unix time
        self._touched = 0.0
        self.trouble: Trouble | None = None
        path = hashlib.blake2b(os.path.realpath(place.source).encode(), digest_size=4).hexdigest()
        self._prefix = f"{place.name}-{path}{spec.fingerprint()}-"
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
        now = self._look()
        if now is None:
            self._gone()
            return
        settled, self._looked = now == self._looked, now
        if now == self._failed and time.monotonic() < self._again_at:
            return
        if settled and (now != self._loaded or self._due() or self.trouble):
            with self._loading, suppress(Closed):
                self._load(first=False)
        if now == self._loaded and self.trouble is None:
            self._in_use()

    def fresh(self) -> Content:
        """The content as the file is at this moment; waits for it. Raises like `content`."""
        with self._loading:
            if self._look() != self._loaded:
                try:
                    self._settle()
                    self._load(first=False)
                except Closed:
                    raise Unavailable(f"{self._place.source} is being closed") from None
                if self._look() != self._loaded:
                    raise type(self._failure)(str(self._failure))
        return self.content

    def _settle(self) -> None:
        """Wait for the end of whoever writes it now."""
        for _ in range(10):
            before = self._look()
            if self._closing.wait(_SETTLED):
                raise Closed
            if self._look() == before:
                return

    def close(self) -> None:
        """End a load that is under way and let go of the file."""
        self._closing.set()
        with self._loading:
            self._content = None
            self._failure = Unavailable(f"{self._place.source} is closed")
            if self.trouble is not None and self._told is not None:
                self._told("", False)

    def _look(self) -> Looked | None:
        try:
            found = self._place.source.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _due(self) -> bool:
        """A file that was changed just before it was read may have been changed again within the same clock tick."""
        return self._verify_at is not None and time.monotonic() >= self._verify_at

    def _in_use(self) -> None:
        """Note that the content is still that of the file, for those who find the index later and the file broken."""
        self._good_at = time.time()
        if self._index is not None and self._good_at - self._touched > _TOUCH:
            self._touched = self._good_at
            with suppress(OSError):  # somebody emptied the cache; what is mapped stays
                os.utime(self._index)

    def _gone(self) -> None:
        self._looked = None
        with self._loading:
            self._fail(None, Unavailable(f"there is no file {self._place.source}"))

    def _load(self, *, first: bool) -> None:
        """Replace the content by what the file holds now, or say why not."""
        looked = self._look()
        try:
            content, built = self._open(first=first)
        except csvread.Damaged as error:
            kind = Misconfigured if isinstance(error, csvread.WrongColumns) else Unavailable
            self._fail(looked, kind(f"{self._place.source}: {error}"))
            return
        except FileNotFoundError:
            self._fail(None, Unavailable(f"there is no file {self._place.source}"))
            return
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM, errno.EISDIR)
            text = f"{self._place.source} can't be read: {error.strerror} ({error.filename})"
            self._fail(looked, Misconfigured(text) if denied else Unavailable(text), again=_AGAIN)
            return
        self._take(content, built, looked)

    def _take(self, content: Content, built: Built | None, looked: Looked | None) -> None:
        changed = content is not self._content
        self._content, self._loaded, self._looked, self._failed = content, looked, looked, None
        recent = looked is not None and time.time() - looked[0] / 1e9 < _RECENT
        self._verify_at = time.monotonic() + _RECENT if recent else None
        if self.trouble is not None:
            self._log.info("%s can be used again", self._place.source)
            if self._told is not None:
                self._told("", False)
        self.trouble = None
        self._good_at = time.time()
        if built or changed:
            odd = f"; {built.oddities}" if built and built.oddities else ""
            level = logging.WARNING if odd else logging.INFO
            self._log.log(level, "%s: %d rows%s", self._place.source, content.rows, odd)

    def _fail(self, looked: Looked | None, error: ConnectorError, again: float = _BROKEN_AGAIN) -> None:
        """The file can't be taken up; said once, until something else or nothing is wrong."""
        self._failed, self._again_at, self._failure = looked, time.monotonic() + again, error
        text, before = str(error), self.trouble
        if before is not None and text == before.text:
            return
        if self._content is None and not self._closing.is_set():
            self._recall()
        self.trouble = Trouble(text, time.time() if before is None else before.since)
        still = ""
        if self._content is not None:
            still = (
                f"; what it held before goes on serving, as of {datetime.fromtimestamp(self._good_at):%Y-%m-%d %H:%M}"
            )
        self._log.log(logging.WARNING if self._told is None else logging.INFO, "%s%s", text, still)
        if self._told is not None:
            self._told(text, self._content is not None)

    def _recall(self) -> None:
        """Serve what the file held at an earlier start, where its index is still there."""
        found: list[tuple[float, Path]] = []
        for path in self._place.cache.glob(f"{self._prefix}*{_SUFFIX}"):
            with suppress(OSError):
                found.append((path.stat().st_mtime, path))
        for at, path in sorted(found, reverse=True):
            content = _mapped(path)
            if content is not None:
                self._content, self._index, self._good_at = content, path, at
                return

    def _open(self, *, first: bool) -> tuple[Content, Built | None]:
        """The content's index: the one that is there, else a new one. `Built` only for a new one."""
        with csvread.opened(self._place.source) as stream:
            digest = csvread.digest(stream)
        if digest == self._digest and self._content:
            return self._content, None
        with self._locked():
            target = self._place.cache / f"{self._prefix}{digest}{_SUFFIX}"
            built = None
            content = _mapped(target)
            if content is None:
                built = self._build(target, nice=0 if first else 10)
                if built.digest != digest:
                    target.unlink(missing_ok=True)
                    raise csvread.Damaged("it was changed while it was read")
                content = Content(target)
            with suppress(FileNotFoundError):  # somebody emptied the cache; what is mapped stays
                os.utime(target)
            self._tidy(target)
        self._digest, self._index, self._touched = digest, target, time.time()
        return content, built

    def _tidy(self, current: Path) -> None:
        """Delete what this table's file held before, and what nobody opened for long."""
        for path in self._place.cache.glob(f"*{_SUFFIX}*"):
            with suppress(OSError):
                if path != current and (
                    path.name.startswith(self._prefix) or time.time() - path.stat().st_mtime > _UNUSED
                ):
                    path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; the others then find the index made."""
        self._place.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._place.cache / f"{self._place.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self._closing.wait(0.05):
                        raise Closed from None
            yield
        finally:
            os.close(descriptor)

    def _build(self, target: Path, nice: int) -> Built:
        source = self._place.source
        if source.stat().st_size <= SMALL or not sys.executable:
            return write_index(source, self._spec, target)
        order = {
            "source": str(source), "target": str(target), "spec": json.dumps(asdict(self._spec)), "nice": nice,
            "path": sys.path,
        }  # fmt: skip
        return _answer(self._child(json.dumps(order)))

    def _child(self, order: str) -> tuple[int, str, str]:
        """Run a build; its exit status, answer and last words."""
        command = [sys.executable, "-c", _CHILD]
        with subprocess.Popen(  # noqa: S603 - our own program, no outside text in it
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            sent: str | None = order
            while True:
                try:
                    said, error = child.communicate(sent, timeout=0.2)
                    return child.returncode, said, error
                except subprocess.TimeoutExpired:
                    sent = None
                    if self._closing.is_set():
                        child.kill()
                        raise Closed from None


def _mapped(target: Path) -> Content | None:
    """An index that is there and whole."""
    try:
        return Content(target)
    except (OSError, NoIndex):
        return None


def _answer(ended: tuple[int, str, str]) -> Built:
    """What a child's end means."""
    code, said, error = ended
    if code or not said:
        last = error.strip().splitlines()[-1:] or [f"exit status {code}"]
        # its kind alone: the words may hold what the file does
        raise csvread.Damaged(f"the process that reads it failed: {last[0].split(':')[0]}")
    told = json.loads(said)
    if "columns" in told:
        raise csvread.WrongColumns(told["columns"])
    if "damaged" in told:
        raise csvread.Damaged(told["damaged"])
    if "system" in told:
        raise OSError(told["system"], os.strerror(told["system"]), told["file"])
    return Built(**told)
