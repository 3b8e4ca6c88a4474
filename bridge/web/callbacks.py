"""Where CRMs and sites' servers ask for callbacks: tasks as JSON, and Salesforce's Outbound Messages.

The order is fixed, as for the platform's requests: size, source, token, rate of the address, read, number, rate of the
number, kept, answered. What is acknowledged is on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flask import Flask, Response, jsonify, request

from bridge.callbacks import Accepted, NobodysTask, NoSuchSource, NoSuchTask, announced
from bridge.config.callbacks import CallbackSource
from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.runtime.limits import SharedLimits
from bridge.store.deliveries import NewDelivery
from bridge.web import taskjson
from bridge.web.gate import AccessPolicy, Client, bearer
from bridge.web.ratelimit import Failures
from bridge.web.request import RAW, RawRequest, Refused
from connectors.base import Task
from connectors.phone import Phone, mask
from connectors.salesforce import outbound_message

if TYPE_CHECKING:
    from connectors.salesforce.options import SalesforceOptions
from connectors.units import Rate

_log = logging.getLogger("bridge.web")
PREFIX = "/callbacks/"
_MESSAGE = "outbound-message"
_LONGEST_KEY = 1000


class Taking(Protocol):
    """Where tasks go; what returns is on disk. Everything raises `StoreUnavailable`."""

    def unfit(self, source: str, task: Task) -> tuple[Phone, str | None]:
        """Return who is to be rung, and why that can't be, None where it can. Raises `NoSuchSource`."""

    def known(self, source: str, task: Task) -> bool:
        """Return whether this task is there already. Raises `NoSuchSource`."""

    def accept(self, source: str, task: Task) -> Accepted:
        """Take a task. Raises `NoSuchSource`, `NoSuchTask`, `NobodysTask`."""

    def look_at(self, tasks: Sequence[NewDelivery]) -> None:
        """Have tasks read from their CRM."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What these routes work with. `taking` None: this bridge has nowhere to keep tasks."""

    gate: Callable[[], AccessPolicy]
    failures: Failures
    taking: Taking | None
    asked: SharedLimits | None


def install(app: Flask, desk: Desk) -> None:
    """Add the URLs below `/callbacks/`."""

    # Only servers come here, for a browser can't keep a token: its preflight gets 405 like any other method.
    @app.post(f"{PREFIX}<source>", provide_automatic_options=False)
    def task(source: str) -> tuple[Response, int, dict[str, str]]:
        return _Json(desk).answer(source)

    @app.post(f"{PREFIX}<source>/<token>/{_MESSAGE}", provide_automatic_options=False)
    def message(source: str, token: str) -> Response:
        return _Outbound(desk).answer(source, token)


def may_send(gate: AccessPolicy, path: str, authorization: str) -> bool:
    """Return whether who asks for this path below `PREFIX` may send a body: the source is there, and the token is
    right."""
    name, _, rest = path.removeprefix(PREFIX).partition("/")
    if not rest:
        return gate.is_token(bearer(authorization), name)
    token, _, last = rest.partition("/")
    return last == _MESSAGE and gate.is_token(token, name)


def hide_token(raw: RawRequest) -> None:
    """Have the log show nothing of a URL below `/callbacks/` but the source, whether it exists or not."""
    if raw.path.startswith(PREFIX):
        name, _, rest = raw.path.removeprefix(PREFIX).partition("/")
        raw.entry.path = f"{PREFIX}{name[:100]}{'/•••' if rest else ''}"


class _Route:
    """The steps that both have in common. One for each request."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._request: RawRequest = request.environ[RAW]
        self._gate = desk.gate()

    @property
    def _configuration(self) -> Configuration:
        return self._gate.configuration

    def _client(self) -> Client:
        raw = self._request
        client = self._gate.client(raw.remote, raw.header(b"x-forwarded-for"))
        raw.entry.address = client.text or raw.remote
        return client

    def _wrong_token(self, client: Client, refused: Refused) -> Refused:
        over = self._desk.failures.failed(client.sender)
        if over is None:
            return refused
        return Refused(429, "too many requests from this address had a wrong token", retry_after=over)

    def _within(self, what: str, whose: str, limit: Rate, reason: str, thing: str = "") -> None:
        """Raise `Refused` when this is one request too many of the kind `what`; the same `thing` again is no more."""
        asked = self._desk.asked
        if asked is not None and not asked.takes(what, whose, (limit.times, limit.seconds), thing):
            raise Refused(429, f"{reason} ({limit})", retry_after=min(limit.seconds, 3600))

    def _address_within(self, source: CallbackSource, client: Client, reason: str) -> None:
        self._within(f"address {source.title}", client.sender, source.per_address, reason)

    def _taking(self) -> Taking:
        if self._desk.taking is None:
            raise Refused(503, "this bridge has nowhere to keep tasks")
        return self._desk.taking


class _Json(_Route):
    """`POST /callbacks/<source>`."""

    def answer(self, name: str) -> tuple[Response, int, dict[str, str]]:
        """202 with the callback's id and state."""
        self._request.entry.route = "callback"
        try:
            accepted = self._accepted(name)
        except (Refused, StoreUnavailable) as error:
            return self._refused(error)
        self._request.entry.fields |= {"outcome": accepted.state.value, "callback": accepted.id}
        accepted_as = {"id": accepted.id, "state": accepted.state.value}
        return jsonify(accepted_as | ({"reason": accepted.reason} if accepted.reason else {})), 202, {}

    def _refused(self, error: Exception) -> tuple[Response, int, dict[str, str]]:
        refused = error if isinstance(error, Refused) else Refused(503, f"it could not be kept: {error}", retry_after=1)
        self._request.entry.fields["outcome"] = refused.reason
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
        if refused.retry_after is not None:
            headers["Retry-After"] = str(int(refused.retry_after) + 1)
        return jsonify(error=refused.reason), refused.status, headers

    def _accepted(self, name: str) -> Accepted:
        client = self._client()
        source = self._gate.source(name)
        if source is None:
            raise self._wrong_token(client, Refused(404, "no source of callbacks with a token has this name"))
        if not self._gate.is_token(bearer(self._request.header(b"authorization")), name):
            reason = "send the source's token: Authorization: Bearer …"
            raise self._wrong_token(client, Refused(401, reason))
        self._address_within(source, client, "too many tasks from this address")
        task = self._read()
        return self._take(source, task)

    def _read(self) -> Task:
        key = self._request.header(b"idempotency-key")[:_LONGEST_KEY].strip()
        if len(key) > 1 and key[0] == key[-1] == '"':  # as a structured header has it
            key = key[1:-1]
        try:
            return taskjson.read(self._request.body, key, self._request.header(b"content-type"))
        except taskjson.UnreadableTask as error:
            raise Refused(400, str(error)) from error

    def _take(self, source: CallbackSource, task: Task) -> Accepted:
        taking = self._taking()
        try:
            number, reason = taking.unfit(source.title, task)
            self._request.entry.fields["number"] = mask(number.e164) or None
            if not taking.known(source.title, task):
                self._may_come(source, number, reason, task.id)
            accepted = taking.accept(source.title, task)
            if accepted.elsewhere:
                raise Refused(
                    409, f"callback {accepted.id} has this id and was called, or is being called, at another number: "
                    "a new task needs an id of its own",
                )  # fmt: skip
            return accepted
        except NoSuchSource as error:
            raise Refused(404, str(error)) from error
        except (NoSuchTask, NobodysTask) as error:
            raise Refused(400, str(error)) from error

    def _may_come(self, source: CallbackSource, number: Phone, reason: str | None, task_id: str) -> None:
        """Raise where a task that is not known can't be called, or is one too many for its number."""
        if reason is not None:
            raise Refused(400, f"this task can't be called: {reason}")
        limit, text = source.asked_per_number, "too many tasks for this number"
        self._within(f"number {source.title}", number.e164, limit, text, task_id)


class _Outbound(_Route):
    """`POST /callbacks/<source>/<token>/outbound-message`: answered with `Ack`, true once all of it is on disk; with
    false, Salesforce sends it again, for a day."""

    def answer(self, name: str, token: str) -> Response:
        """Return the acknowledgement that Salesforce waits for."""
        self._request.entry.route = "outbound-message"
        try:
            count = self._kept(name, token)
        except Refused as refused:
            return self._not_acknowledged(refused)
        except StoreUnavailable as error:
            return self._not_acknowledged(Refused(503, f"it could not be kept: {error}"))
        self._request.entry.fields["outcome"] = f"{count} kept"
        return _soap(200, ok=True)

    def _not_acknowledged(self, refused: Refused) -> Response:
        self._request.entry.fields["outcome"] = refused.reason
        _log.log(
            logging.WARNING if refused.status in (404, 413, 429) else logging.ERROR,
            "an Outbound Message is not acknowledged: %s", refused.reason,
        )  # fmt: skip
        response = _soap(refused.status, ok=False)
        if refused.retry_after is not None:
            response.headers["Retry-After"] = str(int(refused.retry_after) + 1)
        return response

    def _kept(self, name: str, token: str) -> int:
        client = self._client()
        source = self._gate.source(name)
        if source is None or not self._gate.is_token(token, name):
            raise self._wrong_token(
                client, Refused(404, "there is nothing at this URL: is its token that of the source?")
            )
        from connectors.salesforce.options import SalesforceOptions  # noqa: PLC0415 (with its libraries, for who uses it)

        options = self._configuration.connectors.get(source.from_ or "")
        if options is None and source.from_ is not None:
            raise Refused(503, f"connector {source.from_} is out of order: `infocaller-bridge check` says why")
        if not isinstance(options, SalesforceOptions):
            raise Refused(
                404, f"callbacks {name}: from: names no Salesforce connector, so it takes no Outbound Messages"
            )
        self._address_within(source, client, "too many messages from this address")
        announcements = self._announcements(source, options)
        self._taking().look_at(announcements)
        return len(announcements)

    def _announcements(self, source: CallbackSource, options: SalesforceOptions) -> list[NewDelivery]:
        try:
            message = outbound_message.read(self._request.body)
        except outbound_message.UnreadableMessage as error:
            raise Refused(400, str(error)) from error
        ours = options.organization_id
        if ours is not None and not outbound_message.same_id(message.organization_id, ours):
            raise Refused(
                401, f"it comes from org {message.organization_id}, not from organization_id of {source.from_}"
            )
        other = next(
            (notification.object for notification in message.notifications if notification.object != "Task"), None
        )
        if other is not None:
            raise Refused(400, f"it is about {other}; the flow has to send it for Task")
        return [
            announced.wanted(source.title, source.from_ or "", notification.record_id, notification.id)
            for notification in message.notifications
        ]


def _soap(status: int, *, ok: bool) -> Response:
    return Response(outbound_message.ack(ok), status, content_type=outbound_message.CONTENT_TYPE)
