"""Zendesk Sell's Core API v2, as far as the preset goes."""

from __future__ import annotations

from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, needs, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_FILTERS = {
    "contacts": ("page", "per_page", "phone", "mobile"),
    "leads": ("page", "per_page", "phone", "mobile"),
    "tasks": ("page", "per_page", "completed"),
    "calls": ("page", "per_page"),
}
_CODES = {401: "invalid_token", 404: "not_found", 422: "schema_validation_failed", 429: "rate_limit_exceeded"}


class ZendeskSell(PresetApi):
    name = "zendesk-sell"
    opens = "https://app.futuresimple.com/crm/contacts/{id}"
    spellings = ("+34600112233", "600112233")
    keyed = ("deal", "42", "7")
    writes = "/v2/calls"
    makes_leads = "/v2/leads"
    corrects = False
    page = 100

    def __init__(self) -> None:
        super().__init__()
        self.rows["deals"] = [{"id": 42, "name": "Big", "stage_id": 7, "value": 10, "contact_id": 1}]

    def section(self, url: str) -> Row:
        return {"base_url": url, "auth": {"token": SECRET}}

    def let_in(self, asked: Asked) -> bool:
        return asked.headers.get("Authorization") == f"Bearer {self.secret}"

    def too_many(self) -> Reply:
        return Reply(429, self.error(Refused(429, "too many requests")))  # without Retry-After

    def error(self, refused: Refused) -> Any:
        code = _CODES.get(refused.status, "bad_request")
        wrong = {"resource": "", "field": "", "code": code, "message": refused.text, "details": ""}
        return {"errors": [{"error": wrong, "meta": {"type": "error"}}], "meta": {"http_status": refused.status}}

    def route(self, asked: Asked) -> Reply:
        guarded(asked.headers.get("User-Agent"), "invalid_user_agent")
        match asked.method, asked.path.strip("/").split("/"):
            case "GET", ["v2", kind] if kind in _FILTERS:
                only(asked.query, *_FILTERS[kind])
                return self._list(kind, asked.query)
            case "GET", ["v2", ("contacts" | "leads" | "deals" | "tasks") as kind, id_]:
                return Reply(200, {"data": self.one(kind, id_), "meta": {"type": kind[:-1]}})
            case "POST", ["v2", "calls"]:
                given = asked.values["data"]
                only(given, "external_id", "summary", "phone_number", "incoming", "missed", "duration", "made_at",
                     "resource_type", "resource_id")  # fmt: skip
                needs(given, "phone_number")
                guarded(("resource_id" in given) == ("resource_type" in given), "resource_id", 422)
                if "resource_type" in given:
                    self.one(f"{given['resource_type']}s", given["resource_id"])
                return Reply(200, {"data": self.add("calls", **given), "meta": {"type": "call"}})
            case "POST", ["v2", "leads"]:
                given = asked.values["data"]
                only(given, "first_name", "last_name", "organization_name", "phone", "mobile", "email")
                needs(given, "last_name")
                return Reply(200, {"data": self.add("leads", **given), "meta": {"type": "lead"}})
            case "PUT", ["v2", "tasks", id_]:
                given = asked.values["data"]
                only(given, "completed", "content", "due_date")
                guarded(isinstance(given["completed"], bool), "completed", 422)
                row = self.one("tasks", id_)
                row.update(given)
                return Reply(200, {"data": row, "meta": {"type": "task"}})
        raise Refused(404, "The requested resource does not exist")

    def _list(self, kind: str, query: dict[str, str]) -> Reply:
        wanted = {name: value for name, value in query.items() if name not in ("page", "per_page")}
        rows = [row for row in self.rows[kind] if all(str(row.get(k)).lower() == v.lower() for k, v in wanted.items())]
        rows = rows[::-1] if kind == "calls" else rows
        size, page = int(query.get("per_page", 25)), int(query.get("page", 1))
        guarded(size <= 100, "per_page")
        items = [{"data": row, "meta": {"type": kind[:-1]}} for row in rows[(page - 1) * size : page * size]]
        return Reply(200, {"items": items, "meta": {"type": "collection", "count": len(items), "links": {}}})

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        return str(self.add("contacts", name=name, first_name=name, phone=phone, mobile=mobile, contact_id=None)["id"])

    def company(self, name: str, phone: str) -> str:
        return str(self.add("contacts", name=name, is_organization=True, phone=phone, mobile=None)["id"])

    def calls(self) -> list[Row]:
        return [
            {"subject": row["summary"].split("\n")[0], "note": row["summary"].partition("\n")[2],
             "person": str(row.get("resource_id", ""))}
            for row in self.rows["calls"]
        ]  # fmt: skip

    def leads(self) -> list[str]:
        return [row["phone"] for row in self.rows["leads"]]

    def task(self, phone: str | None) -> str:
        linked: Row = {"resource_type": None, "resource_id": None}
        if phone is not None:
            linked = {"resource_type": "contact", "resource_id": int(self.person("Ana", phone))}
        row = self.add("tasks", completed=False, content="Callback, please", due_date="2026-11-24T09:00:00Z", **linked)
        return str(row["id"])

    def state(self, task: str) -> str:
        row = self.one("tasks", task)
        return f"{'done' if row['completed'] else 'open'} {row['content']}"
