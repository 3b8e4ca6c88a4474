"""Takes secrets out of what is kept: each becomes `hidden-1`, `hidden-2`, …, the same one the same each time.

Unlike `connectors.masking`, which makes a text fit to be shown, this leaves everything else as it is: numbers, names
and the whole length, for what is kept is to be worked with.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from connectors.masking import SENSITIVE_NAMES, in_json

HIDDEN = "hidden"

_SECRET_NAME = re.compile(rf"(?:^|[^a-z])(?:{SENSITIVE_NAMES})$|(?:token|password|secret)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_XML_VALUE = re.compile(r"(<([\w.:-]{1,200}+)(?:\s[^<>]*+)?>)([^<]++)(?=</)")
_XML_SECRET = re.compile(rf"(?:{SENSITIVE_NAMES}|sid|jwt)\Z", re.I)
_PLACEHOLDER = re.compile(rf"{HIDDEN}(?:-\d+)?")


class Scrubber:
    """Knows these secrets, and recognises others by the names that they stand under."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._numbers: dict[str, str] = {}
        originals = [secret for secret in secrets if not _PLACEHOLDER.fullmatch(secret)]
        self._spellings = [(spelling, secret) for secret in originals for spelling in _spellings(secret)]

    def secret(self, value: str) -> str:
        """Return what stands for a secret."""
        if not value or _PLACEHOLDER.fullmatch(value):
            return value
        return self._numbers.setdefault(value, f"{HIDDEN}-{len(self._numbers) + 1}")

    def pair(self, name: str, value: str) -> tuple[str, str]:
        """Return a parameter or a field of a form without secrets."""
        return name, self.secret(value) if _is_secret(name) else self.text(value)

    def text(self, text: str) -> str:
        """Return a text without secrets; of a URL, its parameters one by one."""
        for spelling, secret in self._spellings:
            if spelling in text:
                text = text.replace(spelling, self.secret(secret))
        if text.startswith(("http://", "https://")) and "?" in text:
            return self._url(text)
        if "<" in text:
            return _XML_VALUE.sub(self._element, text)
        return text

    def _element(self, match: re.Match[str]) -> str:
        return match[1] + (self.secret(match[3]) if _XML_SECRET.search(match[2]) else match[3])

    def value(self, value: Any, name: str = "") -> Any:
        """Return a value of JSON without secrets."""
        if isinstance(value, dict):
            return {key: self.value(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part, name) for part in value]
        if value is None or isinstance(value, bool):
            return value
        if _is_secret(name):
            return self.secret(str(value))
        if isinstance(value, str):
            return self.text(value)
        text = str(value)
        scrubbed = self.text(text)
        return value if scrubbed == text else scrubbed

    def _url(self, url: str) -> str:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        if not any(_is_secret(name) for name, _ in pairs):
            return url
        return parts._replace(query=urlencode([self.pair(name, value) for name, value in pairs])).geturl()


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(_HUMP.sub("_", name).lower().replace("-", "_")))


def _spellings(secret: str) -> list[str]:
    """A secret as it may stand in a URL, in XML, in JSON and anywhere else; the longest first, the plain one last."""
    spelled = {secret, quote(secret, safe=""), html.escape(secret), *in_json(secret)}
    return sorted(spelled, key=len, reverse=True)
