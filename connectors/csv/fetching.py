"""Keeps a copy of a table that lies at an address on the web, in a file that is followed like any other.

The copy and what is known of it lie in the bridge's state folder, so that the last good content is there after a
restart, and of several processes only one asks at a time: the others find what it learnt. Of several hosts each has a
copy of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import requests

from connectors.base import ConnectorError, Context, Deadline, Misconfigured, Unavailable
from connectors.csv import address as addresses
from connectors.csv.source import COPY
from connectors.csv.watch import Limits
from connectors.filelock import FileLock
from connectors.http.failures import passes, retry_after
from connectors.http.session import Session

LARGEST = 50_000_000
"""Bytes of a table, unpacked."""
_PATIENCE = 0.05  # seconds between two tries to be the one that asks
_LONGEST_TAG = 1000
_TOOK = re.compile(r" \(after a wait of [\d,]{1,20} ms\)")
_MARKS = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"
_NOT_SHARED = (
    "a page to sign in came instead of the table: share it with anyone who has the link, or mend the address; "
    "nobody signs in for the bridge"
)


@dataclass(frozen=True)
class CopyState:
    """What is known of a copy: when it was asked for last, and when it was last seen to be what the address holds (Unix
    time, 0: never); what the server calls this content; how often asking has failed in a row, why, whether a person has
    to mend that, and for how many seconds the server is left alone."""

    asked_at: float = 0.0
    good_at: float = 0.0
    tag: str = ""
    modified: str = ""
    size: int = -1
    failures: int = 0
    why: str = ""
    final: bool = False
    pause: float = 0.0

    @classmethod
    def read(cls, path: Path) -> CopyState:
        """Return what an earlier `write` left; nothing known where that can't be read."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Keep it. Raises `OSError`."""
        _replace(path, json.dumps(asdict(self)).encode())


class _TableSession(Session):
    """Asks for one table: shows nothing of its address but the host, and follows it to the hosts that are named."""

    def __init__(self, context: Context, address: str, hosts: Sequence[str], ca_file: Path | None, timeout: float):
        super().__init__(context, ca_file=ca_file, timeout=timeout, largest=LARGEST)
        self._hosts = tuple(hosts)
        self.mask = addresses.AddressMask(address)

    def may_follow(self, before: str, after: str) -> bool:
        return super().may_follow(before, after) or addresses.may_lead(before, after, self._hosts)

    def left_host(self, response: requests.Response, url: str) -> ConnectorError:
        if addresses.is_sign_in(url):
            return Misconfigured(f"{addresses.shown(response.url)}: {_NOT_SHARED}")
        return Misconfigured(
            f"{addresses.shown(response.url)}: it leads to another host, {addresses.shown(url)}, which is not "
            "followed; if the table lies there, write that host below redirects:"
        )


class RemoteFile:
    """The copy of a table at an address, asked for anew every so many seconds by a thread of its own."""

    def __init__(
        self,
        name: str,
        address: str,
        cache: Path,
        context: Context,
        every: float,
        limits: Limits,
        hosts: Sequence[str] = (),
        ca_file: Path | None = None,
    ) -> None:
        """`name`: of its files in `cache`. Raises `Misconfigured` for a `ca_file` that can't be read."""
        self.shown = addresses.shown(address)
        self._address, self._cache, self._every, self._limits, self._log = address, cache, every, limits, context.log
        identity = hashlib.blake2b(address.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        self.path = cache / f"{name}-{identity}{COPY}"
        self._known = self.path.with_name(f"{self.path.name}.json")
        self._lock = FileLock(cache / f"{name}-{identity}.fetch.lock")
        self._session = _TableSession(
            replace(context, waiting=nullcontext), address, hosts, ca_file, limits.fetch_timeout
        )
        self._last = CopyState()
        self._began = time.time()
        self._closing, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"fetch-{name}", daemon=True)

    def start(self) -> None:
        """Begin to keep it as it is at the address."""
        self._thread.start()

    def wait(self, deadline: Deadline) -> None:
        """Return once it has been looked whether the copy is to be renewed, and that is done, or failed."""
        self._looked.wait(deadline.remaining)

    def close(self) -> None:
        """End the thread, which finishes by itself what it is asking for now."""
        self._closing.set()
        self._session.close()

    @property
    def good_at(self) -> float:
        """When the copy was last seen to be what the address holds; Unix time, 0 for never."""
        good_at = self._state().good_at
        with suppress(OSError):
            return good_at or self.path.stat().st_mtime
        return good_at

    def fault(self) -> ConnectorError | None:
        """Return why the copy is not what the address holds now, as far as anybody knows; None where it is."""
        state = self._state()
        if state.why:
            return (Misconfigured if state.final else Unavailable)(state.why)
        if not state.good_at:
            return Unavailable(f"{self.shown} has not been fetched yet")
        if time.time() - state.good_at > 2 * self._every + self._limits.fetch_timeout:
            since = datetime.fromtimestamp(state.good_at)
            return Unavailable(f"{self.shown} has not been fetched since {since:%Y-%m-%d %H:%M}")
        return None

    def fetch(self, deadline: Deadline) -> None:
        """Renew the copy now. Raises `ConnectorError`."""
        while not self._lock.acquire(min(_PATIENCE, deadline.remaining)):
            if self._closing.is_set() or not deadline.remaining:
                raise Unavailable(f"{self.shown}: another process is asking for it")
        try:
            self._renew(deadline)
        finally:
            self._lock.release()
        error = self.fault()
        if error is not None:
            raise error

    def _follow(self) -> None:
        """The thread."""
        while not self._closing.is_set():
            pause = _PATIENCE
            try:
                self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
                if self._due_in() > 0:
                    self._looked.set()
                elif self._lock.acquire(0):
                    try:
                        if self._due_in() <= 0:
                            self._renew(Deadline.after(self._limits.fetch_timeout))
                    finally:
                        self._lock.release()
                    self._looked.set()
                pause = max(_PATIENCE, min(self._due_in(), self._every))
            except Exception as error:  # noqa: BLE001 - the next try may go well; without the thread there is none
                self._log.error("%s: it can't be fetched: %s", self.shown, type(error).__name__)
                self._looked.set()
                pause = self._limits.fetch_again
            self._closing.wait(pause)

    def _due_in(self) -> float:
        """Seconds until it is to be asked for again."""
        state = self._state()
        since = time.time() - state.asked_at
        if since < 0 or (not self.path.exists() and not state.why):  # the clock was put back, the folder emptied
            return 0.0
        if state.failures and state.asked_at < self._began:  # what failed before may have been mended
            return 0.0
        return (min(state.pause, self._every) if state.failures else self._every) - since

    def _state(self) -> CopyState:
        """What is known, by whichever process: what could not be written is known here alone."""
        kept = CopyState.read(self._known)
        return kept if kept.asked_at >= self._last.asked_at else self._last

    def _renew(self, deadline: Deadline) -> None:
        """Ask, and note what came of it."""
        before = self._state()
        try:
            state = self._asked(before, deadline)
        except ConnectorError as error:
            state = self._failed(before, error)
        except OSError as error:
            state = self._failed(before, Unavailable(f"{self.shown}: its copy can't be kept: {error.strerror}"))
        self._last = state
        with suppress(OSError):  # said by what reads the copy
            state.write(self._known)

    def _asked(self, before: CopyState, deadline: Deadline) -> CopyState:
        """What is known once it was asked for. Raises `ConnectorError`, `OSError`."""
        kept = before.size >= 0 and self.path.exists() and self.path.stat().st_size == before.size
        headers = {"Accept": "text/csv, */*;q=0.9", "Accept-Encoding": "gzip"}
        if kept and before.tag:
            headers["If-None-Match"] = before.tag
        if kept and before.modified:
            headers["If-Modified-Since"] = before.modified
        try:
            request = requests.Request("GET", self._address, headers=headers).prepare()
        except (requests.RequestException, ValueError):
            raise Misconfigured(f"{self.shown}: the address can't be read") from None
        now = time.time()
        response = self._session.exchange(request, deadline, self._judged, idempotent=True)
        if response.status_code == 304 and kept:
            return replace(before, asked_at=now, good_at=now, failures=0, why="", final=False, pause=0.0)
        content = response.content
        self._refuse_no_table(response)
        if not kept or len(content) != before.size or content != self.path.read_bytes():
            _replace(self.path, content)
        tag, modified = (_plain(response.headers.get(name, "")) for name in ("ETag", "Last-Modified"))
        return CopyState(asked_at=now, good_at=now, tag=tag, modified=modified, size=len(content))

    def _failed(self, before: CopyState, error: ConnectorError) -> CopyState:
        """After a failure it is asked for again soon, later after each further one, when the server says so."""
        failures = before.failures + 1
        asked = error.retry_after if isinstance(error, Unavailable) else None
        pause = asked if asked is not None else self._limits.fetch_again * 2 ** min(failures - 1, 10)
        why = _TOOK.sub("", str(error))  # the same failure reads the same, however long it took
        final = isinstance(error, Misconfigured)
        return replace(before, asked_at=time.time(), failures=failures, why=why, final=final, pause=pause)

    def _judged(self, response: requests.Response) -> requests.Response:
        status, place = response.status_code, addresses.shown(response.url)
        if status in (200, 304):
            return response
        if passes(status):
            raise Unavailable(f"{place} answers {status}", retry_after=retry_after(response))
        if status in (401, 403):
            raise Misconfigured(f"{place} answers {status}: share it with anyone who has the link, or mend the address")
        raise Misconfigured(f"{place} answers {status}: is the address right?")

    def _refuse_no_table(self, response: requests.Response) -> None:
        """Its first bytes tell a page from a table, for many programs call a table a page, too."""
        start = response.content[:512].lstrip(_MARKS)
        if not start:
            raise Unavailable(f"{self.shown}: nothing came, not even a header")
        if start.startswith(b"<"):
            raise Misconfigured(
                f"{self.shown}: a web page came instead of a table: share it with anyone who has the link, or write "
                "the address at which it is downloaded"
            )
        if "json" in response.headers.get("Content-Type", "").lower():
            raise Misconfigured(f"{self.shown}: JSON came instead of a table; the connector for that is type: rest")


def _plain(header: str) -> str:
    """A header's value as it can be sent back."""
    return header if header.isascii() and header.isprintable() and len(header) <= _LONGEST_TAG else ""


def _replace(path: Path, content: bytes) -> None:
    """Put a file there whole, on disk when this returns. Raises `OSError`."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
