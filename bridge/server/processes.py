"""Processes that belong together: one that is kept alive beside ours, and none that outlives its parent."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

_log = logging.getLogger("bridge.server.processes")
_LONGEST_PAUSE = 30.0
AGAIN = 3.0
"""Seconds after which a process that was told to stop is told once more."""
_LOOK = 0.5
"""Seconds between two looks at what a forked process does."""
_AFTER_FAILURE = 1.0
_NICE = 5
_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_SETTLED = 60.0  # seconds after which a process that ends counts as one that had been well

_starting = threading.Lock()


def hold_forks() -> None:
    """Have forks of this process wait while a `Child` is started. To be called once, in a process that forks.

    A process that another thread forks while `Popen` waits to hear of its own would hold the other end of that pipe as
    long as it lives, and `Popen` would wait as long.
    """
    os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release)


def spare_what_stays() -> None:
    """Take all that there is now out of the garbage collector's rounds: libraries, metadata, the configuration. Walking
    it takes a tenth of a second, in which nobody on the line is answered. To be called once, when all is loaded.

    What comes afterwards is looked at seldom: nearly all of it goes as soon as a request is answered, and looking at
    what hundreds of waiting callers hold took a tenth of the processor's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def share_one_heap() -> None:
    """Have all threads of this process take memory from one heap. glibc gives each a heap of its own, up to eight for
    each core, and what a thread lets go of, no other can take: with dozens of threads the process grows for hours. To
    be called once, before they start. Does nothing with a C library that has no such setting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def stand_back() -> None:
    """Have this process stand back where processors are scarce: callers who wait for an answer come first."""
    os.nice(_NICE)


class Child:
    """A process that is started again whenever it ends, a little later each time that it does not last.

    It has a process group of its own: Ctrl-C reaches us alone, and we tell it to stop. `inherits`: descriptors that it
    gets besides the usual ones.
    """

    def __init__(self, name: str, command: Sequence[str], *, pause: float = 1.0, inherits: Sequence[int] = ()) -> None:
        self._name, self._command, self._shortest = name, list(command), pause
        self._inherits = tuple(inherits)
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, name=name, daemon=True)

    @property
    def pid(self) -> int | None:
        """The process's id, None where none runs at this moment."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        self._thread.start()

    def tell(self) -> None:
        """Have it begin to end, by SIGTERM; `stop` waits for that."""
        with self._guard:
            self._stop.set()
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    def stop(self, within: float) -> None:
        """End it by SIGTERM, by SIGKILL where that takes longer than `within` seconds."""
        self.tell()
        process = self._process
        if process is not None and process.poll() is None:
            try:
                process.wait(within)
            except subprocess.TimeoutExpired:
                _log.error("%s did not stop within %g s and is ended", self._name, within)
                process.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _keep_alive(self) -> None:
        pause = self._shortest
        while (process := self._started()) is not None:
            began = time.monotonic()
            code = process.wait()
            if self._stop.is_set():
                return
            pause = self._shortest if time.monotonic() - began > _SETTLED else min(pause * 2, _LONGEST_PAUSE)
            _log.error("%s ended with code %d and is started again in %g s", self._name, code, pause)
            self._stop.wait(pause)

    def _started(self) -> subprocess.Popen[bytes] | None:
        with self._guard:
            if self._stop.is_set():
                return None
            with _starting:
                self._process = subprocess.Popen(  # noqa: S603
                    self._command, stdin=subprocess.DEVNULL, process_group=0, pass_fds=self._inherits
                )
            return self._process


class Forked:
    """A process that is forked from this one once there is something to read from `orders`, and again whenever it has
    ended and there is. `work`: what it does until it gets SIGTERM. It has a process group of its own, as a `Child` has.
    """

    def __init__(self, name: str, orders: socket.socket, work: Callable[[], None]) -> None:
        self._name, self._orders, self._work = name, orders, work
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._pid: int | None = None
        self._code = 0
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, within: float) -> None:
        """End it by SIGTERM, by SIGKILL where that takes longer than `within` seconds."""
        with self._guard:
            self._stop.set()
            if self._pid is not None:
                os.kill(self._pid, signal.SIGTERM)
        end = time.monotonic() + within
        while not self._ended():
            if time.monotonic() > end:
                _log.error("%s did not stop within %g s and is ended", self._name, within)
                with self._guard:
                    if self._pid is not None:
                        os.kill(self._pid, signal.SIGKILL)
                end += within
            time.sleep(_LOOK / 10)

    def _keep(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._orders], [], [], _LOOK)[0]:
                continue
            began = time.monotonic()
            try:
                if not self._forked():
                    return
            except OSError as error:  # no memory, or too many processes: there may be room again
                _log.error("%s can't be started: %s", self._name, error.strerror)
                self._stop.wait(_AFTER_FAILURE)
                continue
            while not self._ended():
                if self._stop.wait(_LOOK):
                    return
            _log.error("%s ended with code %d and is started again when it is needed", self._name, self._code)
            self._stop.wait(0 if time.monotonic() - began > _SETTLED else _AFTER_FAILURE)

    def _forked(self) -> bool:
        with self._guard:
            if self._stop.is_set():
                return False
            self._pid = os.fork()
            if self._pid == 0:
                self._become()
            return True

    def _become(self) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            self._work()
            code = 0
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
            _log.exception("%s has failed", self._name)
        finally:
            logging.shutdown()
            os._exit(code)

    def _ended(self) -> bool:
        """Whether none runs. A number that nobody has waited for yet is still that process's own."""
        with self._guard:
            if self._pid is None:
                return True
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if not pid:
                return False
            self._pid, self._code = None, os.waitstatus_to_exitcode(status)
            return True


def heed_signals() -> None:
    """Have the main thread heed SIGTERM and SIGINT whenever they come. Called in the main thread, once in a process.

    Python runs a signal's handler in the main thread, but does not wake it where the system gave the signal to another
    thread: one that waits without an end would never hear of it. So each is given to the main thread once more, twice
    even, as it may just be going to sleep. What stops a process has to bear being called again.
    """
    heard, noted = os.pipe()
    for end in (heard, noted):
        os.set_inheritable(end, False)
    os.set_blocking(noted, False)
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    main = threading.get_ident()

    def wake() -> None:
        awaited = {signal.SIGTERM, signal.SIGINT}
        while awaited:
            number = os.read(heard, 1)[0]
            if number in awaited:
                awaited.remove(signal.Signals(number))
                for pause in (0.02, 0.5):
                    time.sleep(pause)
                    signal.pthread_kill(main, number)

    threading.Thread(target=wake, name="signals", daemon=True).start()


def end_with(parent: int, end: Callable[[], None] | None = None, *, seconds: float = 0.5) -> None:
    """See to it that this process stops when `parent` is gone, even by SIGKILL. `end`: how; by default SIGTERM, again
    and again: an event loop that is about to begin overhears it."""

    def stop() -> None:
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(AGAIN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        _log.error("the process that started this one is gone: stopping")
        (end or stop)()

    threading.Thread(target=watch, name="parent", daemon=True).start()
