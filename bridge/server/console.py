"""The process that makes the console's pages: forked when somebody opens one, or listening at an address of its own."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

from bridge.config.load import Loaded, load_to_serve
from bridge.errors import ConfigurationFaults
from bridge.runtime import log
from bridge.runtime.state import state_folder
from bridge.server.processes import end_with, heed_signals, spare_what_stays, stand_back
from bridge.service.composition import Current, Newest, Service
from bridge.service.metrics import Metrics
from bridge.service.reload import Watcher
from bridge.troubles import Troubles
from bridge.web.app import create_console
from bridge.web.console.parts import ConsoleParts
from bridge.web.consoles import ConsolePages
from bridge.web.edge import Edge
from bridge.web.gate import AccessPolicies

_log = logging.getLogger("bridge.server.console")


class ConsoleProcess:
    """The service of the newest good configuration, and the pages that work with it. Closed with `closing`."""

    def __init__(self, loaded: Loaded, closing: ExitStack) -> None:
        state = state_folder(loaded)
        troubles = Troubles(state)
        closing.callback(troubles.close)
        troubles.start()
        current = Current(Service.open(loaded, troubles=troubles), Newest(loaded))
        closing.callback(current.close)
        watcher = Watcher(
            current,
            lambda changed, before: Service.open(changed, previous=before, troubles=troubles),
            lambda _good, _at: None,
            troubles,
        )
        closing.callback(watcher.close)
        watcher.start()
        self.gates = AccessPolicies(current)
        self.pages = ConsolePages(ConsoleParts(current, state, troubles, closing), self.gates.now)
        closing.callback(self.pages.close)


def answer_console(loaded: Loaded, metrics: Metrics, closing: ExitStack, began: Callable[[], None]) -> Edge:
    """Return the application of a process that listens at an address of its own for the console; `began` is called on
    its event loop once that runs."""
    process = ConsoleProcess(loaded, closing)
    return create_console(process.pages, process.gates, metrics, closing, began)


def answer_orders(loaded: Loaded, parent: int, orders: socket.socket) -> None:
    """Make the pages that serving processes ask for over `orders`, until SIGTERM or until the process `parent` is gone.
    `loaded`: what is served by as long as the file has faults."""
    stop = threading.Event()

    def stopping(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    heed_signals()
    signal.signal(signal.SIGTERM, stopping)
    end_with(parent, stop.set)
    stand_back()
    with ExitStack() as closing:
        pages = open_console(loaded, closing).pages
        spare_what_stays()
        threading.Thread(target=pages.take, args=(orders,), name="orders", daemon=True).start()
        stop.wait()


def open_console(loaded: Loaded, closing: ExitStack) -> ConsoleProcess:
    """Return the process's parts by what the file says by now, by `loaded` where that can't be brought up."""
    newest = newest_good(loaded)
    if newest is not loaded:
        with ExitStack() as tried:
            try:
                process = ConsoleProcess(newest, tried)
            except Exception:  # noqa: BLE001 - whatever opening a connector raises; the other processes go on, too
                _log.exception("the changed configuration could not be brought up, the one before shows the console")
            else:
                closing.enter_context(tried.pop_all())
                return process
    return ConsoleProcess(loaded, closing)


def newest_good(loaded: Loaded) -> Loaded:
    """Return what the file says by now: it may have changed long before somebody opens the console. `loaded` where that
    is worse, which the other processes refuse as well."""
    try:
        newest = load_to_serve(loaded.path)
    except ConfigurationFaults:  # which the other processes have told
        return loaded
    if not newest.no_worse_than(loaded):
        return loaded
    log.hide(log.secrets_in(newest.configuration))
    return newest
