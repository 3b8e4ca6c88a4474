"""A serving process: what one configuration brings up, and the application around it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from bridge.alerts import Alerts
from bridge.config.load import Loaded, environment
from bridge.intake.keeper import Keeper
from bridge.intake.querylog import QueryLog
from bridge.queries.answering import ToSave
from bridge.runtime.limits import SharedLimits
from bridge.runtime.permit import ComputePermit
from bridge.runtime.state import state_folder
from bridge.runtime.tracing import traces
from bridge.service.composition import Current, Newest, Service
from bridge.service.metrics import CurrentState, Metrics, standing
from bridge.service.reload import Watcher
from bridge.store.oppositions import NewOpposition
from bridge.troubles import Place, Troubles, Watch
from bridge.web.app import WebParts, create
from bridge.web.consoles import HandedConsole
from bridge.web.edge import Edge
from bridge.web.guessing import Guessing
from bridge.web.infocaller import VerifiedEvent
from connectors.base import Deadline
from connectors.steps import Steps


class ServingProcess:
    """The parts of a serving process, made in their order and closed in the reverse one, with `closing`.

    `loaded` is the configuration that the parent started with: should the file have faults by now, it goes on serving
    until the file is good again.
    """

    def __init__(self, loaded: Loaded, metrics: Metrics, closing: ExitStack) -> None:
        self._state = state_folder(loaded)
        self._metrics, self._closing, self._permit = metrics, closing, ComputePermit()
        self._newest = Newest(loaded)
        self._troubles = Troubles(self._state)
        closing.callback(self._troubles.close)
        self._troubles.start()
        self._asked = SharedLimits(self._state / "asked.db", what="per_address and asked_per_number of callbacks")
        closing.callback(self._asked.close)
        self._guessing = Guessing(self._state / "guessing.db")
        closing.callback(self._guessing.close)
        self._record = QueryLog(loaded, self._troubles, metrics.queries_not_kept)
        closing.callback(self._record.close)  # when nobody is answered any more
        self._traces = traces(environment())
        if self._traces is not None:
            closing.callback(self._traces.close)
        self._keeper = Keeper(loaded, lambda: self._newest.configuration, self._troubles)
        self._current = Current(self._opened(loaded), self._newest)
        closing.callback(self._current.close)
        closing.callback(self._keeper.close)  # takes nothing more before the connectors go
        alerts = Alerts(self._state, lambda: self._newest.loaded, self._troubles)
        closing.callback(alerts.close)
        watch = Watch(self._state, lambda: self._newest.loaded, self._troubles, [alerts.follow])
        closing.callback(watch.close)
        watcher = Watcher(self._current, self._opened, metrics.reloaded, self._troubles)
        closing.callback(watcher.close)
        watcher.start()
        watch.start()
        self._record.start()
        metrics.started(time.time())

    def application(self, began: Callable[[], None], orders: socket.socket | None) -> Edge:
        """Return the application that answers requests; `began` is called on its event loop once that runs. `orders`:
        where it hands on those for the console, None where that is at another address."""
        console = None
        if orders is not None:
            console = HandedConsole(orders, lambda: self._newest.configuration.language)
            self._closing.callback(console.close)
        parts = WebParts(
            self._metrics,
            keep_event=self._keep_event,
            taking=self._keeper.tasks(),
            asked=self._asked,
            guessing=self._guessing,
            checks={"database": self._keeper.check},
            jobs=self._keeper.jobs,
            troubles=self._troubles,
            standing=self._standing,
            console=console,
            record=self._record,
            traces=self._traces,
            began=began,
        )
        return create(self._current, parts, self._closing)

    def _save(self, saved: ToSave | NewOpposition, deadline: Deadline) -> Steps[str]:
        return self._keeper.save(saved, deadline)

    def _opened(self, loaded: Loaded, before: Service | None = None) -> Service:
        return Service.open(
            loaded,
            previous=before,
            save=self._save,
            permit=self._permit,
            troubles=self._troubles,
            began=self._keeper.began,
        )

    def _keep_event(self, event: VerifiedEvent) -> Steps[bool]:
        return self._keeper.event(event.name, event.document, event.panel, event.line)

    def _standing(self) -> CurrentState:
        return standing(Place(self._newest.loaded, self._keeper.database, self._state), self._troubles.all())


def answer_all(
    orders: socket.socket | None, loaded: Loaded, metrics: Metrics, closing: ExitStack, began: Callable[[], None]
) -> Edge:
    """Return the application of a serving process, see `ServingProcess` and its `application`."""
    return ServingProcess(loaded, metrics, closing).application(began, orders)
