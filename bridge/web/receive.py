"""The one way in for the platform's requests: size, address, key, read, signature, route, in this order.

What goes wrong in a step is a `Refused` with its status; the steps after it are not raw. Handlers are called with a
document whose signature is right, and have no other way of being called. Nothing here blocks: what may have to wait is
yielded (`connectors.steps`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from bridge.config.model import Line
from bridge.errors import ProtocolError
from bridge.infocaller import document as documents
from bridge.infocaller import signature
from bridge.infocaller.messages import Document, Format
from bridge.service.composition import Current, Service
from bridge.service.metrics import Metrics
from bridge.store.panelurls import Kind
from bridge.texts import Text, said
from bridge.troubles import Severity, Troubles
from bridge.web import reply
from bridge.web.entry import AccessLogEntry
from bridge.web.gate import AccessPolicies, AccessPolicy, BodyLimits, Client
from bridge.web.guessing import CLOSED, LIMIT, Guessing
from bridge.web.ratelimit import Failures
from bridge.web.reply import Headers, Reply
from bridge.web.request import RawRequest, Refused
from connectors.base import Deadline
from connectors.phone import mask
from connectors.steps import Steps, Wait
from connectors.threads import DaemonThreadPool

_log = logging.getLogger("bridge.web")
_HERE = "this URL is right: the platform POSTs its documents here, which a browser does not"
PREFIX = "/infocaller/"
_THREADS = 4
_PATIENCE = 2.0
"""Seconds that a request of a sender who is not known yet waits for the file of who guesses."""
_MOST = 1000
"""Requests that may wait for it."""
_MASKED = f"{PREFIX}•••"
_TELLS_NOTHING = (405, 429)
"""A browser came by, or what was refused before is sent again too often."""
_T = TypeVar("_T")


class VerifiedRequest(msgspec.Struct, frozen=True):
    """A request of the platform that may be served. `argument` is what followed the route in the URL (a Query's or an
    event's name, empty where there was none), `parameters` the URL's; `arrived` is on the monotonic clock; `entry` is
    for the access log."""

    service: Service
    document: Document
    line: Line
    argument: str
    parameters: Mapping[str, str]
    arrived: float
    entry: AccessLogEntry


Handler = Callable[[VerifiedRequest], Steps[Reply]]
Namer = Callable[[Service, str, Mapping[str, str], Document | None], str]
"""Gives the name of what a request is for, by what followed the route in the URL, the URL's parameters and the document
where it could be read; empty where the configuration has none such."""


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of request: `knows` says whether this URL exists, by what follows the route and the URL's parameters."""

    handle: Handler
    knows: Callable[[str, Mapping[str, str]], bool]
    name: Namer


class RecordsRefused(Protocol):
    """Keeps in mind what was refused last; never waits."""

    def refused(self, line: str, kind: Kind, name: str, reason: str) -> None:
        """Note a request that was refused. `line` and `name` are the configuration's, or empty."""


class Admission(msgspec.Struct, frozen=True):
    """What the head of a request says: by which policy it is looked at, who sent it, and what its path says after the
    key (None: the key is wrong)."""

    policy: AccessPolicy
    client: Client
    behind: str | None

    @property
    def limits(self) -> BodyLimits:
        """On what terms its body is read."""
        welcome = self.client.admitted and self.behind is not None
        return self.policy.body if welcome else self.policy.no_body


class Receiver:
    """Answers below `PREFIX`: takes each request through the steps. `routes`: by the first segment after the key.
    `troubles` hears of what needs a person, `record` of what was refused."""

    def __init__(  # noqa: PLR0913 - each is another part of the process
        self,
        current: Current,
        gates: AccessPolicies,
        routes: Mapping[str, Route],
        failures: Failures,
        metrics: Metrics,
        troubles: Troubles,
        guessing: Guessing,
        *,
        record: RecordsRefused | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._patience, self._record = patience, record
        self._current, self._gates, self._routes = current, gates, routes
        self._failures, self._metrics, self._troubles = failures, metrics, troubles
        self._guessing = guessing
        self._threads = DaemonThreadPool(_THREADS, "senders")

    def admit(self, raw: RawRequest) -> Admission:
        """Look at the head of a request, before its body is read."""
        policy = self._gates.now()
        client = policy.client(raw.remote, raw.header(b"x-forwarded-for"))
        return Admission(policy, client, policy.behind_key(raw.path.removeprefix(PREFIX)))

    def answer(self, raw: RawRequest, admission: Admission) -> Steps[Reply]:
        """Answer a request that was read as far as it may be."""
        raw.entry.route, raw.entry.path = "infocaller", _MASKED
        try:
            return (yield from self._receive(raw, admission))
        except Exception as error:  # noqa: BLE001 - whatever it is, the platform is told in its own format
            return _refused(raw, Refused(500, reply.unexpected(error)), None)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    def _receive(self, raw: RawRequest, admission: Admission) -> Steps[Reply]:
        document: Document | None = None
        try:
            if raw.fault is not None:
                raise raw.fault
            self._address(raw, admission.client)
            parameters = raw.parameters
            route, argument = self._key(raw, admission.behind, parameters)
            document = self._read(raw)
            line = yield from self._signature(document, admission, raw.entry)
            with self._current.use() as service:
                verified = VerifiedRequest(service, document, line, argument, parameters, raw.arrived, raw.entry)
                return (yield from route.handle(verified))
        except Refused as refused:
            if refused.status == 400 and raw.entry.route == "event":
                self._unreadable(refused)
            if refused.status == 403 and admission.behind is not None:
                self._other_address(admission.client.text or raw.remote)
            if refused.status == 404 and admission.behind is None and self._almost_right(raw):
                self._wrong_key(admission.client.sender, admission.client.text or raw.remote)
            self._keep_in_mind(raw, admission, document, refused)
            return _refused(raw, refused, document.format if document is not None else None)

    def _keep_in_mind(self, raw: RawRequest, admission: Admission, document: Document | None, refused: Refused) -> None:
        if self._record is None or refused.status in _TELLS_NOTHING:
            return
        kind, _, argument = (admission.behind or "").partition("/")
        route = self._routes.get(kind)
        if route is None or not route.knows(argument, raw.parameters):
            self._record.refused("", "other", "", refused.reason)
            return
        line = document.line_number if document is not None else ""
        with self._current.use() as service:
            name = route.name(service, argument, raw.parameters, document)
        self._record.refused(
            line if line in admission.policy.lines else "",
            "event" if kind == "event" else "query",
            name,
            refused.reason,
        )

    def _unreadable(self, refused: Refused) -> None:
        self._troubles.report(
            "events_refused",
            "unreadable",
            severity=Severity.ERROR,
            text=Text(
                "Events are refused, because they can't be read: {reason}. Their calls lack them in the CRM",
                reason=said(refused.reason),
            ),
            action=Text(
                "Compare the event URLs in the panel with `infocaller-bridge urls`; if they are right, keep such a "
                "document and report it"
            ),
        )

    def _other_address(self, sender: str) -> None:
        self._troubles.report(
            "address",
            severity=Severity.ERROR,
            text=Text(
                "Requests with the right key in their URL come from an address that is not in server.allowed_ips, last "
                "from {sender}: they are refused, Queries and events alike",
                sender=sender,
            ),
            action=Text(
                "If that is the platform, add its address to server.allowed_ips; if it is a proxy of yours, to "
                "server.trusted_proxies; if neither, somebody knows the URL key: change server.url_key "
                "(docs/deployment.md)"
            ),
        )

    def _almost_right(self, raw: RawRequest) -> bool:
        """Whether all but the key is as in a URL of the platform's."""
        _, _, rest = raw.path.removeprefix(PREFIX).partition("/")
        name, _, argument = rest.partition("/")
        route = self._routes.get(name)
        return raw.method == "POST" and route is not None and route.knows(argument, raw.parameters)

    def _wrong_key(self, sender: str, address: str) -> None:
        """Nothing is lost by it unless that is the platform; anybody may send such a request."""
        platform = self._guessing.known(sender)
        self._troubles.report(
            "url_key",
            severity=Severity.ERROR if platform else Severity.WARNING,
            text=Text(
                "Requests to the platform's URLs have a key that is not server.url_key, last from {sender}: they are "
                "refused, Queries and events alike",
                sender=address,
            ),
            action=Text(
                "Compare the URLs in the panel of every line with `infocaller-bridge urls`; if the platform did not "
                "send them, you need not do anything"
            ),
        )

    def _address(self, raw: RawRequest, client: Client) -> None:
        raw.entry.address = client.text or raw.remote
        if not client.admitted:
            raise Refused(403, f"address {client.text or 'unknown'} is not in server.allowed_ips")

    def _key(self, raw: RawRequest, behind: str | None, parameters: Mapping[str, str]) -> tuple[Route, str]:
        name, _, argument = (behind or "").partition("/")
        route = self._routes.get(name)
        if behind is None or route is None or not route.knows(argument, parameters):
            raise Refused(404, "there is nothing at this URL: compare it with what `infocaller-bridge urls` prints")
        raw.entry.route, raw.entry.path = name, f"{_MASKED}/{name}"
        if raw.method != "POST":
            raise Refused(405, _HERE, allow="POST")
        return route, argument

    def _read(self, raw: RawRequest) -> Document:
        try:
            document = documents.read(raw.body, raw.header(b"content-type"))
        except ProtocolError as error:
            raise Refused(400, str(error)) from error
        if document.repairs:
            _log.warning("the document was not well-formed and had to be mended: %s", "; ".join(document.repairs))
        return document

    def _signature(self, document: Document, admission: Admission, entry: AccessLogEntry) -> Steps[Line]:
        entry.fields["line"] = mask(document.line_number)
        sender = admission.client.sender
        trusted = self._guessing.known(sender)
        if not trusted:
            self._not_closed(sender, (yield from self._apart(lambda: self._guessing.closed(sender))))
        line = admission.policy.lines.get(document.line_number)
        if line is not None and signature.matches(document, line.password.get_secret_value()):
            if trusted:
                self._guessing.right(sender)
            else:
                self._not_closed(sender, (yield from self._apart(lambda: self._guessing.right(sender))))
            self._troubles.clear("signature", line.number)
            entry.fields["call"] = document.call_sequence[:64]
            return line
        self._metrics.signature_failed()
        if (yield from self._apart(lambda: self._guessing.wrong(sender))):
            self._is_closed(sender)
        refused = self._unknown_line(document) if line is None else self._wrong_signature(line, sender)
        over = self._failures.failed(sender)
        if over is not None:
            raise Refused(429, "too many requests from this address had a wrong signature", retry_after=over)
        raise refused

    def _apart(self, look: Callable[[], _T]) -> Steps[_T]:
        """What may wait for the file of who guesses, in a thread. A disk that hangs leaves nobody without an answer."""
        if self._threads.queued < _MOST:
            future = self._threads.submit(look)
            yield Wait(future, Deadline.after(self._patience))
            if future.done():
                return future.result()
        raise Refused(503, "whether this address may send could not be looked up in time", retry_after=1)

    def _not_closed(self, sender: str, left: float | None) -> None:
        if left is not None:
            self._is_closed(sender)
            reason = "too many wrong signatures came from this address, which never had a right one: wait"
            raise Refused(429, reason, retry_after=left)

    def _is_closed(self, sender: str) -> None:
        self._troubles.report(
            "guessing",
            sender,
            severity=Severity.WARNING,
            text=Text(
                "{limit} wrong signatures within an hour came from {sender}, which never had a right one: all that "
                "comes from there is refused for {minutes} minutes, right or not",
                limit=LIMIT,
                sender=sender,
                minutes=round(CLOSED / 60),
            ),
            action=Text(
                "If that is the platform, or a proxy of yours, correct the line's password, or trusted_proxies, and "
                "wait; if not, somebody who knows the URL key guesses: change server.url_key (docs/deployment.md)"
            ),
        )

    def _unknown_line(self, document: Document) -> Refused:
        number = document.line_number[:40]
        self._troubles.report(
            "unknown_line",
            severity=Severity.ERROR,
            text=Text(
                "The platform asks for line {line}, which the configuration lacks: its calls are refused",
                line=mask(number),
            ),
            action=Text(
                "Add the line to lines:, with the number as the panel shows it, or take this bridge's URLs out of that "
                "line's panel"
            ),
        )
        return Refused(401, f"line {number} is not in the configuration")

    def _wrong_signature(self, line: Line, sender: str) -> Refused:
        self._troubles.report(
            "signature",
            line.number,
            severity=Severity.ERROR,
            text=Text(
                "The signature of line {line} is wrong, last from {sender}: what comes so is refused, Queries and "
                "events alike",
                line=line.number,
                sender=sender,
            ),
            action=Text(
                "Compare lines: password with the telephone password in the panel; it was probably changed there"
            ),
        )
        return Refused(401, f"the signature is wrong: is the password of line {line.number} the one in the panel?")


def _refused(raw: RawRequest, refused: Refused, form: Format | None) -> Reply:
    raw.entry.fields["outcome"] = refused.reason
    headers: Headers = ()
    if refused.retry_after is not None:
        headers += (("Retry-After", str(int(refused.retry_after) + 1)),)
    if refused.allow:
        headers += (("Allow", refused.allow),)
    if refused.status in (408, 413):
        headers += (("Connection", "close"),)
    form = form or reply.guess(raw.body, raw.header(b"content-type"))
    return reply.refusal(refused.status, refused.reason, form, headers)
