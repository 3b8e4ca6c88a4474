"""Log lines of a busy process, written together.

A call of the system for each line costs a serving process as much as reading the request did: while one thread writes,
another takes the interpreter's lock, which then has to be waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

_PAUSE = 0.02
_MOST = 5000


class LogBuffer:
    """Writes lines by `write`, in the order in which they came: with `now` at once, with `later` within `pause`
    seconds. Of a process that is killed without warning the lines of that pause are lost.

    No more than `most` lines wait: whoever comes then writes them, so that a reader who is too slow holds up the
    writers, and does not fill the memory.
    """

    def __init__(self, write: Callable[[bytes], object], pause: float = _PAUSE, most: int = _MOST) -> None:
        self._write, self._pause, self._most = write, pause, most
        self._lines: deque[bytes] = deque()
        self._writing = threading.Lock()
        self._some = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)
        self._thread.start()

    def later(self, line: bytes) -> None:
        """A line that may wait a moment."""
        self._lines.append(line)
        if self._closed or len(self._lines) > self._most:
            self._flush()
        elif not self._some.is_set():
            self._some.set()

    def now(self, line: bytes) -> None:
        """A line that is written when this returns, and all before it."""
        self._lines.append(line)
        self._flush()

    def close(self) -> None:
        """Write what waits. Lines that still come are written at once."""
        self._closed = True
        self._some.set()
        self._thread.join()
        self._flush()

    def _follow(self) -> None:
        while not self._closed:
            self._some.wait()
            self._some.clear()
            if not self._closed:
                time.sleep(self._pause)
            with contextlib.suppress(OSError):  # nobody reads them: there is nobody left to tell
                self._flush()

    def _flush(self) -> None:
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if lines:
                self._write(b"".join(lines))
