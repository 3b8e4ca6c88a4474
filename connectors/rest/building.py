"""From a request of the configuration to one that can be sent. What never changes is worked out once."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from connectors.base import Misconfigured, Record
from connectors.expression import Template
from connectors.phone import Phone
from connectors.rest.pages import Page
from connectors.rest.requests import Request, Value
from connectors.rest.values import Scope

_HEADERS = {
    "User-Agent": "infocaller-bridge",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sign-in adds to each request. `login` is what the CRM answered to it."""

    headers: Mapping[str, str]
    params: tuple[tuple[str, str], ...] = ()
    login: object = None


class Site:
    """Where a CRM is: the base URL without its last slash, and the headers of every request."""

    def __init__(self, base_url: str, headers: Mapping[str, Template]) -> None:
        try:
            self.base = str(requests.Request("GET", base_url).prepare().url).rstrip("/")
        except (requests.RequestException, ValueError) as error:
            raise Misconfigured(f"base_url {base_url}: {error}") from error
        self.headers = headers

    def url(self, path: str) -> str:
        """Return the URL of a path below the base, or of a full URL on the same host. Raises `Misconfigured` for
        another."""
        if not path.startswith(("http://", "https://")):
            return f"{self.base}/{path.lstrip('/')}" if path else self.base
        if not same_host(self.base, path):
            raise Misconfigured(f"{urlsplit(path).netloc} is another host than base_url's; nothing is asked there")
        return path

    def page(self, url: str, before: str) -> str:
        """Return the URL of the next page, which the CRM says. Raises `Misconfigured` for another host."""
        return self.url(urljoin(before, url))


class Builder:
    """Builds one request of the configuration for the values at hand."""

    def __init__(self, request: Request, site: Site) -> None:
        self.request = request
        self._site = site
        headers = {**site.headers, **request.headers}
        self._fixed = dict(_HEADERS)
        self._fixed |= {name: template.source for name, template in headers.items() if template.constant}
        self._headers = {name: template for name, template in headers.items() if not template.constant}
        fixed = request.path.whole
        self._url = site.url(fixed) if fixed is not None else None

    def build(self, scope: Scope, credentials: Credentials, page: Page | None = None) -> requests.PreparedRequest:
        """Return the request. Raises `Empty` and `ExpressionError` for values that it can't be made of,
        `Misconfigured`."""
        body, content_type = self._body(scope, page)
        request = requests.PreparedRequest()
        request.method = self.request.verb
        request.url = self._address(scope, credentials, page, body=body is not None)
        request.headers = self._head(scope, credentials, content_type)
        request.hooks = {}
        request.body = body
        if body is not None or request.method in ("POST", "PUT", "PATCH"):
            request.headers["Content-Length"] = str(len(body or b""))
        return request

    def _address(self, scope: Scope, credentials: Credentials, page: Page | None, *, body: bool) -> str:
        url = self._url or self._site.url(self.request.path.fill(scope))
        if page is not None and page.url is not None:
            url = self._site.page(page.url, url)
            own_query = urlsplit(url).query
            pairs = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in credentials.params
                     if f"{quote(name, safe='')}=" not in own_query]  # fmt: skip
        else:
            values = {} if page is None or body else page.values
            pairs = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in
                     (*_pairs(self.request.params, scope, values), *credentials.params)]  # fmt: skip
        if not pairs:
            return url
        return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}"

    def _head(self, scope: Scope, credentials: Credentials, content_type: str) -> CaseInsensitiveDict[str]:
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(self._fixed)
        if content_type and "Content-Type" not in headers:
            headers["Content-Type"] = content_type
        for name, template in self._headers.items():
            headers[name] = one_line(name, template.render(scope))
        headers.update(credentials.headers)
        return headers

    def _body(self, scope: Scope, page: Page | None) -> tuple[bytes | None, str]:
        request, values = self.request, page.values if page is not None else {}
        if request.json_ is not None:
            value = request.json_.fill(scope)
            value = _without_null(value) if request.omit_null else value
            value = {**value, **values} if isinstance(value, dict) else value
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=plain)
            return text.encode("utf-8", "replace"), "application/json"
        if request.form is not None:
            pairs = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in _pairs(request.form, scope, values)]
            return "&".join(pairs).encode(), "application/x-www-form-urlencoded"
        return None, ""


def same_host(base: str, url: str) -> bool:
    """Return whether both have scheme, host and port in common."""
    ports = {"http": 80, "https": 443}
    left, right = urlsplit(base), urlsplit(url)
    return (left.scheme, left.hostname, left.port or ports.get(left.scheme)) == (
        right.scheme, right.hostname, right.port or ports.get(right.scheme),
    )  # fmt: skip


def one_line(name: str, value: str) -> str:
    """Return a header's value. Raises `Misconfigured` for one that would end the header."""
    if "\n" in value or "\r" in value:
        raise Misconfigured(f"header {name}: the value has a line break in it")
    return value


def basic(username: str, password: str) -> str:
    """Return the value of Authorization for HTTP Basic."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def plain(value: object) -> Any:
    """Return what JSON has no word for, as a CRM expects it: a number in E.164, a time in ISO 8601."""
    if isinstance(value, Phone):
        return value.e164 or None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Record):
        return value.id
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)


def _without_null(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(part) for name, part in value.items() if part is not None}
    return [_without_null(part) for part in value] if isinstance(value, list) else value


def _pairs(values: Mapping[str, Value], scope: Scope, more: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if value is None or name in more:
            continue
        for template in value if isinstance(value, list) else (value,):
            filled = template.value(scope)
            for item in filled if isinstance(filled, (list, tuple)) else (filled,):
                yield name, text_of(item)
    for name, extra in more.items():
        yield name, text_of(extra)


def text_of(value: object) -> str:
    """Return a value as a parameter: nothing for None, JSON's words for true and false, ISO 8601 for times."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Mapping, list)):
        return json.dumps(value, ensure_ascii=False, default=plain)
    return str(value)
