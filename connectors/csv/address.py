"""Tables by an address on the web: which addresses are fetched, what of them is shown, and where they may lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from connectors.masking import Mask

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_GOOGLE = "docs.google.com"
_GOOGLE_SENDS_TO = ("*.googleusercontent.com",)  # where the export of a sheet really lies
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.I)
_SHEET = re.compile(r"/spreadsheets/(?:u/\d+/)?(d/[\w-]+)(?:/(?:edit|view|preview|htmlview|copy)?)?")
_PUBLISHED = re.compile(r"/spreadsheets/(?:u/\d+/)?(d/e/[\w-]+)/pubhtml")
_LONG = 13  # characters from which on a part of a path is more likely an id than a word


def is_address(file: str) -> bool:
    """Return whether a table's `file` is an address on the web."""
    return _ADDRESS.match(file) is not None


def shown(address: str) -> str:
    """Return as much of an address as anybody may see. Its path and its parameters may be all that keeps strangers
    out."""
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    return f"{address.partition('://')[0].lower()}://{host or ''}/…"


def fault(address: str) -> str:
    """Return why an address is not fetched, and what to write instead; empty where it is."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not address.isprintable() or " " in address:
        return "the address can't be read; write it as the browser shows it, https://…"
    if parts.scheme.lower() not in ("https", "http"):
        return f"an address begins with https://, not {parts.scheme}://"
    if parts.scheme.lower() == "http" and not _is_loopback(host):
        return "anybody on the way could read and change what comes over http://; write https://"
    return ""


def host_fault(pattern: str) -> str:
    """Return why a name below `redirects` is none; empty where it is one."""
    if _HOST.fullmatch(pattern) and "." in pattern.removeprefix("*."):
        return ""
    return "write the name of a host, such as files.example.com, or *.example.com for all below it"


def to_fetch(address: str, sheet: str | None) -> str:
    """Return the address of the table itself. A sheet of Google may be given by the address at which people edit or see
    it; with the name of a `sheet` the whole workbook is fetched, else one sheet as CSV."""
    parts = urlsplit(address)
    if (parts.hostname or "") != _GOOGLE:
        return address
    gid = [(name, value) for name, value in parse_qsl(parts.fragment) + parse_qsl(parts.query) if name == "gid"][:1]
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name == "resourcekey"]
    form = "csv" if sheet is None else "xlsx"
    if document := _SHEET.fullmatch(parts.path):
        path, query = f"/spreadsheets/{document[1]}/export", [("format", form), *gid, *kept]
    elif document := _PUBLISHED.fullmatch(parts.path):
        single = [("single", "true")] if gid and sheet is None else []
        path, query = f"/spreadsheets/{document[1]}/pub", [("output", form), *gid, *single]
    else:
        return address
    return parts._replace(path=path, query=urlencode(query), fragment="").geturl()


def may_lead(before: str, after: str, hosts: Iterable[str]) -> bool:
    """Return whether an address may send on to another host: one of `hosts`, or where Google keeps its exports. What
    came over TLS goes on over TLS."""
    old, new = urlsplit(before), urlsplit(after)
    host = (new.hostname or "").lower()
    plain = old.scheme == "http" and new.scheme == "http" and _is_loopback(host)
    allowed = [*hosts, *(_GOOGLE_SENDS_TO if old.hostname == _GOOGLE else ())]
    return (new.scheme == "https" or plain) and any(_matches(host, pattern.lower()) for pattern in allowed)


def is_sign_in(address: str) -> bool:
    """Return whether an address is where Google asks who one is."""
    return urlsplit(address).hostname == "accounts.google.com"


class AddressMask(Mask):
    """Shows of an address its host alone, and hides its other parts wherever else they stand."""

    def __init__(self, address: str) -> None:
        super().__init__(_secrets(address))

    def url(self, url: str) -> str:
        """Return a URL without its path and its parameters."""
        return shown(url)


def _secrets(address: str) -> Iterator[str]:
    parts = urlsplit(address)
    yield address
    yield from filter(None, (parts.username, parts.password and unquote(parts.password), parts.password))
    if len(parts.path) + len(parts.query) >= _LONG:
        yield f"{parts.path}?{parts.query}" if parts.query else parts.path
    yield from (part for part in parts.path.split("/") if len(part) >= _LONG)
    yield from (value for _, value in parse_qsl(parts.query))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
