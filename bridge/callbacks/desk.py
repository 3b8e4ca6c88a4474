"""What others ask of callbacks: take a task, show how it goes, settle, cancel, pause and resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.callbacks import brakes, gates, identity, states
from bridge.callbacks.brakes import EmissionStatus
from bridge.callbacks.reports import Reports, history
from bridge.callbacks.rulebook import Book, Rulebook
from bridge.callbacks.tasks import LONGEST_ID, Rules, Wish, stored
from bridge.config.model import Configuration
from bridge.errors import BridgeError
from bridge.hours.zones import start_of
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import callbacks, emissions
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState, Change
from bridge.store.database import Database
from bridge.store.deliveries import Delivery
from bridge.store.emissions import Kind
from connectors.base import Task
from connectors.phone import Phone

_PIECE = 500
_SEEN_EVERY = timedelta(days=1)
_OF_TASK = ("source", "origin", "line", "number", "customer", "digest", "task", "due", "expires_at")
"""The columns that a task's source makes of it."""
NOBODYS = (
    "no source takes this task: `when:` does not hold",
    "ningún origen de llamadas toma esta tarea: no se cumple `when:`",
)
_REOPENED = (CallbackState.REJECTED, CallbackState.CANCELLED, CallbackState.EXPIRED)


class NoSuchSource(BridgeError):
    """The configuration has no source of callbacks with this name."""


class NoSuchTask(BridgeError):
    """What came is no task that can be kept: it has no id, or one that is far too long."""


class NobodysTask(BridgeError):
    """No source takes this task, because of what its `when` says."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task that is on disk. `new`: it was not there before; `state` and `reason` as it stands now (`rejected` where
    it can't be called as it is). `elsewhere`: what came asks for another number than the one that was called, or is
    being called, and can no longer be heeded."""

    id: int
    new: bool
    state: CallbackState
    reason: str = ""
    elsewhere: bool = False


@dataclass(slots=True)
class Taken:
    """What came of many tasks: how many were new (those rejected among them), how many of those were rejected at once,
    how many were known and had changed, how many were known, how many no source takes."""

    new: int = 0
    rejected: int = 0
    changed: int = 0
    known: int = 0
    nobodys: int = 0

    def add(self, other: Taken) -> None:
        """Count those of another lot in."""
        self.new += other.new
        self.rejected += other.rejected
        self.changed += other.changed
        self.known += other.known
        self.nobodys += other.nobodys


@dataclass(frozen=True, slots=True)
class KeptBack:
    """What keeps one back that waits: its gate (`line` and `source` where those stand still), until when as far as that
    is known, and why, for people."""

    gate: str
    until: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A callback with what its CRM was told of it, first things first, and what keeps it back where it waits."""

    callback: Callback
    reports: Sequence[Delivery]
    kept_back: Sequence[KeptBack] = ()


@dataclass(slots=True)
class Counts:
    """How many callbacks of a source are in each state, and how many of the waiting ones each gate holds back (the key
    is empty for those whose time has not come, or that have their turn soon)."""

    states: dict[CallbackState, int] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A task, whose it is, and what the rules of that source make of it; None: no source takes it."""

    task: Task
    rules: Rules | None
    wish: Wish | None

    @property
    def number(self) -> str:
        """Who is to be rung, in E.164; empty where that is not known."""
        return self.wish.number.e164 if self.wish is not None else ""

    def differs(self, callback: Callback) -> bool:
        """Whether it means something that its callback does not know."""
        if self.rules is None or self.wish is None:  # what the bridge itself wrote may be what changed it
            return callback.state is CallbackState.WAITING and callback.rung_at is None and callback.claimed_at is None
        return differs(callback, self.rules, self.wish)


class CallbackService:
    """Callbacks on one database. `current` gives the newest configuration, `clock` the time, aware.

    Any process may use it: what there is to do is done by the working process. Everything raises `StoreUnavailable`.
    """

    def __init__(
        self, database: Database, queue: Queue, current: Callable[[], Configuration], clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self.book = Rulebook(current)
        self._reports = Reports(database, queue, clock)

    # taking tasks

    def accept(self, source: str, task: Task) -> Accepted:
        """Take a task, for whichever source with the same tasks it is; it is on disk when this returns. The same task
        again, from whichever way, is the same callback; what changed of it counts as long as nobody was rung.

        Raises `NoSuchSource`, `NoSuchTask`, `NobodysTask`.
        """
        if not task.id.strip() or len(task.id) > LONGEST_ID:
            raise NoSuchTask(f"a task needs an id of 1 to {LONGEST_ID} characters")
        rules = self._rules(source)
        asked = self._asked(rules, task)
        taken = self._take(rules, [asked])
        callback = self._known(rules, asked)
        if callback is None:
            raise NobodysTask(NOBODYS[0])
        elsewhere = rules.source.from_ is None and asked.wish is not None and _elsewhere(callback, asked.wish)
        return Accepted(callback.id, bool(taken.new), callback.state, callback.reason, elsewhere)

    def unfit(self, source: str, task: Task) -> tuple[Phone, str | None]:
        """Who this task would have rung, and why that can't be, in English; None where it can. Nothing is kept. Raises
        `NoSuchSource`."""
        asked = self._asked(self._rules(source), task)
        if asked.rules is None or asked.wish is None:
            return self._rules(source).wish(task).number, NOBODYS[0]
        refusal = unfit(asked.rules, asked.wish, "en")
        return asked.wish.number, None if refusal is None else refusal[1]

    def known(self, source: str, task: Task) -> bool:
        """Whether this task is there already. Raises `NoSuchSource`."""
        rules = self._rules(source)
        return self._known(rules, self._asked(rules, task)) is not None

    def source_of(self, name: str, connector: str) -> str:
        """The source with this name, or where there is none any more, one with the tasks of this connector. Raises
        `NoSuchSource`."""
        rules = self.book().rules
        if name in rules:
            return name
        found = next((one.title for one in rules.values() if one.source.from_ == connector), None)
        return found or self._rules(name).title

    def accept_all(
        self, source: str, tasks: Iterable[Task], told: Callable[[Taken], None] = lambda _taken: None
    ) -> Taken:
        """Take many tasks, a few hundred at a time, each lot on disk before the next is asked for; `told` after each.
        Tasks without a usable id are left out. Each is taken for whichever source with the same tasks it is."""
        total = Taken()
        rest = iter(tasks)
        while lot := list(islice(rest, _PIECE)):
            rules = self._rules(source)
            usable = [task for task in lot if task.id.strip() and len(task.id) <= LONGEST_ID]
            total.add(self._take(rules, [self._asked(rules, task) for task in usable]))
            told(total)
        return total

    def accept_wishes(
        self,
        source: str,
        pairs: Iterable[tuple[Task, Wish]],
        told: Callable[[Taken], None] = lambda _taken: None,
        held: Callable[[Connection], Mapping[str, Any]] = lambda _connection: {},
    ) -> Taken:
        """As `accept_all`, of tasks with usable ids whose wishes by the rules of the source are known already. `held`
        is asked in each lot's own transaction, and may raise: the columns by which what would wait is kept back."""
        total = Taken()
        rest = iter(pairs)
        while lot := list(islice(rest, _PIECE)):
            rules = self._rules(source)
            total.add(self._take(rules, [_Asked(task, rules, wish) for task, wish in lot], held))
            told(total)
        return total

    def _asked(self, rules: Rules, task: Task) -> _Asked:
        owner = self.book().owner(rules, task)
        return _Asked(task, owner, owner.wish(task) if owner is not None else None)

    def _known(self, rules: Rules, asked: _Asked) -> Callback | None:
        key = callbacks.key_of(asked.task.id)
        with self._database.read() as connection:
            return self._there(connection, rules, {key: asked}).get(key)

    def _there(self, connection: Connection, rules: Rules, wanted: Mapping[str, _Asked]) -> dict[str, Callback]:
        """Those that are there already, of the tasks that `rules` share, by task_key."""
        numbers = {key: one.number for key, one in wanted.items()}
        return identity.known(connection, self.book().configuration, rules.source.origin, numbers)

    def _take(
        self,
        rules: Rules,
        asked: Sequence[_Asked],
        held: Callable[[Connection], Mapping[str, Any]] = lambda _connection: {},
    ) -> Taken:
        """Take tasks that have the origin of `rules`."""
        book, now = self.book(), self._clock()
        wanted = {callbacks.key_of(one.task.id): one for one in asked}
        with self._database.read() as connection:
            known = self._there(connection, rules, wanted)
        fresh = {key: one for key, one in wanted.items() if key not in known and one.rules is not None}
        changed = [one for one in known.values() if wanted[one.task_key].differs(one)]
        stale = [one.id for one in known.values() if now - one.seen_at > _SEEN_EVERY]
        taken = Taken(known=len(known), nobodys=sum(one.rules is None for one in wanted.values()))
        if fresh or changed or stale:
            with self._database.write() as connection:
                kept_back = held(connection)
                self._add(connection, book, rules, fresh, taken, kept_back)
                for one in changed:
                    taken.changed += self._update(connection, book, one, wanted[one.task_key], kept_back)
                callbacks.seen(connection, stale, now)
                touched = [*fresh.values(), *(wanted[one.task_key] for one in changed)]
                for line in {one.rules.line.number for one in touched if one.rules is not None}:
                    self._look(connection, line)
        return taken

    def _rules(self, source: str) -> Rules:
        rules = self.book().rules.get(source)
        if rules is None:
            raise NoSuchSource(f"the configuration has no callbacks from {source}")
        return rules

    def _add(
        self,
        connection: Connection,
        book: Book,
        rules: Rules,
        fresh: Mapping[str, _Asked],
        taken: Taken,
        held: Mapping[str, Any],
    ) -> None:
        if not fresh:
            return
        now, language = self._clock(), book.configuration.language
        callbacks.turn_of(self._database, connection, rules.source.origin)
        known = self._there(connection, rules, fresh)  # once more, now that nobody else is at it
        rows = [
            _row(one.rules, key, one.task, one.wish, now, language)
            for key, one in fresh.items()
            if key not in known and one.rules is not None and one.wish is not None
        ]
        for row in rows:
            if row["state"] == CallbackState.WAITING:
                row.update(held)
        added = callbacks.add(self._database, connection, rows)
        taken.new += len(added)
        taken.known += len(fresh) - len(added)
        for row in rows:
            if row["state"] == CallbackState.REJECTED and row["task_key"] in added:
                taken.rejected += 1
                self._reports.tell(connection, book.configuration, added[row["task_key"]])

    def _update(
        self, connection: Connection, book: Book, callback: Callback, asked: _Asked, kept_back: Mapping[str, Any]
    ) -> bool:
        """A task that is known came differently."""
        if asked.rules is None or asked.wish is None:
            said = NOBODYS[book.configuration.language == "es"]
            withdrawn = states.cancel(self._clock(), said, withdrawn=True)
            return callbacks.change(connection, callback.id, withdrawn, self._clock())
        rules, wish = asked.rules, asked.wish
        values = _row(rules, callback.task_key, asked.task, wish, self._clock(), book.configuration.language)
        state, reason = CallbackState(values["state"]), values["reason"]
        kept = {name: values[name] for name in _OF_TASK}
        change: Change
        if _nameless(callback):
            change = states.named(task_id=asked.task.id, **{**kept, "origin": callback.origin})
        elif state is CallbackState.WAITING and callback.state is CallbackState.WAITING:
            held = callback.gate and callback.due == wish.due and callback.source == rules.title
            change = states.renew(**kept, **({} if held else {"next_at": values["next_at"], "gate": "", "reason": ""}))
            change = Change(change.before, {**change.values, **kept_back})
        elif state is CallbackState.WAITING:
            change = states.reopen(values["next_at"], "", **kept)
            change = Change(change.before, {**change.values, **kept_back})
        elif callback.state is CallbackState.WAITING:
            change = states.reject(self._clock(), values["gate"], reason)
            change = Change(change.before, {**change.values, **kept})
        elif callback.state is CallbackState.REJECTED:  # it can't be called now either, for a reason of today
            change = Change(frozenset({callback.state}), {"gate": values["gate"], "reason": reason, **kept})
        else:
            change = Change(frozenset({callback.state}), {"digest": wish.digest})
        if not callbacks.change(connection, callback.id, change, self._clock()):
            return False
        if change.state is CallbackState.REJECTED:
            self._reports.tell(connection, book.configuration, callback.id)
        return True

    # showing

    def find(self, wanted: CallbackFilter | None = None, limit: int = 100) -> list[Callback]:
        """Callbacks, newest first."""
        with self._database.read() as connection:
            return callbacks.find(connection, wanted or CallbackFilter(), limit)

    def show(self, id_: int) -> Shown | None:
        """One with all that its CRM was told; None where there is none."""
        with self._database.read() as connection:
            callback = callbacks.get(connection, id_)
            if callback is None:
                return None
            return Shown(callback, history(connection, callback), list(self._kept_back(connection, callback)))

    def _kept_back(self, connection: Connection, callback: Callback) -> Iterator[KeptBack]:
        """All that keeps it back now, not only the gate that it met last: a line that stands still stops every gate's
        asking, and what its pace keeps back is not noted on thousands of callbacks."""
        if callback.state is not CallbackState.WAITING:
            return
        now, configuration = self._clock(), self.book().configuration
        later = callback.next_at is None or callback.next_at > now
        if later:
            gate = callback.gate or ("time" if callback.due == callback.next_at else "")
            yield KeptBack(gate, callback.next_at, callback.reason or "its time has not come")
        if configuration.source(callback.source) is None:
            text = f"the configuration has no source {callback.source} any more"
            yield KeptBack("source", None, text)
        found = [*self.lines(), *self.sources()]
        still = [one for one in found if one.stands and one.name == getattr(callback, one.kind)]
        for one in still:
            yield KeptBack(one.kind, one.until, one.stands)
        line = configuration.line(callback.line)
        if later or still or line is None:
            return
        midnight = start_of(now.astimezone(ZoneInfo(line.timezone)).date(), line.timezone)
        full = gates.per_day(callbacks.emitted(connection, line.number, midnight), line, now)
        if full is not None:
            yield KeptBack(full.gate.value, full.until, full.text(configuration.language))
        ahead = callbacks.ahead(connection, line.number, callback.next_at or now) - 1
        if ahead > 0 or full is None:
            text = f"up to {ahead:,} others of the line go first, {line.emission.per_minute} a minute (per_minute)"
            yield KeptBack(gates.Gate.PACE.value, None, text if ahead > 0 else "it has its turn soon")

    def counts(self) -> dict[str, Counts]:
        """How many there are, by source."""
        found: dict[str, Counts] = {}
        with self._database.read() as connection:
            for source, state, gate, number in callbacks.counts(connection):
                one = found.setdefault(source, Counts())
                one.states[state] = one.states.get(state, 0) + number
                if state is CallbackState.WAITING:
                    one.gates[gate] = one.gates.get(gate, 0) + number
        return found

    def lines(self) -> list[EmissionStatus]:
        """How each line of the configuration stands."""
        return self._standings("line", [line.number for line in self.book().configuration.lines])

    def sources(self) -> list[EmissionStatus]:
        """How each source of the configuration stands. Those that have the same tasks have them looked at by one."""
        book = self.book()
        found = {
            one.name: one for one in self._standings("source", [one.title for one in book.configuration.callbacks])
        }
        for name, rules in book.rules.items():
            poller = found[book.poller(rules)]
            found[name] = replace(found[name], polled_at=poller.polled_at, error=poller.error)
        return list(found.values())

    def _standings(self, kind: Kind, names: Sequence[str]) -> list[EmissionStatus]:
        with self._database.read() as connection:
            known = emissions.all_of(connection, kind)
            now = self._clock()
            zones = {line.number: line.timezone for line in self.book().configuration.lines}
            return [brakes.standing(connection, kind, name, known.get(name), now, zones.get(name)) for name in names]

    # a person's say

    def confirm(self, id_: int, *, rang: bool) -> Callback | None:
        """A person says whether a phone rang that may have rung: yes, and it counts as called; no, and it is called.
        The callback after that; None where there is none that may have rung with this number."""
        book, now = self.book(), self._clock()
        spanish = book.configuration.language == "es"
        if rang:
            change = states.confirm(now, "una persona confirma que sonó" if spanish else "a person says that it rang")
        else:
            said = "una persona confirma que no sonó" if spanish else "a person says that it did not ring"
            change = states.release(now, said)
        with self._database.write() as connection:
            if not callbacks.change(connection, id_, change, now):
                return None
            callback = callbacks.get(connection, id_)
            if rang:
                self._reports.tell(connection, book.configuration, id_)
            elif callback is not None:
                self._look(connection, callback.line)
        return callback

    def cancel(self, id_: int, reason: str = "") -> bool:
        """Not to be called any more; false where it is too late for that, or there is no such callback."""
        book, now = self.book(), self._clock()
        with self._database.write() as connection:
            callback = callbacks.get(connection, id_)
            known = callback is not None and callback.source in book.rules
            change = states.cancel(now, reason)
            if not known:  # whoever knows the source tells its CRM, as of those that are cancelled together
                change = Change(change.before, {**change.values, "next_at": now})
            if not callbacks.change(connection, id_, change, now):
                return False
            if known:
                self._reports.tell(connection, book.configuration, id_)
        return True

    def cancel_all(self, source: str, reason: str = "") -> int:
        """Cancel all of a source that wait; how many that were. Their CRM is told in the background."""
        now = self._clock()
        with self._database.write() as connection:
            return callbacks.cancel_all(connection, source, states.cancel(now, reason), now)

    def pause_line(self, number: str, reason: str = "") -> None:
        """The switch for emergencies: this line emits nothing from now on."""
        self._hold("line", number, reason)

    def resume_line(self, number: str) -> None:
        """This line emits again, whoever or whatever stopped it."""
        self._release("line", number)

    def pause_source(self, name: str, reason: str = "") -> None:
        """Nothing of this source is called from now on; its tasks are kept."""
        self._hold("source", name, reason)

    def resume_source(self, name: str) -> None:
        """The tasks of this source are called again, whoever or whatever paused it."""
        self._release("source", name)

    def _hold(self, kind: Kind, name: str, reason: str) -> None:
        with self._database.write() as connection:
            emissions.held(self._database, connection, kind, name)
            emissions.save(connection, kind, name, brakes.hold(reason, self._clock()))

    def _release(self, kind: Kind, name: str) -> None:
        rules = self.book().rules.get(name) if kind == "source" else None
        line = rules.line.number if rules else name
        with self._database.write() as connection:
            emissions.held(self._database, connection, kind, name)
            emissions.save(connection, kind, name, brakes.resume())
            self._look(connection, line)

    def _look(self, connection: Connection, line: str) -> None:
        """Have somebody see whose turn it is."""
        self._queue.poke(connection, LINE, line_key(line, self._clock()))


def differs(callback: Callback, rules: Rules, wish: Wish) -> bool:
    """Whether a task that is listed again, and is of the source with these rules, means something that is not known.
    What has rung stays as it is."""
    if _nameless(callback):
        return True
    if callback.rung_at is not None or not callback.task_id:
        return False
    if callback.state in _REOPENED and callback.withdrawn:
        return True
    of = (rules.title, rules.source.origin)
    if callback.state is CallbackState.WAITING and (callback.source, callback.origin) != of:
        return True
    return callback.digest != wish.digest and callback.state in (CallbackState.WAITING, *_REOPENED)


def _nameless(callback: Callback) -> bool:
    """Whether no more is known of it than that it was called (see `bridge.callbacks.fence`). One whose data was erased
    has no reason either."""
    return callback.gate == states.RESTORED and not callback.task_id and bool(callback.reason)


def _elsewhere(callback: Callback, wish: Wish) -> bool:
    """Whether a task asks for another number than its callback, which takes no changes any more. One whose data was
    erased has no number."""
    changeable = callback.state in (CallbackState.WAITING, *_REOPENED) and callback.rung_at is None
    return not changeable and bool(callback.number) and callback.number != wish.number.e164


def _row(rules: Rules, key: str, task: Task, wish: Wish, now: datetime, language: str) -> dict[str, Any]:
    """A new callback for a task; rejected where it can be seen at once that it can't be called."""
    late = timedelta(seconds=rules.source.expires)
    due = wish.due
    waits = due if due is not None and rules.source.schedule == "bridge" else now
    row: dict[str, Any] = {
        "source": rules.title,
        "origin": rules.source.origin,
        "task_key": key,
        "task_id": task.id,
        "line": rules.line.number,
        "number": wish.number.e164,
        "customer": wish.customer.e164,
        "state": CallbackState.WAITING.value,
        "digest": wish.digest,
        "task": stored(task.fields),
        "due": due,
        "next_at": max(waits, now),
        "expires_at": max(due or now, now) + late,
        "gate": "",
        "reason": "",
        "created_at": now,
        "updated_at": now,
        "seen_at": now,
        "settled_at": None,
    }
    refusal = unfit(rules, wish, language)
    if refusal is not None:
        gate, reason = refusal
        ended = {"state": CallbackState.REJECTED.value, "settled_at": now, "next_at": None}
        row |= {**ended, "gate": gate, "reason": reason}
    return row


def unfit(rules: Rules, wish: Wish, language: str) -> tuple[str, str] | None:
    """Why a task can never be called as it is (gate and reason), None where it can."""
    if wish.fault is not None:
        return "task", wish.fault.text(language)
    for phone in {wish.number, wish.customer}:
        refusal = gates.number(phone, rules.line)
        if refusal is not None:
            return refusal.gate.value, refusal.text("es" if language == "es" else "en")
    return None
