"""Runs the serving processes: granian, one process per core with an event loop each, and what stands beside them.

Why granian, and these numbers: docs/performance.md.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVarTuple

import uvloop
from granian import loops
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from bridge.config.load import Loaded, environment, load_to_serve
from bridge.errors import BridgeError
from bridge.runtime import log
from bridge.runtime.counters import SharedCounters
from bridge.runtime.logbuffer import LogBuffer
from bridge.runtime.state import state_folder
from bridge.server import bounds
from bridge.server.console import answer_console, answer_orders
from bridge.server.notify import Heartbeats, Reporter, ServiceManager, answering, beat_on_loop
from bridge.server.process import answer_all
from bridge.server.processes import AGAIN, Child, Forked, end_with, hold_forks, spare_what_stays
from bridge.service.metrics import Metrics
from bridge.web.console.site import sections

if TYPE_CHECKING:
    from bridge.web.edge import Edge

_log = logging.getLogger("bridge.server.serving")
_STOP_WITHIN = 15  # seconds for the process that makes the console's pages, when no request is in flight any more
_HEADERS_WITHIN = 10_000  # milliseconds for a request's headers, and for which an idle connection is kept
_LARGEST_HEAD = 64 * 1024
_CONNECTIONS = 16_384
"""As many may be open in a process, where the system allows as many files: who sends slowly costs nothing but that."""
_SPARE = 2  # processes that count beside the serving ones, while one takes another's place

_Ts = TypeVarTuple("_Ts")
_Make: TypeAlias = "Callable[[Loaded, Metrics, ExitStack, Callable[[], None]], Edge]"
"""Makes an application in a serving process. It gets what is called on the event loop once that runs."""


class CannotServe(BridgeError):
    """Serving can't begin; the message says why and what to do."""


def serve(path: Path, host: str | None = None, port: int | None = None, *, web: bool = True, work: bool = True) -> int:
    """Serve by the configuration at `path` until SIGTERM or SIGINT; the exit code.

    `host` and `port` override the configuration's; port 0 takes a free one. `web`: answer requests. `work`: do the
    background work, in a process of its own beside the answering ones. Requests in flight at the end are answered.
    Connectors whose configuration is at fault are out of order, and the rest serves. Raises `ConfigurationFaults`,
    `CannotServe`, `NoStateFolder`.
    """
    loaded = load_to_serve(path)
    _start_log(loaded)
    for warning in loaded.warnings:
        _log.warning("%s", warning)
    _tell_faults(loaded)
    state_folder(loaded)  # where there is none, that is said here, once
    if not web:
        from bridge.server import background  # noqa: PLC0415 - the serving processes have no use for it

        return background.run(loaded)
    heartbeats = Heartbeats()
    inherits = (heartbeats.writer,)
    beside = Child("background work", _work_command(loaded, heartbeats), inherits=inherits) if work else None
    apart = _console_child(loaded)
    try:
        return _serve_web(loaded, host, port, beside, apart, heartbeats)
    finally:
        for child, within in ((beside, bounds.of_work), (apart, bounds.of_requests)):
            if child is not None:
                child.stop(within(loaded.configuration) + bounds.SLACK)
        heartbeats.close()
        _log.info("stopped")


def _tell_faults(loaded: Loaded) -> None:
    """Say what is out of order, each once."""
    for name, faults in loaded.out.items():
        for fault in faults:
            _log.error("connector %s is out of order, the others serve: %s", name, fault)
    for fault in loaded.outages:
        _log.error("what needs this is out of order, the rest serves: %s", fault)
    for fault in loaded.ignored:
        _log.warning("serving does without this: %s", fault)


def _work_command(loaded: Loaded, heartbeats: Heartbeats) -> list[str]:
    """The command line of the process that does a configuration's background work."""
    own = (str(loaded.path), str(os.getpid()), str(heartbeats.writer))
    return [sys.executable, "-m", "bridge.server.background", *own]


def _console_child(loaded: Loaded) -> Child | None:
    """The process that serves the console at an address of its own; None where the configuration wants none. Raises
    `CannotServe` where it could not listen there."""
    settings = loaded.configuration.server
    if settings.console_port is None:
        return None
    claim(settings.console_host or settings.host, settings.console_port, "console_").close()
    return Child(
        "the console", [sys.executable, "-m", "bridge.server.consoleserving", str(loaded.path), str(os.getpid())]
    )


def serve_console(path: Path, parent: int) -> int:
    """Serve the console alone, at its own address, until SIGTERM or SIGINT, or until the process `parent` is gone; the
    exit code. Raises as `serve` does."""
    loaded = load_to_serve(path)
    _start_log(loaded)
    end_with(parent)
    settings, heartbeats = loaded.configuration.server, Heartbeats()
    claimed = claim(settings.console_host or settings.host, settings.console_port or 0, "console_")
    try:
        granian = _granian(loaded, claimed, None, heartbeats, workers=1, environ={})
        _start_log(loaded)  # once more: granian has set up its own
        _log.info("the console listens on %s/console/", _where(claimed))
        sections()
        shared = SharedCounters(1 + _SPARE)
        return _run(granian, partial(_application, answer_console, loaded, shared, os.getpid(), heartbeats.writer))
    finally:
        claimed.close()
        heartbeats.close()


def _serve_web(
    loaded: Loaded, host: str | None, port: int | None, beside: Child | None, apart: Child | None,
    heartbeats: Heartbeats,
) -> int:  # fmt: skip
    settings = loaded.configuration.server
    claimed = claim(host or settings.host, settings.port if port is None else port)
    shared = SharedCounters(settings.workers + _SPARE)
    _sweep()
    try:
        granian = _granian(loaded, claimed, beside, heartbeats, workers=settings.workers, environ=environment())
        _start_log(loaded)  # once more: granian has set up its own
        _announce(loaded, claimed)
        for child in (beside, apart):
            if child is not None:
                child.start()
        sections()  # loaded once, for the process that makes the console's pages
        spare_what_stays()  # looking at it in each process would give each a copy of it
        with ExitStack() as closing:
            orders = _console(loaded, closing) if apart is None else None
            answer = partial(answer_all, orders)
            return _run(granian, partial(_application, answer, loaded, shared, os.getpid(), heartbeats.writer))
    finally:
        claimed.close()


def _console(loaded: Loaded, closing: ExitStack) -> socket.socket:
    """Return where serving processes hand on requests for the console. Who answers them ends with `closing`."""
    orders, taken = socket.socketpair()
    work = partial(answer_orders, loaded, os.getpid(), taken)
    process = Forked("the console", taken, work)
    for end in (orders, taken):
        closing.callback(end.close)
    closing.callback(process.stop, _STOP_WITHIN)
    process.start()
    return orders


def _sweep() -> None:
    """Remove the metrics folders that earlier versions left in the temporary folder when they were killed. One whose
    processes still run stays: its files bear their numbers."""
    for folder in Path(tempfile.gettempdir()).glob("infocaller-bridge-metrics-*"):
        with suppress(OSError):  # it is gone by now, or somebody else's
            if folder.lstat().st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
                continue
            owners = {file.stem.rpartition("_")[2] for file in folder.iterdir()}
            if not any(Path("/proc", owner).exists() for owner in owners):
                shutil.rmtree(folder)


def claim(host: str, port: int, keys: str = "") -> socket.socket:
    """Return a socket bound to the address, which the serving processes then listen on beside it; it never listens
    itself. `keys`: what `host` and `port` begin with in the configuration.

    The processes share the port (SO_REUSEPORT), which another bridge's could as well: so it is first taken for us
    alone. Raises `CannotServe`.
    """
    family, address = _resolved(host, port, keys)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            alone.listen(1)
            address = alone.getsockname()
        shared = socket.socket(family, socket.SOCK_STREAM)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(address)
    except PermissionError as error:
        raise CannotServe(
            f"port {port} takes the rights of root: set {_key(keys, 'port')} to 1024 or more behind a proxy"
        ) from error
    except OSError as error:
        raise CannotServe(_why(host, port, error, keys)) from error
    return shared


def _key(keys: str, name: str) -> str:
    """The key of the configuration, or the option, that a person changes."""
    return f"server.{keys}{name}" if keys else f"server.{name}, --{name}"


def _why(host: str, port: int, error: OSError, keys: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: stop the program that has it, or set {_key(keys, 'port')} to another"
    return f"can't listen on {host}, port {port}: {error.strerror}; set {_key(keys, 'host')} to one of its own"


def _resolved(host: str, port: int, keys: str) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    if not 0 <= port <= 65535:
        raise CannotServe(f"there is no port {port}: set {_key(keys, 'port')} to one from 1 to 65535")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotServe(
            f"{host!r} is no address of this machine: set {_key(keys, 'host')} to one, such as 127.0.0.1 or 0.0.0.0"
        ) from error
    family, _, _, _, address = addresses[0]
    return family, address


class _Loop(uvloop.Loop):
    """Tells granian once that it is to stop: told again, its process hangs, and no request in flight is answered."""

    _told = False

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        def once() -> None:
            if not self._told:
                self._told = True
                callback(*args)

        super().add_signal_handler(sig, once)


@loops.register(Loops.uvloop)
def _loop() -> _Loop:
    loop = _Loop()
    asyncio.set_event_loop(loop)
    return loop


class _Granian(MPServer):
    """Granian with several processes, which are killed at the end only where they really still run.

    Granian itself asks `Process.is_alive()`, which is true for a moment after a process has ended when another thread
    waits for that process too, as one of granian's does: it then warns and kills a process number that is free again.
    systemd, where it started us, is told how they and the process `beside` them are.
    """

    def __init__(
        self, address: str, port: int, beside: Child | None, heartbeats: Heartbeats, environ: Mapping[str, str],
        stop_within: float, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__("bridge.web", address=address, port=port, **options)
        self._beside, self._stop_within = beside, stop_within
        asks = answering(address, port)
        self._reporter = Reporter(ServiceManager(environ), asks, self._processes, heartbeats)

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        self._reporter.start()
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # the library's

    def shutdown(self, exit_code: int = 0) -> None:
        self._reporter.stopping()
        if self._beside is not None:
            self._beside.tell()  # what it has in hand may take as long as ours
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # the library's

    def _processes(self) -> dict[int, str]:
        """What runs, by process id."""
        names = {worker.inner.pid: f"serving process {worker.idx + 1}" for worker in list(self.wrks)}
        if self._beside is not None:
            names[self._beside.pid] = "the background work"
        return {pid: name for pid, name in names.items() if pid is not None}

    def _stop_workers(self) -> None:
        end = time.monotonic() + self._stop_within
        left = {worker.inner.sentinel: worker for worker in self.wrks}
        while left and (seconds := end - time.monotonic()) > 0:
            for worker in left.values():  # again and again: an event loop that is about to begin overhears it
                worker.terminate()  # type: ignore[no-untyped-call]  # the library's
            for sentinel in wait(list(left), min(AGAIN, seconds)):
                del left[sentinel]
        for worker in self.wrks:
            if worker.inner.sentinel in left:
                _log.error(
                    "serving process %d did not stop within %g s and is killed", worker.idx + 1, self._stop_within
                )
                worker.kill()  # type: ignore[no-untyped-call]  # the library's
            worker.join()  # type: ignore[no-untyped-call]  # the library's
        self.wrks.clear()


def _granian(
    loaded: Loaded, claimed: socket.socket, beside: Child | None, heartbeats: Heartbeats, *, workers: int,
    environ: Mapping[str, str],
) -> MPServer:  # fmt: skip
    settings = loaded.configuration.server
    address, port = claimed.getsockname()[:2]
    others = settings.threads + 512
    connections = min(_CONNECTIONS, max(256, _allow_files(_CONNECTIONS + others) - others))
    return _Granian(
        address,
        port,
        beside,
        heartbeats,
        environ,
        bounds.of_requests(loaded.configuration),
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=workers,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        blocking_threads=1,
        backlog=2048,
        backpressure=connections,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN, max_buffer_size=_LARGEST_HEAD),
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}},
        respawn_failed_workers=True,
    )


def _allow_files(count: int) -> int:
    """Raise the process's own limit of open files, as far as the system lets it; how many there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reach = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < reach:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
    return reach


def _run(granian: MPServer, application: partial[Edge]) -> int:
    hold_forks()
    os.register_at_fork(after_in_child=_default_signals)
    try:
        granian.serve(target_loader=application, wrap_loader=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _default_signals() -> None:
    """A serving process that is told to stop while it still starts just ends: the parent's way of stopping, which it
    inherits until granian sets its own, would swallow the signal there."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _start_log(loaded: Loaded, gathering: LogBuffer | None = None) -> None:
    if gathering is None:
        log.start(loaded.configuration.server.log)
    else:
        log.start(loaded.configuration.server.log, gathering.now, gathering.later)
    log.hide(log.secrets_in(loaded.configuration))


def _announce(loaded: Loaded, claimed: socket.socket) -> None:
    _log.info(
        "listening on %s; `infocaller-bridge urls --config %s --base https://…` prints what to paste into the panel",
        _where(claimed),
        loaded.path,
    )


def _where(claimed: socket.socket) -> str:
    address, port = claimed.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _application(make: _Make, loaded: Loaded, shared: SharedCounters, parent: int, heartbeats: int) -> Edge:
    """In each serving process: its application, and its end."""
    os.setpgid(0, 0)  # Ctrl-C reaches the parent alone, which tells us to stop
    closing = ExitStack()
    Finalize(None, closing.close, exitpriority=0)
    lines = LogBuffer(log.standard_error)
    closing.callback(lines.close)
    _start_log(loaded, lines)
    end_with(parent)
    application = make(loaded, Metrics(shared), closing, partial(beat_on_loop, heartbeats))
    closing.callback(_ignore_signals)  # it ends already, and may be told once more
    spare_what_stays()
    return application
