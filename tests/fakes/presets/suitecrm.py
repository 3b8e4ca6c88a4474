"""SuiteCRM's JSON API V8, as far as the preset goes."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import UUID

from tests.fakes.presets.base import SECRET, Refused, Row, like, needs, only
from tests.fakes.presets.oauth import OAuthApi, guarded
from tests.fakes.rest_crm.api import Asked, Reply

_PEOPLE = ("first_name", "last_name", "phone_mobile", "phone_work", "phone_home", "phone_other", "email1",
           "account_name", "assigned_user_id", "date_modified")  # fmt: skip
_FIELDS: dict[str, tuple[str, ...]] = {
    "Contacts": _PEOPLE,
    "Leads": _PEOPLE,
    "Accounts": ("name", "phone_office", "phone_alternate", "email1", "assigned_user_id", "date_modified"),
    "Cases": ("case_number", "name", "status", "priority", "assigned_user_id"),
    "Calls": ("name", "description", "direction", "status", "date_start", "duration_hours", "duration_minutes",
              "parent_type", "parent_id"),
}  # fmt: skip
_JSON_API = "application/vnd.api+json"


class SuiteCrm(OAuthApi):
    name = "suitecrm"
    opens = "/#/contacts/record/{id}"
    enforces_keys = True
    keyed = ("case", "17", "Open_New")
    writes = "/legacy/Api/V8/module"
    makes_leads = "/legacy/Api/V8/module"
    page = 20
    token_path = "/legacy/Api/access_token"

    def __init__(self) -> None:
        super().__init__()
        self.invited: list[tuple[str, str]] = []
        """Which contact takes part in which call: what a contact's history goes by."""
        self._store("Cases", case_number="17", name="Broken", status="Open_New")

    def section(self, url: str) -> Row:
        auth = {"token_url": f"{url}/legacy/Api/access_token", "client_id": "bridge", "client_secret": SECRET}
        return {"base_url": f"{url}/legacy/Api", "auth": auth}

    def signing_in(self, asked: Asked) -> Reply | None:
        if asked.path == self.token_path and asked.values.get("client_id") != "bridge":
            text = f"OAuth2Clients module with id {asked.values.get('client_id')} is not found"
            return Reply(500, {"errors": {"status": 500, "title": None, "detail": text}})
        return super().signing_in(asked)

    def error(self, refused: Refused) -> Any:
        return {"errors": {"status": refused.status, "title": None, "detail": refused.text}}

    def _store(self, module: str, **attributes: Any) -> str:
        row = self.add(module, attributes=attributes)
        row["id"] = str(UUID(int=row["id"]))
        return str(row["id"])

    def route(self, asked: Asked) -> Reply:
        if asked.headers.get("Accept") != _JSON_API or (asked.body and asked.headers.get("Content-Type") != _JSON_API):
            raise Refused(406, f"Accept and Content-Type have to be {_JSON_API}")
        match asked.method, asked.path.removeprefix("/legacy/Api/V8").strip("/").split("/"):
            case "GET", ["module", module] if module in _FIELDS:
                return self._list(module, asked.query)
            case "GET", ["module", module, id_] if module in _FIELDS:
                only(asked.query, f"fields[{module}]")
                self._known(module, asked.query.get(f"fields[{module}]", ""))
                return Reply(200, {"data": self._shown(module, self._one(module, id_))})
            case "GET", ["module", "Calls", id_, "relationships", link]:
                self._one("Calls", id_)
                guarded(link == "contacts", f"Relationship {link} does not exist")  # 7.13 knows no leads here
                return Reply(200, {"data": [self._shown("Contacts", one) for one in self._invited(id_)]})
            case "POST", ["module", "Calls", id_, "relationships"]:
                data = asked.values["data"]
                only(data, "type", "id")
                guarded(data["type"] == "Contacts", f"Relationship with {data['type']} is not found")
                self._one("Contacts", data["id"])
                self._one("Calls", id_)
                if (id_, data["id"]) not in self.invited:
                    self.invited.append((id_, data["id"]))
                return Reply(201, {"meta": {"message": "Relationship is created"}})
            case "POST", ["module"]:
                data = asked.values["data"]
                self._checked(data)
                needs(data["attributes"], {"Leads": "last_name", "Calls": "date_start"}[data["type"]])
                if any(row["id"] == data["id"] for row in self.rows[data["type"]]):
                    raise Refused(400, f"Bean {data['type']} with id {data['id']} is already exist")
                row = self.add(data["type"], attributes=data["attributes"])
                row["id"] = data["id"]
                return Reply(201, {"data": self._shown(data["type"], row)})
            case "PATCH", ["module"]:
                data = asked.values["data"]
                self._checked(data)
                row = self._one(data["type"], data["id"])
                row["attributes"].update(data["attributes"])
                return Reply(201, {"data": self._shown(data["type"], row)})
        raise Refused(404, "Not found")

    def _one(self, module: str, id_: str) -> Row:
        for row in self.rows[module]:
            if row["id"] == id_:
                return row
        raise Refused(400, f"{module} module with id {id_} is not found")

    def _invited(self, call: str) -> list[Row]:
        return [row for row in self.rows["Contacts"] if (call, row["id"]) in self.invited]

    def _known(self, module: str, names: str) -> None:
        for name in filter(None, names.split(",")):
            if name not in _FIELDS[module]:
                raise Refused(400, f"The following field in {module} module is not found: {name}")

    def _checked(self, data: Row) -> None:
        only(data, "type", "id", "attributes")
        UUID(data["id"])
        given = data["attributes"]
        self._known(data["type"], ",".join(given))
        guarded(
            re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", given.get("date_start", "2026-01-01 00:00:00")),
            "date_start",
        )
        if "parent_id" in given:
            self._one(given["parent_type"], given["parent_id"])

    def _shown(self, module: str, row: Row) -> Row:
        attributes = {  # given as HTML, kept as text
            name: html.escape(value).replace("&#x27;", "&#039;") if isinstance(value, str) else value
            for name, value in row["attributes"].items()
        }
        return {"type": module[:-1], "id": row["id"], "attributes": attributes, "relationships": {}}

    def _list(self, module: str, query: dict[str, str]) -> Reply:
        conditions = []
        for name, value in query.items():
            found = re.fullmatch(r"filter\[(\w+)\]\[(\w+)\]", name)
            if found:
                guarded(found[1] in _FIELDS[module], f"Filter field {found[1]} in {module} module is not found")
                guarded(found[2] in ("eq", "like"), f"Filter operator {found[2]} is invalid")
                conditions.append((found[1], found[2], value))
            else:
                only([name], f"fields[{module}]", "filter[operator]", "page[size]", "page[number]")
        self._known(module, query.get(f"fields[{module}]", ""))
        mode = any if query.get("filter[operator]", "and") == "or" else all
        rows = [row for row in self.rows[module] if mode(self._fits(row["attributes"], one) for one in conditions)]
        size, page = int(query.get("page[size]", 20)), int(query.get("page[number]", 1))
        shown = [self._shown(module, row) for row in rows[(page - 1) * size : page * size]]
        return Reply(200, {"meta": {"total-pages": -(-len(rows) // size)}, "data": shown, "links": {}})

    def _fits(self, attributes: Row, condition: tuple[str, str, str]) -> bool:
        name, operator, value = condition
        has = attributes.get(name)
        return like(value, has) if operator == "like" else str(has or "") == value

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        return self._store("Contacts", first_name=name, last_name="", phone_work=phone, phone_mobile=mobile)

    def company(self, name: str, phone: str) -> str:
        return self._store("Accounts", name=name, phone_office=phone)

    def calls(self) -> list[Row]:
        """`person`: in whose history it is."""
        rows = [row for row in self.rows["Calls"] if row["attributes"]["status"] != "Planned"]
        return [
            {"subject": row["attributes"]["name"], "note": row["attributes"]["description"], "person": self._with(row)}
            for row in rows
        ]

    def _with(self, call: Row) -> str:
        invited = self._invited(call["id"])
        given = call["attributes"]
        about = given.get("parent_id", "") if given.get("parent_type") != "Contacts" else ""
        return str(invited[0]["id"] if invited else about)

    def leads(self) -> list[str]:
        return [row["attributes"]["phone_mobile"] for row in self.rows["Leads"]]

    def task(self, phone: str | None) -> str:
        """As "Schedule call" at a contact's makes it: about the contact's company, with the contact invited."""
        parent = {} if phone is None else {"parent_type": "Accounts", "parent_id": self.company("Acme", "911234567")}
        call = self._store("Calls", name="Callback Ana", description="She asked", status="Planned",
                           date_start="2026-11-24 09:00:00", **parent)  # fmt: skip
        if phone is not None:
            self.invited.append((call, self.person("Ana", phone)))
        return call

    def state(self, task: str) -> str:
        one = self._one("Calls", task)["attributes"]
        return f"{one['status']} {one['description']}"
