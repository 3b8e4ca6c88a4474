"""Two connectors that are held by hand, and a way to ask them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.config.model import Configuration
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.queries.answering import Answered, Misses, Queries, Question, Saver
from connectors.phone import Phone
from tests.fakes.connector import Handheld
from tests.queries.case import ANA, CALLER, EVA, ORDER, Ask, Kept


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm", {"contact": [ANA, EVA], "order": [ORDER]})


@pytest.fixture
def agenda() -> Handheld:
    return Handheld("agenda", {"contact": []})


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def ask(crm: Handheld, agenda: Handheld) -> Iterator[Ask]:
    """Asks a Query of the keys given; `caller`, `vars`, `call`, `name`, `save`, `misses`, `started`, `sensitive`,
    `line`, `clock` besides."""
    sources = {connector.name: ConnectorGateway(connector) for connector in (crm, agenda)}
    lookups = Lookups(sources, "ES")

    def answer(
        query: dict[str, Any],
        *,
        caller: Phone = CALLER,
        vars: dict[str, str] | None = None,  # noqa: A002 - as expressions call it
        call: dict[str, object] | None = None,
        called: str = "912345678",
        name: str = "Q",
        save: Saver | None = None,
        misses: Misses | None = None,
        started: float | None = None,
        sensitive: tuple[str, ...] = (),
        line: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Answered:
        configuration = Configuration.model_validate(
            {
                "lines": [{"number": "912345678", "password": "3956", "extensions": ["101"], **(line or {})}],
                "queries": {"Q": {"deadline": "30s", **query}},
                "sensitive": list(sensitive),
            }
        )
        queries = Queries(configuration, lookups, save=save, misses=misses, clock=clock)
        question = Question(name, configuration.lines[0], caller, called, call or {"id": "7"}, vars or {})
        return queries.answer(question, started)

    yield answer
    for source in sources.values():
        source.connector.gate.set()  # type: ignore[attr-defined]  # it is a Handheld
        source.close()
