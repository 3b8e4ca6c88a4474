"""Odoo's external API, as far as the presets go: JSON-RPC (to 18) and JSON-2 (from 19)."""

from __future__ import annotations

from typing import Any

from tests.fakes.presets.base import SECRET, PresetApi, Refused, Row, like, only
from tests.fakes.presets.oauth import guarded
from tests.fakes.rest_crm.api import Asked, Reply

_FIELDS: dict[str, tuple[str, ...]] = {
    "res.partner": ("name", "email", "phone", "mobile", "parent_id", "user_id", "write_date"),
    "crm.lead": ("name", "contact_name", "partner_name", "email_from", "phone", "mobile", "user_id", "write_date",
                 "description"),
    "sale.order": ("name", "state", "amount_total", "date_order", "commitment_date", "user_id"),
    "mail.message": ("message_id", "model", "res_id", "message_type", "is_internal", "subtype_id", "subject", "date",
                     "body"),
    "mail.message.subtype": ("name", "internal", "res_model"),
    "mail.activity": ("res_model", "res_id", "res_name", "summary", "note", "date_deadline",
                      "activity_type_id.category", "activity_type_id.icon"),
}  # fmt: skip
_NOTE = 41  # the number of mail.mt_note, another in each database


class Models(PresetApi):
    """What both APIs can do with the models."""

    keyed = ("order", "S00042", "sale")
    mobile = True
    marks = True
    note = "Note"
    """What the subtype mail.mt_note is called in English."""
    call_category = "default"
    """The category of the activity type Call: phonecall from 15 on."""

    def __init__(self) -> None:
        super().__init__()
        self.rows["res.partner"] = [self._row("res.partner", id=1, name="Our own company", phone="+34910000000")]
        for number, name, internal in ((40, "Discussions", False), (_NOTE, self.note, True), (42, "Activities", True)):
            row = self._row("mail.message.subtype", id=number, name=name, internal=internal)
            self.rows["mail.message.subtype"].append(row)
        self.add("sale.order", **self._row("sale.order", name="S00042", state="sale", amount_total=12.5))

    def _row(self, model: str, /, **given: Any) -> Row:
        return {**dict.fromkeys(_FIELDS[model], False), **given}

    def _known(self, model: str, names: Any) -> None:
        for name in names:
            if name not in ("id", *_FIELDS.get(model, ())) or (name == "mobile" and not self.mobile):
                raise Refused(422, f"Invalid field '{name}' on model '{model}'", name="builtins.ValueError")

    def search_read(self, model: str, domain: Any, fields: Any, limit: int) -> list[Row]:
        """Model.search_read."""
        self._known(model, fields)
        rows = [row for row in self.rows[model] if self._matches(model, row, domain)]
        return [{"id": row["id"], **{name: row[name] for name in fields}} for row in rows[:limit]]

    def _matches(self, model: str, row: Row, domain: Any) -> bool:
        if domain[:1] == ["|"]:
            guarded(len(domain) == 3, "domains are in Polish notation")
            return self._term(model, row, domain[1]) or self._term(model, row, domain[2])
        return all(self._term(model, row, term) for term in domain)

    def _term(self, model: str, row: Row, term: Any) -> bool:
        name, operator, value = term
        self._known(model, [name])
        has = row[name]
        if operator == "=like":
            return like(value, has)
        if operator in ("ilike", "not ilike"):
            return (value.lower() in str(has or "").lower()) is (operator == "ilike")
        guarded(operator in ("=", "in"), f"operator {operator}")
        return has in value if operator == "in" else has == value and type(has) is type(value)

    def read(self, model: str, ids: list[int], fields: Any) -> list[Row]:
        """Model.read."""
        self._known(model, fields)
        return [{"id": row["id"], **{name: row[name] for name in fields}} for row in map(self._one(model), ids)]

    def _one(self, model: str) -> Any:
        def find(id_: int) -> Row:
            guarded(isinstance(id_, int), "ids are numbers")
            for row in self.rows[model]:
                if row["id"] == id_:
                    return row
            raise Refused(404, "Record does not exist or has been deleted.", name="odoo.exceptions.MissingError")

        return find

    def create(self, model: str, values: Row) -> int:
        """Model.create."""
        self._known(model, values)
        if model == "mail.message":
            self._one(values["model"])(values["res_id"])
        return int(self.add(model, **self._row(model, **values))["id"])

    def write(self, model: str, ids: list[int], values: Row) -> bool:
        """Model.write."""
        self._known(model, values)
        for id_ in ids:
            self._one(model)(id_).update(values)
        return True

    def action_feedback(self, ids: list[int], feedback: str) -> bool:
        """mail.activity.action_feedback: done, and gone."""
        for id_ in ids:
            self._one("mail.activity")(id_)
            self.rows["done"].append({"id": id_, "feedback": feedback})
            self.rows["mail.activity"] = [row for row in self.rows["mail.activity"] if row["id"] != id_]
        return True

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        numbers = {"phone": phone or False, "mobile": mobile or False} if self.mobile else {"phone": phone or mobile}
        return str(self.add("res.partner", **self._row("res.partner", name=name, **numbers))["id"])

    def company(self, name: str, phone: str) -> str:
        return str(self.add("crm.lead", **self._row("crm.lead", name=name, phone=phone))["id"])

    def calls(self) -> list[Row]:
        return [
            {"subject": row["subject"], "note": row["body"], "person": "" if row["res_id"] == 1 else str(row["res_id"])}
            for row in self.rows["mail.message"]
        ]

    def leads(self) -> list[str]:
        return [row["phone"] for row in self.rows["crm.lead"]]

    def task(self, phone: str | None) -> str:
        partner = int(self.person("Ana", phone or ""))
        row = self._row("mail.activity", res_model="res.partner", res_id=partner, res_name="Ana", summary="Callback",
                        note="<p>She asked</p>", date_deadline="2026-11-24")  # fmt: skip
        row |= {"activity_type_id.category": self.call_category, "activity_type_id.icon": "fa-phone"}
        return str(self.add("mail.activity", **row)["id"])

    def state(self, task: str) -> str:
        for row in self.rows["done"]:
            if str(row["id"]) == task:
                return f"done {row['feedback']}"
        activity = self.one("mail.activity", task)
        return f"open {activity['summary']} {activity['note']}"

    def notes(self) -> list[bool]:
        """Of each call whether Odoo counts it as a note: as one of the subtype mail.mt_note."""
        return [row["subtype_id"] == _NOTE for row in self.rows["mail.message"]]


class Odoo(Models):
    name = "odoo"
    opens = "/web#view_type=form&model=res.partner&id={id}"
    writes = "/jsonrpc"
    asks_first = 1
    makes_leads = "/jsonrpc"

    def section(self, url: str) -> Row:
        return {"base_url": url, "settings": {"database": "acme", "user": "bridge@acme.example", "key": SECRET}}

    def let_in(self, _asked: Asked) -> bool:
        return True  # each call carries its key

    def error(self, refused: Refused) -> Any:
        name = refused.more.get("name", "odoo.exceptions.UserError")
        data = {"name": name, "debug": "Traceback (most recent call last): …", "message": refused.text, "arguments": []}
        return {"jsonrpc": "2.0", "id": None, "error": {"code": 200, "message": "Odoo Server Error", "data": data}}

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        told = asked.path == "/jsonrpc" and reply.status != 429  # errors come as 200
        return Reply(200, reply.value, reply.headers) if told else reply

    def route(self, asked: Asked) -> Reply:
        if (asked.method, asked.path) != ("POST", "/jsonrpc"):
            raise Refused(404, "Not Found")
        only(asked.values, "jsonrpc", "method", "params", "id")
        params = asked.values["params"]
        guarded(asked.values["method"] == "call" and asked.values["jsonrpc"] == "2.0", "no JSON-RPC")
        if (params["service"], params["method"]) == ("common", "authenticate"):
            database, user, key, _agent = params["args"]
            if database != "acme":
                raise Refused(200, f'FATAL:  database "{database}" does not exist\n', name="psycopg2.OperationalError")
            right = (database, user, key) == ("acme", "bridge@acme.example", self.secret)
            return self._result(2 if right else False)
        guarded((params["service"], params["method"]) == ("object", "execute_kw"), "no such method")
        database, uid, key, model, method, args, *more = params["args"]
        if (database, uid, key) != ("acme", 2, self.secret):
            raise Refused(200, "Access Denied", name="odoo.exceptions.AccessDenied")
        return self._result(self._call(model, method, args, more[0] if more else {}))

    def _result(self, value: Any) -> Reply:
        return Reply(200, {"jsonrpc": "2.0", "id": None, "result": value})

    def _call(self, model: str, method: str, args: list[Any], named: Row) -> Any:
        if method == "search_read":
            only(named, "fields", "limit", "order", "context")
            return self.search_read(model, args[0], named["fields"], named["limit"])
        if method == "read":
            return self.read(model, args[0], named["fields"])
        if method == "create":
            return self.create(model, args[0])
        if method == "write":
            guarded(not named, "write takes no more")
            return self.write(model, args[0], args[1])
        guarded((model, method) == ("mail.activity", "action_feedback"), f"no method {method} of {model}")
        return self.action_feedback(args[0], named["feedback"])


class OdooJson2(Models):
    name = "odoo-json2"
    opens = "/odoo/res.partner/{id}"
    note, call_category = "Notes", "phonecall"
    writes = "/json/2/mail.message/create"
    makes_leads = "/json/2/crm.lead/create"
    mobile = False

    def section(self, url: str) -> Row:
        return {"base_url": f"{url}/json/2", "auth": {"token": SECRET}}

    def let_in(self, asked: Asked) -> bool:
        scheme, _, key = asked.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and key == self.secret

    def error(self, refused: Refused) -> Any:
        name = refused.more.get("name", "odoo.exceptions.UserError")
        return {
            "name": name,
            "message": refused.text,
            "arguments": [refused.text],
            "context": {},
            "debug": "Traceback …",
        }

    def unknown_user(self) -> Reply:
        return Reply(401, self.error(Refused(401, "Invalid apikey", name="werkzeug.exceptions.Unauthorized")))

    def route(self, asked: Asked) -> Reply:
        match asked.method, asked.path.removeprefix("/json/2").strip("/").split("/"):
            case "POST", [model, method]:
                return Reply(200, self._call(model, method, asked.values))
        raise Refused(404, "Not Found")

    def _call(self, model: str, method: str, given: Row) -> Any:
        if method == "search_read":
            only(given, "domain", "fields", "limit", "order", "context")
            return self.search_read(model, given["domain"], given["fields"], given["limit"])
        if method == "read":
            only(given, "ids", "fields", "context")
            return self.read(model, given["ids"], given["fields"])
        if method == "create":
            only(given, "vals_list", "context")
            return [self.create(model, values) for values in given["vals_list"]]
        if method == "write":
            only(given, "ids", "vals", "context")
            return self.write(model, given["ids"], given["vals"])
        guarded((model, method) == ("mail.activity", "action_feedback"), f"no method {method} of {model}", 404)
        only(given, "ids", "feedback", "context")
        return self.action_feedback(given["ids"], given["feedback"])
