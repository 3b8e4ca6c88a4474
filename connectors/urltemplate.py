"""Paths and URLs with `{{ }}`, compiled when the configuration is read: what is filled in stays where it is put."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from connectors.compiledtext import CompiledText
from connectors.expression import Template

_EXPRESSION = re.compile(r"(\{\{.*?\}\})", re.DOTALL)
_WEB = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_NOT_IN_A_LINK = frozenset('"<>\\^`{|}')
_LONGEST_LINK = 2000


class Empty(ValueError):
    """What has to be filled into a path is empty; the message says what."""


class PathTemplate(CompiledText):
    """A path or URL with `{{ }}`: what is filled in is percent-encoded, `/` too."""

    expected = "write a path such as /people/{{ key }}"

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.template = Template(source)
        before_query = source.split("?", 1)[0]
        self._parts: list[tuple[str, Template | None, bool]] = []
        at = 0
        for part in _EXPRESSION.split(source):
            inside = at < len(before_query)
            at += len(part)
            self._parts.append((part, Template(part) if _EXPRESSION.fullmatch(part) else None, inside))

    @property
    def whole(self) -> str | None:
        """The text when nothing is filled in, else None."""
        return self.source if self.template.constant else None

    def fill(self, scope: Mapping[str, object]) -> str:
        """Return the path. Raises `Empty` where that would be another one than is meant, and `ExpressionError`."""
        return "".join(
            text if template is None else self._value(template, scope, inside) for text, template, inside in self._parts
        )

    def _value(self, template: Template, scope: Mapping[str, object], inside: bool) -> str:
        text = template.render(scope)
        if inside and text.strip() in ("", ".", ".."):
            raise Empty(f"{template.source} in the path {self.source} is {text.strip() or 'empty'}")
        return quote(text, safe="")


class LinkTemplate(PathTemplate):
    """Where a person opens a record, by http or https. What is filled in is percent-encoded, except where the link
    begins with it: a CRM may keep whole addresses (`{{ record.url }}`)."""

    expected = "write where a person opens a record, such as https://crm.example.com/contacts/{{ record.id }}"

    def __init__(self, source: str) -> None:
        source = source.strip()
        super().__init__(source)
        self._beginning = self._parts[1][1] if source.startswith("{{") else None
        if self._beginning is None and not _WEB.match(source):
            raise ValueError(self.expected)

    def link(self, scope: Mapping[str, object]) -> str | None:
        """Return the link; None where a part of it is empty, or it is no address of a page. Raises
        `ExpressionError`."""
        try:
            text = self.fill(scope)
        except Empty:
            return None
        return text if _is_address(text) else None

    def _value(self, template: Template, scope: Mapping[str, object], inside: bool) -> str:  # noqa: ARG002 - all counts
        if template is self._beginning:
            return template.render(scope).strip()
        return super()._value(template, scope, inside=True)


def _is_address(text: str) -> bool:
    """Whether a browser opens a web page by it, and the one that is read: CRMs hold what strangers wrote."""
    if len(text) > _LONGEST_LINK or not text.isprintable() or " " in text or not _NOT_IN_A_LINK.isdisjoint(text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
