"""Records that the bridge makes in a CRM: durable, once, as they were keyed in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from bridge.delivery import saves
from bridge.intake.inbox import store
from bridge.queries.answering import Queries, Question, ToSave
from bridge.store.deliveries import State
from bridge.store.oppositions import NewOpposition
from connectors.base import Deadline, Rejected, Unavailable
from connectors.phone import parse
from connectors.steps import Steps, Wait, here
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange

SURVEY = {
    "in": "crm",
    "table": "survey",
    "fields": {"phone": "{{ caller }}", "score": "{{ vars.NOTA }}", "n": "{{ 5 }}"},
}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, Handheld(), queries={"ENCUESTA": {"save": SURVEY, "answer": {"OK": "1"}}})
    yield exchange
    exchange.close()


def keyed_in(exchange: Exchange, score: str, call: str = "7") -> None:
    """A Query with a save step, as the server answers it."""

    def save(saved: ToSave | NewOpposition, deadline: Deadline) -> Steps[str]:
        assert isinstance(saved, ToSave)
        yield Wait(here(lambda: kept(saved)), deadline)
        return ""

    def kept(saved: ToSave) -> None:
        new = saves.new(saved.key, saved.connector, saved.table, saved.fields, e164=saved.caller)
        with exchange.database.write() as connection:
            store(exchange.database, connection, exchange.queue, [new], exchange.now)

    configuration = exchange.serving.configuration
    queries = Queries(configuration, exchange.serving.lookups, save=save)
    caller = parse("600111222", "ES")
    answered = queries.answer(
        Question("ENCUESTA", configuration.lines[0], caller, call={"id": call}, variables={"NOTA": score})
    )
    assert answered.variables == {"OK": "1"}


def test_what_was_keyed_in_reaches_its_table_once(exchange: Exchange) -> None:
    keyed_in(exchange, "09")
    keyed_in(exchange, "09")
    (delivery,) = exchange.work()
    assert (delivery.state, delivery.kind, delivery.e164) == (State.DONE, saves.KIND, "+34600111222")
    ((saved,),) = exchange.crms["crm"].saved.values()
    assert (saved.kind, saved.key, saved.attempt) == ("survey", delivery.key, 1)
    assert saved.fields == {"phone": "+34600111222", "score": "09", "n": 5}
    exchange.work()
    assert len(exchange.crms["crm"].saved[delivery.key]) == 1


def test_other_values_and_other_calls_are_other_records(exchange: Exchange) -> None:
    keyed_in(exchange, "09")
    keyed_in(exchange, "10")
    keyed_in(exchange, "09", "8")
    exchange.work()
    assert len(exchange.crms["crm"].saved) == 3


def test_a_crm_that_is_away_gets_it_later(exchange: Exchange) -> None:
    crm = exchange.crms["crm"]
    crm.refuse = Unavailable("away")
    keyed_in(exchange, "09")
    (delivery,) = exchange.work()
    assert (delivery.state, delivery.error) == (State.PENDING, "away")
    crm.refuse = None
    exchange.later(hours=1)
    (delivery,) = exchange.work()
    assert delivery.state is State.DONE
    assert crm.saved[delivery.key][0].attempt == 2


def test_what_the_crm_refuses_is_for_a_person(exchange: Exchange) -> None:
    exchange.crms["crm"].refuse = Rejected("score is no number")
    keyed_in(exchange, "*")
    (delivery,) = exchange.work()
    assert delivery.state is State.DEAD
    assert "score is no number" in delivery.error


def test_values_are_kept_as_json_knows_them() -> None:
    fields = {
        "text": "00077",
        "number": 5,
        "yes": True,
        "nothing": None,
        "money": Decimal("0.10"),
        "phone": parse("600111222", "ES"),
        "at": datetime(2026, 3, 2, tzinfo=UTC),
        "odd": math.nan,
        "list": ["a"],
    }
    wanted = saves.new("k", "crm", "survey", fields, e164="", call_id=3)
    assert wanted.payload["table"] == "survey"
    assert wanted.payload["fields"] == {
        "text": "00077",
        "number": 5,
        "yes": True,
        "nothing": None,
        "money": "0.10",
        "phone": "+34600111222",
        "at": "2026-03-02 00:00:00+00:00",
        "odd": "nan",
        "list": "['a']",
    }
    assert (wanted.kind, wanted.key, wanted.connector, wanted.call_id) == ("save", "k", "crm", 3)
