"""The ways in which alerts go out: e-mail by SMTP, and webhooks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import smtplib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests

from bridge.alerts.deciding import Notice
from bridge.alerts.message import Wording
from bridge.config.alerts import Alert, Smtp
from bridge.config.load import Loaded
from connectors.base import ConnectorError, Context, Deadline, Rejected, Unavailable
from connectors.http.session import Session

_HOOK_WITHIN = 15.0
_LONGEST = 300


class NotTold(Exception):
    """It could not be sent; the message says why, without secrets. `done`: what was told all the same."""

    def __init__(self, text: str, done: Sequence[Notice] = ()) -> None:
        super().__init__(text)
        self.done = done


class Channel(Protocol):
    """One way out."""

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
    def target(self) -> str:
        """Whom it reaches, for people."""

    def send(self, notices: Sequence[Notice]) -> str:
        """Tell all of them. Empty, or who did not get it though others did. Raises `NotTold`."""


def channels(loaded: Loaded) -> list[Channel]:
    """All that the configuration has."""
    wording, seen = Wording(loaded), Counter[str]()
    found: list[Channel] = []
    for rule in loaded.configuration.alerts:
        smtp = loaded.configuration.smtp
        if rule.email and smtp is not None:
            found.append(Email(*_names("email", rule.email[0], ",".join(sorted(rule.email)), seen), rule, smtp,
                               wording, loaded.folder))  # fmt: skip
        if rule.webhook is not None:
            url = rule.webhook.get_secret_value()
            found.append(Webhook(*_names("webhook", urlsplit(url).hostname or "", url, seen), rule, url, wording,
                                 _context(loaded)))  # fmt: skip
    return found


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
    def target(self) -> str:
        """Whom, and through what."""
        return f"e-mail to {', '.join(self.rule.email)} through {self.smtp.host}:{self.smtp.port_or_default}"

    def send(self, notices: Sequence[Notice]) -> str:
        """One mail about all of them."""
        message = self.wording.mail(notices, self.smtp.from_, self.rule.email)
        try:
            with self._connected() as client:
                refused = client.send_message(message, self.smtp.from_, list(self.rule.email))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotTold(self.wording.safe(_why(error))[:_LONGEST]) from error
        said = ", ".join(f"{who}: {_answer(*answer)}" for who, answer in refused.items())
        return self.wording.safe(said)[:_LONGEST]

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """The server, signed in to. Every step has to end in time, and all of them together as well."""
        smtp, host = self.smtp, socket.gethostname()
        tls = None if smtp.security == "none" else _certificates(self.folder, smtp.ca_file)
        port, seconds = smtp.port_or_default, float(smtp.timeout)
        client: smtplib.SMTP
        if smtp.security == "tls":
            client = smtplib.SMTP_SSL(smtp.host, port, local_hostname=host, timeout=seconds, context=tls)
        else:
            client = smtplib.SMTP(smtp.host, port, local_hostname=host, timeout=seconds)
        late = threading.Event()
        watchdog = threading.Timer(seconds, _cut, (client, late))
        watchdog.daemon = True
        watchdog.start()
        try:
            if smtp.security == "starttls":
                client.starttls(context=tls)
            if smtp.username is not None and smtp.password is not None:
                client.login(smtp.username, smtp.password.get_secret_value())
            yield client
        except (smtplib.SMTPException, OSError) as error:
            if late.is_set():
                raise TimeoutError(f"not done within {smtp.timeout}") from error
            raise
        finally:
            watchdog.cancel()
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.docmd("QUIT")
            client.close()


def _certificates(folder: Path, ca_file: str | None) -> ssl.SSLContext:
    """What the server's certificate is checked against. (That of `connectors.http.transport` offers HTTP by ALPN, which
    mail servers refuse.)"""
    if ca_file is not None:
        return ssl.create_default_context(cafile=str(folder / ca_file))
    context = ssl.create_default_context()
    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    return context


def _cut(client: smtplib.SMTP, late: threading.Event) -> None:
    late.set()
    sock = client.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return ", ".join(f"{who}: {_answer(*answer)}" for who, answer in error.recipients.items())
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(error):
        return "the server offers no STARTTLS: write tls: tls or tls: none"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return f"no answer in time ({error})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


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
    def target(self) -> str:
        """Where to, without what may be a secret of the address."""
        return f"webhook {urlsplit(self.url).scheme}://{urlsplit(self.url).netloc.rpartition('@')[2]}/…"

    def send(self, notices: Sequence[Notice]) -> str:
        """Each of them."""
        session, done = Session(self.context, timeout=_HOOK_WITHIN), 0
        try:
            for notice in notices:
                request = requests.Request("POST", self.url, data=json.dumps(self.wording.hook(notice)).encode())
                request.headers = {"Content-Type": "application/json", "User-Agent": "infocaller-bridge"}
                deadline = Deadline.after(_HOOK_WITHIN)
                session.exchange(session.prepare_request(request), deadline, _taken, idempotent=False, follow=False)
                done += 1
        except (ConnectorError, requests.RequestException) as error:
            said = str(error).replace(self.url, self.target)
            path = urlsplit(self.url).path
            said = said.replace(path, "/…") if len(path) > 1 else said
            raise NotTold(self.wording.safe(said)[:_LONGEST], notices[:done]) from error
        finally:
            session.close()
        return ""


def _taken(response: requests.Response) -> None:
    if response.is_redirect:
        raise Rejected(f"it answers with a redirect ({response.status_code}): write the address that takes the POST")
    if not response.ok:
        raise Unavailable(f"it answers {response.status_code} {response.reason}")
