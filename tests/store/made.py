"""Events and deliveries to store."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from bridge.store.deliveries import NewDelivery
from bridge.store.events import Arrival

LINE = "912345678"
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SOMEONE = "+34600111222"


def arrival(call: str, event: str = "fin", text: str = "{}", **more: Any) -> Arrival:
    given: dict[str, Any] = {"received_at": NOW, "document": {"CallSequence": call}, "e164": SOMEONE, **more}
    return Arrival(LINE, call, event, sha256(text.encode()).hexdigest(), raw=text, **given)


def delivery(key: str, connector: str = "crm", **more: Any) -> NewDelivery:
    given: dict[str, Any] = {"payload": {"subject": key}, "e164": SOMEONE, **more}
    return NewDelivery(more.pop("kind", "activity"), key, connector, **{k: v for k, v in given.items() if k != "kind"})
