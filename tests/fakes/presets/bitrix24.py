"""Bitrix24's REST API by an incoming webhook, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, like, needs, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_TYPES = {"lead": 1, "deal": 2, "contact": 3, "company": 4}
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
_FIELDS = {
    "contact": ("ID", "NAME", "LAST_NAME", "PHONE", "EMAIL", "ASSIGNED_BY_ID", "DATE_MODIFY"),
    "lead": ("ID", "TITLE", "NAME", "LAST_NAME", "COMPANY_TITLE", "PHONE", "EMAIL", "ASSIGNED_BY_ID", "DATE_MODIFY",
             "ORIGIN_ID", "ORIGINATOR_ID", "SOURCE_ID"),
    "company": ("ID", "TITLE", "PHONE", "EMAIL", "ASSIGNED_BY_ID", "DATE_MODIFY"),
    "activity": ("ID", "ORIGIN_ID", "ORIGINATOR_ID", "OWNER_TYPE_ID", "OWNER_ID", "RESPONSIBLE_ID", "TYPE_ID",
                 "DIRECTION", "SUBJECT", "DESCRIPTION", "DESCRIPTION_TYPE", "START_TIME", "END_TIME", "COMPLETED",
                 "COMMUNICATIONS"),
}  # fmt: skip
_TASK = ("ID", "TITLE", "DESCRIPTION", "DEADLINE", "STATUS", "UF_CRM_TASK")
_IN_ANSWERS = {"UF_CRM_TASK": "ufCrmTask"}


class Bitrix24(PresetApi):
    name = "bitrix24"
    opens = "https://crm.example/crm/contact/details/{id}/"
    spellings = ("+34600112233", "600112233", "34600112233", "600 112 233", "+34 600 11 22 33")
    strangers = False
    marks = True
    keyed = ("deal", "410", "PREPARATION")
    writes = f"/rest/7/{SECRET}/crm.activity.add"
    makes_leads = f"/rest/7/{SECRET}/crm.lead.add"
    page = 50

    def __init__(self) -> None:
        super().__init__()
        self.rows["deal"] = [{"ID": "410", "TITLE": "Big", "STAGE_ID": "PREPARATION", "CONTACT_ID": None}]

    def section(self, url: str) -> Row:
        return {
            "base_url": f"{url}/rest/{{{{ settings.user }}}}/{{{{ settings.webhook }}}}",
            "settings": {"portal": "crm.example", "user": "7", "webhook": SECRET},
        }

    def let_in(self, asked: Asked) -> bool:
        return asked.path.startswith(f"/rest/7/{self.secret}/")

    def unknown_user(self) -> Reply:
        return Reply(401, {"error": "NO_AUTH_FOUND", "error_description": "Wrong authorization data"})

    def too_many(self) -> Reply:
        over = {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}
        return Reply(503, over)

    def error(self, refused: Refused) -> Any:
        return {"error": refused.more.get("code", ""), "error_description": refused.text}

    def route(self, asked: Asked) -> Reply:
        method = asked.path.rpartition("/")[2]
        guarded(asked.method == "POST", "send JSON")
        answer = self._call(method, asked.values)
        return Reply(200, {**answer, "time": {"start": 1750684060.67, "operating": 0}})

    def _call(self, method: str, given: Row) -> Row:
        match method.split("."):
            case ["crm", "duplicate", "findbycomm"]:
                return {"result": self._duplicates(given)}
            case ["crm", ("contact" | "lead" | "company" | "activity") as kind, "list"]:
                return self._list(kind, given)
            case ["crm", ("contact" | "lead" | "company" | "deal") as kind, "get"]:
                guarded(re.fullmatch(r"[1-9]\d*", str(given.get("id", ""))), "ID is not defined or invalid")
                return {"result": self._known(kind, given["id"])}
            case ["crm", ("lead" | "activity") as kind, "add"]:
                return {"result": int(self._made(kind, given["fields"])["ID"])}
            case ["crm", "activity", "update"]:
                only(given["fields"], *_FIELDS["activity"])
                self._known("activity", given["id"]).update(given["fields"])
                return {"result": True}
            case ["tasks", "task", "list"]:
                return self._listed_tasks(given)
            case ["tasks", "task", "update"]:
                only(given["fields"], *_TASK)
                row = self._known("task", given["taskId"])
                row.update({key: str(value) for key, value in given["fields"].items()})
                return {"result": {"task": self._shown(row)}}
        raise Refused(404, "Method not found!", code="ERROR_METHOD_NOT_FOUND")

    def _known(self, kind: str, id_: object) -> Row:
        for row in self.rows[kind]:
            if row["ID"] == str(id_):
                return row
        raise Refused(400, "Not found")

    def _duplicates(self, given: Row) -> Any:
        guarded(given.get("type") == "PHONE", "Communication type is not defined")
        guarded(0 < len(given["values"]) <= 20, "Communication values is not defined")
        kind = given["entity_type"].lower()
        ids = [int(row["ID"]) for row in self.rows[kind]
               if {phone["VALUE"] for phone in row.get("PHONE", [])} & set(given["values"])]  # fmt: skip
        return {given["entity_type"]: ids[:20]} if ids else []  # as PHP writes an empty map

    def _list(self, kind: str, given: Row) -> Row:
        only(given, "filter", "select")
        only(given["select"], *_FIELDS[kind])
        rows = self.rows[kind]
        for name, value in given["filter"].items():
            only([name.removeprefix("@")], *_FIELDS[kind])
            wanted = [str(each) for each in value] if name.startswith("@") else [str(value)]
            rows = [row for row in rows if str(row.get(name.removeprefix("@"))) in wanted]
        return {"result": [{key: row.get(key) for key in given["select"]} for row in rows], "total": len(rows)}

    def _made(self, kind: str, fields: Row) -> Row:
        only(fields, *_FIELDS[kind])
        if kind == "activity":
            needs(fields, "OWNER_TYPE_ID", "OWNER_ID", "TYPE_ID", "RESPONSIBLE_ID")
            guarded("COMMUNICATIONS" in fields, "The field COMMUNICATIONS is required")
            guarded(re.fullmatch(_TIME, fields["START_TIME"]) and re.fullmatch(_TIME, fields["END_TIME"]), "time")
            [owner] = [kind for kind, number in _TYPES.items() if number == fields["OWNER_TYPE_ID"]]
            self._known(owner, fields["OWNER_ID"])
        return self._new(kind, **fields)

    def _new(self, kind: str, **fields: Any) -> Row:
        row = {"ID": str(self.id()), **fields}
        self.rows[kind].append(row)
        return row

    def _listed_tasks(self, given: Row) -> Row:
        only(given, "filter", "select", "order", "start")
        only(given["select"], *_TASK)
        rows = self.rows["task"]
        for name, value in given["filter"].items():
            match name:
                case "TITLE":
                    rows = [row for row in rows if like(value, row["TITLE"])]
                case "<REAL_STATUS":
                    rows = [row for row in rows if int(row["STATUS"]) < value]
                case "ID":
                    rows = [row for row in rows if row["ID"] == str(value)]
                case _:
                    raise Refused(400, f"unknown: {name}", code="100")
        start = int(given.get("start", 0))
        answer: Row = {"result": {"tasks": [self._shown(row) for row in rows[start : start + 50]]}, "total": len(rows)}
        return answer | ({"next": start + 50} if start + 50 < len(rows) else {})

    def _shown(self, row: Row) -> Row:
        return {_IN_ANSWERS.get(name, name.lower()): value for name, value in row.items()}

    def _who(self, kind: str, *phones: str, **fields: Any) -> str:
        numbers = [{"ID": str(self.id()), "VALUE_TYPE": "WORK", "VALUE": each, "TYPE_ID": "PHONE"} for each in phones
                   if each]  # fmt: skip
        return str(self._new(kind, PHONE=numbers, ASSIGNED_BY_ID="7", **fields)["ID"])

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        return self._who("contact", phone, mobile, NAME=name, LAST_NAME=None)

    def company(self, name: str, phone: str) -> str:
        return self._who("company", phone, TITLE=name)

    def calls(self) -> list[Row]:
        return [{"subject": row["SUBJECT"], "note": row["DESCRIPTION"], "person": str(row["OWNER_ID"])}
                for row in self.rows["activity"]]  # fmt: skip

    def leads(self) -> list[str]:
        return [row["PHONE"][0]["VALUE"] for row in self.rows["lead"]]

    def task(self, phone: str | None) -> str:
        about: Any = False if phone is None else [f"C_{self.person('Ana', phone)}"]
        row = self._new("task", TITLE="Callback Ana", DESCRIPTION="She asked", DEADLINE="2026-11-24T10:00:00+01:00",
                        STATUS="2", UF_CRM_TASK=about)  # fmt: skip
        return str(row["ID"])

    def state(self, task: str) -> str:
        row = self._known("task", task)
        return f"{row['STATUS']} {row['TITLE']} {row['DESCRIPTION']}"
