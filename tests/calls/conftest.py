"""Two CRMs that are held by hand, and the flow that logs calls in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.calls.activity_case import ANA
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm", {"contact": [ANA]})


@pytest.fixture
def agenda() -> Handheld:
    return Handheld("agenda", {"contact": [{**ANA, "id": "a1", "name": "Anita"}]})


@pytest.fixture
def exchange(tmp_path: Path, crm: Handheld, agenda: Handheld) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, crm, agenda)
    yield exchange
    exchange.close()
