"""The key that cookies and forms of the console are signed with, so that nobody else can make one.

The database holds it: all hosts on one have the same. While it is away, the state folder has a copy.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bridge.errors import StoreUnavailable

_log = logging.getLogger("bridge.web.console")
_FILE = "console.key"
_LENGTH = 32
_AGAIN = 10.0
"""Seconds until a database that was away is asked again."""


class SigningKey:
    """Signs words for as long as the process lives. `read`: gives the database's key, or raises `StoreUnavailable`."""

    def __init__(self, read: Callable[[], bytes], folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._file, self._clock = read, folder / _FILE, clock
        self._lock = threading.Lock()
        self._key = b""
        self._sure = False
        self._next = 0.0

    def sign(self, *words: str) -> str:
        """Return the signature of these words."""
        return _signature(self._now(), words)

    def signed(self, signature: str, *words: str) -> bool:
        """Return whether this is the signature of these words."""
        right = _signature(self._now(), words)
        return hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace"))

    def _now(self) -> bytes:
        if self._sure:
            return self._key
        with self._lock:
            if not self._sure and self._clock() >= self._next:
                self._look()
        return self._key

    def _look(self) -> None:
        try:
            self._key, self._sure = self._read(), True
        except StoreUnavailable:
            self._key = self._key or self._copied() or self._made()
            self._next = self._clock() + _AGAIN
            return
        if self._copied() != self._key:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
            self._keep(self._key)

    def _copied(self) -> bytes:
        """The copy; nothing where there is none."""
        try:
            key = self._file.read_bytes()
        except OSError:
            return b""
        return key if len(key) == _LENGTH else b""

    def _made(self) -> bytes:
        """A key until the database has one to give; the same for all processes of this host, if the disk takes it."""
        fresh = secrets.token_bytes(_LENGTH)
        return fresh if self._keep(fresh) else self._copied() or fresh

    def _keep(self, key: bytes) -> bool:
        """Keep the key as this host's copy; whether it is that now, and no other process was quicker."""
        try:
            file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            return os.write(file, key) == _LENGTH
        except OSError as error:
            _log.warning("%s can't be written: %s", self._file, error.strerror)
            return False
        finally:
            os.close(file)


def _signature(key: bytes, words: tuple[str, ...]) -> str:
    return hmac.new(key, "\0".join(words).encode("utf-8", "replace"), hashlib.sha256).hexdigest()
