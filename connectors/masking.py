"""Requests and answers as a person may see them: without secrets, and with phone numbers masked.

Headers are never shown. In URLs and bodies, the values of anything named like a secret, every value that was handed to
`hide`, and whatever looks like a phone number are replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

SENSITIVE_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|auth(?:orization)?|signature|assertion|"
    r"session(?:[-_]?id)?|sessid|(?<![a-z])sid(?![a-z])|cookie|credentials?|private[-_]?key|(?<![a-z])jwt(?![a-z])|"
    r"contrase(?:ñ|n|\\u00f1)a"
)
"""What names of secrets are made of, as a regular expression; also where what is kept loses them (`http.scrubbing`)."""
_SECRET_NAME = re.compile(SENSITIVE_NAMES, re.I)
_JSON_SECRET = re.compile(
    rf'("[^"\\]{{0,60}}(?:{SENSITIVE_NAMES})[^"\\]{{0,60}}"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,\]}}\[{{]+)', re.I
)
_XML_SECRET = re.compile(rf"(<[\w:.-]{{0,60}}(?:{SENSITIVE_NAMES})[\w:.-]{{0,60}}>)[^<]+", re.I)
_BETWEEN = (
    r"(?:[ ().*%/_\u00a0\u2007\u2009\u2010-\u2013\u202f-]|\\u(?i:00a0|20(?:0[79]|1[0-3]|2f))){0,3}"  # also as JSON
)
_PHONE = re.compile(rf"(?<!\d)\+?\d(?:{_BETWEEN}\d){{6,14}}(?!\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATE_OTHERWISE = re.compile(  # 31/03/2026, 3-31-2026, 2026/3/31, with or without a time
    r"(?:(?:0?[1-9]|[12]\d|3[01])([/.-])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)\d\d|(?:19|20)\d\d/[01]?\d/[0-3]?\d)"
    r"(?: {1,2}[0-2]?\d(?=:[0-5]\d))?"
)
_LONG_DIGITS = re.compile(r"\d{16,}")
_LONGEST = 16_000  # characters that are shown of any text
_READ = 4000  # so much of a body is masked, to show its start
_SHOWN = 500
_LAST = 3  # digits of a number
GONE = "•••"


class Mask:
    """Knows a connector's secrets and leaves them out of what is shown."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self._spelled: tuple[str, ...] = ()
        self.hide(*secrets)

    def hide(self, *secrets: str) -> None:
        """Never show these again. Values of fewer than four characters are left: they would eat into ordinary words."""
        all_secrets = {*self._secrets, *(secret for secret in secrets if len(secret) >= 4)}
        self._secrets = tuple(sorted(all_secrets, key=len, reverse=True))[:200]
        spelled = {spelling for secret in self._secrets for spelling in (secret, *in_json(secret))}
        self._spelled = tuple(sorted(spelled, key=len, reverse=True))

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that is hidden, the longest first."""
        return self._secrets

    def text(self, text: str) -> str:
        """Return any text, such as a body or an error message, masked; of a very long one the start."""
        for secret in self._spelled:
            text = text.replace(secret, GONE)
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}…"
        text = _JSON_SECRET.sub(rf'\1"{GONE}"', text)
        text = _XML_SECRET.sub(rf"\1{GONE}", text)
        return _PHONE.sub(_digits, _LONG_DIGITS.sub(GONE, text))

    def url(self, url: str) -> str:
        """Return a URL, decoded for people and masked."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        shown = f"{parts.scheme}://{host}{self.text(unquote(parts.path))}" if host else self.text(unquote(parts.path))
        return f"{shown}?{self.form(parts.query)}" if parts.query else shown

    def form(self, text: str) -> str:
        """Return a query string or a form body, decoded for people and masked."""
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=200)
        except ValueError:
            return self.text(unquote(text[:_READ]))
        return "&".join(
            f"{name}={GONE if _SECRET_NAME.search(name[:_LONGEST]) else self.text(value)}" for name, value in pairs
        )

    def body(self, body: bytes | str | None, content_type: str = "") -> str:
        """Return the start of a body, masked."""
        if not body:
            return ""
        text = body[: _READ * 4].decode("utf-8", "replace") if isinstance(body, bytes) else body
        text = text[:_READ]
        text = self.form(text) if "x-www-form-urlencoded" in content_type else self.text(text)
        text = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
        return f"{text[:_SHOWN]}…" if len(text) > _SHOWN or len(body) > _READ else text


def in_json(text: str) -> set[str]:
    """Return a text as JSON may hold it, and JSON that is itself a text in JSON."""
    return {spelled for escaped in _escaped(text) for spelled in (escaped, *_escaped(escaped))}


def _escaped(text: str) -> set[str]:
    plain = {json.dumps(text, ensure_ascii=escaped)[1:-1] for escaped in (True, False)}
    return plain | {spelling.replace("/", "\\/") for spelling in plain}  # as PHP does


def _digits(match: re.Match[str]) -> str:
    """A number with all but its last digits hidden; how it is spelled stays to be seen, for that is what a CRM's search
    goes by."""
    date = _DATE.match(match[0])
    if date:
        return date[0] + _PHONE.sub(_digits, match[0][date.end() :])
    otherwise = _DATE_OTHERWISE.match(match.string, match.start())
    if otherwise and otherwise.end() == match.end():
        return otherwise[0]
    last = list(re.finditer(r"\d", match[0]))[-_LAST].start()
    return re.sub(r"(\\u[\da-fA-F]{4})|\d", lambda match: match[1] or "•", match[0][:last]) + match[0][last:]
