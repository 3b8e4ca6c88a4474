"""EspoCRM's API v1, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, like, needs, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_FIELDS = {
    "Contact": ("id", "name", "phoneNumber"),
    "Lead": ("id", "name", "phoneNumber", "firstName", "lastName", "emailAddress", "assignedUserId"),
    "Account": ("id", "name", "phoneNumber"),
    "Case": ("id", "number", "name", "status", "priority", "assignedUserId"),
    "Call": ("id", "name", "status", "direction", "description", "dateStart", "dateEnd", "cInfocallerId", "contactsIds",
             "leadsIds", "parentType", "parentId", "assignedUserId"),
}  # fmt: skip
_HIDDEN = ("phoneNumberData", "contactsIds", "leadsIds")
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


class EspoCrm(PresetApi):
    name = "espocrm"
    opens = "/#Contact/view/{id}"
    keyed = ("case", "17", "Assigned")
    writes = "/api/v1/Call"
    makes_leads = "/api/v1/Lead"
    page = 100

    def __init__(self) -> None:
        super().__init__()
        self.add("Case", number=17, name="Broken", status="Assigned", priority="High")

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/api/v1", "auth": {"value": SECRET}, "settings": {"user_id": "u5"}}

    def let_in(self, asked: Asked) -> bool:
        return asked.headers.get("X-Api-Key") == self.secret

    def error(self, _refused: Refused) -> Any:
        return None

    def unknown_user(self) -> Reply:
        return Reply(401, None, {"X-Status-Reason": "Unauthorized"})

    def route(self, asked: Asked) -> Reply:
        parts = asked.path.removeprefix("/api/v1").strip("/").split("/")
        if parts[0] not in _FIELDS:
            raise Refused(404, "Controller does not exist")
        match asked.method, parts:
            case "GET", [kind]:
                return self._list(kind, asked.query)
            case "GET", [kind, id_]:
                return Reply(200, self.one(kind, id_))
            case "POST", [kind]:
                self._checked(kind, asked.values)
                needs(
                    asked.values,
                    *{"Call": ("name", "dateStart", "dateEnd", "assignedUserId"), "Lead": ("lastName",)}[kind],
                )
                if kind == "Lead" and any(
                    row["phoneNumber"] == asked.values["phoneNumber"] for row in self.rows["Lead"]
                ):
                    return Reply(409, [{"id": "x", "name": "Ana"}], {"X-Status-Reason": "duplicate"})
                return Reply(200, self.add(kind, **asked.values))
            case "PUT", [kind, id_]:
                self._checked(kind, asked.values)
                row = self.one(kind, id_)
                row.update(asked.values)
                return Reply(200, row)
        raise Refused(405, "no such method")

    def _checked(self, kind: str, given: Row) -> None:
        only(given, *_FIELDS[kind])
        guarded(given.get("status", "Held") in ("Planned", "Held", "Not Held"), "status")
        guarded(
            all(re.fullmatch(_TIME, given.get(name, "2026-01-01 00:00:00")) for name in ("dateStart", "dateEnd")),
            "time",
        )
        for id_ in given.get("contactsIds", []):
            self.one("Contact", id_)

    def _list(self, kind: str, query: dict[str, str]) -> Reply:
        conditions: dict[str, Row] = {}
        for name, value in query.items():
            found = re.fullmatch(r"where\[(\d)\]\[(type|attribute|value)\]", name)
            if found:
                conditions.setdefault(found[1], {})[found[2]] = value
            else:
                only([name], "select", "maxSize", "offset", "orderBy", "order")
        only([name for name in query.get("select", "").split(",") if name], *_FIELDS[kind])
        guarded(int(query["maxSize"]) <= 200, "Max size should should not exceed 200.", 403)
        hits = [row for row in self.rows[kind] if all(self._fits(kind, row, one) for one in conditions.values())]
        start = int(query.get("offset", 0))
        shown = [
            {k: v for k, v in row.items() if k not in _HIDDEN} for row in hits[start : start + int(query["maxSize"])]
        ]
        return Reply(200, {"total": len(hits), "list": shown})

    def _fits(self, kind: str, row: Row, wanted: Row) -> bool:
        needs(wanted, "type", "attribute", "value")
        only([wanted["attribute"]], *_FIELDS[kind])
        has = [row.get(wanted["attribute"])]
        if wanted["attribute"] == "phoneNumber":
            has = [one["phoneNumber"] for one in row.get("phoneNumberData", [])] or has
        guarded(wanted["type"] in ("equals", "like", "contains"), f"type {wanted['type']}")
        if wanted["type"] == "equals":
            return any(str(value) == wanted["value"] for value in has)
        pattern = wanted["value"] if wanted["type"] == "like" else f"%{wanted['value']}%"
        return any(like(pattern, value) for value in has)

    def _who(self, kind: str, name: str, *phones: str) -> str:
        numbers = [{"phoneNumber": one, "primary": not at, "type": "Mobile"} for at, one in enumerate(phones) if one]
        first = numbers[0]["phoneNumber"] if numbers else None
        return str(self.add(kind, name=name, phoneNumber=first, phoneNumberData=numbers)["id"])

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        return self._who("Contact", name, phone, mobile)

    def company(self, name: str, phone: str) -> str:
        return self._who("Account", name, phone)

    def calls(self) -> list[Row]:
        return [
            {"subject": row["name"], "note": row["description"],
             "person": str((row.get("contactsIds") or row.get("leadsIds") or [row.get("parentId", "")])[0])}
            for row in self.rows["Call"]
            if "cInfocallerId" in row
        ]  # fmt: skip

    def leads(self) -> list[str]:
        return [row["phoneNumber"] for row in self.rows["Lead"]]

    def task(self, phone: str | None) -> str:
        people = [] if phone is None else [self.person("Ana", phone)]
        row = self.add("Call", name="Callback Ana", status="Planned", direction="Outbound", description="She asked",
                       dateStart="2026-11-24 09:00:00", contactsIds=people, leadsIds=[], parentType=None,
                       parentId=None)  # fmt: skip
        return str(row["id"])

    def state(self, task: str) -> str:
        row = self.one("Call", task)
        return f"{row['status']} {row['description']}"
