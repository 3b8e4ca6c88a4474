"""What becomes of the calls that were asked for: their events, placed on the bridge after a while."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bridge.infocaller.messages import StatusEvent
from bridge.simulator.calls import Exchange, Platform, SimulatedCall, Target, new_sequence, wall_clock
from bridge.simulator.ledger import Entry

_log = logging.getLogger(__name__)
_NOTHING = ("", "", "", "", "")
_WORDS = {
    "answered": "Fin de llamada",
    "voicemail": "Fin de llamada",
    "busy": "Comunica",
    "no_answer": "No contesta",
    "failed": "Fallo de la llamada",
}


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How one emitted call goes.

    `how`: `never` leaves no event at all, as a request that found no free line does. `seconds` it lasted, if anybody or
    a machine answered. `diverted`: who it was put through to. `inicio`: whether the platform tells its beginning, which
    the manual does not promise. `text`: the EventName of its end, empty for the usual one. `delay` seconds before it.
    """

    how: Literal["answered", "voicemail", "busy", "no_answer", "failed", "never"] = "answered"
    seconds: int = 42
    diverted: str = ""
    inicio: bool = False
    text: str = ""
    delay: float = 0.5


@dataclass(frozen=True, slots=True)
class EmittedCall(SimulatedCall):
    """A call that the platform made, with what its Status says of the end."""

    how: str = "answered"
    ending: str = ""

    def _status(self) -> Iterator[StatusEvent]:
        start = self.start.replace(microsecond=0)
        end = start + timedelta(seconds=self.seconds)
        yield StatusEvent(14, start, "Inicio de llamada", _NOTHING)
        if self.how == "voicemail":
            yield StatusEvent(3, start, "Contestador", _NOTHING)
        if self.diverted:
            talked = str(self.seconds if self.answered else 0)
            yield StatusEvent(2, start, self.diverted, ("", "", talked, "0,034500", ""))
        yield StatusEvent(7, end, self.ending or _WORDS[self.how], ("", "", "", "0", ""))


def emitted_call(entry: Entry, outcome: CallOutcome, now: datetime) -> EmittedCall:
    """Return the call that came of a request; `now` is the line's local time."""
    answered = outcome.how in ("answered", "voicemail")
    return EmittedCall(
        caller=entry.number,
        sequence=new_sequence(),
        emitted=True,
        idcall=entry.idcall,
        variables=entry.variables,
        diverted=outcome.diverted,
        answered=answered,
        seconds=outcome.seconds if answered else 0,
        start=now,
        how=outcome.how,
        ending=outcome.text,
    )


class OutcomeSender:
    """Tells the bridge at `targets` (by line) the events of each call, when its time has come.

    `plan` says how the calls of a request go, one after the other: several where a busy phone is tried again. `tell`
    gets each exchange with the bridge. Close it when done: what has not been told by then is not.
    """

    def __init__(
        self,
        targets: dict[str, Target],
        plan: Callable[[Entry], Sequence[CallOutcome]],
        tell: Callable[[Exchange], None] = lambda _exchange: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = ExitStack()
        self._platforms = {
            line: self._sessions.enter_context(Platform(target, tell)) for line, target in targets.items()
        }
        self._plan = plan
        self._clock = clock
        self._due: list[tuple[float, int, Entry, CallOutcome]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="outcomes")
        self._thread = threading.Thread(target=self._run, name="outcomes")
        self._thread.start()

    def expect(self, entry: Entry) -> None:
        """A phone rings: plan what becomes of it."""
        at = self._clock()
        with self._changed:
            for outcome in self._plan(entry):
                at += outcome.delay
                heapq.heappush(self._due, (at, next(self._number), entry, outcome))
            self._changed.notify()

    def close(self) -> None:
        """Wait for what is being told, forget the rest."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._sessions.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closing and not (self._due and self._due[0][0] <= self._clock()):
                    self._changed.wait(max(0.0, self._due[0][0] - self._clock()) if self._due else None)
                if self._closing:
                    return
                _, _, entry, outcome = heapq.heappop(self._due)
            self._pool.submit(self._place, entry, outcome).add_done_callback(_report)

    def _place(self, entry: Entry, outcome: CallOutcome) -> None:
        platform = self._platforms.get(entry.line)
        if platform is None or outcome.how == "never":
            return
        call = emitted_call(entry, outcome, wall_clock(platform.target.timezone))
        if outcome.inicio:
            platform.event(call, "inicio")
        platform.events(call)


def _report(placed: Future[None]) -> None:
    if not placed.cancelled() and (error := placed.exception()) is not None:
        _log.error("the events of a call could not be placed", exc_info=error)
