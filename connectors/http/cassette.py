"""Records the real answers of a CRM, and plays them instead of the network: a mapping can then be changed and tested
where no CRM is.

A cassette stands below a connector's session (`Context.cassette`), so all that is above it, from paging and re-checks
to errors, works on what was recorded as it does on what comes. Secrets are never recorded: each stands as `hidden-1`,
`hidden-2` and so on on the cassette, and any of those is taken for any secret when a request is looked for.
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
        """Return what two requests have in common that are the same; without `host` wherever they were sent."""
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

    request: RecordedRequest
    response: RecordedResponse


class Recording:
    """The cassette of one connector while its answers are recorded."""

    def __init__(self) -> None:
        self._taken: list[tuple[requests.PreparedRequest, requests.Response | ConnectorError]] = []
        self._lock = threading.Lock()
        self._mask = Mask()

    def deliver(
        self, request: requests.PreparedRequest, fetch: Callable[[], requests.Response], mask: Mask
    ) -> requests.Response:
        """Fetch the answer, and record it. Raises `ConnectorError`."""
        self._mask = mask
        try:
            response = fetch()
        except ConnectorError as error:
            self._take(request, error)
            raise
        self._take(request, response)
        return response

    def interactions(self) -> list[Interaction]:
        """Return all that was recorded, in order, without the secrets that the session knows by now."""
        scrubber = Scrubber(self._mask.secrets)
        with self._lock:
            taken = list(self._taken)
        return [
            Interaction(_recorded(request, scrubber), _response_of(outcome, scrubber)) for request, outcome in taken
        ]

    def _take(self, request: requests.PreparedRequest, outcome: requests.Response | ConnectorError) -> None:
        with self._lock:
            self._taken.append((request.copy(), outcome))


class Playing:
    """The cassette of one connector while it is played: of several answers to the same request, one after another, the
    last again and again. `source` says where they are from."""

    def __init__(self, interactions: Sequence[Interaction], source: str) -> None:
        self._source = source
        self._exact: dict[str, list[RecordedResponse]] = {}
        self._anywhere: dict[str, list[RecordedResponse]] = {}
        self._known = [_words(interaction.request) for interaction in interactions]
        self._lock = threading.Lock()
        for interaction in interactions:
            self._exact.setdefault(interaction.request.key(host=True), []).append(interaction.response)
            self._anywhere.setdefault(interaction.request.key(host=False), []).append(interaction.response)

    def deliver(
        self, request: requests.PreparedRequest, _fetch: Callable[[], requests.Response], mask: Mask
    ) -> requests.Response:
        """Return the answer that was recorded. Raises `Misconfigured` where there is none."""
        recorded = _recorded(request, Scrubber(mask.secrets))
        response = self._next(recorded)
        if response is None:
            raise Misconfigured(self._missing(recorded, mask))
        if response.no_answer:
            raise Unavailable(response.no_answer, exchange=f"{_masked(recorded, mask)}\n→ {response.no_answer}")
        return _played(request, response)

    def _next(self, request: RecordedRequest) -> RecordedResponse | None:
        with self._lock:
            answers = self._exact.get(request.key(host=True)) or self._anywhere.get(request.key(host=False))
            if not answers:
                return None
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def _missing(self, request: RecordedRequest, mask: Mask) -> str:
        near = difflib.get_close_matches(_words(request), self._known, n=1, cutoff=0.3)
        hint = f"the nearest that it has is {_shown(near[0], mask)}" if near else "it has nothing like it"
        return (
            f"{self._source} keeps no answer to {_masked(request, mask)}; {hint}. Record it again, or mend the request"
        )


def _words(request: RecordedRequest) -> str:
    """Return a request in one line."""
    params = "&".join(f"{name}={value}" for name, value in request.params)
    body = "" if not request.body.kind else f" {json.dumps(request.body.value, ensure_ascii=False, default=str)[:300]}"
    return f"{request.method} {request.url}{f'?{params}' if params else ''}{body}"


def _masked(request: RecordedRequest, mask: Mask) -> str:
    return _shown(_words(request), mask)


def _shown(words: str, mask: Mask) -> str:
    return mask.text(words)[:500]


def _recorded(request: requests.PreparedRequest, scrubber: Scrubber) -> RecordedRequest:
    parts = urlsplit(str(request.url))
    params = [scrubber.pair(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True)]
    url = scrubber.text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    content = request.body.encode() if isinstance(request.body, str) else request.body
    kind = str(request.headers.get("Content-Type", "")) if request.headers else ""
    return RecordedRequest(
        str(request.method), url, params, _body(content if isinstance(content, bytes) else b"", kind, scrubber)
    )


def _response_of(outcome: requests.Response | ConnectorError, scrubber: Scrubber) -> RecordedResponse:
    if isinstance(outcome, ConnectorError):
        return RecordedResponse(no_answer=scrubber.text(str(outcome)))
    headers = {name: scrubber.text(outcome.headers[name]) for name in _HEADERS if name in outcome.headers}
    cookies = {cookie.name: scrubber.secret(str(cookie.value)) for cookie in outcome.cookies}
    body = _body(outcome.content, outcome.headers.get("Content-Type", ""), scrubber)
    return RecordedResponse(outcome.status_code, headers, cookies, body)


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
        value = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return Body("text", scrubber.text(text))
    return Body("json", scrubber.value(value)) if isinstance(value, (dict, list)) else Body("text", scrubber.text(text))


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _charset(kind: str) -> str:
    """The one charset beside UTF-8 that CRMs write JSON in."""
    return "iso-8859-1" if "8859-1" in kind else ""


def _played(request: requests.PreparedRequest, recorded: RecordedResponse) -> requests.Response:
    """The answer as the network would have brought it."""
    response = requests.Response()
    response.status_code = recorded.status
    response.reason = responses.get(recorded.status, "")
    response.headers = CaseInsensitiveDict(recorded.headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.url, response.request = str(request.url), request
    response._content = _bytes(recorded.body, response.headers.get("Content-Type", ""))
    response._content_consumed = True  # type: ignore[attr-defined]  # as when it has been read
    for name, value in recorded.cookies.items():
        response.cookies.set(name, value)
    return response


def _bytes(body: Body, kind: str) -> bytes:
    if body.kind == "bytes":
        return bytes(body.value)
    text = json.dumps(body.value, ensure_ascii=False) if body.kind == "json" else str(body.value or "")
    return text.encode(_charset(kind) or "utf-8", "replace")
