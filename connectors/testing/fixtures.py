"""What the tests of the suite share."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.base import (
    Activity,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    Record,
)
from connectors.phone import Phone, parse
from connectors.testing.harness import GENEROUS, Harness


@dataclass
class Seen:
    """What an admin could have read meanwhile."""

    texts: list[str]

    def error(self, error: ConnectorError) -> None:
        """An error is read too."""
        self.texts += [str(error), error.exchange]


def activity(key: str = "912345678:77:log", **changed: object) -> Activity:
    """Return a call of 35 seconds from 600112233."""
    call = Activity(
        key=key, subject="Llamada de Ana", note="Recibida\nContestada", direction="received",
        caller=parse("600112233", "ES"), called="912345678", line="912345678",
        start=datetime(2024, 5, 2, 10, 0, tzinfo=UTC), end=datetime(2024, 5, 2, 10, 0, 35, tzinfo=UTC), seconds=35,
        cost=Decimal("0.12"), answered=True, answered_by="101", contact=None,
    )  # fmt: skip
    return replace(call, **changed)  # type: ignore[arg-type]  # each test names fields of its own


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until it holds, however slow the machine is."""
    end = time.monotonic() + GENEROUS
    while not holds():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.01)


def open_connector(
    harness: Harness,
    folder: Path,
    seen: Seen,
    waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    options: ConnectorOptions | None = None,
) -> Connector:
    """Return the connector as the bridge opens it, by default with the harness's options; whoever calls closes it."""
    cache = folder / "bridge-cache"
    cache.mkdir(exist_ok=True)
    log = logging.getLogger("connectors.test")
    context = Context(folder=harness.folder, cache=cache, see=seen.texts.append, log=log, waiting=waiting)
    return harness.connector("crm", options or harness.options(), context)


class ContractFixtures:
    """The fixtures of every part of the suite."""

    @pytest.fixture
    def harness(self) -> Iterator[Harness]:
        """Yield the CRM under test; every derived class has its own."""
        raise AssertionError("give the suite a harness")

    @pytest.fixture
    def seen(self, harness: Harness, caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
        """Yield all that was logged, traced or raised; checked at the end for what nobody may read."""
        caplog.set_level(logging.INFO)
        caplog.set_level(logging.DEBUG, "connectors")
        seen = Seen([])
        yield seen
        everything = "\n".join([*seen.texts, caplog.text])
        for secret in (*harness.secrets, "600112233", "600 11 22 33", "%2B34600112233", "911222333"):
            assert secret not in everything, f"{secret} can be read in {everything}"

    @pytest.fixture
    def opened(self, harness: Harness, seen: Seen, tmp_path: Path) -> Iterator[Callable[[], Connector]]:
        """Opens the connector, as many times as it is called; all are closed at the end."""
        with contextlib.ExitStack() as stack:

            def open_it() -> Connector:
                connector = open_connector(harness, tmp_path, seen)
                stack.callback(connector.close)
                return connector

            yield open_it

    def by_phone(self, harness: Harness, connector: Connector, phone: Phone, *, newest: bool = False) -> list[Record]:
        query = LookupQuery(harness.contact, phone=phone, newest=newest)
        return list(connector.find(query, Deadline.after(GENEROUS)))

    def by_key(self, harness: Harness, connector: Connector, key: str) -> list[Record]:
        return list(connector.find(LookupQuery(harness.order, key=key), Deadline.after(GENEROUS)))
