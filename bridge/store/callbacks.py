"""Callbacks: tasks that ask for a call. The flow decides what becomes of them; here they are only kept.

A task is known by its origin (see `bridge.callbacks.identity`) and the SHA-256 of its id, so it is one callback
whichever way it comes, also after its personal data was let go (`blank`): what is left then is what keeps the same task
from being called again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from bridge.store.tables import IN_CAMPAIGN, callbacks


class CallbackState(StrEnum):
    """Where a callback stands. Which states follow which, and why, is in `bridge.callbacks.states`."""

    WAITING = "waiting"
    """For its time, for a gate to open, for the line or the source to go on."""
    QUEUED = "queued"
    """It is its turn: its task is read again and claimed, then it is sent."""
    SENDING = "sending"
    """Committed before the first byte leaves. Found so after a crash, it may have rung."""
    ACCEPTED = "accepted"
    """The platform took the request; what becomes of the call is still to be heard."""
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    NO_OUTCOME = "no_outcome"
    """Nothing was heard of the call in all the time that it had."""
    REJECTED = "rejected"
    """It can't be called: no number, not one that may be called, refused by the platform."""
    CANCELLED = "cancelled"
    """It is not to be called any more: a person said so, or its task was closed or changed hands."""
    EXPIRED = "expired"
    """It came to be too late."""
    MAY_HAVE_RUNG = "may_have_rung"
    """Nobody can tell whether the phone rang; never sent again by itself."""


_ASIDE = frozenset({CallbackState.WAITING, CallbackState.QUEUED})
OPEN = frozenset({CallbackState.WAITING, CallbackState.QUEUED, CallbackState.SENDING, CallbackState.ACCEPTED})
"""What still goes on by itself."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A stored callback. Times are aware; empty texts and None mean: not known, or not so far.

    `task`: the fields of the task as they were last read (`bridge.callbacks.tasks.stored`); `digest`: of what the
    source's expressions made of them. `number` is rung, `customer` is whom it is about, both in E.164. `due`: the time
    that the task asks for; `next_at`: nothing happens before, for an accepted one when its outcome is given up;
    `expires_at`. `gate` and `reason`: what keeps it waiting, or why it ended. `attempts`: requests in a row that came
    to nothing; `windows`: calling windows tried; `emissions`: requests that went out. `claimed_at`: when the CRM is
    told that the bridge has the task. `rung_at`: when a request that may ring went out (for one with a time of its own,
    that time); None where it is certain that nobody was rung. `request`: the last one, without signature. `result` and
    `answer`: what the platform said. `withdrawn`: cancelled because the CRM no longer asks for it. `owner`,
    `lease_until`: who is sending it. `last_report`: key of the newest delivery that tells the CRM. `origin`: what the
    task comes from, empty as long as an older version alone has seen it. `campaign`: the one whose row it is, empty for
    other tasks. `by_hand_at`: when a person had it called.
    """

    id: int
    source: str
    task_key: str
    task_id: str
    line: str
    number: str
    customer: str
    state: CallbackState
    digest: str
    task: Mapping[str, Any]
    due: datetime | None
    next_at: datetime | None
    expires_at: datetime | None
    gate: str
    reason: str
    attempts: int
    windows: int
    emissions: int
    claimed_at: datetime | None
    rung_at: datetime | None
    idcall: str
    request: Mapping[str, Any] | None
    result: int | None
    answer: str
    seconds: int | None
    withdrawn: bool
    owner: str
    lease_until: datetime | None
    last_report: str
    created_at: datetime
    updated_at: datetime
    seen_at: datetime
    settled_at: datetime | None
    version: int
    origin: str
    campaign: str
    by_hand_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a transition makes of a callback: the new values of columns, and the states in which that may happen."""

    before: frozenset[CallbackState]
    values: Mapping[str, Any]

    @property
    def state(self) -> CallbackState | None:
        """The state after it; None where that stays."""
        state = self.values.get("state")
        return None if state is None else CallbackState(state)


@dataclass(frozen=True, slots=True)
class CallbackFilter:
    """Which callbacks are wanted; empty means any. `unsettled`: those that may have rung and wait for a person."""

    states: frozenset[CallbackState] = field(default_factory=frozenset)
    source: str = ""
    line: str = ""
    e164: str = ""
    task_id: str = ""
    unsettled: bool = False
    campaign: str = ""


def key_of(task_id: str) -> str:
    """Return what a task is known by."""
    return hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()


def get(connection: Connection, id_: int, *, lock: bool = False) -> Callback | None:
    """Return the callback with this number; with `lock` held until the transaction ends."""
    query = select(callbacks).where(callbacks.c.id == id_)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else of_row(row)


def change(
    connection: Connection,
    id_: int,
    transition: Change,
    now: datetime,
    *,
    owner: str | None = None,
    version: int | None = None,
) -> bool:
    """Make a transition; whether it was made: not if the callback is in another state by now, or another `owner`'s, or
    was changed since this `version` of it."""
    where = [callbacks.c.id == id_, callbacks.c.state.in_([state.value for state in transition.before])]
    if owner is not None:
        where.append(callbacks.c.owner == owner)
    if version is not None:
        where.append(callbacks.c.version == version)
    values = {**transition.values, "updated_at": now, "version": callbacks.c.version + 1}
    statement = update(callbacks).where(*where).values(values)
    if not _back_to_waiting(transition):
        return connection.execute(statement).rowcount == 1
    try:
        with connection.begin_nested():
            return connection.execute(statement).rowcount == 1
    except IntegrityError:  # another task about the same missed calls waits
        return False


def _back_to_waiting(transition: Change) -> bool:
    """Whether it may make a callback wait that did not."""
    return transition.state is CallbackState.WAITING and not transition.before <= _ASIDE


def newest_about(connection: Connection, origin: str, customer: str, limit: int) -> list[Callback]:
    """Return the newest callbacks of an origin that are about this number, the newest first."""
    same = (callbacks.c.customer == customer, callbacks.c.origin == origin)
    query = select(callbacks).where(*same).order_by(callbacks.c.id.desc()).limit(limit)
    return [of_row(row) for row in connection.execute(query)]


def waiting_for_others(connection: Connection, origin: str, sources: Collection[str]) -> list[str]:
    """Return whom those that wait are about, of an origin, but of none of these sources."""
    query = select(callbacks.c.customer).where(
        callbacks.c.origin == origin,
        callbacks.c.state == CallbackState.WAITING,
        callbacks.c.customer != "",
        callbacks.c.source.not_in(list(sources)),
    )
    return list(connection.execute(query).scalars())


def due(connection: Connection, sources: Collection[str], now: datetime, limit: int) -> list[Callback]:
    """Return those of these sources that wait and whose time has come, at most `limit` of each, longest due first."""
    ready: list[Callback] = []
    for source in sources:  # one at a time, so that the index has them in order and no campaign has to be sorted
        same = (callbacks.c.state == CallbackState.WAITING, callbacks.c.source == source, callbacks.c.next_at <= now)
        query = select(callbacks).where(*same).order_by(callbacks.c.next_at, callbacks.c.id).limit(limit)
        ready += [of_row(row) for row in connection.execute(query)]
    return sorted(ready, key=lambda callback: (callback.next_at or now, callback.id))


def next_due(connection: Connection, sources: Collection[str], after: datetime) -> datetime | None:
    """Return when the next one of these sources has its time, of those whose time is later than `after`."""
    query = select(func.min(callbacks.c.next_at)).where(
        callbacks.c.state == CallbackState.WAITING, callbacks.c.source.in_(list(sources)), callbacks.c.next_at > after
    )
    moment: datetime | None = connection.execute(query).scalar()
    return moment


def put_off(connection: Connection, source: str, now: datetime) -> list[int]:
    """Return the numbers of those of a source that wait for a later time, or for a person."""
    later = or_(callbacks.c.next_at > now, callbacks.c.next_at.is_(None))
    same = (callbacks.c.state == CallbackState.WAITING, callbacks.c.source == source, later)
    return list(connection.execute(select(callbacks.c.id).where(*same).order_by(callbacks.c.id)).scalars())


def look_again(
    connection: Connection, gate: str, sources: Collection[str] | None, now: datetime, limit: int | None = None
) -> int:
    """Have those that a gate keeps back, of these sources (None: of all), judged at once; return how many, at most
    `limit`."""
    same = [callbacks.c.state == CallbackState.WAITING, callbacks.c.gate == gate, callbacks.c.next_at > now]
    if sources is not None:
        same.append(callbacks.c.source.in_(list(sources)))
    some = select(callbacks.c.id).where(*same).limit(limit)
    values = {"next_at": now, "updated_at": now, "version": callbacks.c.version + 1}
    return connection.execute(update(callbacks).where(callbacks.c.id.in_(some), *same).values(values)).rowcount


def waiting(connection: Connection, ids: Collection[int]) -> list[Callback]:
    """Return those of these that wait, in order."""
    same = (callbacks.c.id.in_(list(ids)), callbacks.c.state == CallbackState.WAITING)
    return [of_row(row) for row in connection.execute(select(callbacks).where(*same).order_by(callbacks.c.id))]


def by_idcall(connection: Connection, line: str, idcall: str) -> Callback | None:
    """Return the callback whose emission got this id."""
    query = select(callbacks).where(callbacks.c.idcall == idcall, callbacks.c.line == line).with_for_update()
    row = connection.execute(query).first()
    return None if row is None or not idcall else of_row(row)


def unknown(connection: Connection, line: str, number: str, since: datetime, until: datetime) -> list[Callback]:
    """Return those to this number, sent between these times, of which it is not known whether they rang, or that are
    being sent; the first sent first."""
    states = [CallbackState.MAY_HAVE_RUNG, CallbackState.SENDING]
    query = (
        select(callbacks)
        .where(
            callbacks.c.number == number,
            callbacks.c.line == line,
            callbacks.c.state.in_(states),
            callbacks.c.idcall == "",
            callbacks.c.rung_at.between(since, until),
        )
        .order_by(callbacks.c.rung_at, callbacks.c.id)
    )
    return [of_row(row) for row in connection.execute(query)]


def renew(connection: Connection, ids: Collection[int], owner: str, lease_until: datetime) -> None:
    """Extend the leases of those that this owner is still sending."""
    same = (callbacks.c.id.in_(list(ids)), callbacks.c.owner == owner, callbacks.c.state == CallbackState.SENDING)
    connection.execute(update(callbacks).where(*same).values(lease_until=lease_until))


def overdue(connection: Connection, now: datetime, before: datetime, limit: int) -> list[int]:
    """Return those that something has to be done about: queued since `before`, being sent by nobody any more, accepted
    and never heard of again."""
    query = (
        select(callbacks.c.id)
        .where(
            or_(
                and_(callbacks.c.state == CallbackState.QUEUED, callbacks.c.updated_at < before),
                and_(callbacks.c.state == CallbackState.SENDING, callbacks.c.lease_until < now),
                and_(callbacks.c.state == CallbackState.ACCEPTED, callbacks.c.next_at < now),
            )
        )
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def sources_due(connection: Connection, before: datetime) -> list[str]:
    """Return the sources of which something waits although its time came before."""
    query = (
        select(callbacks.c.source)
        .where(callbacks.c.state == CallbackState.WAITING, callbacks.c.next_at < before)
        .distinct()
    )
    return list(connection.execute(query).scalars())


def find(
    connection: Connection, criteria: CallbackFilter, limit: int = 100, before: int | None = None
) -> list[Callback]:
    """Return callbacks, newest first; `before`: only those whose number is below."""
    query = _filtered(criteria).order_by(callbacks.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(callbacks.c.id < before)
    return [of_row(row) for row in connection.execute(query)]


def each(connection: Connection, criteria: CallbackFilter, after: int = 0, limit: int = 500) -> list[Callback]:
    """Return those with a number above `after`, in order, to go through all of them in pieces."""
    query = _filtered(criteria).where(callbacks.c.id > after).order_by(callbacks.c.id).limit(limit)
    return [of_row(row) for row in connection.execute(query)]


def counts(connection: Connection) -> Iterator[tuple[str, CallbackState, str, int]]:
    """(source, state, gate, how many), the gate for those that wait."""
    columns = (callbacks.c.source, callbacks.c.state, callbacks.c.gate)
    for source, state, gate, number in connection.execute(select(*columns, func.count()).group_by(*columns)):
        yield source, CallbackState(state), gate, number


def cancel_all(connection: Connection, source: str, transition: Change, now: datetime) -> int:
    """Make a transition of all of a source that it fits; how many. `next_at` marks those that nobody was told of."""
    where = (callbacks.c.source == source, callbacks.c.state.in_([state.value for state in transition.before]))
    values = {**transition.values, "next_at": now, "updated_at": now, "version": callbacks.c.version + 1}
    return connection.execute(update(callbacks).where(*where).values(values)).rowcount


def untold(connection: Connection, sources: Collection[str], now: datetime, limit: int) -> list[int]:
    """Cancelled together with others, and nobody was told so far."""
    query = (
        select(callbacks.c.id)
        .where(
            callbacks.c.state == CallbackState.CANCELLED,
            callbacks.c.source.in_(list(sources)),
            callbacks.c.next_at <= now,
        )
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def told(connection: Connection, ids: Collection[int]) -> None:
    """Whoever had to be told of these has been."""
    connection.execute(update(callbacks).where(callbacks.c.id.in_(list(ids))).values(next_at=None))


BLANK: Mapping[str, Any] = {
    "task_id": "", "number": "", "customer": "", "task": {}, "request": None, "answer": "", "reason": "", "idcall": "",
    "last_report": "", "campaign": "",
}  # fmt: skip
"""A callback without anything personal."""


def _filtered(criteria: CallbackFilter) -> Select[Any]:
    query = select(callbacks)
    if criteria.states:
        query = query.where(callbacks.c.state.in_([state.value for state in criteria.states]))
    if criteria.unsettled:
        query = query.where(callbacks.c.state == CallbackState.MAY_HAVE_RUNG, callbacks.c.settled_at.is_(None))
    if criteria.e164:
        query = query.where(or_(callbacks.c.number == criteria.e164, callbacks.c.customer == criteria.e164))
    if criteria.task_id:
        query = query.where(callbacks.c.task_key == key_of(criteria.task_id))
    if criteria.campaign:
        query = query.where(callbacks.c.campaign == criteria.campaign, IN_CAMPAIGN)
    for column, value in ((callbacks.c.source, criteria.source), (callbacks.c.line, criteria.line)):
        if value:
            query = query.where(column == value)
    return query


def of_row(row: Row[Any]) -> Callback:
    """Return the callback that a row of the table is."""
    return Callback(**{**row._mapping, "state": CallbackState(row.state)})
