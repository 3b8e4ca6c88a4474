"""The one way in for the platform's requests: size, address, key, read, signature, route, in this order.

What goes wrong in a step is a `Refused` with its status; the steps after it are not taken. Handlers are called with a
document whose signature is right, and have no other way of being called. Flask has no part in it: its share would be
a good part of what a Query costs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.config.model import Line
from bridge.errors import ProtocolError
from bridge.infocaller import document as documents
from bridge.infocaller import signature
from bridge.infocaller.messages import Document, Format
from bridge.service.composition import Current, Service
from bridge.service.metrics import Metrics
from bridge.troubles import Severity, Troubles
from bridge.web import addresses, reply
from bridge.web.addresses import Address
from bridge.web.entry import AccessLogEntry
from bridge.web.gate import AccessPolicies, AccessPolicy
from bridge.web.guessing import CLOSED, LIMIT, Guessing
from bridge.web.intake import TAKEN, RawRequest, Refused
from bridge.web.ratelimit import Failures
from bridge.web.reply import Reply
from connectors.phone import mask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_log = logging.getLogger("bridge.web")
_HERE = "this URL is right: the platform POSTs its documents here, which a browser does not"
PREFIX = "/infocaller/"
_MASKED = f"{PREFIX}•••"


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
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


Handler = Callable[[VerifiedRequest], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of request: `knows` says whether this URL exists, by what follows the route and the URL's parameters."""

    handle: Handler
    knows: Callable[[str, Mapping[str, str]], bool]


class Receiver:
    """The WSGI application for `/infocaller/…`: takes each request through the steps. `routes`: by the first segment
    after the key. `troubles` hears of what needs a person."""

    def __init__(
        self,
        current: Current,
        gates: AccessPolicies,
        routes: Mapping[str, Route],
        failures: Failures,
        metrics: Metrics,
        troubles: Troubles,
        guessing: Guessing,
    ) -> None:
        self._current, self._gates, self._routes = current, gates, routes
        self._failures, self._metrics, self._troubles = failures, metrics, troubles
        self._guessing = guessing

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request that `Intake` has taken in."""
        taken: RawRequest = environ.pop(TAKEN)  # the two would hold each other, and wait for the garbage collector
        taken.entry.route, taken.entry.path = "infocaller", _MASKED
        try:
            answer = self._receive(taken)
        except Exception as error:  # noqa: BLE001 - whatever it is, the platform is told in its own format
            answer = _refused(taken, Refused(500, reply.unexpected(error)), None)
        return answer.send(start_response)

    def _receive(self, taken: RawRequest) -> Reply:
        form: Format | None = None
        try:
            self._size(taken)
            gate = self._gates.now()
            client = self._address(taken, gate)
            parameters = taken.parameters
            route, argument = self._key(taken, gate, parameters)
            document = self._read(taken)
            form = document.format
            line = self._signature(document, gate, client, taken.entry)
            with self._current.use() as service:
                return route.handle(
                    VerifiedRequest(service, document, line, argument, parameters, taken.arrived, taken.entry)
                )
        except Refused as refused:
            if refused.status == 400 and taken.entry.route == "event":
                self._unreadable(refused)
            return _refused(taken, refused, form)

    def _unreadable(self, refused: Refused) -> None:
        self._troubles.report(
            "events_refused",
            "unreadable",
            severity=Severity.ERROR,
            text=f"Events are refused, because they can't be read: {refused.reason}. Their calls lack them in the CRM",
            action="Compare the event URLs in the panel with `infocaller-bridge urls`; if they are right, keep such a "
            "document and report it",
        )

    def _size(self, taken: RawRequest) -> None:
        if taken.fault is not None:
            raise taken.fault

    def _address(self, taken: RawRequest, gate: AccessPolicy) -> Address | None:
        client = gate.client(taken.header("REMOTE_ADDR"), taken.header("HTTP_X_FORWARDED_FOR"))
        if client is not None:
            taken.entry.address = str(client)
        if not gate.admits(client):
            raise Refused(403, f"address {client or 'unknown'} is not in server.allowed_ips")
        return client

    def _key(self, taken: RawRequest, gate: AccessPolicy, parameters: Mapping[str, str]) -> tuple[Route, str]:
        behind = gate.behind_key(taken.path.removeprefix(PREFIX))
        name, _, argument = (behind or "").partition("/")
        route = self._routes.get(name)
        if behind is None or route is None or not route.knows(argument, parameters):
            raise Refused(404, "there is nothing at this URL: compare it with what `infocaller-bridge urls` prints")
        taken.entry.route, taken.entry.path = name, f"{_MASKED}/{name}"
        if taken.header("REQUEST_METHOD") != "POST":
            raise Refused(405, _HERE, allow="POST")
        return route, argument

    def _read(self, taken: RawRequest) -> Document:
        try:
            document = documents.read(taken.body, taken.header("CONTENT_TYPE"))
        except ProtocolError as error:
            raise Refused(400, str(error)) from error
        if document.repairs:
            _log.warning("the document was not well-formed and had to be mended: %s", "; ".join(document.repairs))
        return document

    def _signature(self, document: Document, gate: AccessPolicy, client: Address | None, entry: AccessLogEntry) -> Line:
        entry.fields["line"] = mask(document.line_number)
        sender = addresses.neighbourhood(client)
        self._not_closed(sender, self._guessing.closed(sender))
        line = gate.lines.get(document.line_number)
        if line is not None and signature.matches(document, line.password.get_secret_value()):
            self._not_closed(sender, self._guessing.right(sender))
            self._troubles.clear("signature", line.number)
            entry.fields["call"] = document.call_sequence[:64]
            return line
        self._metrics.signature_failed()
        if self._guessing.wrong(sender):
            self._is_closed(sender)
        refused = self._unknown_line(document) if line is None else self._wrong_signature(line, sender)
        over = self._failures.failed(sender)
        if over is not None:
            raise Refused(429, "too many requests from this address had a wrong signature", retry_after=over)
        raise refused

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
            text=f"{LIMIT} wrong signatures within an hour came from {sender}, which never had a right one: all that "
            f"comes from there is refused for {CLOSED / 60:.0f} minutes, right or not",
            action="If that is the platform, or a proxy of yours, correct the line's password, or trusted_proxies, and "
            "wait; if not, somebody who knows the URL key guesses: change server.url_key (docs/deployment.md)",
        )

    def _unknown_line(self, document: Document) -> Refused:
        number = document.line_number[:40]
        self._troubles.report(
            "unknown_line",
            severity=Severity.ERROR,
            text=f"The platform asks for line {mask(number)}, which the configuration lacks: its calls are refused",
            action="Add the line to lines:, with the number as the panel shows it, or take this bridge's URLs out of "
            "that line's panel",
        )
        return Refused(401, f"line {number} is not in the configuration")

    def _wrong_signature(self, line: Line, sender: str) -> Refused:
        self._troubles.report(
            "signature",
            line.number,
            severity=Severity.ERROR,
            text=f"The signature of line {line.number} is wrong, last from {sender}: what comes so is refused, Queries "
            "and events alike",
            action="Compare lines: password with the telephone password in the panel; it was probably changed there",
        )
        return Refused(401, f"the signature is wrong: is the password of line {line.number} the one in the panel?")


def _refused(taken: RawRequest, refused: Refused, form: Format | None) -> Reply:
    taken.entry.fields["outcome"] = refused.reason
    headers: dict[str, str] = {}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(int(refused.retry_after) + 1)
    if refused.allow:
        headers["Allow"] = refused.allow
    if refused.status in (408, 413):
        headers["Connection"] = "close"
    form = form or reply.guess(taken.body, taken.header("CONTENT_TYPE"))
    return reply.refusal(refused.status, refused.reason, form, headers)
