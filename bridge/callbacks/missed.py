"""Missed calls become tasks: one that waits a number, which grows with each further call and ends when somebody speaks.

Nothing is counted up: what a number's task is follows from the calls that are kept, each once, and from the task before
it. So it does not matter in which order calls are heard of, how often, nor whether a process dies meanwhile. Whoever
looks at a number does so alone; that no two tasks of one wait, its index sees to besides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.callbacks import states
from bridge.callbacks.gates import SPOKEN, Gate, Spoken
from bridge.callbacks.parts import Book, Rulebook
from bridge.callbacks.reports import Reports
from bridge.callbacks.task_intake import new_row
from bridge.callbacks.tasks import restored, stored
from bridge.config.builtin import MISSED_CALLS
from bridge.config.callbacks import BUILT_IN_ORIGIN
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import callbacks, callbacktasks, events, history, spool
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.calls import Call, CallState
from bridge.store.database import Database, in_turn
from bridge.store.history import Missed, PastCall
from connectors.base import Task

_log = logging.getLogger("bridge.callbacks")
_ASIDE = (CallbackState.WAITING, CallbackState.QUEUED)
_AT_WORK = (CallbackState.SENDING, CallbackState.ACCEPTED)
_ORIGIN = f"{BUILT_IN_ORIGIN}:{MISSED_CALLS}"
_NEVER = datetime.min.replace(tzinfo=UTC)


class MissedCalls:
    """Makes the tasks, and ends them. Everything is done in the caller's transaction."""

    def __init__(
        self, database: Database, queue: Queue, book: Rulebook, reports: Reports, clock: Callable[[], datetime]
    ) -> None:
        self._database, self._queue, self._book, self._reports, self._clock = database, queue, book, reports, clock

    def plan(self, connection: Connection, call: Call) -> None:
        """A call changed: it may have been missed, or somebody may have spoken."""
        if call.e164 and (call.state is not CallState.OPEN or call.call.answered):
            self.look(connection, call.e164)

    def take_up(self) -> None:
        """Give what waits of a source that has another name by now to whose it is. Raises `StoreUnavailable`."""
        book = self._book()
        if not book.of_missed_calls():
            return
        with self._database.read() as connection:
            numbers = callbacks.waiting_for_others(connection, _ORIGIN, list(book.rules))
        for e164 in numbers:
            with self._database.write() as connection:
                self.look(connection, e164)

    def own_call_over(self, connection: Connection, id_: int) -> None:
        """A callback's own call is out no more: see what its caller did meanwhile, where it is about missed calls."""
        callback = callbacks.get(connection, id_)
        if callback is not None and callback.origin == _ORIGIN and callback.customer:
            self.look(connection, callback.customer)

    def look(self, connection: Connection, e164: str) -> None:
        """See what the task of this number is now."""
        book = self._book()
        sources = book.of_missed_calls()
        if not sources:
            return
        in_turn(self._database, connection, f"missed:{e164}")
        now = self._clock()
        newest = callbacks.newest_about(connection, sources[0].source.origin, e164, 2)
        if newest and _goes_on(newest[0]):
            return  # its call is out, or may have rung: what comes of that decides
        waiting = newest[0] if newest and newest[0].state in _ASIDE else None
        ended = next((callback for callback in newest if callback is not waiting), None)
        spoken = history.spoken(connection, e164, now)
        if waiting is not None and spoken is not None and spoken.over_at >= _last(waiting):
            if not self._end(connection, book, waiting, now):
                return
            waiting, ended = None, waiting
        oldest = now - timedelta(seconds=max(rules.source.expires for rules in sources))
        after = max(oldest, spoken.over_at if spoken is not None else _NEVER, _seen_to(ended))
        missed = history.missed(connection, e164, after, {rules.line.number for rules in sources}, now)
        if missed is not None:
            self._keep(connection, book, waiting, _fields(book, e164, missed, spoken), missed)

    def _end(self, connection: Connection, book: Book, callback: Callback, now: datetime) -> bool:
        """Somebody has spoken with the caller; false where its call went out just before."""
        language = book.configuration.language
        change = states.cancel(now, SPOKEN.render(language), gate=Gate.SPOKEN_SINCE.value)
        if not callbacks.change(connection, callback.id, change, now):
            return False
        self._reports.tell(connection, book.configuration, callback.id)
        return True

    def _keep(
        self, connection: Connection, book: Book, waiting: Callback | None, fields: dict[str, object], missed: Missed
    ) -> None:
        """Make the task, or have the one that waits say what is known by now."""
        task_id = waiting.task_id if waiting is not None else f"{missed.last.line}:{missed.last.call.id}"
        task = Task(task_id, fields)
        owner = book.owner(book.of_missed_calls()[0], task)
        if owner is None:
            return
        if waiting is not None and waiting.task == stored(fields) and waiting.source == owner.title:
            return
        now, by_hand = self._clock(), waiting is not None and waiting.by_hand_at is not None
        key, language = callbacks.key_of(task_id), book.configuration.language
        row = new_row(owner, key, task, owner.wish(task), now, language, by_hand=by_hand)
        row |= {"customer": str(fields["phone"]), "campaign": ""}
        if by_hand and row["next_at"] is not None:
            row["next_at"] = now  # `after` is for those that nobody has called
        if waiting is not None:
            if not callbacks.change(connection, waiting.id, states.missed_again(row, now), now):
                return
            id_ = waiting.id
        else:
            added = callbacktasks.add(self._database, connection, [row])
            if key not in added:
                return
            id_ = added[key]
            _log.info("callback %d: a missed call", id_)
        self._reports.tell(connection, book.configuration, id_)
        self._queue.wake(connection, LINE, line_key(owner.line.number, now))


def spoken_since(connection: Connection, callback: Callback, now: datetime, spooled: Path) -> Spoken:
    """Return whether somebody has spoken with the caller of a task of missed calls since the last of them. `spooled`:
    the file of this host's spool, whose events come into the database some time after that was away."""
    if spool.may_hold(spooled, [callback.customer]) or events.unfolded_of(connection, callback.customer):
        return Spoken.UNKNOWN
    spoken = history.spoken(connection, callback.customer, now)
    return Spoken.YES if spoken is not None and spoken.over_at >= _last(callback) else Spoken.NO


def since(callback: Callback) -> datetime:
    """Return from when on somebody has waited for this callback: the first missed call, else when it was asked for."""
    first = restored(callback.task_id, callback.task).fields.get("first") if callback.origin == _ORIGIN else None
    return first if isinstance(first, datetime) else callback.created_at


def missed_times(callback: Callback) -> int:
    """Return how many missed calls it is about; 0: it is about something else."""
    count = callback.task.get("count") if callback.origin == _ORIGIN else 0
    return count if isinstance(count, int) else 0


def _goes_on(callback: Callback) -> bool:
    """Whether its own call is out, or may have rung and a person has yet to say so."""
    unsettled = callback.state is CallbackState.MAY_HAVE_RUNG and callback.settled_at is None
    return callback.state in _AT_WORK or unsettled


def _last(callback: Callback) -> datetime:
    """When the last missed call of a task was over."""
    last = restored(callback.task_id, callback.task).fields.get("last")
    return last if isinstance(last, datetime) else _NEVER


def _seen_to(ended: Callback | None) -> datetime:
    """Up to when missed calls belong to the task that ended last. What was missed while its own call was out does
    not: both may have been busy with each other."""
    if ended is None:
        return _NEVER
    return max(_last(ended), ended.rung_at or _NEVER)


def _fields(book: Book, e164: str, missed: Missed, spoken: PastCall | None) -> dict[str, object]:
    """See `bridge.config.builtin.MISSED_CALL_FIELDS`."""
    last = missed.last
    line = book.configuration.line(last.line)
    zone = ZoneInfo(line.timezone if line is not None else "UTC")
    return {
        "phone": e164,
        "count": missed.count,
        "first": missed.first.astimezone(zone),
        "last": last.over_at.astimezone(zone),
        "called": last.call.called,
        "line": last.line,
        "answered_by": spoken.call.answered_by if spoken is not None else "",
    }
