"""A folded call (see `bridge.calls.folding.fold`), read: as expressions see it, and as the platform listed what
happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bridge.infocaller.messages import StatusEvent


def view(call: Mapping[str, Any], event: str = "", diverted: str = "") -> dict[str, object]:
    """A folded call as expressions see it (`call.`): times are aware, money is Decimal, a diversion is its number.
    `event` is the one that an activity is about, empty where it is about the whole call."""
    return {
        **{name: call[name] for name in ("id", "uuid", "number_id", "direction", "idcall", "seconds")},
        "query": "",
        "event": event,
        "diverted": diverted,
        "start": moment(call["start"]),
        "end": moment(call["end"]),
        **{name: decimal(call[name]) for name in ("cost", "cost_rx", "cost_tx")},
        "answered": call["answered"],
        "answered_by": call["answered_by"],
        "diversions": [diversion["to"] for diversion in call["diversions"]],
        "complete": call["over"],
        "events": call["events"],
    }


def status_events(call: Mapping[str, Any]) -> list[StatusEvent]:
    """What happened in a folded call, as the platform listed it."""
    found = []
    for entry in call["events"]:
        info = tuple(entry["info"])
        at = datetime.fromisoformat(entry["at"]) if entry["at"] else None
        found.append(StatusEvent(entry["type"], at, entry["name"], (info[0], info[1], info[2], info[3], info[4])))
    return found


def moment(text: str | None) -> datetime | None:
    """A stored time; None stays None."""
    return None if text is None else datetime.fromisoformat(text)


def decimal(text: str | None) -> Decimal | None:
    """Stored money; None stays None."""
    return None if text is None else Decimal(text)
