"""The Dataverse Web API, as far as the preset goes."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from tests.fakes.presets.base import SECRET, Refused, Row, like, needs, only
from tests.fakes.presets.oauth import OAuthApi, guarded
from tests.fakes.rest_crm.api import Asked, Reply

_COLUMNS = {
    "contacts": {"contactid", "fullname", "emailaddress1", "telephone1", "telephone2", "mobilephone",
                 "_parentcustomerid_value", "_ownerid_value", "modifiedon"},
    "leads": {"leadid", "subject", "firstname", "lastname", "fullname", "companyname", "emailaddress1", "telephone1",
              "mobilephone", "_ownerid_value", "modifiedon", "statecode"},
    "accounts": {"accountid", "name", "emailaddress1", "telephone1", "telephone2", "_ownerid_value", "modifiedon"},
    "salesorders": {"salesorderid", "ordernumber", "name", "statecode", "statuscode", "totalamount",
                    "requestdeliveryby"},
    "incidents": {"incidentid", "ticketnumber", "title", "statecode", "statuscode", "prioritycode", "_ownerid_value"},
    "phonecalls": {"activityid", "subject", "description", "directioncode", "phonenumber", "actualstart", "actualend",
                   "actualdurationminutes", "scheduledend", "statecode", "statuscode", "phonecall_activity_parties"},
}  # fmt: skip
_KEYS = {"contacts": "contactid", "leads": "leadid", "accounts": "accountid", "phonecalls": "activityid"}
_TERM = r"(?:((?:not )?)contains\((\w+),'((?:[^']|'')*)'\)|(\w+) eq ('(?:[^']|'')*'|\d+|true|false))"
_PAGE = 100


class Dynamics(OAuthApi):
    name = "dynamics-365"
    opens = "/main.aspx?pagetype=entityrecord&etn=contact&id={id}"
    enforces_keys = True
    marks = True
    keyed = ("order", "ORD-01000-O'K", "100001")
    writes = "/api/data/v9.2/phonecalls"
    makes_leads = "/api/data/v9.2/leads"
    page = _PAGE
    token_path = "/acme/oauth2/v2.0/token"

    def __init__(self) -> None:
        super().__init__()
        self.lose_closing = False
        self.add("salesorders", salesorderid=self._guid(), ordernumber="ORD-01000-O'K", statuscode=100001, statecode=1)

    def section(self, url: str) -> Row:
        auth = {
            "token_url": url + self.token_path,
            "client_id": "bridge",
            "client_secret": SECRET,
            "scope": "crm/.default",
        }
        return {"base_url": f"{url}/api/data/v9.2", "auth": auth}

    def form(self) -> Row:
        return {**super().form(), "scope": "crm/.default"}

    def error(self, refused: Refused) -> Any:
        return {"error": {"code": refused.more.get("code", "0x80048d19"), "message": refused.text}}

    def _guid(self) -> str:
        return str(UUID(int=self.id()))

    def route(self, asked: Asked) -> Reply:
        guarded(asked.headers.get("OData-Version") == "4.0", "OData-Version")
        path = asked.path.removeprefix("/api/data/v9.2/")
        found = re.fullmatch(r"(\w+)(?:\(([0-9a-f-]{36})\))?", path)
        if not found or found[1] not in _COLUMNS:
            raise Refused(404, f"Resource not found for the segment '{path}'.")
        kind, guid = found.groups()
        match asked.method, guid:
            case "GET", None:
                return self._list(kind, asked)
            case "GET", str():
                only(asked.query, "$select")
                return Reply(200, self._shown(kind, self._one(kind, guid), asked.query["$select"]))
            case "POST", None:
                return self._made(kind, asked)
            case "PATCH", str():
                guarded(asked.headers.get("If-Match") == "*", "this would make a new one")
                self._known(kind, asked.values)
                if self.lose_closing:
                    return Reply(503, None)
                self._one(kind, guid).update(asked.values)
                return Reply(204)
        raise Refused(405, "no such method")

    def _known(self, kind: str, names: Any) -> None:
        for name in names:
            if name not in _COLUMNS[kind]:
                raise Refused(400, f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{kind}'.")

    def _one(self, kind: str, guid: str) -> Row:
        for row in self.rows[kind]:
            if row[_KEYS[kind]] == guid:
                return row
        raise Refused(404, f"Entity '{kind}' With Id = {guid} Does Not Exist", code="0x80040217")

    def _shown(self, kind: str, row: Row, select: str) -> Row:
        self._known(kind, select.split(","))
        return {"@odata.etag": 'W/"1"', **{name: row.get(name) for name in select.split(",")}}

    def _made(self, kind: str, asked: Asked) -> Reply:
        given = asked.values
        self._known(kind, given)
        needs(given, "subject", _KEYS[kind])
        guarded("statecode" not in given, "a new row is open")
        for party in given.get("phonecall_activity_parties", []):
            [bind] = [name for name in party if name.endswith("@odata.bind")]
            found = re.fullmatch(r"/(\w+)\(([0-9a-f-]{36})\)", party[bind])
            guarded(found and bind == f"partyid_{found[1][:-1]}@odata.bind", "bad reference")
            assert found
            self._one(found[1], found[2])
        if any(row[_KEYS[kind]] == given[_KEYS[kind]] for row in self.rows[kind]):
            raise Refused(412, "Cannot insert duplicate key.", code="0x80040237")
        row = self.add(kind, **{"statecode": 0, "statuscode": 1, **given})
        return Reply(201, row) if asked.headers.get("Prefer") == "return=representation" else Reply(204)

    def _list(self, kind: str, asked: Asked) -> Reply:
        query = asked.query
        only(query, "$select", "$filter", "$top", "$skiptoken")
        rest = re.sub(_TERM, "X", query["$filter"])
        guarded(
            re.fullmatch(r"X( or X)*|X( and X)*|X and \(X( or X)*\)", rest), f"Syntax error in '{query['$filter']}'"
        )
        rows = [row for row in self.rows[kind] if self._holds(kind, row, query["$filter"])]
        if "$top" in query:
            rows = rows[: int(query["$top"])]
        start = int(query.get("$skiptoken", 0))
        answer: Row = {"value": [self._shown(kind, row, query["$select"]) for row in rows[start : start + _PAGE]]}
        if start + _PAGE < len(rows):
            url = f"{asked.host}{asked.path}?" + "&".join(
                f"{name}={value}" for name, value in query.items() if name != "$skiptoken"
            )
            answer["@odata.nextLink"] = f"{url}&$skiptoken={start + _PAGE}".replace(" ", "%20")
        return Reply(200, answer)

    def _holds(self, kind: str, row: Row, written: str) -> bool:
        if " and (" in written:
            first, _, others = written.partition(" and (")
            return self._holds(kind, row, first) and self._holds(kind, row, others[:-1])
        mode = any if ") or " in written else all
        return mode(self._fits(kind, row, found.groups()) for found in re.finditer(_TERM, written))

    def _fits(self, kind: str, row: Row, term: tuple[str | None, ...]) -> bool:
        negated, inside, part, name, value = term
        self._known(kind, [inside or name])
        if inside is not None:
            return like(f"%{part}%", row.get(inside)) is not bool(negated)
        has = row.get(name or "")
        written = str(has).lower() if isinstance(has, bool) else str(has)
        return (value or "").strip("'").replace("''", "'") == written

    def person(self, name: str, phone: str, mobile: str = "") -> str:
        row = self.add("contacts", contactid=self._guid(), fullname=name, telephone1=phone, mobilephone=mobile)
        return str(row["contactid"])

    def company(self, name: str, phone: str) -> str:
        return str(self.add("accounts", accountid=self._guid(), name=name, telephone1=phone)["accountid"])

    def calls(self) -> list[Row]:
        kept = [row for row in self.rows["phonecalls"] if "scheduledend" not in row]
        return [
            {
                "subject": row["subject"],
                "note": row["description"],
                "person": re.sub(r".*\((.*)\).*", r"\1", str(row.get("phonecall_activity_parties", ""))),
            }
            for row in kept
        ]

    def leads(self) -> list[str]:
        return [row["mobilephone"] for row in self.rows["leads"]]

    def task(self, phone: str | None) -> str:
        row = self.add("phonecalls", activityid=self._guid(), subject="Callback Ana", description="She asked",
                       phonenumber=phone, directioncode=True, statecode=0, statuscode=1,
                       scheduledend="2026-11-24T09:00:00Z")  # fmt: skip
        return str(row["activityid"])

    def state(self, task: str) -> str:
        row = self._one("phonecalls", task)
        return f"{row['statecode']}/{row['statuscode']} {row['description']}"
