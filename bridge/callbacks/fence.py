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
from bridge.callbacks.preparing import Held
from bridge.callbacks.rulebook import Rulebook
from bridge.errors import StoreUnavailable
from bridge.store import callbacks, emissions, lineage
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.database import Database
from bridge.store.emissions import Mode
from bridge.store.journal import Emission, Journal
from bridge.store.lineage import Recorded

_log = logging.getLogger("bridge.callbacks")

_PIECE = 200
_PRUNE = timedelta(hours=1)
_AGAIN = timedelta(minutes=1)
_REASON = (
    "it was called after the backup from which the database was restored",
    "se llamó después de la copia de seguridad de la que se restauró la base de datos",
)


class Behind(Exception):
    """The database lacks emissions that the journal knows."""


class Fence:
    """See this module's docstring."""

    def __init__(self, database: Database, journal: Journal, book: Rulebook, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._journal = journal
        self._book = book
        self._clock = clock
        self._pruned: datetime | None = None
        self._beside: tuple[str, Mapping[str, int]] | None = None
        """The database at the last look, and this installation's counts on others then."""

    # an emission

    def count(self, connection: Connection, callback: Callback, rings_at: datetime) -> Emission:
        """Count an emission in the transaction that commits it; hand it to `note` after that. Raises `Behind`, and
        `Held` where the journal can't be read."""
        try:
            base, number = lineage.count(connection, self._journal.installation)
            # Everything that is in the journal was committed before, and no one else can count until we commit.
            known = self._journal.counter(base)
        except StoreUnavailable as error:  # the journal: what the database raises is translated later
            raise Held(states.wait(self._clock() + _AGAIN, "state", self._said(error))) from error
        if known is None or known >= number:
            raise Behind
        origin = identity.origin_of(self._book().configuration, callback)
        return Emission(base, number, callback.source, origin, callback.task_key, callback.line, rings_at)

    def note(self, emission: Emission) -> None:
        """Note it on disk, before the first byte. Raises `StoreUnavailable`: nothing may be sent."""
        self._journal.add(emission)

    def undo(self, emission: Emission) -> None:
        """Nobody was rung by it. Losing this loses nothing: after a restore, a person is asked."""
        try:
            self._journal.drop(emission)
        except StoreUnavailable as error:
            _log.warning("an emission that rang nobody stays in the journal: %s", error)

    # the database

    def look(self) -> None:
        """Hold every line if the database is behind. Raises `StoreUnavailable`."""
        known = self._journal.counters()  # before the database is read, or what goes out meanwhile would seem to lack
        with self._database.read() as connection:
            there = lineage.recorded(connection)
        self._say_shared(there.lineage, known)
        of_this = known.get(there.lineage) if there.lineage else None
        if of_this is None:
            behind = any(number for counters in known.values() for number in counters.values())
        else:
            behind = any(there.counters.get(one, 0) < number for one, number in of_this.items())
        if behind:
            self._take_up(there, of_this)
        elif of_this is None:
            with self._database.write() as connection:
                base = lineage.begin(self._database, connection)
                there = lineage.recorded(connection)
            self._journal.know(base, there.counters)
        elif any(of_this.get(one) != number for one, number in there.counters.items()):
            self._journal.know(there.lineage, there.counters)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def prune(self) -> None:
        """Let go, now and then, of what is older than `retention`. Raises `StoreUnavailable`."""
        now = self._clock()
        if self._pruned is None or not timedelta() <= now - self._pruned < _PRUNE:
            self._journal.prune(now - timedelta(seconds=self._book().configuration.retention))
            self._pruned = now

    def _say_shared(self, base: str, known: Mapping[str, Mapping[str, int]]) -> None:
        """Say it where another bridge, on a database of its own, emits by this state folder at the same time."""
        own = self._journal.installation
        now = {one: counters.get(own, 0) for one, counters in known.items() if one != base}
        before, self._beside = self._beside, (base, now)
        if base and before is not None and before[0] == base and any(before[1].get(x, 0) < n for x, n in now.items()):
            _log.error(
                "another bridge, with another database, calls by this state folder: neither knows the other's claims, "
                "so both may call the same people; give each a folder of its own (state:)"
            )

    def _take_up(self, there: Recorded, of_this: Mapping[str, int] | None) -> None:
        """Hold the lines first, so that nobody is rung meanwhile; and again in the end, when all is known. Whatever
        interrupts this, the database stays behind, and it is done anew."""
        own = self._journal.installation
        counted = there.counters.get(own, 0)
        if of_this is None:
            missing = self._journal.elsewhere(there.lineage)
        else:
            missing = self._journal.since(there.lineage, counted)
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
        reason = brakes.restored(missing, configuration.language)
        known = emissions.all_of(connection, "line")
        for number in sorted({line.number for line in configuration.lines} | set(known)):
            state = emissions.held(self._database, connection, "line", number)
            if not state.restored:
                before = f"; {state.reason}" if state.mode is Mode.HELD and state.reason else ""
                emissions.save(connection, "line", number, brakes.hold(f"{reason}{before}", now))

    def _may_have_rung(self, connection: Connection, missing: Sequence[Emission]) -> None:
        configuration, now = self._book().configuration, self._clock()
        reason = _REASON[configuration.language == "es"]
        for origin, group in groupby(sorted(missing, key=_origin), _origin):
            latest = {one.task_key: one for one in group}
            callbacks.turn_of(self._database, connection, origin)
            known = identity.known(connection, configuration, origin, dict.fromkeys(latest, ""))
            for key, callback in known.items():
                callbacks.change(connection, callback.id, states.restored(latest[key].at, reason), now)
            unknown = [_unknown(one, reason, now) for key, one in latest.items() if key not in known]
            callbacks.add(self._database, connection, unknown)

    def _said(self, error: StoreUnavailable) -> str:
        spanish = self._book().configuration.language == "es"
        return f"{'no se puede leer el diario de emisiones' if spanish else 'the journal can not be read'}: {error}"


def _origin(emission: Emission) -> str:
    return emission.origin


def _unknown(emission: Emission, reason: str, now: datetime) -> dict[str, object]:
    """A callback of which no more is known than that it was called. Nothing is to be done about it unless its task
    comes again; then it is named (`bridge.callbacks.desk`), and a person decides."""
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
