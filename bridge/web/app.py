"""The application: made once in each serving process, around the service of the newest good configuration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from flask import Flask

from bridge.intake.querylog import QueryLog
from bridge.runtime.limits import SharedLimits
from bridge.runtime.tracing import Traces
from bridge.service.composition import Current
from bridge.service.metrics import CurrentState, Jobs, Metrics, Now
from bridge.troubles import Troubles
from bridge.web import callbacks, health
from bridge.web.consoles import Console
from bridge.web.edge import Edge
from bridge.web.gate import AccessPolicies
from bridge.web.guessing import Guessing
from bridge.web.health import Check
from bridge.web.infocaller import Infocaller, KeepEvent
from bridge.web.pages import FlaskPages
from bridge.web.ratelimit import Failures
from bridge.web.receive import Receiver
from connectors.base import Usage


@dataclass(slots=True)
class WebParts:
    """What the application is made of besides the service; the defaults do for one process alone.

    `keep_event`: where events go, None for nowhere. `taking`: where tasks go that ask for a callback; `asked` counts
    those. `checks`: what `/readyz` asks besides. `troubles`: where to report what needs a person.
    """

    metrics: Metrics = field(default_factory=Metrics)
    failures: Failures = field(default_factory=Failures)
    keep_event: KeepEvent | None = None
    taking: callbacks.Taking | None = None
    asked: SharedLimits | None = None
    checks: dict[str, Check] = field(default_factory=dict)
    jobs: Callable[[], Jobs] = dict
    """How many jobs there are; raises `StoreUnavailable` while that can't be known."""
    guessing: Guessing = field(default_factory=Guessing)
    troubles: Troubles = field(default_factory=Troubles)
    record: QueryLog | None = None
    """What keeps in mind what was asked and answered; None: nothing does."""
    traces: Traces | None = None
    """What spans are made by; None: nobody wants any."""
    standing: Callable[[], CurrentState] = CurrentState
    """What `/metrics` says of troubles, lines and callbacks."""
    console: Console | None = None
    """The console; None: there is none at this address."""
    began: Callable[[], None] = lambda: None
    """Called on the event loop once it runs."""


def create(current: Current, parts: WebParts, closing: ExitStack) -> Edge:
    """Return the application, whose threads end with `closing`."""
    gates = AccessPolicies(current)
    now = Now(lambda: _usages(current), parts.jobs, parts.standing)
    desk = callbacks.Desk(gates.now, parts.failures, parts.taking, parts.asked)

    def install(app: Flask) -> None:
        health.install(app, gates.now, parts.metrics, now, parts.checks)
        callbacks.install(app, desk)

    pages = FlaskPages(install)
    closing.callback(pages.close)
    routes = Infocaller(parts.metrics, parts.keep_event, parts.troubles, parts.record, parts.traces).routes()
    receiver = Receiver(
        current, gates, routes, parts.failures, parts.metrics, parts.troubles, parts.guessing, record=parts.record
    )
    closing.callback(receiver.close)
    return Edge(receiver, pages, gates, parts.metrics, parts.console, parts.began)


def create_console(
    console: Console, gates: AccessPolicies, metrics: Metrics, closing: ExitStack, began: Callable[[], None]
) -> Edge:
    """Return an application that is the console alone (and `/healthz`)."""
    nothing = FlaskPages(lambda _app: None, threads=1)
    closing.callback(nothing.close)
    return Edge(None, nothing, gates, metrics, console, began)


def _usages(current: Current) -> dict[str, Usage]:
    """What the CRMs said of their limits, by connector."""
    with current.use() as service:
        usages = {name: source.connector.usage for name, source in service.sources.items()}
    return {name: usage for name, usage in usages.items() if usage is not None}
