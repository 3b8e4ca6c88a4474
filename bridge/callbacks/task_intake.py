"""Takes tasks: each is one callback, whichever way it comes and however often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from bridge.callbacks import gates, identity, states
from bridge.callbacks.gates import Facts
from bridge.callbacks.parts import Book, Rulebook
from bridge.callbacks.reports import Reports
from bridge.callbacks.tasks import LONGEST_ID, Rules, Wish, stored
from bridge.errors import BridgeError
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import callbacks, callbacktasks, campaigns
from bridge.store.callbacks import Callback, CallbackState
from bridge.store.campaigns import Campaign
from bridge.store.database import Database
from bridge.texts import Language, Text
from connectors.base import Task
from connectors.phone import Phone

_PIECE = 500
_SEEN_EVERY = timedelta(days=1)
NOBODYS = Text("no source takes this task: `when:` does not hold")


class NoSuchSource(BridgeError):
    """The configuration has no source of callbacks with this name."""


class NoSuchTask(BridgeError):
    """What came is no task that can be kept: it has no id, or one that is far too long."""


class NoCampaign(BridgeError):
    """This can't be a campaign, or there is none with this name; the message says what to do."""


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
class IntakeCounts:
    """What came of many tasks: how many were new (those rejected among them), how many of those were rejected at once,
    how many were known and had changed, how many were known, how many no source takes."""

    new: int = 0
    rejected: int = 0
    changed: int = 0
    known: int = 0
    nobodys: int = 0

    def add(self, other: IntakeCounts) -> None:
        """Count those of another lot in."""
        self.new += other.new
        self.rejected += other.rejected
        self.changed += other.changed
        self.known += other.known
        self.nobodys += other.nobodys


@dataclass(frozen=True, slots=True)
class _Asked:
    """A task, whose it is, and what the rules of that source make of it; None: no source takes it. `refused`: why,
    where that is not `when`."""

    task: Task
    rules: Rules | None
    wish: Wish | None
    refused: str = ""

    @property
    def number(self) -> str:
        """Who is to be rung, in E.164; empty where that is not known."""
        return self.wish.number.e164 if self.wish is not None else ""

    def differs(self, callback: Callback, *, of_crm: bool) -> bool:
        """Whether it means something that its callback does not know. `of_crm`: a CRM has it."""
        if self.rules is not None and self.wish is not None:
            return differs(callback, self.rules, self.wish)
        if of_crm:  # what the bridge itself wrote may be what changed it
            return callback.state is CallbackState.WAITING and callback.rung_at is None and callback.claimed_at is None
        return callback.state in (CallbackState.WAITING, CallbackState.QUEUED) and callback.rung_at is None


class TaskIntake:
    """Takes tasks into one database; any process may. Everything raises `StoreUnavailable`."""

    def __init__(
        self, database: Database, queue: Queue, book: Rulebook, reports: Reports, clock: Callable[[], datetime]
    ) -> None:
        self._database, self._queue, self._book, self._reports, self._clock = database, queue, book, reports, clock

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
            raise NobodysTask(str(NOBODYS))
        elsewhere = rules.source.connector is None and asked.wish is not None and _elsewhere(callback, asked.wish)
        return Accepted(callback.id, bool(taken.new), callback.state, callback.reason, elsewhere)

    def unfit(self, source: str, task: Task) -> tuple[Phone, str | None]:
        """Return who this task would have rung, and why that can't be, in English; None where it can. Nothing is kept.
        Raises `NoSuchSource`."""
        asked = self._asked(self._rules(source), task)
        if asked.rules is None or asked.wish is None:
            return self._rules(source).wish(task).number, str(NOBODYS)
        decision = gates.admit(gates.wished(asked.wish), Facts(rules=asked.rules, now=self._clock()))
        return asked.wish.number, decision.text("en") if decision.final else None

    def known(self, source: str, task: Task) -> bool:
        """Return whether this task is there already. Raises `NoSuchSource`."""
        rules = self._rules(source)
        return self._known(rules, self._asked(rules, task)) is not None

    def source_of(self, name: str, connector: str) -> str:
        """Return the source with this name, or where there is none any more, one with the tasks of this connector.
        Raises `NoSuchSource`."""
        rules = self._book().rules
        if name in rules:
            return name
        title = next((candidate.title for candidate in rules.values() if candidate.source.connector == connector), None)
        return title or self._rules(name).title

    def accept_all(
        self, source: str, tasks: Iterable[Task], progress: Callable[[IntakeCounts], None] = lambda _taken: None
    ) -> IntakeCounts:
        """Take many tasks, a few hundred at a time, each lot on disk before the next is asked for, and call `progress`
        after each. Tasks without a usable id are left out. Each is taken for the source, of those with the same tasks,
        whose it is."""
        total = IntakeCounts()
        remaining = iter(tasks)
        while lot := list(islice(remaining, _PIECE)):
            rules = self._rules(source)
            usable = [task for task in lot if task.id.strip() and len(task.id) <= LONGEST_ID]
            total.add(self._take(rules, [self._asked(rules, task) for task in usable]))
            progress(total)
        return total

    def accept_wishes(
        self,
        source: str,
        pairs: Iterable[tuple[Task, Wish | str]],
        progress: Callable[[IntakeCounts], None] = lambda _taken: None,
        campaign: str = "",
    ) -> IntakeCounts:
        """As `accept_all`, of tasks whose wishes by the rules of the source are known already, or why they can't be
        called; those that are new are of this campaign, and kept back where it is paused. Raises `NoCampaign` where it
        was cancelled or dropped meanwhile."""
        total = IntakeCounts()
        remaining = iter(pairs)
        while lot := list(islice(remaining, _PIECE)):
            rules = self._rules(source)
            asked = [
                _Asked(task, None, None, wish) if isinstance(wish, str) else _Asked(task, rules, wish)
                for task, wish in lot
            ]
            total.add(self._take(rules, asked, campaign))
            progress(total)
        return total

    def _asked(self, rules: Rules, task: Task) -> _Asked:
        owner = self._book().owner(rules, task)
        return _Asked(task, owner, owner.wish(task) if owner is not None else None)

    def _known(self, rules: Rules, asked: _Asked) -> Callback | None:
        key = callbacks.key_of(asked.task.id)
        with self._database.read() as connection:
            return self._there(connection, rules, {key: asked}).get(key)

    def _there(self, connection: Connection, rules: Rules, asked: Mapping[str, _Asked]) -> dict[str, Callback]:
        """Those that are there already, of the tasks that `rules` share, by task_key."""
        numbers = {key: request.number for key, request in asked.items()}
        return identity.known(connection, self._book().configuration, rules.source.origin, numbers)

    def _take(self, rules: Rules, asked: Sequence[_Asked], campaign: str = "") -> IntakeCounts:
        """Take tasks that have the origin of `rules`."""
        book, now = self._book(), self._clock()
        by_key = {callbacks.key_of(request.task.id): request for request in asked}
        with self._database.read() as connection:
            callback_of = self._there(connection, rules, by_key)
        fresh = {
            key: request for key, request in by_key.items() if key not in callback_of and request.rules is not None
        }
        of_crm = rules.source.connector is not None
        changed = [
            callback for callback in callback_of.values() if by_key[callback.task_key].differs(callback, of_crm=of_crm)
        ]
        stale = [callback.id for callback in callback_of.values() if now - callback.seen_at > _SEEN_EVERY]
        nobodys = {key for key, request in by_key.items() if request.rules is None}
        taken = IntakeCounts(known=len(callback_of.keys() - nobodys), nobodys=len(nobodys))
        if fresh or changed or stale:
            with self._database.write() as connection:
                held = _held(connection, campaign) if campaign else None
                self._add(connection, book, rules, fresh, taken, campaign)
                for callback in changed:
                    taken.changed += self._update(connection, book, callback, by_key[callback.task_key], campaign)
                callbacktasks.seen(connection, stale, now)
                if held is not None and held.halted:
                    campaigns.change(connection, campaign, states.halted(held, now), now)
                touched = [*fresh.values(), *(by_key[callback.task_key] for callback in changed)]
                for line in {request.rules.line.number for request in touched if request.rules is not None}:
                    self._look(connection, line)
        return taken

    def _rules(self, source: str) -> Rules:
        rules = self._book().rules.get(source)
        if rules is None:
            raise NoSuchSource(f"the configuration has no callbacks from {source}")
        return rules

    def _add(
        self,
        connection: Connection,
        book: Book,
        rules: Rules,
        fresh: Mapping[str, _Asked],
        taken: IntakeCounts,
        campaign: str,
    ) -> None:
        if not fresh:
            return
        now, language = self._clock(), book.configuration.language
        callbacktasks.turn_of(self._database, connection, rules.source.origin)
        callback_of = self._there(connection, rules, fresh)  # once more, now that nobody else is at it
        rows = [
            new_row(request.rules, key, request.task, request.wish, now, language) | {"campaign": campaign}
            for key, request in fresh.items()
            if key not in callback_of and request.rules is not None and request.wish is not None
        ]
        added = callbacktasks.add(self._database, connection, rows)
        taken.new += len(added)
        taken.known += len(fresh) - len(added)
        for row in rows:
            if row["state"] == CallbackState.REJECTED and row["task_key"] in added:
                taken.rejected += 1
                self._reports.tell(connection, book.configuration, added[row["task_key"]])

    def _update(self, connection: Connection, book: Book, callback: Callback, asked: _Asked, campaign: str) -> bool:
        """A task that is known came differently."""
        if asked.rules is None or asked.wish is None:
            reason = asked.refused or NOBODYS.render(book.configuration.language)
            withdrawn = states.cancel(self._clock(), reason, withdrawn=True)
            return callbacks.change(connection, callback.id, withdrawn, self._clock())
        now = self._clock()
        by_hand = callback.by_hand_at is not None
        language = book.configuration.language
        row = new_row(asked.rules, callback.task_key, asked.task, asked.wish, now, language, by_hand=by_hand)
        row["campaign"] = campaign
        change = states.task_changed(callback, row, now)
        if not callbacks.change(connection, callback.id, change, now):
            return False
        if change.state is CallbackState.REJECTED:
            self._reports.tell(connection, book.configuration, callback.id)
        return True

    def _look(self, connection: Connection, line: str) -> None:
        """Have somebody see whose turn it is."""
        self._queue.wake(connection, LINE, line_key(line, self._clock()))


def _held(connection: Connection, name: str) -> Campaign:
    """The campaign whose rows come. Until the transaction ends nobody pauses, cancels or drops it; whoever holds it
    takes the line no more."""
    campaign = campaigns.get(connection, name, lock=True)
    if campaign is None:
        raise NoCampaign(f"campaign {name} is not there any more; no more of its rows are taken")
    if campaign.cancelled_at is not None:
        raise NoCampaign(f"campaign {name} was cancelled while its rows were taken; no more of them are")
    return campaign


def differs(callback: Callback, rules: Rules, wish: Wish) -> bool:
    """Return whether a task that is listed again, and is of the source with these rules, means something that is not
    known. What has rung stays as it is."""
    if states.nameless(callback):
        return True
    if callback.rung_at is not None or not callback.task_id:
        return False
    if callback.state in states.REOPENED and callback.withdrawn:
        return True
    of = (rules.title, rules.source.origin)
    if callback.state is CallbackState.WAITING and (callback.source, callback.origin) != of:
        return True
    # a task that a CRM has is read again right before it is called; others are what came last
    turn_came = callback.state is CallbackState.QUEUED and rules.source.connector is None
    return callback.digest != wish.digest and (turn_came or callback.state in (CallbackState.WAITING, *states.REOPENED))


def _elsewhere(callback: Callback, wish: Wish) -> bool:
    """Whether a task that came by HTTP asks for another number than its callback, which takes no changes any more. One
    whose data was erased has no number."""
    ahead = (CallbackState.WAITING, CallbackState.QUEUED, *states.REOPENED)
    changeable = callback.state in ahead and callback.rung_at is None
    return not changeable and bool(callback.number) and callback.number != wish.number.e164


def new_row(
    rules: Rules, key: str, task: Task, wish: Wish, now: datetime, language: Language, *, by_hand: bool = False
) -> dict[str, Any]:
    """Return a new callback for a task; rejected where it can be seen at once that it can't be called. `by_hand`: a
    person had it called."""
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
    asked = gates.wished(wish, by_hand=by_hand, expires_at=row["expires_at"])
    decision = gates.admit(asked, Facts(rules=rules, now=now))
    if decision.gate is not None and decision.until is not None:
        row |= {"next_at": decision.until, "gate": decision.gate.value, "reason": decision.text(language)}
    elif decision.gate is not None:
        ended = {"state": CallbackState.REJECTED.value, "settled_at": now, "next_at": None}
        row |= {**ended, "gate": decision.gate.value, "reason": decision.text(language)}
    return row
