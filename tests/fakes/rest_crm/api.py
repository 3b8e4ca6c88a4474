"""The pretended CRM's API: what each path answers when all goes well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.rest_crm.signin import SignIns
from tests.fakes.rest_crm.store import Row, Store, Taken


@dataclass
class Asked:
    """A request. `values` are its JSON or its form; `host` is where the server is, for links."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    values: Any
    body: bytes
    host: str


def parsed_query(target: str) -> tuple[str, dict[str, str]]:
    """The path and the query of what a request line asks for."""
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def parsed_body(body: bytes, kind: str) -> Any:
    """A request's JSON, or its form; None where it has neither."""
    if "json" in kind and body:
        return json.loads(body)
    return dict(parse_qsl(body.decode(), keep_blank_values=True)) if body else None


@dataclass
class Reply:
    """An answer."""

    status: int
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """What goes out: JSON, bytes as they are, or nothing."""
        if isinstance(self.value, bytes):
            return self.value
        return b"" if self.value is None else json.dumps(self.value, ensure_ascii=False).encode()


class Api:
    """All paths."""

    def __init__(self, store: Store, signins: SignIns) -> None:
        self.store = store
        self.signins = signins

    def answer(self, asked: Asked) -> Reply:
        """The answer to a request."""
        first, _, rest = asked.path.strip("/").partition("/")
        if first in ("token", "login", "rpc"):
            return self._sign_in(first, asked)
        if not self.signins.open(asked.headers, asked.query):
            return Reply(401, {"message": "who are you?"}, {"WWW-Authenticate": "Bearer"})
        route = getattr(self, f"_{first}", None)
        if route is None:
            return Reply(404, {"message": "no such thing"})
        try:
            reply: Reply = route(unquote(rest), asked)
        except Taken as taken:
            return Reply(409, {"message": "there already", "code": "duplicate", "id": taken.row["id"]})
        return reply

    def _sign_in(self, first: str, asked: Asked) -> Reply:
        values = asked.values if isinstance(asked.values, dict) else {}
        if first == "token":
            status, value = self.signins.token(values, asked.headers)
            return Reply(status, value)
        if first == "rpc":
            done = self.signins.login(values.get("params", {}))
            return Reply(200, {"result": done} if done else {"error": {"code": 100, "message": "Access Denied"}})
        done = self.signins.login(values)
        if done is None:
            return Reply(403, {"message": "wrong user or password"})
        if self.signins.way == "cookie":
            return Reply(302, None, {"Location": "/", "Set-Cookie": f"sid={done['token']}; Path=/; HttpOnly"})
        return Reply(200, done)

    def _customers(self, rest: str, asked: Asked) -> Reply:
        """/customers?q=…, paged in each way by /customers/number, offset, next, cursor, link; /customers/<id>."""
        if asked.method == "POST" and not rest:
            return Reply(201, self.store.add(self.store.customers, dict(asked.values)))
        if rest.isdecimal():
            return _one(self.store.matching(self.store.customers, {"id": rest}))
        given = {**asked.query, **asked.values} if isinstance(asked.values, dict) else asked.query
        return self._paged(self.store.search(str(given.get("q", ""))), rest, asked, given)

    def _paged(self, rows: list[Row], way: str, asked: Asked, given: Mapping[str, Any]) -> Reply:
        size = int(given.get("limit", 10))
        if way == "number":
            start = (int(given.get("page", 1)) - 1) * size
        elif way in ("offset", "next", "link"):
            start = int(given.get("offset", 0))
        elif way == "cursor":
            start = int(str(given.get("after", "c0"))[1:])
        else:
            return Reply(200, {"data": rows})
        page, after = rows[start : start + size], start + size
        value: dict[str, Any] = {"data": page}
        headers = {}
        url = f"{asked.host}{asked.path}?q={asked.query.get('q', '')}&limit={size}&offset={after}"
        if after < len(rows):
            if way == "next":
                value["next"] = url
            if way == "cursor":
                value["paging"] = {"after": f"c{after}"}
            headers = {"Link": f'<{url}>; rel="next"'} if way == "link" else {}
        return Reply(200, value, headers)

    def _orders(self, rest: str, asked: Asked) -> Reply:
        """/orders?number=…, fuzzily /orders?q=…, /orders/by-number/<number>, /orders/<id>."""
        way, _, value = rest.partition("/")
        if way == "by-number":
            return Reply(200, {"data": self.store.matching(self.store.orders, {"number": value})})
        if "q" in asked.query:
            return Reply(
                200, {"data": [one for one in self.store.orders if asked.query["q"].strip("0") in one["number"]]}
            )
        if rest:
            return _one(self.store.matching(self.store.orders, {"id": rest}))
        return Reply(200, {"data": self.store.matching(self.store.orders, asked.query)})

    def _order(self, rest: str, _asked: Asked) -> Reply:
        """/order/<number>, 404 where there is none."""
        return _one(self.store.matching(self.store.orders, {"number": rest}))

    def _calls(self, rest: str, asked: Asked) -> Reply:
        return self._kept(self.store.calls, rest, asked)

    def _surveys(self, rest: str, asked: Asked) -> Reply:
        return self._kept(self.store.surveys, rest, asked)

    def _tasks(self, rest: str, asked: Asked) -> Reply:
        return self._kept(self.store.tasks, rest, asked)

    def _kept(self, table: list[Row], rest: str, asked: Asked) -> Reply:
        if asked.method == "POST":
            return Reply(201, self.store.add(table, dict(asked.values)))
        if asked.method in ("PATCH", "PUT"):
            row = self.store.change(table, rest, asked.values, asked.headers.get("If-Match"))
            if row is False:
                return Reply(412, {"message": "changed meanwhile"})
            return Reply(204) if row else Reply(404, {"message": "no such thing"})
        if rest:
            return _one(self.store.matching(table, {"id": rest}))
        return Reply(200, {"data": self.store.matching(table, asked.query)})


def _one(rows: list[Row]) -> Reply:
    return Reply(200, rows[0]) if rows else Reply(404, {"message": "no such thing"})
