"""A call of one caller, and the only activity or delivery that comes of it."""

from __future__ import annotations

from bridge.store.deliveries import Delivery
from connectors.base import Activity
from tests.fakes.connector import Handheld
from tests.fakes.exchange import LINE, arrival, document, final

ANA = {"id": "1", "name": "Ana", "phone": "600 111 222"}
INICIO = arrival("inicio", document())
FIN = arrival("fin", final())
KEY = f"{LINE}:7:crm:call"


def only(crm: Handheld) -> Activity:
    """The one activity that the CRM has, as it was written last."""
    (versions,) = crm.logged.values()
    return versions[-1]


def one(deliveries: list[Delivery]) -> Delivery:
    (delivery,) = deliveries
    return delivery
