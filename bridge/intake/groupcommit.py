"""Group commit: what many want stored at the same time goes to disk in one commit.

A commit waits for the disk, one after the other. While one waits, the next items gather, so a slow disk makes the
groups larger rather than the throughput smaller. Each waits until its own item is on disk, in a thread or without one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from bridge.errors import StoreUnavailable
from connectors.base import Deadline
from connectors.steps import Steps, Wait, complete

_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(NamedTuple, Generic[Item, Result]):
    """An item, and what becomes of it; cancelled by whoever has given up."""

    item: Item
    future: Future[Result]


class GroupCommit(Generic[Item, Result]):
    """One thread that commits for all others.

    `commit` stores a group in one transaction and returns, for each item, its result, or the exception that this item
    alone met; what it raises is everyone's. `most`: items in one commit. `room`: items that may wait; beyond that, and
    after `close`, `put` raises at once. The thread starts with the first item.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        name: str = "commit",
        most: int = 500,
        room: int = 4000,
    ) -> None:
        self._commit = commit
        self._name = name
        self._most = most
        self._room = room
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._idle = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, item: Item, timeout: float) -> Result:
        """Return when the item is on disk. Raises `StoreUnavailable` when it could not be stored, or not within
        `timeout` seconds (then it may still come to be stored); or what `commit` says of this item."""
        return complete(self.steps(item, timeout))

    def put_all(self, items: Sequence[Item], timeout: float) -> list[Result]:
        """Do the same for several, in as few commits as there can be. When it raises, some may be on disk."""
        return complete(self._all(items, timeout))

    def steps(self, item: Item, timeout: float) -> Steps[Result]:
        """`put`, for whoever may not block meanwhile."""
        (result,) = yield from self._all([item], timeout)
        return result

    def _all(self, items: Sequence[Item], timeout: float) -> Steps[list[Result]]:
        waiting: list[_Waiting[Item, Result]] = [_Waiting(item, Future()) for item in items]
        with self._changed:
            for each in waiting:
                self._take_in(each)
        deadline, results = Deadline.after(timeout), []
        for _, future in waiting:
            yield Wait(future, deadline)
            if not future.done():
                future.cancel()
                raise StoreUnavailable(
                    f"nothing was stored within {timeout:.3g} s; the disk or the database is slow, or another program "
                    "holds it"
                )
            results.append(future.result())
        return results

    @property
    def queued(self) -> int:
        """How many items wait for the next commit."""
        return len(self._waiting)

    def close(self, timeout: float = 30.0) -> bool:
        """Take nothing new, store what waits, end the thread. False when it was not done within `timeout` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread:
            thread.join(timeout)
        return not (thread and thread.is_alive())

    def _take_in(self, waiting: _Waiting[Item, Result]) -> None:
        if self._closed:
            raise StoreUnavailable("the bridge is stopping")
        if len(self._waiting) >= self._room:
            raise StoreUnavailable(f"{self._room} wait to be stored already; the disk or the database is slow")
        self._waiting.append(waiting)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        elif self._idle:
            self._changed.notify()

    def _run(self) -> None:
        while group := self._next():
            self._store(group)

    def _next(self) -> list[_Waiting[Item, Result]]:
        """The next group; empty when there will be none any more."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._idle = True
                self._changed.wait()
            self._idle = False
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        # Who has given up was told "not stored"; sparing the work is a kindness, not a promise.
        return [each for each in group if each.future.set_running_or_notify_cancel()] or (self._next() if group else [])

    def _store(self, group: list[_Waiting[Item, Result]]) -> None:
        try:
            results = self._commit([each.item for each in group])
        except StoreUnavailable as error:
            self._fail(group, error)
        except Exception as error:  # noqa: BLE001 (a fault of ours must reach those who wait, and not end the thread)
            _log.exception("could not store a group of %d", len(group))
            failed = StoreUnavailable(f"could not be stored: {type(error).__name__}; see the log")
            failed.__cause__ = error
            self._fail(group, failed)
        else:
            for each, result in zip(group, results, strict=True):
                if isinstance(result, Exception):
                    each.future.set_exception(result)
                else:
                    each.future.set_result(result)

    @staticmethod
    def _fail(group: list[_Waiting[Item, Result]], error: StoreUnavailable) -> None:
        for each in group:
            # One exception object for each: raising one in several places would mix up their tracebacks.
            own = StoreUnavailable(*error.args)
            own.__cause__ = error.__cause__
            each.future.set_exception(own)
