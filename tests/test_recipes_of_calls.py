"""What recipes do with calls that were there before, which their own cases can't say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.config.load import Loaded, load
from bridge.delivery import saves
from bridge.intake.keeper import Keeper
from bridge.queries.answering import Question
from bridge.service.composition import Service
from bridge.store import calls, deliveries
from bridge.store.calls import Call, CallState
from bridge.store.deliveries import DeliveryFilter
from bridge.store.folded import FoldedCall
from bridge.store.schema import connect
from connectors.base import Deadline
from connectors.phone import Phone, parse
from tests.test_recipes import ENVIRONMENT, recipes

LINE = "912345678"
ANA = parse("600111222", "ES")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
Prepared = Callable[[str], Loaded]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """Writes the recipe with this heading."""
    by_title = {recipe.title: recipe for recipe in recipes()}
    return lambda title: load(by_title[title].write(tmp_path), ENVIRONMENT)


def kept(loaded: Loaded, name: str, ago: timedelta, *, answered_by: str = "") -> None:
    """A call from Ana that was over so long before noon."""
    end = NOON - ago
    call = FoldedCall(
        id=name, line=LINE, direction="received", e164=ANA.e164, start=end - timedelta(minutes=1), end=end, seconds=60,
        over=True, answered=bool(answered_by), answered_by=answered_by,
    )  # fmt: skip
    database = connect(loaded.configuration.database.get_secret_value(), loaded.folder)
    with database.write() as connection:
        whole = Call(LINE, name, CallState.OVER, call, ANA.e164, "received", started_at=call.start, ended_at=end)
        calls.save(connection, whole, end)
    database.close()


def answer(loaded: Loaded, query: str, caller: Phone = ANA) -> dict[str, str]:
    service = Service.open(loaded, now=lambda: NOON)
    try:
        line = loaded.configuration.lines[0]
        return dict(service.queries.answer(Question(query, line, caller, LINE, {"id": "now"})).variables)
    finally:
        service.close()


@pytest.mark.parametrize(
    ("agent", "days", "destination"),
    [("101", 1, "101"), ("101", 8, "100"), ("102", 1, "100"), ("103", 1, "100")],
    ids=["on duty", "too long ago", "off duty", "gone"],
)
def test_the_agent_who_had_the_last_call(prepared: Prepared, agent: str, days: int, destination: str) -> None:
    loaded = prepared("The agent who had the last call, if on duty")
    kept(loaded, "1", timedelta(days=days), answered_by=agent)
    kept(loaded, "2", timedelta(minutes=5))
    assert answer(loaded, "DESVIO") == {"DESTINO": destination}


def test_the_third_call_of_today(prepared: Prepared) -> None:
    loaded = prepared("The third call of today")
    kept(loaded, "0", timedelta(days=2))
    kept(loaded, "1", timedelta())
    assert answer(loaded, "INSISTE") == {"INSISTE": "0"}
    kept(loaded, "2", timedelta())
    assert answer(loaded, "INSISTE") == {"DESTINO": "102", "INSISTE": "1"}


def test_press_1_to_be_called_back(prepared: Prepared) -> None:
    loaded = prepared("Press 1 to be called back")
    keeper = Keeper(loaded, lambda: loaded.configuration)
    service = Service.open(loaded, save=keeper.save, background=True)
    try:
        line = loaded.configuration.lines[0]
        for caller in (ANA, ANA, Phone("X", hidden=True)):
            service.queries.answer(Question("DEVUELVEME", line, caller, LINE, {"id": "77"}))
        assert keeper.database is not None
        with keeper.database.read() as connection:
            [delivery] = deliveries.find(connection, DeliveryFilter())
        connector = service.sources["agenda"].connector
        saves.deliver(delivery, connector, Deadline.after(30))
        again = Service.open(loaded, background=True)
        tasks = list(again.sources["agenda"].connector.tasks(Deadline.after(30)))
        again.close()
        assert [(task.id, task.fields["phone"]) for task in tasks] == [("77", ANA.e164)]
    finally:
        service.close()
        keeper.close()


def test_missed_calls_are_called_back_by_hand(prepared: Prepared) -> None:
    [source] = prepared("Missed calls, called back by hand").configuration.callbacks
    assert (source.built_in, source.dial) == (True, "by_hand")
