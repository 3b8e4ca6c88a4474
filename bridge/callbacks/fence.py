"""The fence against an older database: one that knows less than the state folder's journal was restored from a backup
(or is another one), and would ring again who was rung since. Then every line is held, and what the journal says went
out becomes `may_have_rung`.

The order of an emission: its count is raised in the transaction that commits `sending`; then the journal notes it, on
disk; then the first byte leaves. So the journal is never ahead of its database, however either process dies: killed
before the note, the database is ahead, which means nothing, and nothing was sent. And whatever was sent is in the
journal, so a database that lacks it is always behind. Each database has a lineage, which its copies share: the counts
of two databases that one installation worked on are not compared.

Several hosts on one PostgreSQL: each counts its own emissions there, under the id of its installation, and its journal
remembers what it saw of the others' counts. So each notices a restore by whatever was emitted since, and the first one
holds the lines for all; what rang each tells from its own journal, when it is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from bridge.callbacks import brakes, identity, states
from bridge.callbacks.parts import Rulebook
from bridge.callbacks.preparing import Held
from bridge.errors import StoreUnavailable
from bridge.store import callbacks, callbacktasks, emissions, lineage
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.database import Database
from bridge.store.emissions import Mode
from bridge.store.journal import Journal, JournalEntry
from bridge.store.lineage import Recorded
from bridge.texts import Text, said

_log = logging.getLogger("bridge.callbacks")

_PIECE = 200
_PRUNE = timedelta(hours=1)
_AGAIN = timedelta(minutes=1)
_REASON = Text("it was called after the backup from which the database was restored")


class Behind(Exception):
    """The database lacks emissions that the journal knows."""


class Fence:
    """Tells whether the database was restored from a backup, and holds the lines if so (see above)."""

    def __init__(self, database: Database, journal: Journal, book: Rulebook, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._journal = journal
        self._book = book
        self._clock = clock
        self._pruned: datetime | None = None
        self._beside: tuple[str, Mapping[str, int]] | None = None
        """The database at the last look, and this installation's counts on others then."""

    # an emission

    @property
    def installation(self) -> str:
        """The id of this installation."""
        return self._journal.installation

    def count(self, connection: Connection, callback: Callback, rings_at: datetime) -> JournalEntry:
        """Count an emission in the transaction that commits it; hand it to `note` after that. Raises `Behind`, and
        `Held` where the journal can't be read."""
        try:
            base, number = lineage.count(connection, self._journal.installation)
            # Everything that is in the journal was committed before, and no one else can count until we commit.
            written = self._journal.counter(base)
        except StoreUnavailable as error:  # the journal: what the database raises is translated later
            raise Held(states.wait(self._clock() + _AGAIN, "state", self._said(error))) from error
        if written is None or written >= number:
            raise Behind
        origin = identity.origin_of(self._book().configuration, callback)
        return JournalEntry(base, number, callback.source, origin, callback.task_key, callback.line, rings_at)

    def note(self, emission: JournalEntry) -> None:
        """Note it on disk, before the first byte. Raises `StoreUnavailable`: nothing may be sent."""
        self._journal.add(emission)

    def undo(self, emission: JournalEntry) -> None:
        """Take an emission back by which nobody was rung. Losing this loses nothing: after a restore, a person is
        asked."""
        try:
            self._journal.drop(emission)
        except StoreUnavailable as error:
            _log.warning("an emission that rang nobody stays in the journal: %s", error)

    # the database

    def look(self) -> None:
        """Hold every line if the database is behind. Raises `StoreUnavailable`."""
        journal = self._journal.counters()  # before the database is read, or what goes out meanwhile would seem to lack
        with self._database.read() as connection:
            stored = lineage.recorded(connection)
        self._say_shared(stored.lineage, journal)
        of_this = journal.get(stored.lineage) if stored.lineage else None
        if of_this is None:
            behind = any(number for counters in journal.values() for number in counters.values())
        else:
            behind = any(stored.counters.get(installation, 0) < number for installation, number in of_this.items())
        if behind:
            self._take_up(stored, of_this)
        elif of_this is None:
            with self._database.write() as connection:
                base = lineage.begin(self._database, connection)
                stored = lineage.recorded(connection)
            self._journal.know(base, stored.counters)
        elif any(of_this.get(installation) != number for installation, number in stored.counters.items()):
            self._journal.know(stored.lineage, stored.counters)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def prune(self) -> None:
        """Let go, now and then, of what is older than `retention`. Raises `StoreUnavailable`."""
        now = self._clock()
        if self._pruned is None or not timedelta() <= now - self._pruned < _PRUNE:
            self._journal.prune(now - timedelta(seconds=self._book().configuration.retention))
            self._pruned = now

    def _say_shared(self, base: str, journal: Mapping[str, Mapping[str, int]]) -> None:
        """Say it where another bridge, on a database of its own, emits by this state folder at the same time."""
        own = self._journal.installation
        now = {lineage_: counters.get(own, 0) for lineage_, counters in journal.items() if lineage_ != base}
        before, self._beside = self._beside, (base, now)
        if (
            base
            and before is not None
            and before[0] == base
            and any(before[1].get(lineage_, 0) < n for lineage_, n in now.items())
        ):
            _log.error(
                "another bridge, with another database, calls by this state folder: neither knows the other's claims, "
                "so both may call the same people; give each a folder of its own (state:)"
            )

    def _take_up(self, stored: Recorded, of_this: Mapping[str, int] | None) -> None:
        """Hold the lines first, so that nobody is rung meanwhile; and again in the end, when all is known. Whatever
        interrupts this, the database stays behind, and it is done anew."""
        own = self._journal.installation
        counted = stored.counters.get(own, 0)
        if of_this is None:
            missing = self._journal.elsewhere(stored.lineage)
        else:
            missing = self._journal.since(stored.lineage, counted)
        self._hold(len(missing))
        for start in range(0, len(missing), _PIECE):
            with self._database.write() as connection:
                self._may_have_rung(connection, missing[start : start + _PIECE])
        with self._database.write() as connection:
            self._hold_in(connection, len(missing))
            base = lineage.begin(self._database, connection)
            if of_this is not None and of_this.get(own, 0) > counted:
                lineage.reach(self._database, connection, own, of_this[own])
            now_there = lineage.recorded(connection)
        self._journal.know(base, now_there.counters)
        _log.error(
            "the database %s is older than the state folder: every line is held, %d emissions since may have rung",
            self._database.name, len(missing),
        )  # fmt: skip

    def _hold(self, missing: int) -> None:
        with self._database.write() as connection:
            self._hold_in(connection, missing)

    def _hold_in(self, connection: Connection, missing: int) -> None:
        configuration, now = self._book().configuration, self._clock()
        reason = brakes.restored(missing).render(configuration.language)
        states = emissions.all_of(connection, "line")
        for number in sorted({line.number for line in configuration.lines} | set(states)):
            state = emissions.held(self._database, connection, "line", number)
            if not state.restored:
                before = f"; {state.reason}" if state.mode is Mode.HELD and state.reason else ""
                emissions.save(connection, "line", number, brakes.hold(f"{reason}{before}", now))

    def _may_have_rung(self, connection: Connection, missing: Sequence[JournalEntry]) -> None:
        configuration, now = self._book().configuration, self._clock()
        reason = _REASON.render(configuration.language)
        for origin, group in groupby(sorted(missing, key=_origin), _origin):
            latest = {entry.task_key: entry for entry in group}
            callbacktasks.turn_of(self._database, connection, origin)
            known_callbacks = identity.known(connection, configuration, origin, dict.fromkeys(latest, ""))
            for key, callback in known_callbacks.items():
                callbacks.change(connection, callback.id, states.restored(latest[key].at, reason), now)
            unknown = [_unknown(entry, reason, now) for key, entry in latest.items() if key not in known_callbacks]
            callbacktasks.add(self._database, connection, unknown)

    def _said(self, error: StoreUnavailable) -> str:
        text = Text("the journal of emissions can't be read: {error}", error=said(error))
        return text.render(self._book().configuration.language)


def _origin(emission: JournalEntry) -> str:
    return emission.origin


def _unknown(emission: JournalEntry, reason: str, now: datetime) -> dict[str, object]:
    """A callback of which no more is known than that it was called. Nothing is to be done about it unless its task
    comes again; then it is named (`states.task_changed`), and a person decides."""
    return {
        "source": emission.source,
        "origin": emission.origin,
        "task_key": emission.task_key,
        "line": emission.line,
        "state": CallbackState.MAY_HAVE_RUNG.value,
        "task": {},
        "emissions": 1,
        "rung_at": emission.at,
        "gate": states.RESTORED,
        "reason": reason,
        "created_at": now,
        "updated_at": now,
        "seen_at": now,
        "settled_at": now,
    }
