"""Dolibarr's REST API, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, like, needs, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_COLUMNS = {  # columns that can be filtered, with the name that the API gives them
    "contacts": {"t.phone": "phone_pro", "t.phone_mobile": "phone_mobile", "t.phone_perso": "phone_perso"},
    "thirdparties": {"t.phone": "phone"},
    "agendaevents": {
        "t.code": "type_code",
        "t.percent": "percentage",
        "t.label": "label",
        "t.ref_ext": "ref_ext",
        "t.id": "id",
        "t.fk_contact": "contact_id",
    },
}
_EVENT = (
    "ref_ext",
    "type_code",
    "label",
    "note_private",
    "datep",
    "datef",
    "percentage",
    "userownerid",
    "socid",
    "contact_id",
    "socpeopleassigned",
)
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class Dolibarr(PresetApi):
    name = "dolibarr"
    opens = "/contact/card.php?id={id}"
    keyed = ("order", "CO2611-0042", "3")
    writes = "/api/index.php/agendaevents"
    makes_leads = "/api/index.php/thirdparties"
    page = 100

    def __init__(self) -> None:
        super().__init__()
        self.api_off = False
        self.add("orders", ref="CO2611-0042", statut="3", total_ttc="12.50")

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/api/index.php", "auth": {"value": SECRET}, "settings": {"user_id": "5"}}

    def answer(self, asked: Asked) -> Reply:
        if self.api_off:
            text = "Module Api must be enabled.<br><br>\nTo activate modules, go on menu Setup - Modules/Applications."
            return Reply(200, text.encode(), {"Content-Type": "text/html; charset=UTF-8"})
        return super().answer(asked)

    def let_in(self, asked: Asked) -> bool:
        return asked.headers.get("DOLAPIKEY") == self.secret

    def error(self, refused: Refused) -> Any:
        said = f"{_REASONS[refused.status]}: {refused.text}" if refused.text else _REASONS[refused.status]
        return {"error": {"code": refused.status, "message": said}}

    def route(self, asked: Asked) -> Reply:
        match asked.method, asked.path.removeprefix("/api/index.php").strip("/").split("/"):
            case "GET", ["orders", "ref", ref]:
                return Reply(200, self.one("orders", ref, "ref"))
            case "GET", [kind] if kind in _COLUMNS:
                only(asked.query, "sortfield", "sortorder", "limit", "page", "sqlfilters")
                return self._list(kind, asked.query)
            case "GET", [kind, id_] if kind in _COLUMNS:
                return Reply(200, self._shown(self.one(kind, id_)))
            case "POST", ["agendaevents"]:
                only(asked.values, *_EVENT)
                needs(asked.values, "type_code", "label", "datep", "userownerid")
                guarded(isinstance(asked.values["datep"], int), "datep")
                given = {"socpeopleassigned": {}, **asked.values}
                return Reply(200, self.add("agendaevents", **given)["id"])
            case "PUT", ["agendaevents", id_]:
                only(asked.values, *_EVENT)
                self.one("agendaevents", id_).update(asked.values)
                return Reply(200, self._shown(self.one("agendaevents", id_)))
            case "POST", ["thirdparties"]:
                only(asked.values, "name", "phone", "email", "client", "code_client")
                needs(asked.values, "name")
                return Reply(200, self.add("thirdparties", made=True, **asked.values)["id"])
        raise Refused(404, "")

    def _shown(self, row: Row) -> Row:
        hidden = ("ref_ext", "contact_id")
        shown = {**{name: value for name, value in row.items() if name not in hidden}, "id": str(row["id"])}
        return shown if shown.get("socpeopleassigned", True) else {**shown, "socpeopleassigned": []}

    def _list(self, kind: str, query: dict[str, str]) -> Reply:
        columns = _COLUMNS[kind]
        written = query["sqlfilters"]
        filters = re.findall(r"\((t\.\w+):(=|like|>):('[^'()]*'|\d+)\)", written)
        rest = re.sub(r"\(t\.\w+:(?:=|like|>):(?:'[^'()]*'|\d+)\)", "X", written)
        if not re.fullmatch(r"X( or X)*|X( and X)*", rest) or any(name not in columns for name, _, _ in filters):
            raise Refused(503, f"Error when validating parameter sqlfilters -> {written}")
        mode = any if " or " in rest else all
        rows = [
            row for row in self.rows[kind]
            if mode(self._fits(row.get(columns[name]), operator, value.strip("'")) for name, operator, value in filters)
        ]  # fmt: skip
        size, page = int(query.get("limit", 100)), int(query.get("page", 0))
        rows = rows[size * page : size * (page + 1)]
        if not rows:
            raise Refused(404, f"No {kind} found")
        return Reply(200, [self._shown(row) for row in rows])

    def _fits(self, has: object, operator: str, value: str) -> bool:
        if operator == ">":
            return int(str(has or 0)) > int(value)
        return like(value, has) if operator == "like" else str(has if has is not None else "") == value

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        row = self.add("contacts", firstname=name, lastname=None, phone_pro=phone, phone_mobile=mobile,
                       phone_perso=None, socid="9", socname="Acme")  # fmt: skip
        return str(row["id"])

    def company(self, name: str, phone: str) -> str:
        return str(self.add("thirdparties", name=name, phone=phone)["id"])

    def calls(self) -> list[Row]:
        events = [row for row in self.rows["agendaevents"] if "ref_ext" in row]
        return [
            {"subject": row["label"], "note": row["note_private"],
             "person": next(iter(row["socpeopleassigned"] or ()), "") or row.get("socid", "")}
            for row in events
        ]  # fmt: skip

    def leads(self) -> list[str]:
        return [row["phone"] for row in self.rows["thirdparties"] if "made" in row]

    def task(self, phone: str | None, *, old: bool = False) -> str:
        """`old`: the contact stands in the deprecated column alone, and its company in the event."""
        contact = None if phone is None else self.person("Ana", phone)
        people = {contact: {"id": contact, "mandatory": "0"}} if contact and not old else []
        company = self.company("Acme", "+34911234567") if old else None
        row = self.add("agendaevents", type_code="AC_TEL", label="callback for Ana", note_private="She asked",
                       percentage=0, datep=1795510800, socid=company, socpeopleassigned=people,
                       userownerid="1", contact_id=contact if old else None)  # fmt: skip
        return str(row["id"])

    def state(self, task: str) -> str:
        row = self.one("agendaevents", task)
        return f"{row['percentage']} {row['note_private']}"
