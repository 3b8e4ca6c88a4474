"""The application: made once in each serving process, around the service of the newest good configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from bridge.runtime.limits import SharedLimits
from bridge.runtime.permit import ComputePermit
from bridge.service.composition import Current
from bridge.service.metrics import Jobs, Metrics, Now, Standing
from bridge.troubles import Troubles
from bridge.web import callbacks, health, reply
from bridge.web.gate import AccessPolicies
from bridge.web.guessing import Guessing
from bridge.web.health import Check
from bridge.web.infocaller import Infocaller, KeepEvent
from bridge.web.intake import TAKEN, BodyLimits, Intake, RawRequest, Refused, decoded
from bridge.web.ratelimit import Failures
from bridge.web.receive import PREFIX, Receiver
from bridge.web.slow import SlowSenders
from connectors.base import Usage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(slots=True)
class Parts:
    """What the application is made of besides the service; the defaults do for one process alone.

    `permit`: the process's, the same that its connectors give back while they wait. `keep_event`: where events go, None
    for nowhere. `taking`: where tasks go that ask for a callback; `asked` counts those. `checks`: what `/readyz` asks
    besides. `troubles`: where to report what needs a person.
    """

    permit: ComputePermit = field(default_factory=ComputePermit)
    metrics: Metrics = field(default_factory=Metrics)
    failures: Failures = field(default_factory=Failures)
    slow: SlowSenders = field(default_factory=SlowSenders)
    keep_event: KeepEvent | None = None
    taking: callbacks.Taking | None = None
    asked: SharedLimits | None = None
    checks: dict[str, Check] = field(default_factory=dict)
    jobs: Callable[[], Jobs] = dict
    """How many jobs there are; raises `StoreUnavailable` while that can't be known."""
    guessing: Guessing = field(default_factory=Guessing)
    troubles: Troubles = field(default_factory=Troubles)
    standing: Callable[[], Standing] = Standing
    """What `/metrics` says of troubles, lines and callbacks."""


def create(current: Current, parts: Parts | None = None) -> Flask:
    """The application. Whoever makes it closes `parts.slow` and `current` when it is done."""
    parts = parts or Parts()
    app = Flask("bridge.web", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would be an HTML page
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider's, which is in use
    gates = AccessPolicies(current)
    app.before_request(_came_whole)
    app.register_error_handler(Exception, _failed)
    health.install(
        app, gates.now, parts.metrics, Now(lambda: _usages(current), parts.jobs, parts.standing), parts.checks
    )
    callbacks.install(app, callbacks.Desk(gates.now, parts.failures, parts.taking, parts.asked))
    routes = Infocaller(parts.metrics, parts.keep_event, parts.troubles).routes()
    receiver = Receiver(current, gates, routes, parts.failures, parts.metrics, parts.troubles, parts.guessing)
    pages = app.wsgi_app

    def either(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        platform = environ.get("PATH_INFO", "").startswith(PREFIX)
        return (receiver if platform else pages)(environ, start_response)

    def terms(environ: WSGIEnvironment) -> BodyLimits:
        return _terms(environ, gates)

    app.wsgi_app = Intake(  # type: ignore[method-assign]  # Flask's own way of adding middleware
        either, parts.permit, parts.slow, terms, parts.metrics
    )
    return app


def _usages(current: Current) -> dict[str, Usage]:
    """What the CRMs said of their limits, by connector."""
    with current.use() as service:
        said = {name: source.connector.usage for name, source in service.sources.items()}
    return {name: usage for name, usage in said.items() if usage is not None}


def _terms(environ: WSGIEnvironment, gates: AccessPolicies) -> BodyLimits:
    """A body may come by POST to a URL that has a use for it, from who may use it."""
    gate = gates.now()
    path = decoded(environ.get("PATH_INFO", ""))
    if environ.get("REQUEST_METHOD") != "POST":
        return BodyLimits(gate.max_body, body=False)
    if path.startswith(callbacks.PREFIX):
        return BodyLimits(gate.max_body, body=callbacks.may_send(gate, path, environ.get("HTTP_AUTHORIZATION", "")))
    if not path.startswith(PREFIX):
        return BodyLimits(gate.max_body, body=False)
    client = gate.client(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""))
    return BodyLimits(
        gate.max_body, body=gate.admits(client) and gate.behind_key(path.removeprefix(PREFIX)) is not None
    )


def _came_whole() -> None:
    """A request that did not come whole ends here."""
    taken: RawRequest = request.environ[TAKEN]
    callbacks.hide_token(taken)
    if taken.fault is not None:
        raise taken.fault


def _failed(error: Exception) -> Response:
    """The answer to what no page answered: a wrong URL, a wrong method, or a fault of our own."""
    if isinstance(error, Refused):
        return _told(error.status, error.reason)
    if not isinstance(error, HTTPException):
        return _told(500, reply.unexpected(error))
    response = _told(error.code or 500, _reason(error))
    if error.code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    return response


def _reason(error: HTTPException) -> str:
    reasons = {404: "there is nothing at this URL", 405: f"{request.method[:16]} is not possible at this URL"}
    return reasons.get(error.code or 500, error.name)


def _told(status: int, reason: str) -> Response:
    request.environ[TAKEN].entry.fields["outcome"] = reason
    response = jsonify(error=reason)
    response.status_code = status
    return response
