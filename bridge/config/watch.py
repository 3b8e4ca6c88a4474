"""Notices that the configuration changed, while serving. A file that is being written is left alone until it rests; a
faulty one is told of once, and what was loaded before stays."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.config.files import fingerprint_now
from bridge.config.load import Loaded, attempt
from bridge.errors import Fault

_log = logging.getLogger("bridge.config")
_PATIENCE = 5.0

Fingerprints = Mapping[Path, str]


class Watched:
    """Looks at a configuration's files (those of `${file:…}` and `.env` too) again and again, by what is in them:
    editors that rename, links that are turned elsewhere and copies with an old date are all seen.

    `changed` gets each new good configuration, `faulty` the faults of a new bad one; both are called in the watching
    thread. Good is also one with faults, as long as nothing is out of order that was not before. What they raise is
    logged, and the watch goes on. `environ` as in `load`. `start` begins the thread; `look` is one look, for those who
    bring their own clock.
    """

    def __init__(
        self,
        loaded: Loaded,
        changed: Callable[[Loaded], None],
        faulty: Callable[[tuple[Fault, ...]], None],
        *,
        environ: Mapping[str, str] | None = None,
        every: float = 1.0,
    ) -> None:
        self._path = loaded.path
        self._changed = changed
        self._faulty = faulty
        self._environ = environ
        self._every = every
        self._loaded = loaded
        self._taken: Fingerprints = dict(loaded.files)
        self._before: Fingerprints = self._taken
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="configuration-watch", daemon=True)

    def start(self) -> None:
        """Look from now on, every so often."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when the thread has ended, or still takes up a change after `_PATIENCE` seconds."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)

    def __enter__(self) -> Watched:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - whatever one configuration does, the next one must still be noticed
                _log.exception("a changed configuration could not be taken up; the last good one stays")

    def look(self) -> None:
        """Look once. A change is taken up when two looks in a row saw the same."""
        now = {path: fingerprint_now(path) for path in self._taken}
        rested, self._before = now == self._before, now
        if not rested or now == self._taken:
            return
        result = attempt(self._path, self._environ)
        if any(print_ != now.get(path, print_) for path, print_ in result.files.items()):
            return  # it changed again while it was read
        self._taken = self._before = dict(result.files)
        if result.loaded is not None and result.loaded.no_worse_than(self._loaded):
            self._loaded = result.loaded
            self._changed(result.loaded)
        else:
            self._faulty(result.faults)
