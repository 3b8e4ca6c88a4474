"""Callers whom no CRM knows become records, once for a number, before their activity hangs on them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.store.deliveries import Delivery, State
from connectors.base import Rejected, Unavailable
from tests.calls.activity_case import ANA, FIN, only
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange, arrival, final

LEAD = {"table": "lead", "fields": {"phone": "{{ caller }}", "name": "unknown"}, "min_seconds": 10}
LEADING = [{"in": "crm", "unknown_caller": LEAD}]
LEAD_KEY = "unknown:crm:lead:+34600111222"


def settle(exchange: Exchange) -> list[Delivery]:
    """Work until everything has come back."""
    for _ in range(4):
        deliveries = exchange.work()
        exchange.later(seconds=10)
    return deliveries


def stranger(exchange: Exchange, crm: Handheld, **rule: Any) -> None:
    crm.records["contact"] = []
    exchange.configure(activities=[{**LEADING[0], **rule}])


def test_an_unknown_caller_becomes_a_record_that_its_activity_hangs_on(exchange: Exchange, crm: Handheld) -> None:
    stranger(exchange, crm)
    exchange.tell(FIN)
    assert {delivery.state for delivery in settle(exchange)} == {State.DONE}
    ((saved,),) = crm.saved.values()
    assert (saved.kind, saved.key) == ("lead", LEAD_KEY)
    assert saved.fields == {"phone": "+34600111222", "name": "unknown"}
    contact = only(crm).contact
    assert contact is not None
    assert (contact.kind, contact.id, contact.connector) == ("lead", f"id of {LEAD_KEY}", "crm")


def test_once_for_a_number_however_many_activities(exchange: Exchange, crm: Handheld) -> None:
    crm.records["contact"] = []
    exchange.configure(activities=[*LEADING, {**LEADING[0], "name": "second"}])
    for call in ("7", "8", "9"):
        exchange.tell(arrival("fin", final(call_sequence=call)))
    settle(exchange)
    assert list(crm.saved) == [LEAD_KEY]
    assert len(crm.saved[LEAD_KEY]) == 1
    linked = {versions[-1].contact.id for versions in crm.logged.values() if versions[-1].contact}
    assert len(crm.logged) == 6
    assert linked == {f"id of {LEAD_KEY}"}


@pytest.mark.parametrize(
    "said",
    [
        final(caller_number="X"),
        final(caller_number="anonymous"),
        final(seconds=9),
        final(seconds=None),
    ],
)
def test_not_for_whom_there_is_no_reason(exchange: Exchange, crm: Handheld, said: Any) -> None:
    stranger(exchange, crm)
    exchange.tell(arrival("fin", said))
    settle(exchange)
    assert crm.saved == {}
    assert only(crm).contact is None


def test_not_for_a_known_or_an_ambiguous_caller(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(activities=LEADING)
    exchange.tell(FIN)
    settle(exchange)
    crm.records["contact"] = [ANA, {**ANA, "id": "2"}]
    exchange.tell(arrival("fin", final(call_sequence="8")))
    settle(exchange)
    assert crm.saved == {}
    assert len(crm.logged) == 2


def test_not_while_it_cant_be_known_whether_the_caller_is_known(exchange: Exchange, crm: Handheld) -> None:
    stranger(exchange, crm)
    crm.error = Unavailable("away")
    exchange.tell(FIN)
    exchange.work()
    assert len(exchange.deliveries()) == 1


def test_the_activity_waits_until_the_record_is_there(exchange: Exchange, crm: Handheld) -> None:
    stranger(exchange, crm)
    crm.refuse = Unavailable("away")
    exchange.tell(FIN)
    settle(exchange)
    assert crm.logged == {}
    assert {delivery.state for delivery in exchange.deliveries()} == {State.PENDING}
    crm.refuse = None
    for _ in range(2):
        exchange.later(hours=1)
        exchange.work()
    assert only(crm).contact is not None


def test_a_record_that_the_crm_refuses_leaves_the_activity_unlinked(exchange: Exchange, crm: Handheld) -> None:
    stranger(exchange, crm)
    exchange.tell(FIN)
    exchange.work()
    crm.refuse = Rejected("Company is required")
    exchange.work()
    crm.refuse = None
    settle(exchange)
    assert {delivery.kind: delivery.state for delivery in exchange.deliveries()} == {
        "save": State.DEAD,
        "activity": State.DONE,
    }
    assert only(crm).contact is None
