"""The ways in which alerts go out: e-mail by SMTP, and webhooks."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from bridge.alerts import mail
from bridge.alerts.deciding import Notice
from bridge.alerts.message import Wording
from bridge.config.alerts import Alert, Smtp
from bridge.config.load import Loaded
from bridge.texts import Text
from connectors.base import ConnectorError, Context, Deadline, Rejected, Unavailable

if TYPE_CHECKING:
    import requests

_HOOK_WITHIN = 15.0
_LONGEST = 300


class NotTold(Exception):
    """It could not be sent; the message says why, without secrets. `done`: what was told all the same."""

    def __init__(self, text: str, done: Sequence[Notice] = ()) -> None:
        super().__init__(text)
        self.done = done


class Channel(Protocol):
    """A way by which notices reach people."""

    @property
    def name(self) -> str:
        """What tells it from others, in the log and as a trouble's subject."""

    @property
    def key(self) -> str:
        """What it is known by after a restart."""

    @property
    def rule(self) -> Alert:
        """What is told by it, and when."""

    @property
    def target(self) -> Text: ...

    def send(self, notices: Sequence[Notice]) -> str:
        """Tell all of them. Empty, or who did not get it though others did. Raises `NotTold`."""


def channels(loaded: Loaded) -> list[Channel]:
    """Return the channels that the configuration has."""
    wording, seen = Wording(loaded), Counter[str]()
    configured: list[Channel] = []
    for rule in loaded.configuration.alerts:
        smtp = loaded.configuration.smtp
        if rule.email and smtp is not None:
            configured.append(Email(*_names("email", rule.email[0], ",".join(sorted(rule.email)), seen), rule, smtp,
                               wording, loaded.folder))  # fmt: skip
        if rule.webhook is not None:
            url = rule.webhook.get_secret_value()
            configured.append(Webhook(*_names("webhook", urlsplit(url).hostname or "", url, seen), rule, url, wording,
                                 _context(loaded)))  # fmt: skip
    return configured


def _names(kind: str, name: str, whole: str, seen: Counter[str]) -> tuple[str, str]:
    """Name and key, each of them this channel's alone."""
    digest = hashlib.sha256(f"{kind} {whole}".encode()).hexdigest()[:24]
    seen.update([name, digest])
    return (name if seen[name] == 1 else f"{name} {seen[name]}"), f"{digest}-{seen[digest]}"


def _context(loaded: Loaded) -> Context:
    line = loaded.configuration.lines[0]
    return Context(folder=loaded.folder, country=line.country, timezone=line.timezone, concurrency=1)


@dataclass(frozen=True)
class Email:
    """Mails by SMTP."""

    name: str
    key: str
    rule: Alert
    smtp: Smtp
    wording: Wording
    folder: Path

    @property
    def target(self) -> Text:
        server = f"{self.smtp.host}:{self.smtp.port_or_default}"
        return Text("e-mail to {recipients} through {server}", recipients=", ".join(self.rule.email), server=server)

    def send(self, notices: Sequence[Notice]) -> str:
        """Send one mail about all of them."""
        message = self.wording.mail(notices, self.smtp.from_, self.rule.email)
        try:
            refusals = mail.send(message, self.smtp, self.rule.email, self.folder)
        except mail.NotSent as error:
            raise NotTold(self.wording.safe(str(error))[:_LONGEST]) from error
        return self.wording.safe(refusals)[:_LONGEST]


@dataclass(frozen=True)
class Webhook:
    """A POST for each notice."""

    name: str
    key: str
    rule: Alert
    url: str
    wording: Wording
    context: Context

    @property
    def target(self) -> Text:
        """Where to, without what may be a secret of the address."""
        return Text("webhook {url}", url=self._shown_url)

    @property
    def _shown_url(self) -> str:
        return f"{urlsplit(self.url).scheme}://{urlsplit(self.url).netloc.rpartition('@')[2]}/…"

    def send(self, notices: Sequence[Notice]) -> str:
        """Send a request for each of them."""
        import requests  # noqa: PLC0415 - only who has webhooks needs it

        from connectors.http.session import Session  # noqa: PLC0415 - as above

        session, done = Session(self.context, timeout=_HOOK_WITHIN), 0
        try:
            for notice in notices:
                request = requests.Request("POST", self.url, data=json.dumps(self.wording.hook(notice)).encode())
                request.headers = {"Content-Type": "application/json", "User-Agent": "infocaller-bridge"}
                deadline = Deadline.after(_HOOK_WITHIN)
                session.exchange(session.prepare_request(request), deadline, _taken, idempotent=False, follow=False)
                done += 1
        except (ConnectorError, requests.RequestException) as error:
            reason = str(error).replace(self.url, self._shown_url)
            path = urlsplit(self.url).path
            reason = reason.replace(path, "/…") if len(path) > 1 else reason
            raise NotTold(self.wording.safe(reason)[:_LONGEST], notices[:done]) from error
        finally:
            session.close()
        return ""


def _taken(response: requests.Response) -> None:
    if response.is_redirect:
        raise Rejected(f"it answers with a redirect ({response.status_code}): write the address that takes the POST")
    if not response.ok:
        raise Unavailable(f"it answers {response.status_code} {response.reason}")
