"""The life of a callback: one function for each transition. Pure; `store.callbacks.change` makes it, guarded by the
state.

    waiting ──queue──> queued ──send──> sending ──accepted──> accepted ──heard──> answered, busy, no_answer, failed
       ^                  │                │                      └──silent──> no_outcome ──heard──> (as above)
       ├──────wait────────┘                │
       ├──────wait─────────────────────────┤  nobody was rung, the same again later
       │                                   ├──reject──> rejected
       │                                   └──unknown──> may_have_rung ──found──> accepted
       └─────────release (a person: it did not ring)───────────┤
                                                               ├──confirm (it did)──> no_outcome
    waiting, queued ──reject, cancel, expire──> rejected, cancelled, expired
    rejected, cancelled, expired ──reopen──> waiting, if nobody was rung and the CRM asks anew
    waiting, queued, rejected, cancelled, expired ──restored──> may_have_rung, in a database older than the call

Nothing leads from `sending` or `may_have_rung` back to `waiting` but the certainty that nobody was rung, or a person's
say. `settled_at` is set where nothing more happens by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.callbacks.gates import MENDED, Decision, Gate
from bridge.store.callbacks import Callback, Change
from bridge.store.callbacks import CallbackState as State
from bridge.store.campaigns import Campaign
from bridge.texts import Language

ENDED = frozenset({State.ANSWERED, State.BUSY, State.NO_ANSWER, State.FAILED})
"""What a call can come to."""
_ASIDE = frozenset({State.WAITING, State.QUEUED})
_AT_WORK = frozenset({State.SENDING, State.MAY_HAVE_RUNG})
REOPENED = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED})
"""What ended without anybody having been rung, and is called after all if the CRM asks anew."""
_OF_TASK = ("source", "origin", "line", "number", "customer", "digest", "task", "due", "expires_at")
"""The columns that a task's source makes of it."""
RESTORED = "restored"
"""The gate of a callback that was called after the backup from which its database was restored."""
HELD = "campaign"
"""The gate of a callback that waits because its campaign was paused."""
_IDLE = {"owner": "", "lease_until": None}


def _change(before: frozenset[State], after: State | None, **values: Any) -> Change:
    return Change(before, values if after is None else {"state": after.value, **values})


def queue(slot: datetime, line: str, claimed_at: datetime) -> Change:
    """It is its turn; `claimed_at` is what the CRM will be told, the same however often it is told."""
    return _change(
        frozenset({State.WAITING}), State.QUEUED,
        next_at=slot, line=line, claimed_at=claimed_at, gate="", reason="", **_IDLE,
    )  # fmt: skip


def wait(until: datetime, gate: str, reason: str, **values: Any) -> Change:
    """Not now, and nothing was sent. `values`: what is known better by now."""
    return _change(_ASIDE, State.WAITING, next_at=until, gate=gate, reason=reason, **values, **_IDLE)


def kept_back(decision: Decision, now: datetime, language: Language) -> Change:
    """What a refusal of the gates makes of a callback."""
    gate, text = decision.gate, decision.text(language)
    if gate is None:
        raise ValueError("an admitted callback is not kept back")
    if decision.until is not None:
        return wait(decision.until, gate.value, text)
    if gate is Gate.EXPIRED:
        return expire(now, text)
    if gate is Gate.CALLED_BEFORE:
        return cancel(now, text, withdrawn=True)
    if gate is Gate.SPOKEN_SINCE:
        return cancel(now, text, gate=gate.value)
    return reject(now, gate.value, text)


def by_hand(now: datetime) -> Change:
    """Release it: a person has it called."""
    return _change(frozenset({State.WAITING}), None, next_at=now, gate="", reason="", by_hand_at=now)


def missed_again(row: Mapping[str, Any], now: datetime) -> Change:
    """Its caller was missed once more. `row`: what would be stored of the task if it were new."""
    columns = {name: row[name] for name in _OF_TASK}
    if row["state"] == State.WAITING:
        return wait(row["next_at"], row["gate"], row["reason"], **columns)
    change = reject(now, row["gate"], row["reason"])
    return Change(change.before, {**change.values, **columns})


def hold(gate: str, reason: str) -> Change:
    """Not before somebody says so, and nothing was sent."""
    return _change(_ASIDE, State.WAITING, next_at=None, gate=gate, reason=reason, **_IDLE)


def halted(campaign: Campaign, now: datetime, reason: str = "") -> Change:
    """Its campaign was cancelled, or else paused. `reason`: a person's own words for the first."""
    if campaign.cancelled_at is not None:
        return cancel(now, reason or "the campaign was cancelled")
    return hold(HELD, "the campaign is paused")


def send(now: datetime, rings_at: datetime, request: Any, owner: str, lease_until: datetime, emissions: int) -> Change:
    """To be committed before the first byte leaves, and only if it changed the row may the request go out."""
    return _change(
        frozenset({State.QUEUED}), State.SENDING,
        next_at=now, rung_at=rings_at, request=request, owner=owner, lease_until=lease_until, emissions=emissions,
        result=None, answer="", gate="", reason="",
    )  # fmt: skip


def accepted(idcall: str, answer: str, silent_at: datetime) -> Change:
    """The platform calls. `silent_at`: when its outcome is given up. Whoever sent it may also say so late, when the row
    was taken for one that crashed."""
    return _change(
        _AT_WORK, State.ACCEPTED, idcall=idcall, result=0, answer=answer, next_at=silent_at, attempts=0, windows=0,
        settled_at=None, **_IDLE,
    )  # fmt: skip


def not_rung(until: datetime, reason: str, *, result: int | None, attempts: int, windows: int) -> Change:
    """It is certain that nobody was rung, and the same request may work later."""
    return _change(
        _AT_WORK, State.WAITING, next_at=until, gate="platform", reason=reason, answer=reason, result=result,
        attempts=attempts, windows=windows, rung_at=None, settled_at=None, **_IDLE,
    )  # fmt: skip


def refused(now: datetime, reason: str, result: int | None) -> Change:
    """The platform says that this request never works."""
    return _change(
        _AT_WORK, State.REJECTED, reason=reason, answer=reason, result=result, rung_at=None, settled_at=now,
        next_at=None, **_IDLE,
    )  # fmt: skip


def unknown(reason: str, *, result: int | None = None, settled_at: datetime | None = None) -> Change:
    """Nobody can know whether it rang. `settled_at` where the configuration says to leave it at that."""
    return _change(
        frozenset({State.SENDING}), State.MAY_HAVE_RUNG, reason=reason, answer=reason, result=result,
        settled_at=settled_at, next_at=None, lease_until=None,
    )  # fmt: skip


def found(idcall: str, silent_at: datetime) -> Change:
    """A call was heard of that is this one's: it did ring."""
    return _change(
        frozenset({State.MAY_HAVE_RUNG}), State.ACCEPTED, idcall=idcall, next_at=silent_at, settled_at=None, **_IDLE
    )


def heard(outcome: State, now: datetime, seconds: int | None, reason: str) -> Change:
    """What the call came to; a later event may say it better."""
    return _change(
        frozenset({State.ACCEPTED, State.NO_OUTCOME, *ENDED}), outcome,
        seconds=seconds, reason=reason, settled_at=now, next_at=None,
    )  # fmt: skip


def silent(now: datetime, reason: str) -> Change:
    """Nothing was heard of it in all the time that it had."""
    return _change(frozenset({State.ACCEPTED}), State.NO_OUTCOME, reason=reason, settled_at=now, next_at=None)


def restored(rung_at: datetime, reason: str) -> Change:
    """The database was restored from a backup, and this one was called after that."""
    return _change(
        _ASIDE | REOPENED, State.MAY_HAVE_RUNG,
        rung_at=rung_at, gate=RESTORED, reason=reason, settled_at=None, next_at=None, withdrawn=False, **_IDLE,
    )  # fmt: skip


def named(**values: Any) -> Change:
    """The task of one that was only known to have been called came again. `values`: the task as it is now."""
    return _change(frozenset({State.MAY_HAVE_RUNG}), None, settled_at=None, **values)


def confirm(now: datetime, reason: str) -> Change:
    """Confirm, on a person's word, that it rang."""
    return _change(frozenset({State.MAY_HAVE_RUNG}), State.NO_OUTCOME, reason=reason, settled_at=now, **_IDLE)


def release(now: datetime, reason: str) -> Change:
    """A person says that it did not ring: it may be called."""
    return _change(
        frozenset({State.MAY_HAVE_RUNG}), State.WAITING, next_at=now, gate="", reason=reason, rung_at=None,
        settled_at=None, **_IDLE,
    )  # fmt: skip


def reject(now: datetime, gate: str, reason: str) -> Change:
    """It can't be called; nothing was sent."""
    return _change(_ASIDE, State.REJECTED, gate=gate, reason=reason, settled_at=now, next_at=None, **_IDLE)


def expire(now: datetime, reason: str) -> Change:
    """Expire it: its time has passed."""
    return _change(_ASIDE, State.EXPIRED, gate="expired", reason=reason, settled_at=now, next_at=None, **_IDLE)


def cancel(now: datetime, reason: str, *, gate: str = "", withdrawn: bool = False) -> Change:
    """It is not to be called any more. `withdrawn`: the CRM no longer asks for it, so it needn't be told."""
    return _change(
        _ASIDE, State.CANCELLED, gate=gate, reason=reason, settled_at=now, next_at=None, withdrawn=withdrawn, **_IDLE
    )


def reopen(next_at: datetime, gate: str, reason: str, **values: Any) -> Change:
    """The CRM asks again for what ended without anybody having been rung, and is told again when it has its turn.
    `gate` and `reason`: what keeps it back so far; `values`: the task as it is now."""
    return _change(
        REOPENED, State.WAITING,
        next_at=next_at, gate=gate, reason=reason, settled_at=None, withdrawn=False, attempts=0, windows=0,
        claimed_at=None, **values,
    )  # fmt: skip


def renew(**values: Any) -> Change:
    """Renew it by its task, which changed while it waits."""
    return _change(frozenset({State.WAITING}), None, **values)


def nameless(callback: Callback) -> bool:
    """Whether no more is known of it than that it was called (see `bridge.callbacks.fence`). One whose data was erased
    has no reason either."""
    return callback.gate == RESTORED and not callback.task_id and bool(callback.reason)


def task_changed(callback: Callback, row: Mapping[str, Any], now: datetime) -> Change:
    """The task of a callback says something else by now. `row`: what would be stored of it if it were new."""
    columns = {name: row[name] for name in _OF_TASK}
    refusal = {name: row[name] for name in ("gate", "reason")}
    if nameless(callback):
        ids = {name: row[name] for name in ("task_id", "campaign")}
        return named(**columns | ids | {"origin": callback.origin})
    if row["state"] == State.WAITING:
        if callback.state is State.QUEUED:
            return wait(row["next_at"], row["gate"], row["reason"], **columns)
        if callback.state is not State.WAITING:
            return reopen(row["next_at"], row["gate"], row["reason"], **columns)
        put_off = (
            callback.gate
            and callback.gate not in MENDED  # what the row says now may be what was missing
            and callback.due == row["due"]
            and callback.source == row["source"]
        )
        return renew(**columns, **({} if put_off else {"next_at": row["next_at"], **refusal}))
    if callback.state in _ASIDE:
        change = reject(now, **refusal)
        return Change(change.before, {**change.values, **columns})
    if callback.state is State.REJECTED:  # it can't be called now either, for a reason of today
        return _change(frozenset({State.REJECTED}), None, **columns, **refusal)
    return _change(frozenset({callback.state}), None, digest=row["digest"])
