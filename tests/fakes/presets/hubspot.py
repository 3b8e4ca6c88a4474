"""HubSpot's CRM API 2026-03, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, digits, needs, only
from tests.fakes.rest_crm.api import Asked, Reply

_PREFIX = ["crm", "objects", "2026-03"]
_CALCULATED = {
    "hs_searchable_calculated_phone_number": "phone",
    "hs_searchable_calculated_mobile_number": "mobilephone",
}
_KNOWN = {
    "contacts": {"firstname", "lastname", "email", "phone", "mobilephone", "company", "hubspot_owner_id",
                 "lastmodifieddate", "lifecyclestage", *_CALCULATED},
    "companies": {"name", "domain", "phone", "hubspot_owner_id", "hs_lastmodifieddate"},
    "deals": {"dealname", "dealstage", "amount", "closedate", "hubspot_owner_id"},
    "tickets": {"subject", "hs_pipeline_stage", "hs_ticket_priority", "hubspot_owner_id"},
    "calls": {"infocaller_id", "hs_timestamp", "hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_status",
              "hs_call_duration", "hs_call_from_number", "hs_call_to_number"},
    "tasks": {"hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_type", "hs_timestamp"},
}  # fmt: skip
_SEARCHED = {"contacts": ("firstname", "lastname", "email", "phone", "mobilephone"), "companies": ("name", "phone")}
_STATUSES = {"NOT_STARTED", "COMPLETED"}


class HubSpot(PresetApi):
    name = "hubspot"
    opens = "https://app.hubspot.com/contacts/1234567/record/0-1/{id}"
    enforces_keys = True
    marks = True
    keyed = ("ticket", "7001", "2")
    writes = "/crm/objects/2026-03/calls"
    makes_leads = "/crm/objects/2026-03/contacts"
    page = 100

    def __init__(self) -> None:
        super().__init__()
        self.has_property = True
        self.rows["tickets"] = [
            {"id": "7001", "properties": {"subject": "Broken", "hs_pipeline_stage": "2"}, "associations": {}}
        ]

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/crm/objects/2026-03", "auth": {"token": SECRET}, "settings": {"portal": "1234567"}}

    def let_in(self, asked: Asked) -> bool:
        return asked.headers.get("Authorization") == f"Bearer {self.secret}"

    def error(self, refused: Refused) -> Any:
        category = {401: "INVALID_AUTHENTICATION", 404: "OBJECT_NOT_FOUND", 429: "RATE_LIMITS"}
        return {
            "status": "error",
            "message": refused.text,
            "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf",
            "category": category.get(refused.status, "VALIDATION_ERROR"),
        }

    def route(self, asked: Asked) -> Reply:
        parts = asked.path.strip("/").split("/")
        if parts[:3] != _PREFIX or (parts[3:4] and parts[3] not in _KNOWN):
            raise Refused(404, "Unable to infer object type")
        match asked.method, parts[3:]:
            case "POST", [kind, "search"]:
                return Reply(200, self._search(kind, asked.values))
            case "GET", [kind, id_]:
                only(asked.query, "properties", "associations")
                self._known(kind, [name for name in asked.query.get("properties", "").split(",") if name])
                if not id_.isdigit():
                    raise Refused(400, f"Invalid object id {id_}")
                return Reply(200, self._shown(self.one(kind, id_), asked.query.get("associations", "")))
            case "POST", [kind]:
                return Reply(201, self._made(kind, asked.values))
            case "PATCH", [kind, id_]:
                only(asked.values, "properties")
                self._properties(kind, asked.values["properties"])
                row = self.one(kind, id_)
                row["properties"].update(asked.values["properties"])
                return Reply(200, self._shown(row))
        raise Refused(405, "no such method")

    def _known(self, kind: str, names: Any) -> None:
        for name in names:
            if name not in _KNOWN[kind] or (name == "infocaller_id" and not self.has_property):
                raise Refused(400, f'Property "{name}" does not exist')

    def _properties(self, kind: str, given: Row) -> None:
        self._known(kind, given)
        for name, value in given.items():
            if not isinstance(value, str):
                raise Refused(400, f"{name} was not a text")
        if given.get("hs_task_status", "COMPLETED") not in _STATUSES:
            raise Refused(400, f"{given['hs_task_status']} was not one of the allowed options")

    def _made(self, kind: str, values: Row) -> Row:
        only(values, "properties", "associations")
        given = values["properties"]
        self._properties(kind, given)
        if kind == "calls":
            needs(given, "hs_timestamp")
            if any(row["properties"].get("infocaller_id") == given["infocaller_id"] for row in self.rows["calls"]):
                raise Refused(400, 'Property values were not valid: [{"error":"CONFLICTING_UNIQUE_VALUE"}]')
        linked: Row = {}
        for link in values.get("associations", []):
            kind_of = {194: "contacts", 182: "companies"}[link["types"][0]["associationTypeId"]]
            self.one(kind_of, link["to"]["id"])
            linked = {kind_of: {"results": [{"id": link["to"]["id"]}]}}
        row = self.add(kind, properties=dict(given), associations=linked)
        return self._shown(row)

    def _shown(self, row: Row, associations: str = "") -> Row:
        shown = {"id": str(row["id"]), "properties": row["properties"], "archived": False}
        if associations in row["associations"]:
            shown["associations"] = {associations: row["associations"][associations]}
        return shown

    def _search(self, kind: str, values: Row) -> Row:
        only(values, "limit", "after", "properties", "filterGroups", "query", "sorts")
        self._known(kind, values.get("properties", []))
        groups = values.get("filterGroups", [])
        if len(groups) > 5 or sum(len(group["filters"]) for group in groups) > 18:
            raise Refused(400, "too many filters")
        hits = [
            row for row in self.rows[kind]
            if (not groups or any(all(self._fits(kind, row, one) for one in group["filters"]) for group in groups))
            and self._full_text(kind, row, values.get("query"))
        ]  # fmt: skip
        start, limit = int(values.get("after", 0)), int(values.get("limit", 10))
        answer: Row = {"total": len(hits), "results": [self._shown(row) for row in hits[start : start + limit]]}
        if start + limit < len(hits):
            answer["paging"] = {"next": {"after": str(start + limit)}}
        return answer

    def _fits(self, kind: str, row: Row, wanted: Row) -> bool:
        only(wanted, "propertyName", "operator", "value")
        self._known(kind, [wanted["propertyName"]])
        name, value = wanted["propertyName"], str(wanted["value"])
        if name in _CALCULATED:  # HubSpot leaves the country code out
            return digits(row["properties"].get(_CALCULATED[name]))[-9:] == value
        has = row["properties"].get(name) or ""
        if wanted["operator"] == "CONTAINS_TOKEN":
            return value.lower() in re.findall(r"\w+", has.lower())
        if wanted["operator"] != "EQ":
            raise Refused(400, f"operator {wanted['operator']}")
        return bool(has == value)

    def _full_text(self, kind: str, row: Row, query: str | None) -> bool:
        texts = [str(row["properties"].get(name) or "") for name in _SEARCHED.get(kind, ())]
        return query is None or any(query in text or query in digits(text) for text in texts)

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        given = {"firstname": name, "lastname": None, "phone": phone, "mobilephone": mobile}
        return str(self.add("contacts", properties=given, associations={})["id"])

    def company(self, name: str, phone: str) -> str:
        return str(self.add("companies", properties={"name": name, "phone": phone}, associations={})["id"])

    def calls(self) -> list[Row]:
        return [
            {
                "subject": row["properties"]["hs_call_title"],
                "note": row["properties"]["hs_call_body"],
                "person": next((to["results"][0]["id"] for to in row["associations"].values()), ""),
            }
            for row in self.rows["calls"]
        ]

    def leads(self) -> list[str]:
        return [row["properties"]["phone"] for row in self.rows["contacts"] if "lifecyclestage" in row["properties"]]

    def task(self, phone: str | None) -> str:
        linked = {} if phone is None else {"contacts": {"results": [{"id": self.person("Ana", phone)}]}}
        given = {
            "hs_task_subject": "Callback, please", "hs_task_body": "She asked", "hs_task_type": "CALL",
            "hs_task_status": "NOT_STARTED", "hs_timestamp": "2026-11-24T09:00:00Z",
        }  # fmt: skip
        return str(self.add("tasks", properties=given, associations=linked)["id"])

    def state(self, task: str) -> str:
        row = self.one("tasks", task)["properties"]
        return f"{row['hs_task_status']} {row['hs_task_body']}"
