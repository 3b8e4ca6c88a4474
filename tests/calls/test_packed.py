"""A call that was packed leaves no second activity, and its one is corrected as any other's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from bridge.store import packing
from bridge.store.deliveries import State
from bridge.store.tables import calls
from connectors.base import Unavailable
from tests.fakes.connector import Handheld
from tests.fakes.exchange import LINE, NOON, Exchange, arrival, document, final

INICIO = arrival("inicio", document())
FIN = arrival("fin", final())
CORRECTED = arrival("fin", final(seconds=99), NOON + timedelta(minutes=1))
KEY = f"{LINE}:7:crm:call"


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm", {"contact": [{"id": "1", "name": "Ana", "phone": "600 111 222"}]})


@pytest.fixture
def exchange(tmp_path: Path, crm: Handheld) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, crm)
    yield exchange
    exchange.close()


def packed(exchange: Exchange) -> int:
    """How many calls could be packed a week later; the reports have them by then."""
    exchange.later(days=8)
    with exchange.database.write() as connection:
        connection.execute(update(calls).values(counted_version=calls.c.version))
    return packing.pack(exchange.database, exchange.now)


def test_a_corrected_fin_reaches_a_crm_that_can_update(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(updates=True)
    exchange.tell(INICIO, FIN)
    exchange.work()
    for seconds in (99, 100):
        assert packed(exchange) == 1
        exchange.tell(arrival("fin", final(seconds=seconds), exchange.now))
        exchange.work()
    assert [version.seconds for version in crm.logged[KEY]] == [75, 99, 100]
    assert [version.written_id for version in crm.logged[KEY]] == [None, f"id of {KEY}", f"id of {KEY}"]


def test_a_crm_that_cant_update_keeps_the_first_version(exchange: Exchange, crm: Handheld) -> None:
    exchange.tell(FIN)
    exchange.work()
    assert packed(exchange) == 1
    exchange.tell(CORRECTED)
    exchange.work()
    assert [version.seconds for version in crm.logged[KEY]] == [75]


def test_what_changes_nothing_or_comes_again_is_no_correction(exchange: Exchange, crm: Handheld) -> None:
    rules = [{"in": "crm"}, {"in": "crm", "name": "each", "on": ["inicio", "fin"]}]
    exchange.configure(updates=True, activities=rules)
    exchange.tell(FIN)
    exchange.work()
    for late in (FIN, INICIO, FIN, INICIO):
        assert packed(exchange) == 1
        exchange.tell(late)
        exchange.work()
    assert {key: len(versions) for key, versions in crm.logged.items()} == {
        KEY: 1, f"{LINE}:7:each:fin": 1, f"{LINE}:7:each:inicio": 1
    }  # fmt: skip


def test_what_no_crm_has_yet_keeps_its_call_as_it_is(exchange: Exchange, crm: Handheld) -> None:
    crm.refuse = Unavailable("away")
    exchange.tell(FIN)
    exchange.work()
    assert packed(exchange) == 0
    crm.refuse = None
    exchange.work()
    assert [delivery.state for delivery in exchange.deliveries()] == [State.DONE]
    assert packed(exchange) == 1
