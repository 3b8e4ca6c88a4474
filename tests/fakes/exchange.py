"""The way of a call's events from the platform to the CRMs, step by step, on a real database file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge.calls import activities
from bridge.calls.activities import Activities
from bridge.calls.folding import Folding
from bridge.config.model import Configuration
from bridge.delivery import saves
from bridge.delivery.worker import Batch, Deliverer
from bridge.infocaller.document import digest, normalised, text, without
from bridge.infocaller.events import Panel
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.intake.inbox import store
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.queue import queue_for
from bridge.store import calls, deliveries
from bridge.store.calls import Call
from bridge.store.deliveries import Delivery, DeliveryFilter, State
from bridge.store.events import Arrival
from bridge.store.schema import connect
from connectors.base import Deadline, WriteResult
from connectors.phone import parse
from tests.databases import sqlite_with_tables
from tests.fakes.connector import Handheld, HandheldOptions

LINE = "912345678"
NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
"""13:00 in Madrid."""
STARTED = datetime(2026, 3, 2, 12, 58, 45)


def entry(kind: int, name: str = "", *info: str, after: int | None = None) -> StatusEvent:
    """One line of FIN's Status, `after` seconds from the start."""
    texts = (*info, "", "", "", "", "")
    at = None if after is None else STARTED + timedelta(seconds=after)
    return StatusEvent(kind, at, name, (texts[0], texts[1], texts[2], texts[3], texts[4]))


def document(**fields: Any) -> Document:
    """What any event of a call from 600111222 says."""
    usual: dict[str, Any] = {
        "format": Format.JSON,
        "line_number": LINE,
        "call_sequence": "7",
        "call_type": "R",
        "caller_number": "600111222",
        "inbound_number": LINE,
    }
    return Document(**{**usual, **fields})


def final(**fields: Any) -> Document:
    """What its FIN says."""
    usual: dict[str, Any] = {
        "seconds": 75,
        "start": STARTED,
        "end": STARTED + timedelta(seconds=75),
        "cost_rx": Decimal("0.012"),
        "cost_tx": Decimal("0.0345"),
    }
    return document(**{**usual, **fields})


def arrival(
    event: str, said: Document, at: datetime = NOON, *, diverted: str = "", sensitive: tuple[str, ...] = ()
) -> Arrival:
    """The event as it is kept."""
    cleared = without(said, sensitive)
    panel = Panel(caller=said.other_party, id=said.call_sequence, uuid="u-" + said.call_sequence)
    return Arrival(
        line=said.line_number,
        call_sequence=said.call_sequence,
        event=event,
        digest=digest(said),
        received_at=at,
        raw=text(cleared),
        document=normalised(cleared),
        diverted_to=diverted,
        panel={name: value for name, value in asdict(panel).items() if value},
        e164=parse(said.other_party, "ES").e164,
    )


@dataclass
class Serving:
    """What `bridge.calls.activities` needs of a service."""

    configuration: Configuration
    lookups: Lookups
    sources: dict[str, ConnectorGateway]


class Exchange:
    """Everything between the inbox and the CRMs, on `database`; time goes on by `later` alone."""

    def __init__(self, folder: Path, *crms: Handheld, **keys: Any) -> None:
        self.now = NOON
        sqlite_with_tables(folder / "bridge.db")
        self.database = connect("sqlite:///bridge.db", folder)
        self.queue = queue_for(self.database)
        self.crms = {crm.name: crm for crm in crms}
        self.sources = {name: ConnectorGateway(crm) for name, crm in self.crms.items()}
        self.configure(**keys)
        self.activities = Activities(self.database, self.queue, self.use, lambda: self.now)
        self.folding = Folding(
            self.database, lambda: self.serving.configuration, self.activities.plan, lambda: self.now
        )
        senders = {activities.KIND: self.activities.deliver, saves.KIND: self._save}
        batches = {activities.KIND: Batch(self.activities.deliver_all, self.activities.batch)}
        self.deliverer = Deliverer(
            self.database, self.queue, senders, lambda: 1.0, batches=batches, now=lambda: self.now
        )

    def configure(self, *, updates: bool = False, batch: int = 1, **keys: Any) -> None:
        """Have another configuration: its keys; one line and the CRMs are there anyway."""
        connectors = {name: HandheldOptions(updates=updates, batch=batch) for name in self.crms}
        usual: dict[str, Any] = {
            "lines": [{"number": LINE, "password": "3956"}],
            "activities": [{"in": "crm"}],
            "connectors": connectors,
        }
        configuration = Configuration.model_validate({**usual, **keys})
        self.serving = Serving(configuration, Lookups(self.sources, "ES"), self.sources)

    @contextmanager
    def use(self) -> Iterator[Serving]:
        yield self.serving

    def later(self, **time: float) -> None:
        """Time goes on."""
        self.now += timedelta(**time)

    def keep(self, *arrivals: Arrival) -> None:
        """The events are on disk."""
        with self.database.write() as connection:
            store(self.database, connection, self.queue, arrivals, self.now)

    def tell(self, *arrivals: Arrival) -> Call | None:
        """The events are on disk and in their call."""
        self.keep(*arrivals)
        return self.advance(arrivals[0].call_sequence)

    def advance(self, call_sequence: str = "7") -> Call | None:
        """Fold what is new of a call; the call as it is then."""
        self.folding.advance(LINE, call_sequence)
        return self.call(call_sequence)

    def call(self, call_sequence: str = "7") -> Call | None:
        """A call as it is stored."""
        with self.database.read() as connection:
            return calls.get(connection, LINE, call_sequence)

    def work(self) -> list[Delivery]:
        """Attempt everything that is due once; all deliveries after that."""
        for delivery in self.deliveries(State.PENDING):
            self.deliverer(str(delivery.id))
        return self.deliveries()

    def deliveries(self, *states: State) -> list[Delivery]:
        """What is stored of them."""
        with self.database.read() as connection:
            return deliveries.find(connection, DeliveryFilter(states=frozenset(states)))

    def close(self) -> None:
        """Let go."""
        for source in self.sources.values():
            source.close()
        self.database.close()

    def _save(self, delivery: Delivery) -> WriteResult:
        return saves.deliver(delivery, self.crms[delivery.connector], Deadline.never())
