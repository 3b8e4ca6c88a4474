"""Records that the bridge makes in a CRM: what was keyed in during a call, and callers that the CRM did not know."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bridge.store.deliveries import Delivery, NewDelivery
from connectors.base import Connector, Deadline, NewRecord, WriteResult

KIND = "save"


def new(
    key: str,
    connector: str,
    table: str,
    fields: Mapping[str, object],
    *,
    e164: str,
    call_id: int | None = None,
    revision: int = 1,
) -> NewDelivery:
    """Return a record of `table` to be made once under `key`. `e164`: whose data it is, empty when hidden. `revision`
    above 1: its values by now, of one that may be written already."""
    payload = {"table": table, "fields": {name: _storable(value) for name, value in fields.items()}}
    return NewDelivery(KIND, key, connector, payload, e164=e164, call_id=call_id, revision=revision)


def deliver(delivery: Delivery, connector: Connector, deadline: Deadline) -> WriteResult:
    """Make it. Raises `ConnectorError`."""
    payload, written = delivery.payload, delivery.written_revision > 0
    record = NewRecord(
        payload["table"], delivery.key, payload["fields"], delivery.attempts,
        revision=delivery.wanted_revision if written else 1, written_id=delivery.written_id if written else None,
    )  # fmt: skip
    return connector.save(record, deadline)


def _storable(value: object) -> object:
    """What JSON knows stays as it is; anything else is its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
