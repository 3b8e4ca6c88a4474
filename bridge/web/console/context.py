"""What a page has at hand: `here()` says who asks and gives what pages work on; `render`, `done` and `audit` are how a
view answers and notes what it changed."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from flask import Response, g, make_response, redirect, render_template

from bridge import texts
from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.store import audit as audit_log
from bridge.store.audit import AuditEntry
from bridge.texts import Language, Text, from_json
from bridge.web.console import formats
from bridge.web.console.parts import ConsoleParts
from bridge.web.console.sections import Role
from bridge.web.console.sessions import SignedInUser
from bridge.web.gate import Client
from connectors import phone

_log = logging.getLogger("bridge.web.console")
SAID = "console_said"
"""The cookie that takes what an action came to over to the next page."""


@dataclass(slots=True)
class Visit:
    """One request. `address`: where the bridge is for a browser, `https://bridge.example.com`. `who` None: nobody is
    signed in. `csrf`: what each form carries. `now`: one moment for the whole page."""

    parts: ConsoleParts
    configuration: Configuration
    language: Language
    client: Client
    secure: bool
    address: str
    now: datetime
    who: SignedInUser | None = None
    csrf: str = ""

    def may(self, role: Role) -> bool:
        """Return whether somebody is signed in who may do what takes this role."""
        return self.who is not None and self.who.role >= role

    @property
    def masked(self) -> bool:
        """Whether numbers, names, variables and documents are masked for whoever asks."""
        return not self.may(Role.OPERATOR)

    def zone(self, line: str = "") -> ZoneInfo:
        """Return the clock of a line; the first one's where it is not known."""
        known_line = self.configuration.line(line) or self.configuration.lines[0]
        return ZoneInfo(known_line.timezone)

    def say(self, text: Text | str | None) -> str:
        """Return a text in the reader's language; of mere words, those that the program said elsewhere in English."""
        return "" if text is None else texts.said(text).render(self.language)

    def moment(self, value: datetime | None, line: str = "") -> formats.TimeElement | str:
        """Return a moment as a `<time>` element, on a line's clock."""
        return formats.moment(value, self.zone(line), self.now, self.language)

    def clock(self, value: datetime | None, line: str = "") -> formats.TimeElement | str:
        """Return the time of the day of a moment, with its seconds, on a line's clock."""
        return formats.clock(value, self.zone(line), self.language)

    def age(self, value: datetime | None) -> str:
        """Return how long ago a moment was."""
        return formats.age((self.now - value).total_seconds()) if value is not None else ""

    def span(self, seconds: float | None) -> str:
        """Return how long something took."""
        return formats.span(seconds)

    def count(self, value: int) -> str:
        """Return a whole number for people."""
        return formats.count(value, self.language)

    def tenths(self, value: float) -> str:
        """Return a number with one decimal."""
        return formats.tenths(value, self.language)

    def number(self, value: str) -> str:
        """Return a phone number for people; its last three digits for viewers."""
        if not value or self.masked:
            return phone.mask(value) if value else ""
        return phone.parse(value, self.configuration.lines[0].country).international or value

    def person(self, value: str) -> str:
        """Return a person's name; its first letter for viewers."""
        return f"{value[:1]}•••" if value and self.masked else value

    def private(self, value: object) -> str:
        """Return what callers said and documents hold (variables, bodies, notes); nothing of it for viewers."""
        return "•••" if value not in (None, "") and self.masked else "" if value is None else str(value)

    def t(self, message: str, /, **values: Any) -> str:
        """Return a message of a template in the reader's language."""
        return texts.Text(message, **values).render(self.language)

    def n(self, singular: str, plural: str, /, count: int, **values: Any) -> str:
        """Return a message about `count` things in the reader's language."""
        return texts.Plural(singular, plural, count, **values).render(self.language)


def here() -> Visit:
    """Return the request that is being answered."""
    return cast(Visit, g.visit)


def style_nonce() -> str:
    """Return what the styles that a script makes on this page have to carry."""
    if "style_nonce" not in g:
        g.style_nonce = secrets.token_urlsafe(16)
    return str(g.style_nonce)


def render(template: str, /, status: int = 200, **values: Any) -> Response:
    """Return a page."""
    return Response(render_template(template, **values), status, content_type="text/html; charset=utf-8")


def done(where: str, text: Text) -> Response:
    """Return the answer to an action: on to a page of the console, which shows once what came of it."""
    response = make_response(redirect(where, 303))
    visit = here()
    words = base64.urlsafe_b64encode(json.dumps(text.clipped(300).to_json()).encode()).decode()
    value = f"{words}.{visit.parts.signing.sign(SAID, words)}"
    if len(value) < 3500:
        response.set_cookie(
            SAID, value, max_age=60, path="/console/", secure=visit.secure, httponly=True, samesite="Lax"
        )
    return response


def said(cookie: str) -> str:
    """Return what an action before this page came to; empty where there was none."""
    words, _, signature = cookie.partition(".")
    if not words or not here().parts.signing.signed(signature, SAID, words):
        return ""
    return here().say(from_json(json.loads(base64.urlsafe_b64decode(words))))


def audit(
    action: str, subject: str = "", *, before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None
) -> None:
    """Note in the audit log, and in the log, that whoever asks has changed something; call it when it is done.
    `action`: a word such as `line.resume`; `subject`: an id or a name of the configuration, never a number or a
    person's name. Never raises: what is done is done."""
    visit = here()
    who = visit.who.name if visit.who is not None else ""
    role = visit.who.role.name.lower() if visit.who is not None else ""
    fields = {"who": who, "action": action, "subject": subject, "address": visit.client.text}
    _log.info("changed in the console", extra={"fields": fields})
    entry = AuditEntry(visit.parts.now(), who, action, subject, role, visit.client.text, before, after)
    try:
        with visit.parts.database.write() as connection:
            audit_log.add(connection, entry)
    except StoreUnavailable as error:
        _log.error("the audit log can't be written: %s", error)
