"""Work that has to wait now and then, written once for a thread that may wait and for an event loop that may not.

Such work is a generator: it yields what it waits for, and goes on when that is done or its deadline has passed.
`complete` drives it in a thread; an event loop drives it without one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, NamedTuple, TypeAlias, TypeVar

from connectors.base import Deadline

T = TypeVar("T")


class Wait(NamedTuple):
    """Wait until the future is done, however it ended, or until the deadline has passed. Whoever yields it looks at the
    future afterwards."""

    future: Future[Any]
    deadline: Deadline


Steps: TypeAlias = Generator[Wait, None, T]
"""Work that comes to a `T`."""

Apart = Callable[[Callable[[], T]], "Future[T]"]
"""Has a function called where it may block, and returns what it will come to."""


def complete(steps: Steps[T], waiting: Callable[[], AbstractContextManager[object]] = nullcontext) -> T:
    """Return what the work comes to; the calling thread waits for it, inside of `waiting`."""
    try:
        while True:
            future, deadline = next(steps)
            if not future.done():
                with suppress(TimeoutError, CancelledError), waiting():
                    future.exception(min(deadline.remaining, threading.TIMEOUT_MAX))
    except StopIteration as end:
        result: T = end.value
        return result


def here(work: Callable[[], T]) -> Future[T]:
    """Call a function at once, in the calling thread: an `Apart` for who may block."""
    future: Future[T] = Future()
    settle(future, work)
    return future


def settle(future: Future[T], work: Callable[[], T]) -> None:
    """Call a function and have the future say what it came to."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)
