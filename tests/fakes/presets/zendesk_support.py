"""Zendesk Support's Ticketing API v2, as far as the preset goes."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, digits, matched, needs, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_NAMES = {401: "Couldn't authenticate you", 404: "RecordNotFound", 422: "RecordInvalid"}
_PEOPLE = r"type:user role:end-user phone:\*(\d+)"
_TICKETS = r"type:ticket status<solved tags:(\S+)"


class ZendeskSupport(PresetApi):
    name = "zendesk-support"
    opens = "/agent/users/{id}"
    company_too = False
    second_numbers = False
    corrects = False
    marks = True
    keyed = ("ticket", "42", "open")
    writes = "/api/v2/tickets"
    makes_leads = "/api/v2/users"
    page = 100

    def __init__(self) -> None:
        super().__init__()
        self.agents = {"385473779372"}
        self.displayed: list[tuple[str, str]] = []
        """The profiles that opened: agent, user."""
        self.rows["tickets"] = [{"id": 42, "subject": "Broken", "status": "open", "priority": "high", "tags": []}]

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/api/v2", "auth": {"username": "ana@acme.com/token", "password": SECRET}}

    def let_in(self, asked: Asked) -> bool:
        pair = base64.b64encode(f"ana@acme.com/token:{self.secret}".encode()).decode()
        return asked.headers.get("Authorization") == f"Basic {pair}"

    def unknown_user(self) -> Reply:
        return Reply(401, {"error": "Couldn't authenticate you"})

    def too_many(self) -> Reply:
        return Reply(429, b"Number of allowed API requests per minute exceeded", {"Retry-After": "7"})

    def error(self, refused: Refused) -> Any:
        return {"error": _NAMES.get(refused.status, "InvalidValue"), "description": refused.text}

    def route(self, asked: Asked) -> Reply:
        match asked.method, asked.path.removeprefix("/api/v2").strip("/").split("/"):
            case "GET", ["search"]:
                return self._search(asked.query)
            case "GET", ["users", "search"]:
                only(asked.query, "external_id")
                users = [row for row in self.rows["users"] if row.get("external_id") == asked.query["external_id"]]
                return Reply(200, {"users": users, "count": len(users), "next_page": None})
            case "GET", ["users", id_]:
                return Reply(200, {"user": self.one("users", id_)})
            case "POST", ["users"]:
                return self._user(asked.values["user"])
            case "POST", ["channels", "voice", "agents", agent, "users", user, "display.json"]:
                return self._display(agent, user)
            case "GET", ["tickets"]:
                only(asked.query, "external_id")
                tickets = [row for row in self.rows["tickets"] if row.get("external_id") == asked.query["external_id"]]
                return Reply(200, {"tickets": tickets, "count": len(tickets)})
            case "POST", ["tickets"]:
                return self._ticket(asked.values["ticket"])
            case _, ["tickets", id_, *more]:
                guarded(re.fullmatch(r"\d+", id_), "Invalid parameter: id must be an integer")
                return self._one_ticket(asked, id_, more)
        raise Refused(404, "Not found")

    def _display(self, agent: str, user: str) -> Reply:
        """Talk Partner Edition: the agent's browser opens the profile."""
        guarded(agent in self.agents and any(str(row["id"]) == user for row in self.rows["users"]), "Not found", 404)
        self.displayed.append((agent, user))
        return Reply(200)

    def _one_ticket(self, asked: Asked, id_: str, more: list[str]) -> Reply:
        ticket = self.one("tickets", id_)
        match asked.method, more:
            case "GET", []:
                return Reply(200, {"ticket": ticket})
            case "GET", ["comments"]:
                only(asked.query, "sort", "page[size]")
                notes = [row for row in self.rows["comments"] if row["ticket"] == ticket["id"]]
                return Reply(200, {"comments": notes[::-1][:100], "meta": {"has_more": False}})
            case "PUT", ["tags"]:
                only(asked.values, "tags")
                ticket["tags"] = list(dict.fromkeys([*ticket["tags"], *asked.values["tags"]]))
                return Reply(200, {"tags": ticket["tags"]})
            case "PUT", []:
                given = asked.values["ticket"]
                only(given, "status", "comment")
                guarded(ticket["status"] != "closed", "Status: closed prevents ticket update", 422)
                self._comment(ticket, given["comment"])
                ticket["status"] = given["status"]
                return Reply(200, {"ticket": ticket})
        raise Refused(404, "Not found")

    def _search(self, query: dict[str, str]) -> Reply:
        only(query, "query", "sort_by", "sort_order", "page", "per_page")
        if query["query"].startswith("type:user"):
            tail = matched(_PEOPLE, query["query"])[1]
            rows = [row for row in self.rows["users"] if digits(row["phone"]).endswith(tail)]
        else:
            tag = matched(_TICKETS, query["query"])[1]
            rows = [row for row in self.rows["tickets"] if tag in row["tags"] and row["status"] not in
                    ("solved", "closed")]  # fmt: skip
        size, page = int(query.get("per_page", 100)), int(query.get("page", 1))
        guarded(size <= 100, "per_page", 422)
        return Reply(200, {"results": rows[(page - 1) * size : page * size], "count": len(rows), "next_page": None})

    def _user(self, given: Row) -> Reply:
        only(given, "external_id", "role", "name", "phone", "email", "skip_verify_email")
        needs(given, "name")
        guarded(given["role"] == "end-user" and given["skip_verify_email"] is True, "they would get an e-mail", 422)
        return Reply(201, {"user": self.add("users", **given)})

    def _ticket(self, given: Row) -> Reply:
        only(given, "external_id", "requester_id", "subject", "comment", "status", "tags")
        if "requester_id" in given:
            guarded(any(row["id"] == given["requester_id"] for row in self.rows["users"]), "Requester: is invalid", 422)
        note = given.pop("comment")
        ticket = self.add("tickets", description=note["body"], **given)
        self._comment(ticket, note)
        return Reply(201, {"ticket": ticket, "audit": {}})

    def _comment(self, ticket: Row, given: Row) -> None:
        only(given, "body", "public")
        guarded(given["public"] is False, "customers would read this", 422)
        needs(given, "body")
        self.add("comments", ticket=ticket["id"], **given)

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        return str(self.add("users", name=name, phone=phone or mobile, role="end-user", organization_id=None)["id"])

    def company(self, name: str, phone: str) -> str:
        raise NotImplementedError("organizations have no number")

    def calls(self) -> list[Row]:
        return [
            {"subject": row["subject"], "note": row["description"], "person": str(row.get("requester_id", ""))}
            for row in self.rows["tickets"]
            if "external_id" in row
        ]

    def leads(self) -> list[str]:
        return [row["phone"] for row in self.rows["users"]]

    def task(self, phone: str | None) -> str:
        requester = int(self.person("Ana", phone or ""))
        row = self.add("tickets", subject="Call Ana", description="She asked", status="new", type="task", priority=None,
                       tags=["callback"], requester_id=requester, due_at="2026-11-24T09:00:00Z")  # fmt: skip
        return str(row["id"])

    def state(self, task: str) -> str:
        row = self.one("tickets", task)
        notes = [note["body"] for note in self.rows["comments"] if note["ticket"] == row["id"]]
        return f"{row['status']} {row['tags']} {notes}"
