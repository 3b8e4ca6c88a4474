"""In which order activities go to a CRM, and which go in one request."""

from __future__ import annotations

from bridge.store.deliveries import State
from connectors.base import Rejected, Unavailable
from tests.calls.activity_case import FIN, INICIO
from tests.fakes.connector import Handheld
from tests.fakes.exchange import LINE, Exchange, arrival, document, final


def test_the_events_of_a_call_reach_the_crm_in_the_order_in_which_they_came(exchange: Exchange, crm: Handheld) -> None:
    subject = "{{ call.event }} {{ call.diverted }}"
    exchange.configure(activities=[{"in": "crm", "on": ["inicio", "desvio_correcto", "fin"], "subject": subject}])
    for event in (INICIO, arrival("desvio_correcto", document(), diverted="101"), FIN):
        exchange.tell(event)
    waiting = exchange.deliveries(State.PENDING)
    for _ in waiting:
        for delivery in reversed(waiting):  # the last one first, as another thread might
            exchange.deliverer(str(delivery.id))
        exchange.later(seconds=1)
    assert [versions[-1].subject for versions in crm.logged.values()] == ["inicio ", "desvio_correcto 101", "fin "]
    assert {delivery.attempts for delivery in exchange.deliveries()} == {1}


def test_an_event_that_is_given_up_holds_up_no_other(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(activities=[{"in": "crm", "on": ["inicio", "fin"]}])
    crm.refuse = Rejected("not this")
    exchange.tell(INICIO)
    exchange.work()
    crm.refuse = None
    exchange.tell(FIN)
    exchange.work()
    assert [versions[-1].call["event"] for versions in crm.logged.values()] == ["fin"]


def test_those_that_wait_go_together_where_the_crm_takes_several(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(batch=3)
    for number in range(5):
        exchange.tell(arrival("fin", final(call_sequence=str(number))))
    crm.refused = {f"{LINE}:1:crm:call"}
    exchange.work()
    assert crm.requests == [3, 2]
    states = [delivery.state for delivery in exchange.deliveries()]
    assert states == [State.DONE, State.DEAD, State.DONE, State.DONE, State.DONE]
    assert len(crm.logged) == 4


def test_one_that_cant_be_prepared_leaves_the_others_of_its_request_alone(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(batch=3, activities=[{"in": "crm", "subject": "{{ 10 // (call.seconds - 75) }}"}])
    exchange.tell(arrival("fin", final(call_sequence="1", seconds=75)))
    exchange.tell(arrival("fin", final(call_sequence="2", seconds=80)))
    first, second = exchange.work()
    assert (first.state, first.error_class, second.state) == (State.PENDING, "Misconfigured", State.DONE)
    assert crm.requests == [1]


def test_a_request_of_several_that_fails_is_tried_again_for_each(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(batch=3)
    crm.refuse = Unavailable("away")
    for number in range(3):
        exchange.tell(arrival("fin", final(call_sequence=str(number))))
    exchange.work()
    assert {(each.state, each.attempts) for each in exchange.deliveries()} == {(State.PENDING, 1)}
    crm.refuse = None
    exchange.later(hours=1)
    exchange.work()
    assert {(each.state, each.attempts) for each in exchange.deliveries()} == {(State.DONE, 2)}
    assert len(crm.logged) == 3
