"""Holded's invoicing and CRM APIs v1, as far as the preset goes."""

from __future__ import annotations

from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, needs, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_EVENT = ("name", "contactId", "contactName", "kind", "desc", "startDate", "duration", "status", "tags",
          "locationDesc", "leadId", "funnelId", "userId")  # fmt: skip


class Holded(PresetApi):
    name = "holded"
    opens = "https://app.holded.com/contacts/{id}"
    spellings = ("+34600112233", "600112233", "600 112 233", "+34 600 11 22 33")
    asks_back = False
    keyed = ("contact", "REF-7", "client")
    keyed_field = "type"
    writes = "/api/crm/v1/events"
    makes_leads = "/api/invoicing/v1/contacts"

    def __init__(self) -> None:
        super().__init__()
        self.person("Ref", "911000000")
        self.rows["contacts"][0]["customId"] = "REF-7"

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/api", "auth": {"value": SECRET}}

    def let_in(self, asked: Asked) -> bool:
        return asked.headers.get("key") == self.secret

    def error(self, refused: Refused) -> Any:
        return {"status": 0, "info": refused.text}

    def route(self, asked: Asked) -> Reply:
        match asked.method, asked.path.strip("/").split("/")[1:]:
            case "GET", ["invoicing", "v1", "contacts"]:
                only(asked.query, "phone", "mobile", "customId")
                rows = [row for row in self.rows["contacts"] if all(row.get(k) == v for k, v in asked.query.items())]
                return Reply(200, rows)
            case "POST", ["invoicing", "v1", "contacts"]:
                given = dict(asked.values)
                only(given, "CustomId", "type", "name", "phone", "mobile", "email")
                guarded(given["type"] in ("supplier", "debtor", "creditor", "client", "lead"), "type")
                row = self._contact(customId=given.pop("CustomId"), **given)
                return Reply(201, {"status": 1, "info": "Created", "id": row["id"]})
            case "GET", ["crm", "v1", "events"]:
                only(asked.query)
                return Reply(200, self.rows["events"])
            case "POST", ["crm", "v1", "events"]:
                return self._event(asked.values)
            case "PUT", ["crm", "v1", "events", id_]:
                only(asked.values, *_EVENT)
                self.one("events", id_).update(asked.values)
                return Reply(200, {"status": 1, "info": "Updated", "id": id_})
        raise Refused(404, "Not found")

    def _event(self, given: Row) -> Reply:
        only(given, *_EVENT)
        needs(given, "name", "startDate")
        guarded(isinstance(given["startDate"], int) and isinstance(given["duration"], int), "seconds")
        if "contactId" in given:
            self.one("contacts", given["contactId"])
        row = {"id": f"5ac4{self.id():020x}", "status": 0, "funnelId": None, **given}
        self.rows["events"].append(row)
        return Reply(201, {"status": 1, "info": "Created", "id": row["id"]})

    def _contact(self, **fields: Any) -> Row:
        row = {"id": f"5aaa{self.id():020x}", "customId": None, "tradeName": 0, "phone": "", "mobile": "", **fields}
        self.rows["contacts"].append(row)
        return row

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        return str(self._contact(name=name, phone=phone, mobile=mobile, type="client")["id"])

    def company(self, name: str, phone: str) -> str:
        return self.person(name, phone)

    def calls(self) -> list[Row]:
        return [{"subject": row["name"], "note": row["desc"], "person": row.get("contactId", "")}
                for row in self.rows["events"]]  # fmt: skip

    def leads(self) -> list[str]:
        return [row["phone"] for row in self.rows["contacts"] if row["type"] == "lead"]

    def task(self, phone: str | None) -> str:
        raise NotImplementedError("there are no tasks")

    def state(self, task: str) -> str:
        raise NotImplementedError("there are no tasks")
