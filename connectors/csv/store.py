"""The index files of one table: made once for each content, found again by all processes, deleted when they are old."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from connectors.csv import reading as csvread
from connectors.csv.build import Built, build
from connectors.csv.index import Content, NoIndex, Spec
from connectors.csv.source import COPY, is_spreadsheet
from connectors.csv.watch import Limits
from connectors.filelock import FileLock

_SUFFIX = ".csvindex.sqlite"
_FORMER = ".csvindex"  # of what versions before wrote: a format of their own
_UNUSED = 7 * 86400  # seconds after which an index that nobody used is deleted: it holds personal data
_PACKED = 10  # times as large as its file is what a spreadsheet holds
_CHILD = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order.pop('path'); "
    "from connectors.csv.build import main; main(order)"
)


class Closed(Exception):
    """The table was closed while it waited."""


@dataclass(frozen=True)
class IndexPlace:
    """Where things are: the CSV file, and the folder for index files. `address`: what people know a file by that is a
    copy; empty for any other."""

    name: str
    source: Path
    cache: Path
    address: str = ""

    @property
    def shown(self) -> str:
        """What people know the file by."""
        return self.address or str(self.source)


class IndexStore:
    """Finds or makes the index of what a file holds. Used by one thread at a time; `closing` ends a wait."""

    def __init__(self, place: IndexPlace, spec: Spec, limits: Limits, closing: threading.Event) -> None:
        self._place, self._spec, self._limits, self._closing = place, spec, limits, closing
        path = hashlib.blake2b(os.path.realpath(place.source).encode(), digest_size=4).hexdigest()
        self._prefix = f"{place.name}-{path}{spec.fingerprint()}-"
        self._lock = FileLock(place.cache / f"{place.name}.lock")
        self._index: Path | None = None
        self._digest = ""
        self._touched = 0.0

    def open(self, serving: Content | None, *, first: bool) -> tuple[Content, Built | None]:
        """Return the content of the file as it is now: `serving` where that is it, else that of an index that is there,
        else of a new one. `Built` only for a new one; `first`: somebody waits for it. Raises `Damaged`, `OSError`,
        `Closed`."""
        with csvread.opened(self._place.source) as stream:
            digest = csvread.digest(stream)
        if digest == self._digest and serving is not None:
            return serving, None
        with self._locked():
            target = self._place.cache / f"{self._prefix}{digest}{_SUFFIX}"
            built = None
            content = _whole(target)
            if content is None:
                built = self._build(target, nice=0 if first else 10)
                if built.digest != digest:
                    target.unlink(missing_ok=True)
                    raise csvread.Damaged("it was changed while it was read")
                content = Content(target)
            with suppress(FileNotFoundError):  # somebody emptied the cache; what is open stays
                os.utime(target)
            self._tidy(target)
        self._digest, self._index, self._touched = digest, target, time.time()
        return content, built

    def forget(self) -> None:
        """Look for the index again at the next `open`: the one that served is damaged."""
        self._digest = ""

    def recall(self) -> tuple[Content, float] | None:
        """Return what the file held at an earlier start, and when that was last so (Unix time)."""
        indexes: list[tuple[float, Path]] = []
        for path in self._place.cache.glob(f"{self._prefix}*{_SUFFIX}"):
            with suppress(OSError):
                indexes.append((path.stat().st_mtime, path))
        for at, path in sorted(indexes, reverse=True):
            content = _whole(path)
            if content is not None:
                self._index = path
                return content, at
        return None

    def in_use(self, now: float) -> None:
        """Note that the file still holds what its index says, for those who find the index later and the file
        broken."""
        if self._index is not None and now - self._touched > self._limits.note_every:
            self._touched = now
            with suppress(OSError):  # somebody emptied the cache; what is open stays
                os.utime(self._index)

    def _tidy(self, current: Path) -> None:
        """Delete what this table's file held before, what nobody opened for long, and what versions before left."""
        for path in self._place.cache.glob(f"*{_FORMER}*"):
            with suppress(OSError):
                old = path.name.startswith(self._prefix) or path.name.endswith(_FORMER)
                if path != current and (old or _unused(path)):
                    path.unlink()
        for state in self._place.cache.glob(f"*{COPY}.json"):
            copy = state.with_suffix("")
            with suppress(OSError):
                if copy != self._place.source and _unused(state):
                    copy.unlink(missing_ok=True)
                    state.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; the others then find the index made."""
        self._place.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        while not self._lock.acquire(0.1):
            if self._closing.is_set():
                raise Closed
        try:
            yield
        finally:
            self._lock.release()

    def _build(self, target: Path, nice: int) -> Built:
        source = self._place.source
        packed = _PACKED if is_spreadsheet(source) else 1
        if source.stat().st_size * packed <= self._limits.in_process or not sys.executable:
            return build(source, self._spec, target)
        order = {
            "source": str(source), "target": str(target), "spec": self._spec.to_json(), "nice": nice,
            "path": sys.path,
        }  # fmt: skip
        return _reply(*self._child(json.dumps(order)))

    def _child(self, order: str) -> tuple[int, str, str]:
        """Run a build; its exit status, answer and last words."""
        command = [sys.executable, "-c", _CHILD]
        with subprocess.Popen(  # noqa: S603 - our own program, no outside text in it
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            sent: str | None = order
            while True:
                try:
                    answer, error = child.communicate(sent, timeout=0.2)
                    return child.returncode, answer, error
                except subprocess.TimeoutExpired:
                    sent = None
                    if self._closing.is_set():
                        child.kill()
                        raise Closed from None


def _unused(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _UNUSED


def _whole(target: Path) -> Content | None:
    """An index that is there and whole."""
    try:
        return Content(target)
    except (OSError, NoIndex):
        return None


def _reply(code: int, answer: str, error: str) -> Built:
    """What a child's end means."""
    if code or not answer:
        last = error.strip().splitlines()[-1:] or [f"exit status {code}"]
        # its kind alone: the words may hold what the file does
        raise csvread.Damaged(f"the process that reads it failed: {last[0].split(':')[0]}")
    reply = json.loads(answer)
    if "columns" in reply:
        raise csvread.WrongColumns(reply["columns"])
    if "damaged" in reply:
        raise csvread.Damaged(reply["damaged"])
    if "system" in reply:
        raise OSError(reply["system"], os.strerror(reply["system"]), reply["file"])
    return Built(**reply)
