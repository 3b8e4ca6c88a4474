"""What a person does about callbacks: confirm whether a phone rang, cancel, pause and resume."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from bridge.callbacks import brakes, states
from bridge.callbacks.missed import MissedCalls
from bridge.callbacks.parts import Rulebook
from bridge.callbacks.reports import Reports
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import callbacks, emissions
from bridge.store.callbacks import Callback, Change
from bridge.store.database import Database
from bridge.store.emissions import Kind
from bridge.texts import Text


class OperatorActions:
    """Notes what a person decides; the working process does what follows. Everything raises `StoreUnavailable`."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        book: Rulebook,
        reports: Reports,
        missed: MissedCalls,
        clock: Callable[[], datetime],
    ) -> None:
        self._database, self._queue, self._book, self._reports, self._clock = database, queue, book, reports, clock
        self._missed = missed

    def call(self, id_: int) -> Callback | None:
        """Call a callback that waits, as a person wants, as soon as nothing else keeps it back. Return it as it stands
        then; None where none waits with this number."""
        now = self._clock()
        with self._database.write() as connection:
            if not callbacks.change(connection, id_, states.by_hand(now), now):
                return None
            callback = callbacks.get(connection, id_)
            if callback is not None:
                self._look(connection, callback.line)
        return callback

    def confirm(self, id_: int, *, rang: bool) -> Callback | None:
        """Settle by a person's word whether a phone rang that may have rung: yes, and it counts as called; no, and it
        is called. Return the callback after that; None where there is none that may have rung with this number."""
        book, now = self._book(), self._clock()
        language = book.configuration.language
        if rang:
            change = states.confirm(now, Text("a person says that it rang").render(language))
        else:
            change = states.release(now, Text("a person says that it did not ring").render(language))
        with self._database.write() as connection:
            if not callbacks.change(connection, id_, change, now):
                return None
            callback = callbacks.get(connection, id_)
            if rang:
                self._reports.tell(connection, book.configuration, id_)
            elif callback is not None:
                self._look(connection, callback.line)
            self._missed.own_call_over(connection, id_)
            return callbacks.get(connection, id_)

    def cancel(self, id_: int, reason: str = "") -> bool:
        """Call it no more. Return false where it is too late for that, or there is no such callback."""
        book, now = self._book(), self._clock()
        with self._database.write() as connection:
            callback = callbacks.get(connection, id_)
            has_rules = callback is not None and callback.source in book.rules
            change = states.cancel(now, reason)
            if not has_rules:  # whoever knows the source tells its CRM, as of those that are cancelled together
                change = Change(change.before, {**change.values, "next_at": now})
            if not callbacks.change(connection, id_, change, now):
                return False
            if has_rules:
                self._reports.tell(connection, book.configuration, id_)
        return True

    def cancel_all(self, source: str, reason: str = "") -> int:
        """Cancel all of a source that wait; how many that were. Their CRM is told in the background."""
        now = self._clock()
        with self._database.write() as connection:
            return callbacks.cancel_all(connection, source, states.cancel(now, reason), now)

    def pause_line(self, number: str, reason: str = "") -> None:
        """Emit nothing on this line from now on: the switch for emergencies."""
        self._hold("line", number, reason)

    def resume_line(self, number: str) -> None:
        """Let this line emit again, whoever or whatever stopped it."""
        self._release("line", number)

    def pause_source(self, name: str, reason: str = "") -> None:
        """Call nothing of this source from now on; its tasks are kept."""
        self._hold("source", name, reason)

    def resume_source(self, name: str) -> None:
        """Call the tasks of this source again, whoever or whatever paused it."""
        self._release("source", name)

    def _hold(self, kind: Kind, name: str, reason: str) -> None:
        with self._database.write() as connection:
            emissions.held(self._database, connection, kind, name)
            emissions.save(connection, kind, name, brakes.hold(reason, self._clock()))

    def _release(self, kind: Kind, name: str) -> None:
        rules = self._book().rules.get(name) if kind == "source" else None
        line = rules.line.number if rules else name
        with self._database.write() as connection:
            emissions.held(self._database, connection, kind, name)
            emissions.save(connection, kind, name, brakes.resume())
            self._look(connection, line)

    def _look(self, connection: Connection, line: str) -> None:
        """Have somebody see whose turn it is."""
        self._queue.wake(connection, LINE, line_key(line, self._clock()))
