"""Keeps the real answers of a CRM, and plays them instead of the network: a mapping can then be changed and tested
where no CRM is.

A tape stands below a connector's session (`Context.tape`), so all that is above it, from paging and re-checks to
errors, works on what was kept as it does on what comes. Secrets are never kept: each stands as `hidden-1`, `hidden-2`
and so on on the tape, and any of those is taken for any secret when a request is looked for.
"""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from connectors.base import ConnectorError, Misconfigured, Unavailable
from connectors.http.scrubbing import HIDDEN, Scrubber
from connectors.masking import Mask

_HEADERS = ("Content-Type", "Link", "Location", "Retry-After")
_NUMBERED = re.compile(rf"{HIDDEN}-\d+")


@dataclass(frozen=True, slots=True)
class Body:
    """What a request or an answer holds. `kind`: json (`value`: lists, maps, texts, numbers), form (pairs of name and
    value), text, bytes, or empty for nothing."""

    kind: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request: `url` without its parameters, which are pairs of name and value."""

    method: str
    url: str
    params: Sequence[tuple[str, str]] = ()
    body: Body = field(default_factory=Body)

    def key(self, *, host: bool) -> str:
        """What two requests have in common that are the same; without `host` wherever they were sent."""
        url = self.url if host else urlsplit(self.url).path
        form = sorted(map(list, self.body.value)) if self.body.kind == "form" else self.body.value
        text = json.dumps([self.method, url, sorted(self.params), self.body.kind, form], sort_keys=True, default=str)
        return _NUMBERED.sub(HIDDEN, text)


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """An answer; `no_answer` says why there is none."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    no_answer: str = ""


@dataclass(frozen=True, slots=True)
class Interaction:
    """A request with what came of it."""

    asked: RecordedRequest
    answered: RecordedResponse


class Recording:
    """A tape that keeps what one connector is answered."""

    def __init__(self) -> None:
        self._taken: list[tuple[requests.PreparedRequest, requests.Response | ConnectorError]] = []
        self._lock = threading.Lock()
        self._mask = Mask()

    def deliver(
        self, request: requests.PreparedRequest, fetch: Callable[[], requests.Response], mask: Mask
    ) -> requests.Response:
        """Fetch the answer, and keep it. Raises `ConnectorError`."""
        self._mask = mask
        try:
            response = fetch()
        except ConnectorError as error:
            self._take(request, error)
            raise
        self._take(request, response)
        return response

    def kept(self) -> list[Interaction]:
        """All that was kept, in order, without the secrets that the session knows by now."""
        scrubber = Scrubber(self._mask.secrets)
        with self._lock:
            taken = list(self._taken)
        return [Interaction(_asked(request, scrubber), _answered(came, scrubber)) for request, came in taken]

    def _take(self, request: requests.PreparedRequest, came: requests.Response | ConnectorError) -> None:
        with self._lock:
            self._taken.append((request.copy(), came))


class Playing:
    """A tape that plays what was kept for one connector: of several answers to the same request, one after another,
    the last again and again. `source` says where they are from."""

    def __init__(self, kept: Sequence[Interaction], source: str) -> None:
        self._source = source
        self._exact: dict[str, list[RecordedResponse]] = {}
        self._anywhere: dict[str, list[RecordedResponse]] = {}
        self._known = [_words(one.asked) for one in kept]
        self._lock = threading.Lock()
        for one in kept:
            self._exact.setdefault(one.asked.key(host=True), []).append(one.answered)
            self._anywhere.setdefault(one.asked.key(host=False), []).append(one.answered)

    def deliver(
        self, request: requests.PreparedRequest, _fetch: Callable[[], requests.Response], mask: Mask
    ) -> requests.Response:
        """The answer that was kept. Raises `Misconfigured` where there is none."""
        asked = _asked(request, Scrubber(mask.secrets))
        answered = self._next(asked)
        if answered is None:
            raise Misconfigured(self._missing(asked, mask))
        if answered.no_answer:
            raise Unavailable(answered.no_answer, exchange=f"{_masked(asked, mask)}\n→ {answered.no_answer}")
        return _response(request, answered)

    def _next(self, asked: RecordedRequest) -> RecordedResponse | None:
        with self._lock:
            found = self._exact.get(asked.key(host=True)) or self._anywhere.get(asked.key(host=False))
            if not found:
                return None
            return found.pop(0) if len(found) > 1 else found[0]

    def _missing(self, asked: RecordedRequest, mask: Mask) -> str:
        near = difflib.get_close_matches(_words(asked), self._known, n=1, cutoff=0.3)
        hint = f"the nearest that it has is {_shown(near[0], mask)}" if near else "it has nothing like it"
        return f"{self._source} keeps no answer to {_masked(asked, mask)}; {hint}. Record it again, or mend the request"


def _words(asked: RecordedRequest) -> str:
    """A request in one line."""
    params = "&".join(f"{name}={value}" for name, value in asked.params)
    body = "" if not asked.body.kind else f" {json.dumps(asked.body.value, ensure_ascii=False, default=str)[:300]}"
    return f"{asked.method} {asked.url}{f'?{params}' if params else ''}{body}"


def _masked(asked: RecordedRequest, mask: Mask) -> str:
    return _shown(_words(asked), mask)


def _shown(words: str, mask: Mask) -> str:
    return mask.text(words)[:500]


def _asked(request: requests.PreparedRequest, scrubber: Scrubber) -> RecordedRequest:
    parts = urlsplit(str(request.url))
    params = [scrubber.pair(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True)]
    url = scrubber.text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    content = request.body.encode() if isinstance(request.body, str) else request.body
    kind = str(request.headers.get("Content-Type", "")) if request.headers else ""
    return RecordedRequest(
        str(request.method), url, params, _body(content if isinstance(content, bytes) else b"", kind, scrubber)
    )


def _answered(came: requests.Response | ConnectorError, scrubber: Scrubber) -> RecordedResponse:
    if isinstance(came, ConnectorError):
        return RecordedResponse(no_answer=scrubber.text(str(came)))
    headers = {name: scrubber.text(came.headers[name]) for name in _HEADERS if name in came.headers}
    cookies = {cookie.name: scrubber.secret(str(cookie.value)) for cookie in came.cookies}
    body = _body(came.content, came.headers.get("Content-Type", ""), scrubber)
    return RecordedResponse(came.status_code, headers, cookies, body)


class Number(float):
    """A number with a point that is kept as the CRM wrote it (12.50)."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        """From its spelling. Raises ValueError for what is no number."""
        made = super().__new__(cls, text)
        made.text = text
        return made


def _body(content: bytes, kind: str, scrubber: Scrubber) -> Body:
    if not content:
        return Body()
    if "x-www-form-urlencoded" in kind:
        pairs = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
        return Body("form", [scrubber.pair(name, value) for name, value in pairs])
    try:
        text = content.decode(_charset(kind) or json.detect_encoding(content))
    except ValueError:
        return Body("bytes", content)
    try:
        value = json.loads(text.removeprefix("\ufeff"), parse_float=Number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return Body("text", scrubber.text(text))
    return Body("json", scrubber.value(value)) if isinstance(value, (dict, list)) else Body("text", scrubber.text(text))


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _charset(kind: str) -> str:
    """The one charset beside UTF-8 that CRMs write JSON in."""
    return "iso-8859-1" if "8859-1" in kind else ""


def _response(request: requests.PreparedRequest, answered: RecordedResponse) -> requests.Response:
    """The answer as the network would have brought it."""
    response = requests.Response()
    response.status_code = answered.status
    response.reason = responses.get(answered.status, "")
    response.headers = CaseInsensitiveDict(answered.headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.url, response.request = str(request.url), request
    response._content = _bytes(answered.body, response.headers.get("Content-Type", ""))
    response._content_consumed = True  # type: ignore[attr-defined]  # as when it has been read
    for name, value in answered.cookies.items():
        response.cookies.set(name, value)
    return response


def _bytes(body: Body, kind: str) -> bytes:
    if body.kind == "bytes":
        return bytes(body.value)
    text = _dumped(body.value) if body.kind == "json" else str(body.value or "")
    return text.encode(_charset(kind) or "utf-8", "replace")


def _dumped(value: Any) -> str:
    """JSON in which a `Number` is as it was."""
    marked = json.dumps(_marked(value), ensure_ascii=False)
    return re.sub(r'"\\u0000([^"\\]+)\\u0000"', r"\1", marked)


def _marked(value: Any) -> Any:
    if isinstance(value, Number):
        return f"\0{value.text}\0"
    if isinstance(value, Mapping):
        return {str(name): _marked(part) for name, part in value.items()}
    return [_marked(part) for part in value] if isinstance(value, list) else value
