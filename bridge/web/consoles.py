"""The console as the edge sees it: its pages are made in this process, or handed on to the process that makes them.

A page takes Python's interpreter for tens of milliseconds, in which the event loop of the same process answers nobody
on the line. So the processes that answer the platform make none. They hand a request for the console on: one end of a
pair of sockets goes over `orders`, a socket that all of these processes were forked with, and the request and its
answer over that pair. It has no name, so nobody else can ask.
"""

from __future__ import annotations

import logging
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

from bridge.texts import Language, Text
from bridge.web.console.parts import ConsoleParts
from bridge.web.console.site import ConsoleSite
from bridge.web.gate import AccessPolicy, BodyLimits
from bridge.web.pages import FlaskPages
from bridge.web.reply import Reply
from bridge.web.request import RawRequest, Refused
from connectors.base import Deadline, Unavailable
from connectors.steps import Steps, Wait
from connectors.threads import DaemonThreadPool

_log = logging.getLogger("bridge.web.console")
_THREADS = 4
"""Pages that are made at a time."""
_AT_A_TIME = 32
"""Requests that a process hands on at a time; a thread waits for each."""
_MOST = 1000
"""Requests that wait until they are handed on."""
_PATIENCE = 300.0
"""Seconds that a page may take, or a file of figures."""
_AFTER_FAILURE = 1.0
_AWAY = 503
_NOT_NOW = Text("The console can't answer at this moment. Load the page anew in a few seconds.")


class Console(Protocol):
    """Whatever answers below `/console`."""

    def limits(self, raw: RawRequest) -> Steps[BodyLimits]:
        """Return on what terms a form is read."""

    def answer(self, raw: RawRequest) -> Steps[Reply]:
        """Answer a request whose body was read."""


class ConsolePages:
    """Pages made in this process, in threads of their own."""

    def __init__(self, parts: ConsoleParts, gate: Callable[[], AccessPolicy]) -> None:
        self._site = ConsoleSite(parts, gate)
        self._pages = FlaskPages(self._site.install, "bridge.web.console", threads=_THREADS)

    def limits(self, raw: RawRequest) -> Steps[BodyLimits]:
        """See `Console`."""
        limits = self._pages.apart(lambda: self._site.limits(raw))
        yield Wait(limits, Deadline.never())
        return limits.result()

    def answer(self, raw: RawRequest) -> Steps[Reply]:
        """See `Console`."""
        return self._pages.answer(raw)

    def take(self, orders: socket.socket) -> None:
        """Answer what other processes hand on, for as long as this process lives."""
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(orders, 1, 1)
                for descriptor in descriptors:
                    asking = Connection(descriptor)
                    try:
                        self._pages.apart(partial(self._carry_out, asking))
                    except BaseException:
                        asking.close()  # so that it is told at once
                        raise
            except Unavailable:
                return  # closed
            except Exception:  # noqa: BLE001 - no thread, no memory: who asked is told, and the next one shall be answered
                _log.exception("a request for the console can't be taken")
                time.sleep(_AFTER_FAILURE)

    def close(self) -> None:
        """Take no more; what hangs is left behind."""
        self._pages.close()

    def _carry_out(self, asking: Connection) -> None:
        with asking:
            try:
                raw, whole = asking.recv()
                if asking.poll():  # nothing more is sent: who asked has given up, and was told that nothing came of it
                    return
                if whole:
                    asking.send((self._pages.made(raw), raw.entry.route, raw.entry.fields))
                else:
                    asking.send(self._site.limits(raw))
            except (OSError, EOFError):
                pass  # who asked has ended meanwhile
            except Exception:  # noqa: BLE001 - the next one shall be answered
                _log.exception("a request for the console can't be answered")


class HandedConsole:
    """Hands requests on over `orders`. `language`: of what is said while nobody answers."""

    def __init__(self, orders: socket.socket, language: Callable[[], Language], patience: float = _PATIENCE) -> None:
        self._orders, self._language, self._patience = orders, language, patience
        _bound(orders, patience)
        self._threads = DaemonThreadPool(_AT_A_TIME, "console")

    def limits(self, raw: RawRequest) -> Steps[BodyLimits]:
        """See `Console`."""
        limits: BodyLimits | None = yield from self._asked(raw, whole=False)
        if limits is None:
            raw.fault = Refused(_AWAY, str(_NOT_NOW))
            return BodyLimits(sys.maxsize, body=False)  # that it is too large is not what is wrong with it
        return limits

    def answer(self, raw: RawRequest) -> Steps[Reply]:
        """See `Console`."""
        away = raw.fault is not None and raw.fault.status == _AWAY
        answered: tuple[Reply, str, dict[str, object]] | None = None
        if not away:
            answered = yield from self._asked(raw, whole=True)
        if answered is None:
            raw.entry.route, raw.entry.fields["outcome"] = "console", "no answer"
            text = _NOT_NOW.render(self._language())
            return Reply(_AWAY, f"{text}\n".encode(), "text/plain; charset=utf-8", (("Retry-After", "5"),))
        reply, raw.entry.route, raw.entry.fields = answered
        return reply

    def close(self) -> None:
        """Take no more; who still waits is left behind."""
        self._threads.close()

    def _asked(self, raw: RawRequest, *, whole: bool) -> Steps[Any]:
        """What the other process says: of the request as a whole, else on what terms its body may be read; None:
        nothing."""
        if self._threads.queued >= _MOST:
            return None
        asked = self._threads.submit(lambda: self._exchange(raw, whole=whole))
        yield Wait(asked, Deadline.never())
        return asked.result()

    def _exchange(self, raw: RawRequest, *, whole: bool) -> Any:
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                _bound(ours, self._patience)
                with Connection(ours.detach()) as asking:
                    socket.send_fds(self._orders, [b"."], [theirs.fileno()])
                    theirs.close()
                    asking.send((raw, whole))
                    return asking.recv()
        except (OSError, EOFError) as error:  # it has ended meanwhile, or hangs
            _log.warning("the process that makes the console's pages gives no answer: %s", error or "it has ended")
            return None


def _bound(end: socket.socket, seconds: float) -> None:
    """Have nobody wait for longer, neither to be heard nor to hear: a process that hangs takes no more than what the
    system keeps for it."""
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        end.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", *divmod(int(seconds * 1e6), 1_000_000)))
