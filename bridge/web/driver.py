"""Drives work that has to wait (`connectors.steps`) on an event loop, without a thread for whoever waits."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from connectors.base import Deadline
from connectors.steps import Steps

T = TypeVar("T")


class LoopDriver:
    """The loop's side of all that is waited for. Made on the loop.

    What is done in a thread wakes who waits for it. The loop is woken once for all that were done by then: a commit of
    many events costs it one call of the system.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: deque[asyncio.Future[None]] = deque()
        self._woken = False

    async def complete(self, steps: Steps[T]) -> T:
        """What the work comes to; others go on meanwhile. The deadlines are kept by the loop, whatever threads do."""
        try:
            while True:
                future, deadline = next(steps)
                if not future.done():
                    await self._settled(future, deadline)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _settled(self, future: Future[Any], deadline: Deadline) -> None:
        settled: asyncio.Future[None] = self._loop.create_future()
        future.add_done_callback(lambda _future: self._wake(settled))
        left = deadline.remaining
        timer = self._loop.call_later(left, _settle, settled) if left < math.inf else None
        try:
            await settled
        finally:
            if timer is not None:
                timer.cancel()

    def _wake(self, settled: asyncio.Future[None]) -> None:
        """Called in the thread that is done."""
        self._done.append(settled)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                self._loop.call_soon_threadsafe(self._settle_all)

    def _settle_all(self) -> None:
        self._woken = False
        while self._done:
            _settle(self._done.popleft())


def _settle(settled: asyncio.Future[None]) -> None:
    if not settled.done():
        settled.set_result(None)
