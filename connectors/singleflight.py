"""Single-flight: work that many want at the same time is done once, and all get what it came to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

from connectors.base import Deadline, TimedOut
from connectors.steps import Steps, Wait, complete

T = TypeVar("T")


class _Flight(Generic[T]):
    """Work that is under way."""

    __slots__ = ("future", "left")

    def __init__(self, left: Callable[[], None] | None) -> None:
        self.future: Future[T] = Future()
        self.left = left


class SingleFlight(Generic[T]):
    """`name` is what messages call whoever answers. `run` has work done: in a thread of a pool, so that a caller's
    short deadline cuts it off for nobody, or in the first caller's own. `waiting` is entered while a thread waits."""

    def __init__(
        self,
        name: str,
        run: Callable[[Callable[[], None]], None] = lambda work: work(),
        waiting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._name = name
        self._run = run
        self._waiting = waiting
        self._lock = threading.Lock()
        self._flights: dict[object, _Flight[T]] = {}

    def get(self, key: object, work: Callable[[], T], deadline: Deadline, left: Callable[[], None] | None = None) -> T:
        """Return what `work` comes to, done once for all who want `key` meanwhile. Raises what it raises; `TimedOut`
        when the caller's deadline passes before.

        Work that ran out of its own time (`TimedOut`) says nothing to those who have more: one of them does it again.
        `left`: called once when the deadline of one of those who wait passes; whoever comes next then starts anew,
        instead of waiting for what may never end. Without it the work is waited for by whoever comes meanwhile.
        """
        return complete(self.steps(key, work, deadline, left), self._waiting)

    def steps(
        self, key: object, work: Callable[[], T], deadline: Deadline, left: Callable[[], None] | None = None
    ) -> Steps[T]:
        """Do the same, for whoever may not block meanwhile."""
        if deadline.passed:
            raise TimedOut(f"{self._name}: no time left to ask")
        while True:
            flight, mine = self._joined(key, work, left)
            yield Wait(flight.future, deadline)
            if not flight.future.done():
                if flight.left is not None and self._leave(key, flight):
                    flight.left()
                raise TimedOut(f"{self._name} did not answer in time")
            try:
                return flight.future.result()
            except TimedOut:
                if mine or deadline.passed:
                    raise

    def under_way(self, key: object) -> bool:
        """Return whether somebody does it just now."""
        return key in self._flights

    def _joined(self, key: object, work: Callable[[], T], left: Callable[[], None] | None) -> tuple[_Flight[T], bool]:
        """What is under way, or a start; and whether it is the caller's own."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = _Flight(left)
        try:
            self._run(lambda: self._fly(key, flight, work))
        except BaseException as error:
            self._leave(key, flight)
            flight.future.set_exception(error)
            raise
        return flight, True

    def _fly(self, key: object, flight: _Flight[T], work: Callable[[], T]) -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - those who wait get it, whatever it is
            self._leave(key, flight)
            flight.future.set_exception(error)
        else:
            self._leave(key, flight)
            flight.future.set_result(result)

    def _leave(self, key: object, flight: _Flight[T]) -> bool:
        """Whoever comes next starts anew; whether that was not so already."""
        with self._lock:
            if self._flights.get(key) is not flight:
                return False
            del self._flights[key]
            return True
