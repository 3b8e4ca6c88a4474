"""An answer: read, and judged by what the configuration says of such answers."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from connectors.base import ConnectorError, Misconfigured, Rejected, TimedOut, Unavailable
from connectors.http.failures import passes, retry_after
from connectors.http.session import Session
from connectors.rest.values import JmesPath, Unfit

if TYPE_CHECKING:
    from connectors.rest.requests import ErrorRule, Match

_TOO_MANY = 429
_GIVEN_UP = frozenset({504, 524})
"""A proxy before the CRM waits no longer; the CRM may still be at it."""
_REFUSED_WRITES = frozenset({400, 409, 412, 413, 422, 428})
_REFUSED_LOGINS = frozenset({400, 401, 403, 422, 423})
_GONE = frozenset({404, 410})
_NAMED = 8
_TAG = re.compile(r"<[^<>]*>")
_LONGEST_EXCERPT = 300
_START = 4000  # so many bytes of an answer that is no JSON are looked at for words
_WESTERN = {"8859-15": "iso-8859-15", "8859-1": "iso-8859-1", "1252": "cp1252"}


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """What came back: the JSON `body` (None where it was empty), the `links` of the header Link by relation. `named` is
    true for an answer that the configuration has a name for (`not_found`, `already`). `describe` says the exchange as a
    person may see it, `place` the request in a few words."""

    status: int
    body: Any
    describe: Callable[[], str]
    place: str
    named: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    response: requests.Response | None = None


@dataclass(frozen=True, slots=True)
class JudgingRules:
    """How to judge answers of one request. `named`: those that mean something else than an error (`not_found`,
    `already`); `writes`: it tells the CRM something; `filled`: its path names one thing (`/tasks/7`); `renew`: answers
    that mean that the sign-in has run out; `login`: it signs in; `lenient`: an answer that is no JSON is as good (a
    login that sets cookies); `decode`: its texts are HTML (`&#039;`)."""

    named: tuple[Match, ...] = ()
    error: ErrorRule | None = None
    writes: bool = False
    filled: bool = False
    renew: tuple[Match, ...] = ()
    login: bool = False
    lenient: bool = False
    decode: bool = False


class SignInRefused(Misconfigured):
    """The CRM refused the user, password, key or token that it was given."""


class SignInOver(Exception):
    """The CRM wants to be signed in to again. `error` is for when that does not help."""

    def __init__(self, error: ConnectorError) -> None:
        super().__init__(str(error))
        self.error = error


class _Real(float):
    """A number with a point, which prints as the CRM wrote it (12.50)."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> _Real:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


_Real.__name__ = "float"  # JMESPath's functions go by the name of a value's type


def judge(response: requests.Response, rules: JudgingRules, session: Session) -> RestAnswer:
    """Return the answer, when it is one. Raises `ConnectorError`, and `SignInOver`."""
    verdict = _Verdict(response, rules, session)
    try:
        return verdict.answer()
    except Unfit as unfit:
        raise verdict.failed(Misconfigured, f"the answer is not as the configuration expects: {unfit}") from None


class _Verdict:
    """One answer with the rules that it is judged by."""

    def __init__(self, response: requests.Response, rules: JudgingRules, session: Session) -> None:
        self.response = response
        self.rules = rules
        self.session = session
        self.status = response.status_code

    def answer(self) -> RestAnswer:
        body, readable = _read(self.response, decode=self.rules.decode)
        if any(match.matches(self.status, body) for match in self.rules.renew):
            raise SignInOver(self._by_status(body))
        if any(match.matches(self.status, body) for match in self.rules.named):
            return self._answered(body, named=True)
        rule, seen = self.rules.error, body if readable else _words_outside_json(self.response)
        if rule is not None and seen is not None and self._meets(rule, seen, readable=readable):
            raise self._by_rule(rule, seen)
        if self.status >= 400 or (self.status >= 300 and not self.rules.lenient):
            raise self._by_status(body)
        if not (readable or self._does()):
            excerpt = _words_outside_json(self.response)
            text = f"what came back is no JSON: {_kind(self.response)}{f': {excerpt}' if excerpt else ''}"
            raise self.failed(Unavailable, text)
        return self._answered(body)

    def _meets(self, rule: ErrorRule, seen: Any, *, readable: bool) -> bool:
        """Whether an answer is an error by its rule. One that is no JSON is the text of its words, which few rules are
        made for."""
        try:
            return rule.when.holds(seen)
        except Unfit:
            if readable:
                raise
            return False

    def failed(self, error: type[ConnectorError], text: str) -> ConnectorError:
        message = self.session.mask.text(f"{self.session.place(self.response.request)}: {text}")
        if error is Unavailable:
            error = TimedOut if self.rules.writes and self.status in _GIVEN_UP else Unavailable
            return error(message, exchange=self._exchange(), retry_after=retry_after(self.response))
        return error(message, exchange=self._exchange())

    def _answered(self, body: Any, *, named: bool = False) -> RestAnswer:
        links = {relation: link["url"] for relation, link in self.response.links.items()} if self._linked() else {}
        place = self.session.place(self.response.request)
        return RestAnswer(self.status, body, self._exchange, place, named, links, self.response)

    def _linked(self) -> bool:
        return "Link" in self.response.headers

    def _does(self) -> bool:
        """Whether an answer without JSON will do: after a write, or a login by cookies; a page for people never."""
        if not self.response.content:
            return self.rules.writes or self.rules.lenient
        plain = self.response.headers.get("Content-Type", "").startswith("text/plain")
        return self.rules.lenient or (self.rules.writes and plain)

    def _by_rule(self, rule: ErrorRule, body: Any) -> ConnectorError:
        message = rule.text.search(body) if rule.text is not None else None
        words = _words(message) if message else _words(body) if isinstance(body, str) else _start(body)
        text = f"answered {self.status} with an error: {words}"
        if rule.mend is not None and rule.mend.holds(body):
            return self.failed(Misconfigured, text)
        passing = rule.passing.search(body) if rule.passing is not None else None
        if passing is True or (passing is None and self.status >= 400 and passes(self.status)):
            return self.failed(Unavailable, text)
        return self.failed(self._lasting() if self.status >= 400 else self._refusal(), text)

    def _by_status(self, body: Any) -> ConnectorError:
        reason = f" {self.response.reason}" if self.response.reason else ""
        excerpt = _start(body) if body is not None else _words_outside_json(self.response)
        text = f"answered {self.status}{reason}{f': {excerpt}' if excerpt else ''}"
        if self.status == _TOO_MANY:
            text = f"{text}; it wants fewer requests: give this connector a lower rate:"
        if passes(self.status):
            return self.failed(Unavailable, text)
        return self.failed(self._lasting(), text)

    def _lasting(self) -> type[ConnectorError]:
        """What a 4xx is: this record's fault, the password's, or the configuration's."""
        if self.rules.login and self.status in _REFUSED_LOGINS:
            return SignInRefused
        if self.rules.writes and (self.status in _REFUSED_WRITES or (self.rules.filled and self.status in _GONE)):
            return Rejected
        return Misconfigured

    def _refusal(self) -> type[ConnectorError]:
        if self.rules.login:
            return SignInRefused
        return Rejected if self.rules.writes else Misconfigured

    def _exchange(self) -> str:
        return self.session.describe(self.response)


def items_of(answer: RestAnswer, items: JmesPath | None) -> list[Any]:
    """Return the items of an answer: those of the list at `items`, or the one thing there. An empty list is none;
    nothing at all is an error. Raises `Misconfigured`."""
    try:
        matches = items.search(answer.body) if items is not None else answer.body
    except Unfit as unfit:
        raise Misconfigured(f"{answer.place}: items: {unfit}", exchange=answer.describe()) from None
    if isinstance(matches, list):
        return [item for item in matches if item is not None]
    if isinstance(matches, dict):
        return [matches] if matches else []
    where = f"at items: {items.source}" if items is not None else "in it"
    has = f"it has {', '.join(map(str, list(answer.body)[:_NAMED]))}" if isinstance(answer.body, dict) else "it is "
    has += "" if isinstance(answer.body, dict) else _json_kind(answer.body)
    what = "there is nothing" if matches is None else f"there is no list, but {_json_kind(matches)},"
    raise Misconfigured(f"{answer.place}: {what} {where} of the answer; {has}", exchange=answer.describe())


def _read(response: requests.Response, *, decode: bool) -> tuple[Any, bool]:
    """The JSON in an answer, whatever it says it is (PHP says text/html), and whether there is any."""
    content = response.content
    if not content.strip():
        return None, False
    try:
        text = content.decode(_charset(response))
        value = json.loads(text.removeprefix("\ufeff"), parse_float=_Real, parse_constant=_no_number)
        return (_decoded(value) if decode else value), True
    except (ValueError, RecursionError):
        return None, False


def _decoded(value: Any) -> Any:
    """A JSON value whose texts are HTML, as plain text."""
    if isinstance(value, str):
        return html.unescape(value) if "&" in value else value
    if isinstance(value, dict):
        return {name: _decoded(part) for name, part in value.items()}
    return [_decoded(part) for part in value] if isinstance(value, list) else value


def _words_outside_json(response: requests.Response) -> str | None:
    """The words of a short answer that is no JSON, such as a sentence; None where it has none, or is a whole page."""
    content = response.content[: _START + 1]
    if not content.strip() or content.lstrip()[:1] in (b"{", b"[") or len(content) > _START:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    words = " ".join(html.unescape(_TAG.sub(" ", text)).split())
    words = "".join(c for c in words if c.isprintable())
    return words if words and len(words) <= _LONGEST_EXCERPT else None


def _charset(response: requests.Response) -> str:
    """The character set of JSON: one of the Western ones where it says so, else what its first bytes look like."""
    declared = response.headers.get("Content-Type", "").lower()
    charset = next((charset for name, charset in _WESTERN.items() if name in declared), None)
    return charset or json.detect_encoding(response.content)


def _decodes(response: requests.Response) -> bool:
    try:
        response.content.decode(_charset(response))
    except ValueError:
        return False
    return True


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _kind(response: requests.Response) -> str:
    content, declared = response.content.lstrip(), response.headers.get("Content-Type", "no content type")
    if not content:
        return f"an empty body ({response.status_code})"
    if content[:1] == b"<":
        kind = "a web page, such as a login page" if b"<html" in content[:1000].lower() else "XML"
    elif content[:1] in (b"{", b"["):
        kind = "JSON that is broken or cut off" if _decodes(response) else "JSON in another charset than it says"
    else:
        kind = "something else"
    return f"{kind} ({declared}, {len(response.content)} bytes)"


def _json_kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
    return kinds.get(type(value), "a number")


def _start(body: Any) -> str:
    """The words in an answer that says what is wrong."""
    return next((text for text in _texts(body, 0) if text), "")[:_LONGEST_EXCERPT]


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > 4 or not isinstance(value, (dict, list)):
        return
    parts = list(value.items()) if isinstance(value, dict) else [("", part) for part in value[:20]]
    for key in ("error_description", "detail", "message", "description", "error", "title", "msg"):
        yield from (_words(part) for name, part in parts if name == key and isinstance(part, str))
    for _, part in parts:
        yield from _texts(part, depth + 1)


def _words(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return " ".join(text[: _LONGEST_EXCERPT * 4].split())[:_LONGEST_EXCERPT]
