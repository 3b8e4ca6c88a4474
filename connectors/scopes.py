"""What the expressions of a mapping see of what is written."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.base import Activity, NewRecord, Record, ScreenPop
from connectors.phone import Phone, parse

_NOBODY = Phone(text="")


def of_saved(record: NewRecord) -> dict[str, object]:
    """Return the names that the expressions of a saved record see."""
    return {"field": dict(record.fields), "key": record.key}


def of_activity(activity: Activity, country: str) -> dict[str, object]:
    """Return the names that the expressions of an activity see."""
    caller = activity.caller or _NOBODY
    own: dict[str, object] = {
        "key": activity.key,
        "subject": activity.subject,
        "note": activity.note,
        "direction": activity.direction,
        "caller": caller,
        "called": activity.called,
        "line": activity.line,
        "start": activity.start,
        "end": activity.end,
        "seconds": activity.seconds,
        "cost": activity.cost,
        "answered": activity.answered,
        "answered_by": activity.answered_by,
        "fields": dict(activity.fields),
        "attempt": activity.attempt,
        "revision": activity.revision,
        "written_id": activity.written_id,
    }
    if activity.outcome is not None:
        own["outcome"] = activity.outcome
    records: Mapping[str, Record | None] = activity.found
    return {
        **records,
        "contact": activity.contact,
        "activity": {**activity.fields, **own},
        "call": activity.call,
        "vars": activity.call.get("vars", {}),
        "caller": caller,
        "called": parse(activity.called, country),
        "line": activity.line,
    }


def of_pop(pop: ScreenPop, agent: str, country: str) -> dict[str, object]:
    """Return the names that the expressions of a screen pop see. `agent`: the CRM's id of who answered."""
    return {
        "agent": agent,
        "extension": pop.extension,
        "contact": pop.contact,
        "call": pop.call,
        "vars": pop.call.get("vars", {}),
        "caller": pop.caller or _NOBODY,
        "called": parse(pop.called, country),
        "line": pop.line,
    }
