"""What the simulated platform does with emission requests: as a real one would, or as it is told to."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class PlannedFault(StrEnum):
    """What goes wrong with a request. A phone rings nonetheless where the platform may have understood it."""

    NONE = ""
    RESET_BEFORE = "reset_before"
    """The connection is reset when the request comes, none of it read; nobody is rung."""
    RESET_AFTER = "reset_after"
    """The connection is reset after the request was read."""
    CLOSED = "closed"
    """The connection ends in order, without an answer."""
    HANG = "hang"
    """No answer, until the client gives up."""
    SLOW = "slow"
    """The answer trickles in, a byte a second."""
    TRUNCATED = "truncated"
    """Half of the answer."""
    GARBAGE = "garbage"
    """Bytes that are no answer."""
    HUGE = "huge"
    """Megabytes of spaces."""
    ERROR_500 = "error_500"
    """An HTTP error of the server."""
    NOT_FOUND = "not_found"
    """HTTP 404; nobody is rung."""
    REDIRECT = "redirect"
    """HTTP 302 to somewhere else; nobody is rung."""


_RINGS_NOBODY = frozenset({PlannedFault.RESET_BEFORE, PlannedFault.NOT_FOUND, PlannedFault.REDIRECT})


@dataclass(frozen=True, slots=True)
class Reaction:
    """What happens to one request that is in order.

    `result` is the Resultado; `idcall` None: given where the call is accepted, else what is to be answered; `fault`
    what goes wrong with the answer; `rings` None: where it is accepted, or a fault leaves that open. `delay` seconds
    pass before the answer.
    """

    result: int = 0
    fault: PlannedFault = PlannedFault.NONE
    idcall: str | None = None
    rings: bool | None = None
    delay: float = 0.0

    @property
    def rang(self) -> bool:
        """Whether the phone rings."""
        if self.rings is not None:
            return self.rings
        return self.result == 0 and self.fault not in _RINGS_NOBODY


class Script:
    """Which reaction a request gets: the next one planned for its number, else the next one planned for anybody, else
    the usual one. Any number of threads may use one."""

    def __init__(self, usual: Reaction = Reaction()) -> None:
        self._lock = threading.Lock()
        self._usual = usual
        self._next: deque[Reaction] = deque()
        self._of_number: dict[str, deque[Reaction]] = {}

    def always(self, usual: Reaction) -> None:
        """From now on, this for whatever nothing else is planned for."""
        with self._lock:
            self._usual = usual

    def next(self, *reactions: Reaction) -> None:
        """The next requests of anybody get these, one each."""
        with self._lock:
            self._next.extend(reactions)

    def number(self, number: str, *reactions: Reaction) -> None:
        """The next requests for this number (E.164) get these, one each."""
        with self._lock:
            self._of_number.setdefault(number, deque()).extend(reactions)

    def unread(self) -> Reaction | None:
        """Return the reaction to a connection of which nothing was read yet, if it is to be reset."""
        with self._lock:
            if self._next:
                return self._next.popleft() if self._next[0].fault is PlannedFault.RESET_BEFORE else None
            return self._usual if self._usual.fault is PlannedFault.RESET_BEFORE else None

    def reaction(self, number: str) -> Reaction:
        """Return the reaction to a request for this number."""
        with self._lock:
            planned = self._of_number.get(number)
            if planned:
                return planned.popleft()
            return self._next.popleft() if self._next else self._usual
