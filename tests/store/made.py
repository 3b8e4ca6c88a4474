"""Events and deliveries to store, and databases of older versions."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import bridge.store
from bridge.store import schema
from bridge.store.database import Database, unprepared
from bridge.store.deliveries import NewDelivery
from bridge.store.events import Arrival
from bridge.store.queries import StoredQuery, TrailStep

LINE = "912345678"
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SOMEONE = "+34600111222"


def arrival(call: str, event: str = "fin", text: str = "{}", **more: Any) -> Arrival:
    given: dict[str, Any] = {"received_at": NOW, "document": {"CallSequence": call}, "e164": SOMEONE, **more}
    return Arrival(LINE, call, event, sha256(text.encode()).hexdigest(), raw=text, **given)


def delivery(key: str, connector: str = "crm", **more: Any) -> NewDelivery:
    given: dict[str, Any] = {"payload": {"subject": key}, "e164": SOMEONE, **more}
    return NewDelivery(more.pop("kind", "activity"), key, connector, **{k: v for k, v in given.items() if k != "kind"})


def asked(call: str, at: datetime = NOW, **more: Any) -> StoredQuery:
    """A Query that found its caller."""
    usual = StoredQuery(
        at, LINE, call, "DESVIO", "received", SOMEONE, LINE, {}, "found", 0, "", {"DESTINO": "+34911000001"},
        "crm", "contact", "12", "Ana Pérez", None, 12.5, [TrailStep("contact", "crm", "found", 12.1)],
    )  # fmt: skip
    return usual._replace(**more)


def at_revision(revision: str, url: str, folder: Path) -> Database:
    """An empty database as the version with this step of the migrations made it."""
    from alembic import command  # processes that are started for a moment need none
    from alembic.config import Config

    database = unprepared(url, folder)
    if database.path:
        schema.prepare_file(database)
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(bridge.store.__file__).parent / "migrations"))
    with database.write() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)
    return database
