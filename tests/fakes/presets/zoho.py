"""Zoho CRM's API v8, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.presets.base import SECRET, Refused, Row, matched, needs, only
from tests.fakes.presets.oauth import OAuthApi, guarded
from tests.fakes.rest_crm.api import Asked, Reply

_WRITTEN = {
    "Leads": ("First_Name", "Last_Name", "Company", "Phone", "Email", "Lead_Source"),
    "Calls": ("Infocaller_Id", "Subject", "Description", "Call_Type", "Call_Start_Time", "Call_Duration", "Who_Id",
              "What_Id", "$se_module"),
    "Tasks": ("Subject", "Status", "Description", "Due_Date"),
}  # fmt: skip
_VALUE = r"'((?:[^']|'')*)'"


class Zoho(OAuthApi):
    name = "zoho-crm"
    opens = "/crm/EntityInfo.do?module=Contacts&id={id}"
    spellings = ("+34600112233", "600112233", "34600112233", "600 112 233", "+34 600 11 22 33", "0034600112233")
    enforces_keys = True
    keyed = ("order", "SO-77", "Delivered")
    writes = "/crm/v8/Calls"
    makes_leads = "/crm/v8/Leads"
    page = 200
    token_path = "/oauth/v2/token"
    scheme = "Zoho-oauthtoken"
    refused_with = 200

    def __init__(self) -> None:
        super().__init__()
        self.too_many_tokens = False
        self.add("Sales_Orders", SO_Number="SO-77", Subject="Desk", Status="Delivered", Grand_Total=12.5)
        self.add("Sales_Orders", SO_Number="SO-77-B", Subject="Chair", Status="Created", Grand_Total=5)

    def section(self, url: str) -> Row:
        own = {"client_id": "bridge", "client_secret": SECRET, "refresh_token": "refresh-0123456789"}
        return {"base_url": f"{url}/crm/v8", "auth": {"token_url": f"{url}/oauth/v2/token", **own}}

    def signing_in(self, asked: Asked) -> Reply | None:
        if asked.path == self.token_path and self.too_many_tokens:
            text = "You have made too many requests continuously. Please try again after some time."
            return Reply(400, {"error": "Access Denied", "error_description": text, "status": "failure"})
        return super().signing_in(asked)

    def form(self) -> Row:
        return {**super().form(), "grant_type": "refresh_token", "refresh_token": "refresh-0123456789"}

    def error(self, refused: Refused) -> Any:
        code = {401: "INVALID_TOKEN", 404: "INVALID_URL_PATTERN", 429: "TOO_MANY_REQUESTS"}.get(
            refused.status, "INVALID_DATA"
        )
        return {"code": code, "details": {}, "message": refused.text, "status": "error"}

    def route(self, asked: Asked) -> Reply:
        match asked.method, asked.path.removeprefix("/crm/v8").strip("/").split("/"):
            case "POST", ["coql"]:
                only(asked.values, "select_query")
                return self._found(self._coql(asked.values["select_query"]))
            case "GET", [kind, "search"]:
                only(asked.query, "criteria", "page", "per_page", "fields")
                return self._searched(kind, asked.query)
            case "GET", [kind, id_]:
                only(asked.query, "fields")
                return self._found([row for row in self.rows[kind] if str(row["id"]) == id_])
            case "POST", [kind]:
                return self._made(kind, asked.values["data"])
            case "PUT", [kind, id_]:
                [given] = asked.values["data"]
                self._checked(kind, given)
                self.one(kind, id_).update(given)
                return Reply(200, {"data": [{"code": "SUCCESS", "details": {"id": id_}, "status": "success"}]})
        raise Refused(404, "Please check if the URL trying to access is a correct one")

    def _found(self, rows: list[Row], *, more: bool = False) -> Reply:
        shown = [{**row, "id": str(row["id"])} for row in rows]
        return Reply(200, {"data": shown, "info": {"more_records": more}}) if shown else Reply(204)

    def _made(self, kind: str, records: list[Row]) -> Reply:
        [given] = records
        self._checked(kind, given)
        needs(given, *{"Leads": ("Last_Name", "Company"), "Calls": ("Subject", "Call_Type", "Call_Start_Time")}[kind])
        if kind == "Calls":
            for row in self.rows["Calls"]:
                if row["Infocaller_Id"] == given["Infocaller_Id"]:
                    details = {"api_name": "Infocaller_Id", "id": str(row["id"])}
                    wrong = {
                        "code": "DUPLICATE_DATA",
                        "details": details,
                        "message": "duplicate data",
                        "status": "error",
                    }
                    return Reply(202, {"data": [wrong]})
        row = self.add(kind, **given)
        done = {"code": "SUCCESS", "details": {"id": str(row["id"])}, "message": "record added", "status": "success"}
        return Reply(201, {"data": [done]})

    def _checked(self, kind: str, given: Row) -> None:
        only(given, *_WRITTEN[kind])
        guarded(re.fullmatch(r"\d+:[0-5]\d", given.get("Call_Duration", "0:00")), "Call_Duration")
        guarded(
            re.fullmatch(r"[\d-]{10}T[\d:]{8}[+-]\d\d:\d\d", given.get("Call_Start_Time", "2026-01-01T00:00:00+00:00")),
            "Call_Start_Time",
        )
        guarded(given.get("Call_Type", "Missed") in ("Inbound", "Outbound", "Missed"), "Call_Type")
        guarded(not given.get("What_Id") or given.get("$se_module") in ("Leads", "Accounts", "Deals"), "$se_module")
        if "Who_Id" in given:
            self.one("Contacts", given["Who_Id"]["id"])

    def _coql(self, query: str) -> list[Row]:
        found = matched(r"select ([\w, .]+) from (\w+) where (.*) limit (\d+)", query)
        names, kind, where, limit = found.groups()
        conditions = re.findall(rf"(\w+) (in|like|=) (\((?:{_VALUE}(?:, )?)+\)|{_VALUE})", where)
        rest = re.sub(rf"\w+ (?:in|like|=) (?:\((?:{_VALUE}(?:, )?)+\)|{_VALUE})", "X", where)
        while "(X or X)" in rest:
            rest = rest.replace("(X or X)", "X")
        guarded(rest == "X", f"SYNTAX_ERROR near {rest}")
        rows = [row for row in self.rows[kind] if any(self._fits(row, one) for one in conditions)]
        return [{name: row.get(name) for name in names.split(", ")} for row in rows[: int(limit)]]

    def _fits(self, row: Row, condition: tuple[str, ...]) -> bool:
        name, operator, written = condition[:3]
        values = [value.replace("''", "'") for value in re.findall(_VALUE, written)]
        has = str(row.get(name) or "")
        if operator == "like":
            guarded("%" not in values[0].strip("%"), "like takes a wildcard at either end")
            return (
                has.endswith(values[0].strip("%"))
                if values[0].startswith("%")
                else has.startswith(values[0].strip("%"))
            )
        return has in values

    def _searched(self, kind: str, query: dict[str, str]) -> Reply:
        conditions = re.findall(r"\((\w+):(equals|starts_with):([^()]*)\)", query["criteria"])
        guarded(conditions, "invalid query formed")
        rows = [
            row for row in self.rows[kind]
            if all(str(row[name]).startswith(value) for name, operator, value in conditions)
        ]  # fmt: skip
        size, page = int(query.get("per_page", 200)), int(query.get("page", 1))
        guarded(size <= 200, "per_page")
        return self._found(rows[(page - 1) * size : page * size], more=page * size < len(rows))

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        row = self.add("Contacts", Full_Name=name, Phone=phone, Mobile=mobile, Owner={"id": "1"})
        return str(row["id"])

    def company(self, name: str, phone: str) -> str:
        return str(self.add("Accounts", Account_Name=name, Phone=phone, Owner={"id": "1"})["id"])

    def calls(self) -> list[Row]:
        return [
            {"subject": row["Subject"], "note": row["Description"],
             "person": (row.get("Who_Id") or row.get("What_Id") or {"id": ""})["id"]}
            for row in self.rows["Calls"]
        ]  # fmt: skip

    def leads(self) -> list[str]:
        return [row["Phone"] for row in self.rows["Leads"]]

    def task(self, phone: str | None) -> str:
        who = None if phone is None else {"id": self.person("Ana", phone)}
        row = self.add("Tasks", Subject="Callback Ana", Status="Not Started", Description="She asked",
                       Due_Date="2026-11-24", Who_Id=who, What_Id=None)  # fmt: skip
        return str(row["id"])

    def state(self, task: str) -> str:
        row = self.one("Tasks", task)
        return f"{row['Status']} {row['Description']}"
