"""The REST API of the pretended org: one request to one answer, without sockets."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.salesforce.org import Org, Several
from tests.fakes.salesforce.signin import NotIn, SignIn
from tests.fakes.salesforce.soql import Refused, Row

VERSIONS = [f"{number}.0" for number in range(31, 69)]


@dataclass(frozen=True)
class Request:
    """What came: `path` with its query as it was on the wire, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True).get(name, [""])[0]

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused("JSON_PARSER_ERROR", "Unexpected character") from None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(status: int, body: object, **headers: str) -> Answer:
    text = json.dumps(body, indent=1).encode()
    return Answer(status, text, {"Content-Type": "application/json;charset=UTF-8", **headers})


def refusal(error: Refused) -> Answer:
    one: Row = {"message": error.message, "errorCode": error.code}
    if error.fields:
        one["fields"] = error.fields
    return answer(error.status, [one])


class Api:
    """Routes requests to the org. `instance` is the base URL that sign-ins hand out."""

    def __init__(self, org: Org, signin: SignIn, instance: str) -> None:
        self.org, self.signin, self.instance = org, signin, instance
        self.page = 2000
        self.used, self.allowed = 0, 15_000
        self.pages: dict[str, tuple[list[Row], int]] = {}
        self._locators = itertools.count(1)
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(pattern), handler)
            for method, pattern, handler in (
                ("GET", r"query/?", self._query), ("GET", r"query/([^/]+)", self._more),
                ("GET", r"search/?", self._search), ("GET", r"limits/?", self._limits),
                ("GET", r"sobjects/?", self._objects), ("GET", r"sobjects/(\w+)/describe/?", self._describe),
                ("POST", r"sobjects/(\w+)/?", self._create), ("GET", r"sobjects/(\w+)/(\w+)", self._read),
                ("PATCH", r"sobjects/(\w+)/(\w+)", self._update), ("DELETE", r"sobjects/(\w+)/(\w+)", self._delete),
                ("PATCH", r"sobjects/(\w+)/(\w+)/(.+)", self._upsert),
                ("POST", r"composite/sobjects/?", self._create_many),
                ("PATCH", r"composite/sobjects/?", self._update_many),
                ("PATCH", r"composite/sobjects/(\w+)/(\w+)", self._upsert_many),
            )
        ]  # fmt: skip

    def answer(self, request: Request) -> Answer:
        """What goes back."""
        path = urlsplit(request.path).path
        soap = re.fullmatch(r"/services/Soap/u/([\d.]+)/?", path)
        if soap and request.method == "POST":
            status, text = self.signin.login(request.body, soap[1], self.instance)
            return Answer(status, text.encode(), {"Content-Type": "text/xml;charset=UTF-8"})
        if path == "/services/oauth2/token":
            return self._token(request)
        if path.rstrip("/") == "/services/data":
            return answer(200, [{"label": v, "url": f"/services/data/v{v}", "version": v} for v in VERSIONS])
        try:
            return self._api(request, path)
        except Refused as error:
            return self._limited(refusal(error))
        except Several as several:
            return self._limited(answer(300, several.urls))

    def _token(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        try:
            session = self.signin.token(form, request.headers.get("authorization", ""))
        except NotIn as error:
            return answer(error.status, {"error": error.error, "error_description": error.description})
        identity = f"https://login.salesforce.com/id/{self.org.id}/{self.org.user}"
        return answer(200, {"access_token": session, "instance_url": self.instance, "id": identity,
                            "token_type": "Bearer", "issued_at": "1700000000000", "signature": "x"})  # fmt: skip

    def _api(self, request: Request, path: str) -> Answer:
        found = re.fullmatch(r"/services/data/v([\d.]+)/(.*)", path)
        if not found:
            raise Refused("NOT_FOUND", "The requested resource does not exist", 404)
        if float(found[1]) < 31:
            raise Refused("UNSUPPORTED_API_VERSION", "The requested API version is no longer supported", 410)
        if found[1] not in VERSIONS:
            raise Refused("NOT_FOUND", "The requested resource does not exist", 404)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.signin.sessions:
            return refusal(Refused("INVALID_SESSION_ID", "Session expired or invalid", 401))
        if len(request.path) + sum(len(n) + len(v) for n, v in request.headers.items()) > 16_384:
            return Answer(414, b"<h1>Bad Message 414</h1>", {"Content-Type": "text/html"})
        self.used += 1
        if self.used > self.allowed:
            raise Refused("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403)
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(found[2])
            if match and method == request.method:
                with self.org.lock:
                    return self._limited(handler(request, *(unquote(part) for part in match.groups())))
        raise Refused("NOT_FOUND", "The requested resource does not exist", 404)

    def _limited(self, made: Answer) -> Answer:
        limit = f"api-usage={self.used}/{self.allowed}; api-bursts=1/750"
        return Answer(made.status, made.body, {**made.headers, "Sforce-Limit-Info": limit})

    # reading

    def _query(self, request: Request) -> Answer:
        return self._page(self.org.query(request.query("q")), 0, f"01g{next(self._locators):015}")

    def _more(self, _request: Request, locator: str) -> Answer:
        name, _, start = locator.rpartition("-")
        if name not in self.pages:
            raise Refused("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(self.pages[name][0], int(start), name)

    def _page(self, records: list[Row], start: int, name: str) -> Answer:
        end = start + self.page
        body: Row = {"totalSize": len(records), "done": end >= len(records), "records": records[start:end]}
        if end < len(records):
            self.pages[name] = (records, end)
            body["nextRecordsUrl"] = f"/services/data/v64.0/query/{name}-{end}"
        return answer(200, body)

    def _search(self, request: Request) -> Answer:
        return answer(200, {"searchRecords": self.org.search(request.query("q"))})

    def _limits(self, _request: Request) -> Answer:
        return answer(200, {"DailyApiRequests": {"Max": self.allowed, "Remaining": self.allowed - self.used}})

    def _objects(self, _request: Request) -> Answer:
        listed = [{"name": o.name, "queryable": True, "keyPrefix": o.prefix} for o in self.org.objects.values()]
        return answer(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})

    def _describe(self, _request: Request, kind: str) -> Answer:
        return answer(200, self.org.source(kind).describe())

    def _read(self, request: Request, kind: str, record: str) -> Answer:
        row = self.org.row(record)
        if not row or row["attributes"]["type"] != self.org.source(kind).name:
            raise Refused("NOT_FOUND", "The requested resource does not exist", 404)
        wanted = request.query("fields").split(",") if request.query("fields") else list(row)
        return answer(200, {name: row.get(name) for name in wanted})

    # writing

    def _create(self, request: Request, kind: str) -> Answer:
        made = self.org.create(kind, request.json(), request.headers)
        return answer(201, {"id": made, "success": True, "errors": []})

    def _update(self, request: Request, kind: str, record: str) -> Answer:
        self.org.update(kind, record, request.json())
        return Answer(204)

    def _delete(self, _request: Request, _kind: str, record: str) -> Answer:
        self.org.delete(record)
        return Answer(204)

    def _upsert(self, request: Request, kind: str, name: str, value: str) -> Answer:
        record, created = self.org.upsert(kind, name, value, request.json(), request.headers)
        return answer(201 if created else 200, {"id": record, "success": True, "errors": [], "created": created})

    def _records(self, request: Request) -> list[Row]:
        body = request.json()
        records: list[Row] = body["records"]
        if body.get("allOrNone"):
            raise Refused("NOT_FOUND", "allOrNone is not pretended here")
        if len(records) > 200:
            raise Refused("EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records")
        runs = len(list(itertools.groupby(record["attributes"]["type"] for record in records)))
        if runs > 10:
            raise Refused("INVALID_INPUT", "more than 10 chunks of types")
        return records

    def _each(self, request: Request, work: Callable[[str, Row], tuple[str, bool | None]]) -> Answer:
        made = []
        for record in self._records(request):
            kind = record.pop("attributes")["type"]
            try:
                name, created = work(kind, record)
                one: Row = {"id": name, "success": True, "errors": []}
                made.append(one if created is None else {**one, "created": created})
            except Refused as error:
                fault = {"statusCode": error.code, "message": error.message, "fields": error.fields}
                made.append({"success": False, "errors": [fault]})
            except Several:
                fault = {"statusCode": "DUPLICATE_EXTERNAL_ID", "message": "External ID is in several", "fields": []}
                made.append({"success": False, "errors": [fault]})
        return answer(200, made)

    def _create_many(self, request: Request) -> Answer:
        return self._each(request, lambda kind, body: (self.org.create(kind, body, request.headers), None))

    def _update_many(self, request: Request) -> Answer:
        def one(kind: str, body: Row) -> tuple[str, None]:
            return self.org.update(kind, body.pop("id", body.pop("Id", "")), body), None

        return self._each(request, one)

    def _upsert_many(self, request: Request, kind: str, name: str) -> Answer:
        seen: set[str] = set()

        def one(_kind: str, body: Row) -> tuple[str, bool]:
            value = str(body.pop(name))
            if value in seen:
                raise Refused("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", fields=[name])
            seen.add(value)
            return self.org.upsert(kind, name, value, body, request.headers)

        return self._each(request, one)
