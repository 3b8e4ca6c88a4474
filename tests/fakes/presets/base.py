"""What the pretended CRMs of the presets have in common.

Each answers in the shape that its API's documentation gives, and refuses what that API would refuse: what it does not
know in a request is never passed over. `responses` hands them each request that a session would send, without a server;
what goes wrong on the wire is tested with `tests.fakes.rest_crm`, a real one.
"""

from __future__ import annotations

import re
import traceback
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import requests
import responses
from urllib3.exceptions import ProtocolError

from tests.fakes.rest_crm import Store
from tests.fakes.rest_crm.api import Api, Asked, Reply, parsed_body, parsed_query
from tests.fakes.rest_crm.faults import Faults
from tests.fakes.rest_crm.signin import SignIns

SECRET = "s3cret-of-the-crm-0123456789"
Row = dict[str, Any]


class Refused(Exception):
    """A request that the real API would refuse."""

    def __init__(self, status: int, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.more = more


class PresetApi(Api):
    """One CRM's API. `rows` are its records, by whatever the CRM calls their kind; `secret` what it wants to see;
    `throttled` how many requests it still turns away for their number."""

    name: ClassVar[str]
    """The preset."""
    spellings: ClassVar[tuple[str, ...]] = (
        "+34600112233",
        "600112233",
        "600 11 22 33",
        "600-112-233",
        "(+34) 600 11 22 33",
    )
    """The ways of writing one number in which people are found."""
    company_too: ClassVar[bool] = True
    second_numbers: ClassVar[bool] = True
    """Whether people have more than one number that is searched."""
    strangers: ClassVar[bool] = True
    """Whether it keeps calls of unknown callers."""
    asks_back: ClassVar[bool] = True
    """Whether it has tasks that ask for a call."""
    keyed: ClassVar[tuple[str, str, str]]
    """A kind of record with a key that is there, and what is in its `keyed_field`."""
    keyed_field: ClassVar[str] = "status"
    writes: ClassVar[str]
    """Where the path of the request begins that keeps a call."""
    asks_first: ClassVar[int] = 0
    """How many requests to the same path come before it."""
    makes_leads: ClassVar[str]
    """The same for a new lead."""
    corrects: ClassVar[bool] = True
    enforces_keys: ClassVar[bool] = False
    """Whether it refuses a second call under our key."""
    marks: ClassVar[bool] = False
    """Whether a task that was rung, and is still open, is marked so that it is not listed again."""
    opens: ClassVar[str]
    """Where a person's page is, below the CRM's host or elsewhere, with `{id}`."""
    page: ClassVar[int] = 0
    """How many tasks a page holds, 0 where there are no pages."""

    def __init__(self) -> None:
        super().__init__(Store(), SignIns())
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.secret = SECRET
        self.throttled = 0
        self.tokens: list[str] = []
        self._last = 100

    def answer(self, asked: Asked) -> Reply:
        """The answer to a request."""
        try:
            if self.throttled:
                self.throttled -= 1
                return self.too_many()
            return self.signing_in(asked) or (self.route(asked) if self.let_in(asked) else self.unknown_user())
        except Refused as refused:
            return Reply(refused.status, self.error(refused))
        except Exception:  # noqa: BLE001 - whatever a request makes the fake stumble over is shown to its test
            return Reply(500, {"message": traceback.format_exc()[-290:]})

    def signing_in(self, _asked: Asked) -> Reply | None:
        """The answer to a request that signs in; None for any other."""
        return None

    @abstractmethod
    def section(self, url: str) -> Row:
        """What an admin writes, but for `type` and `preset`."""

    @abstractmethod
    def let_in(self, asked: Asked) -> bool:
        """Whether a request comes with the right credentials."""

    @abstractmethod
    def route(self, asked: Asked) -> Reply:
        """The answer to a request of somebody who may ask. Raises `Refused`."""

    @abstractmethod
    def error(self, refused: Refused) -> Any:
        """How errors are told."""

    def unknown_user(self) -> Reply:
        """What somebody is told who may not ask."""
        return Reply(401, self.error(Refused(401, "the access token is invalid")))

    def too_many(self) -> Reply:
        """What is told to those who ask too much."""
        return Reply(429, self.error(Refused(429, "too many requests")), {"Retry-After": "7"})

    # what the tests put in and look at

    @abstractmethod
    def person(self, name: str, phone: str, mobile: str = "") -> str:
        """Somebody with these numbers; the id."""

    @abstractmethod
    def company(self, name: str, phone: str) -> str:
        """A company; the id."""

    @abstractmethod
    def calls(self) -> list[Row]:
        """The calls that are kept: `subject`, `note`, `person` (an id, empty for none)."""

    @abstractmethod
    def leads(self) -> list[str]:
        """The numbers of the leads that were made."""

    @abstractmethod
    def task(self, phone: str | None) -> str:
        """Somebody with this number is to be called back; the task's id."""

    @abstractmethod
    def state(self, task: str) -> str:
        """How the CRM says how a task stands, and what was noted."""

    def id(self) -> int:
        """A new id."""
        self._last += 1
        return self._last

    def add(self, kind: str, /, **row: Any) -> Row:
        """A new record."""
        self.rows[kind].append({"id": self.id(), **row})
        return self.rows[kind][-1]

    def one(self, kind: str, id_: object, name: str = "id") -> Row:
        """The record with this id. Raises `Refused`."""
        for row in self.rows[kind]:
            if str(row[name]) == str(id_):
                return row
        raise Refused(404, f"{kind} {id_} not found")


class PresetCrm:
    """One of them, at an address that no request leaves the process for. `requests` are those that came, in order. It
    knows one fault, `lose_answer`: the request is done, then the connection breaks."""

    url = "https://crm.example"

    def __init__(self, api: PresetApi) -> None:
        self.api = api
        self.faults = Faults()
        self.requests: list[Asked] = []
        self._wire = responses.RequestsMock(assert_all_requests_are_fired=False)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            self._wire.add_callback(method, re.compile(f"{self.url}/.*"), self._answer, content_type=None)

    def __enter__(self) -> Self:
        self._wire.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._wire.stop(allow_assert=False)

    def paths(self) -> list[str]:
        """The requests that came, as `GET /orders`."""
        return [f"{asked.method} {asked.path}" for asked in self.requests]

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        path, query = parsed_query(request.path_url)
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        values = parsed_body(body, request.headers.get("Content-Type", ""))
        asked = Asked(str(request.method), path, query, request.headers, values, body, self.url)
        self.requests.append(asked)
        fault = self.faults.next(path)
        reply = self.api.answer(asked)
        if fault is not None:
            assert fault.kind == "lose_answer", fault.kind
            broken = ConnectionResetError(104, "Connection reset by peer")
            raise requests.ConnectionError(ProtocolError("Connection aborted.", broken), request=request)
        sent = reply.body()
        kind = {"Content-Type": "application/json"} if sent else {}
        return reply.status, kind | reply.headers, sent


def only(given: Iterable[str], *known: str) -> None:
    """Raise `Refused` for a parameter or field that is not known."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Refused(400, f"unknown: {', '.join(unknown)}")


def needs(given: Mapping[str, Any], *names: str) -> None:
    """Raise `Refused` for what is missing, null or empty."""
    missing = [name for name in names if given.get(name) in (None, "")]
    if missing:
        raise Refused(400, f"missing: {', '.join(missing)}")


def like(pattern: str, value: object) -> bool:
    """SQL's LIKE."""
    expression = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return isinstance(value, str) and re.fullmatch(expression, value, re.DOTALL | re.IGNORECASE) is not None


def digits(text: object) -> str:
    """What is left of a number without what is between its digits."""
    return re.sub(r"\D", "", str(text or ""))


def matched(pattern: str, text: str) -> re.Match[str]:
    """A text in this syntax. Raises `Refused`."""
    found = re.fullmatch(pattern, text, re.DOTALL)
    if found is None:
        raise Refused(400, f"syntax error in {text}")
    return found
