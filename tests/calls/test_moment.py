"""The time in an activity's rule is that at which the call began, however late the CRM gets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Unavailable
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange, arrival, document, final

HOURS = {"reception": {"open": {"days": "mon-fri", "from": "09:00", "to": "13:00"}}}
RULE = {
    "in": "crm",
    "fields": {
        "abierto": "{{ hours.reception.open }}",
        "hora": "{{ now | date('%d/%m %H:%M') }}",
        "abre": "{{ hours.reception.opens_at | spoken }}",
    },
}


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm", {"contact": []})


@pytest.fixture
def exchange(tmp_path: Path, crm: Handheld) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, crm, hours=HOURS, activities=[RULE])
    yield exchange
    exchange.close()


def test_it_stays_the_same_while_the_crm_is_away(exchange: Exchange, crm: Handheld) -> None:
    crm.error = Unavailable("away")
    exchange.tell(arrival("inicio", document()), arrival("fin", final()))
    exchange.work()
    crm.error = None
    exchange.later(hours=3)
    exchange.work()
    ((activity,),) = crm.logged.values()
    assert activity.fields == {"abierto": True, "hora": "02/03 12:58", "abre": "mañana a las nueve"}
