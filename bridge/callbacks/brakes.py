"""What holds a line or a source back: a person, or what the platform said of the account or of the configuration.

Paused by the platform, it is tried again by itself: one emission at a time, after 30 s, then twice as long each time,
up to 15 minutes. Stopped, it goes on when a person resumes it or the configuration changes. Pure decisions on
`store.emissions.EmissionState`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.store import ringing
from bridge.store.emissions import EmissionState, Kind, Mode
from bridge.texts import Text, said

FIRST, LONGEST = 30, 900
"""Seconds of a pause."""
_PROBE = 180
"""Seconds after which an emission that was to try a paused line counts as lost."""
_UNREACHED = 60
"""Seconds at most that a line waits where the platform can't be reached."""


@dataclass(frozen=True, slots=True)
class EmissionStatus:
    """How a line or a source stands, for people. `today`: emissions of the line since midnight (0 for a source)."""

    kind: Kind
    name: str
    mode: Mode
    reason: str
    since: datetime | None
    until: datetime | None
    today: int
    polled_at: datetime | None
    error: str

    @property
    def restored(self) -> bool:
        """Whether it is held because the database was restored from a backup."""
        return EmissionState(self.kind, self.name, self.mode, reason=self.reason).restored

    @property
    def blocked_reason(self) -> Text | None:
        """Why nothing goes out; None where it runs."""
        if self.mode is Mode.RUNNING:
            return None
        of_line = self.kind == "line"
        what = Text("line {line}", line=self.name) if of_line else Text("source {source}", source=self.name)
        why = Text(" ({reason})", reason=said(self.reason)) if self.reason else ""
        resume = f"infocaller-bridge {'lines' if of_line else 'callbacks'} resume {self.name}"
        if self.mode is Mode.PAUSED:
            return Text("{what} is paused{why} and tried again by itself, one call at a time", what=what, why=why)
        if self.mode is Mode.STOPPED:
            return Text(
                "{what} is stopped{why}; it goes on when its configuration changes, or by `{command}`",
                what=what, why=why, command=resume,
            )  # fmt: skip
        if self.restored:
            return Text("{what} is held{why}; it goes on by `{command}`", what=what, why=why, command=resume)
        return Text("{what} is paused by a person{why}; it goes on by `{command}`", what=what, why=why, command=resume)


def standing(
    connection: Connection, kind: Kind, name: str, state: EmissionState | None, now: datetime, zone: str | None
) -> EmissionStatus:
    """Return the status of a line or a source. `zone` is the line's."""
    state = state or EmissionState(kind, name)
    today = ringing.emitted_today(connection, name, zone, now) if zone is not None else 0
    return EmissionStatus(
        kind, name, state.mode, state.reason, state.since, state.until, today, state.polled_at, state.error
    )  # fmt: skip


def closed(state: EmissionState, now: datetime) -> bool:
    """Return whether nothing may be emitted now; `until` says how long, None: until somebody resumes it."""
    return state.mode in (Mode.STOPPED, Mode.HELD) or (state.until is not None and state.until > now)


def may_send(state: EmissionState, id_: int) -> bool:
    """Return whether a callback that has its turn may still go out: not if its line or source was stopped meanwhile."""
    return state.mode is Mode.RUNNING or (state.mode is Mode.PAUSED and state.probe == id_)


def probe(id_: int, now: datetime) -> Mapping[str, Any]:
    """Make this callback the probe: no other goes out until its result is known, or it counts as lost."""
    return {"probe": id_, "until": now + timedelta(seconds=_PROBE)}


def release_probe(state: EmissionState, id_: int, now: datetime) -> Mapping[str, Any]:
    """Return what changes where this callback did not go out: if it was the probe, another may be it."""
    return {"probe": None, "until": now} if state.mode is Mode.PAUSED and state.probe == id_ else {}


def record_success(state: EmissionState, id_: int) -> Mapping[str, Any]:
    """Return what changes once the platform answered: a pause that this callback probed ends, failures are
    forgotten."""
    if state.mode is Mode.PAUSED and state.probe == id_:
        return resume()
    return {"failures": 0, "until": None} if state.mode is Mode.RUNNING and state.failures else {}


def pause(state: EmissionState, id_: int, reason: str, now: datetime) -> Mapping[str, Any]:
    """Return a pause for what is not this callback's fault, longer each time that it was tried."""
    if state.mode is Mode.RUNNING:
        delay, since = FIRST, now
    elif state.mode is Mode.PAUSED and state.probe == id_:
        delay, since = min(LONGEST, state.delay * 2), state.since or now
    else:  # stopped or held, or one that was under way when it was paused
        return {}
    until = now + timedelta(seconds=delay)
    return {
        "mode": Mode.PAUSED.value, "until": until, "delay": delay, "reason": reason, "since": since, "probe": None,
        "failures": 0,
    }  # fmt: skip


def stop(state: EmissionState, reason: str, now: datetime) -> Mapping[str, Any]:
    """Stop it until somebody or a changed configuration resumes it."""
    if state.mode in (Mode.HELD, Mode.STOPPED):
        return {}
    return {"mode": Mode.STOPPED.value, "until": None, "delay": 0, "reason": reason, "since": now, "probe": None}


def hold(reason: str, now: datetime) -> Mapping[str, Any]:
    """Return a pause until a person resumes it."""
    return {"mode": Mode.HELD.value, "until": None, "delay": 0, "reason": reason, "since": now, "probe": None}


def restored(missing: int) -> Text:
    """Return why a line is held whose database was restored from a backup; `missing`: how many emissions of this host
    it lacks that may have rung."""
    return Text("restored database: it lacks emissions made since its backup; {missing} may have rung", missing=missing)


def resume() -> Mapping[str, Any]:
    """Return to RUNNING and clear the pause."""
    return {
        "mode": Mode.RUNNING.value, "until": None, "delay": 0, "reason": "", "since": None, "wake_at": None,
        "probe": None, "failures": 0,
    }  # fmt: skip


def try_again(now: datetime) -> Mapping[str, Any]:
    """Return what changes where what stopped it may be mended: one emission probes."""
    return {"mode": Mode.PAUSED.value, "until": now, "delay": FIRST // 2, "probe": None, "wake_at": None}


def record_unreachable(state: EmissionState, id_: int, now: datetime) -> Mapping[str, Any]:
    """Return what changes where the platform can't be reached at all: a running line backs off, longer each time."""
    if state.mode is not Mode.RUNNING:
        return release_probe(state, id_, now + timedelta(seconds=FIRST))
    failures = state.failures + 1
    return {"failures": failures, "until": now + timedelta(seconds=min(_UNREACHED, 2 ** min(failures, 10)))}
