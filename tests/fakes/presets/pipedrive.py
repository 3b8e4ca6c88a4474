"""Pipedrive's API v2, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, needs, only
from tests.fakes.rest_crm.api import Asked, Reply

_ACTIVITY = (
    "public_description",
    "type",
    "done",
    "subject",
    "note",
    "due_date",
    "due_time",
    "duration",
    "participants",
)


class Pipedrive(PresetApi):
    name = "pipedrive"
    opens = "/person/{id}"
    spellings = ("+34600112233", "600112233", "600 112 233", "+34 600 11 22 33")
    company_too = False
    marks = True
    keyed = ("deal", "42", "open")
    writes = "/api/v2/activities"
    makes_leads = "/api/v2/persons"
    page = 500

    def __init__(self) -> None:
        super().__init__()
        self.rows["deals"] = [{"id": 42, "title": "Big", "status": "open", "value": 10, "owner_id": 1}]

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/api/v2", "auth": {"value": SECRET}}

    def let_in(self, asked: Asked) -> bool:
        return asked.headers.get("x-api-token") == self.secret

    def error(self, refused: Refused) -> Any:
        return {"success": False, "error": refused.text, "code": f"ERR_{refused.status}"}

    def route(self, asked: Asked) -> Reply:
        match asked.method, asked.path.removeprefix("/api/v2").strip("/").split("/"):
            case "GET", ["persons", "search"]:
                return self._search(asked.query)
            case "GET", ["activities"]:
                return self._activities(asked.query)
            case "GET", [kind, id_]:
                if not id_.isdigit():
                    raise Refused(400, "Validation failed: id: id should be a number")
                return self._data(200, self.one(kind, id_))
            case "POST", ["persons"]:
                only(asked.values, "name", "phones", "emails")
                needs(asked.values, "name")
                return self._data(201, self.add("persons", made=True, **asked.values))
            case "POST", ["activities"]:
                self._checked(asked.values)
                needs(asked.values, "subject", "type")
                return self._data(201, self.add("activities", **asked.values))
            case "PATCH", ["activities", id_]:
                self._checked(asked.values)
                row = self.one("activities", id_)
                row.update(asked.values)
                return self._data(200, row)
        raise Refused(404, "unknown method")

    def _data(self, status: int, row: Row) -> Reply:
        people = [one["person_id"] for one in row.get("participants", []) if one.get("primary")]
        shown = {**row, "person_id": people[0] if people else None} if "subject" in row else row
        return Reply(status, {"success": True, "data": shown})

    def _checked(self, given: Row) -> None:
        only(given, *_ACTIVITY)
        if not isinstance(given.get("done", False), bool):
            raise Refused(400, "done should be a boolean")
        for name, pattern in (("due_date", r"\d{4}-\d\d-\d\d"), ("due_time", r"\d\d:\d\d"), ("duration", r"\d\d:\d\d")):
            if name in given and not re.fullmatch(pattern, given[name]):
                raise Refused(400, f"Validation failed: {name}")
        for one in given.get("participants", []):
            self.one("persons", one["person_id"])

    def _search(self, query: dict[str, str]) -> Reply:
        only(query, "term", "fields", "exact_match", "limit", "cursor")
        needs(query, "term")
        if len(query["term"]) < 2 or query.get("fields") != "phone":
            raise Refused(400, "Validation failed: term")
        exact = query.get("exact_match") == "true"
        hits = [
            {
                "result_score": 0.5,
                "item": {"id": row["id"], "type": "person", "name": row["name"], "emails": [], "organization": None,
                         "phones": [phone["value"] for phone in row["phones"]], "owner": {"id": 1}},
            }
            for row in self.rows["persons"]
            if any(query["term"] in ([one["value"]] if exact else one["value"]) for one in row["phones"])
        ]  # fmt: skip
        data = {"items": hits[: int(query["limit"])]}
        return Reply(200, {"success": True, "data": data, "additional_data": {"next_cursor": None}})

    def _activities(self, query: dict[str, str]) -> Reply:
        only(query, "person_id", "done", "sort_by", "sort_direction", "limit", "cursor")
        limit = int(query["limit"])
        if limit > 500 or query.get("sort_by", "id") not in ("id", "update_time", "add_time", "due_date"):
            raise Refused(400, "Validation failed")
        if "person_id" in query and not query["person_id"].isdigit():
            raise Refused(400, "Validation failed: person_id should be a number")
        rows = [self._data(200, row).value["data"] for row in self.rows["activities"]]
        rows = [row for row in rows if str(row["done"]).lower() == query["done"]]
        rows = [row for row in rows if query.get("person_id") in (None, str(row["person_id"]))]
        rows = rows[::-1] if query.get("sort_direction") == "desc" else rows
        start = int(query.get("cursor", 0))
        cursor = str(start + limit) if start + limit < len(rows) else None
        rows = rows[start : start + limit]
        return Reply(200, {"success": True, "data": rows, "additional_data": {"next_cursor": cursor}})

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        phones = [{"value": one, "primary": not at, "label": "work"} for at, one in enumerate((phone, mobile)) if one]
        return str(self.add("persons", name=name, phones=phones, emails=[])["id"])

    def company(self, name: str, phone: str) -> str:
        raise AssertionError(f"{name}: organizations have no number ({phone})")

    def calls(self) -> list[Row]:
        rows = [self._data(200, row).value["data"] for row in self.rows["activities"] if row["type"] == "call"]
        return [{"subject": row["subject"], "note": row["note"], "person": str(row["person_id"] or "")} for row in rows]

    def leads(self) -> list[str]:
        return [row["phones"][0]["value"] for row in self.rows["persons"] if "made" in row]

    def task(self, phone: str | None) -> str:
        people = [] if phone is None else [{"person_id": int(self.person("Ana", phone)), "primary": True}]
        row = self.add("activities", type="callback", done=False, subject="Call Ana", note="She asked",
                       due_date="2026-11-24", due_time="09:00", duration="", participants=people,
                       public_description="")  # fmt: skip
        return str(row["id"])

    def state(self, task: str) -> str:
        row = self.one("activities", task)
        return f"{'done' if row['done'] else 'open'} {row['note']}"
