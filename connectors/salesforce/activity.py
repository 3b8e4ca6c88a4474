"""A call as the fields of a Task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connectors.base import Activity, Misconfigured, Record
from connectors.phone import parse
from connectors.salesforce.options import SalesforceActivityOptions
from connectors.salesforce.people import Party
from connectors.salesforce.schema import ObjectInfo
from connectors.salesforce.values import Plain, fitted

_DIRECTIONS = {"received": "Inbound", "emitted": "Outbound"}
_ONCE = ("TaskSubtype", "WhoId", "WhatId", "OwnerId")
"""What a correction leaves as it is: the subtype can't be changed, and people may have moved the Task."""
_SEEN = ("key", "subject", "note", "direction", "caller", "called", "line", "start", "end", "seconds", "cost",
         "answered", "answered_by", "attempt", "revision", "written_id")  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """The fields of a Task. `spare`: those that were our own idea, and are left out where the org refuses them."""

    fields: dict[str, Plain]
    spare: frozenset[str] = frozenset()

    def without(self, name: str) -> Draft:
        """Return the draft less one field."""
        return Draft({key: value for key, value in self.fields.items() if key != name}, self.spare - {name})

    def correction(self) -> Draft:
        """Return what a correction writes."""
        return Draft({key: value for key, value in self.fields.items() if key not in _ONCE})


def scope_of(activity: Activity, name: str, country: str) -> dict[str, object]:
    """Return the names that expressions see. `name` is the connector's own: what another one found has no id here."""
    records = {key: _without_id(record, name) for key, record in activity.found.items()}
    own = {key: getattr(activity, key) for key in _SEEN}
    own |= {"outcome": activity.outcome} if activity.outcome is not None else {}
    return {
        **records, "activity": {**activity.fields, **own}, "contact": _without_id(activity.contact, name),
        "call": activity.call, "vars": activity.call.get("vars") or {}, "caller": activity.caller,
        "called": parse(activity.called, country), "line": activity.line,
    }  # fmt: skip


def _without_id(record: Record | None, name: str) -> Record | None:
    return record if record is None or record.connector == name else replace(record, id=None)


def draft(
    activity: Activity, options: SalesforceActivityOptions, party: Party, info: ObjectInfo, scope: Mapping[str, object],
    country: str, timezone: str,
) -> Draft:  # fmt: skip
    """Return the Task of a call. Raises `Misconfigured` for a configured field that Task has not, `ExpressionError`."""
    owner = owner_of(activity.answered_by, options.owners, country)
    ours: dict[str, object] = {
        "Subject": activity.subject, "Description": activity.note, "Status": options.status, "TaskSubtype": "Call",
        "CallType": _DIRECTIONS.get(activity.direction), "CallDurationInSeconds": activity.seconds,
        "CallObject": activity.key, "CallDisposition": _disposition(activity, options),
        "ActivityDate": _day(activity.start, timezone), "WhoId": party.who, "WhatId": party.what,
        "OwnerId": owner or party.owner,
    }  # fmt: skip
    configured: dict[str, object] = {name: template.value(scope) for name, template in options.fields.items()}
    configured |= activity.fields
    spare = {"TaskSubtype", "WhoId", "WhatId"} | (set() if owner else {"OwnerId"})
    fields = _fields(ours, configured, info)
    if str(fields.get("WhoId") or "").startswith("00Q"):
        fields.pop("WhatId", None)
    return Draft(fields, frozenset(spare) - {name for name in configured if configured[name]})


def _fields(ours: Mapping[str, object], configured: Mapping[str, object], info: ObjectInfo) -> dict[str, Plain]:
    body: dict[str, Plain] = {}
    for name, value in {**ours, **configured}.items():
        field = info.field(name)
        if field is None and name in configured:
            raise Misconfigured(
                f"activity.fields.{name}: Task has no such field, or this user can't see it{info.meant(name)}"
            )
        fit = fitted(field, value) if field else None
        if field and fit is not None:
            body[field.name] = fit
    return body


def owner_of(answered_by: str, owners: Mapping[str, str], country: str) -> str | None:
    """Return the user of the number or extension that answered, None where the configuration names none."""
    if not answered_by:
        return None
    if answered_by in owners:
        return owners[answered_by]
    phone = parse(answered_by, country)
    return next((user for number, user in owners.items() if phone.same(parse(number, country))), None)


def _disposition(activity: Activity, options: SalesforceActivityOptions) -> str | None:
    if activity.outcome:
        return activity.outcome
    if activity.answered is None:
        return None
    return options.dispositions.answered if activity.answered else options.dispositions.missed


def _day(start: datetime | None, timezone: str) -> str | None:
    if start is None:
        return None
    moment = start if start.tzinfo else start.replace(tzinfo=UTC)
    return moment.astimezone(ZoneInfo(timezone)).date().isoformat()
