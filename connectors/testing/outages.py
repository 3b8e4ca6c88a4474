"""What a connector does while its CRM is away or hangs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.base import Connector, Deadline, LookupQuery, TimedOut, Unavailable
from connectors.phone import parse
from connectors.testing.fixtures import ContractFixtures, Seen, eventually, open_connector
from connectors.testing.harness import GENEROUS, Contact, Harness, Order


class OutageContract(ContractFixtures):
    """An outage is told as one, within the deadline, and ends by itself."""

    def test_an_outage_is_not_nothing_found(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        harness.go_away()
        connector = opened()
        with pytest.raises(Unavailable) as raised:
            self.by_phone(harness, connector, parse("600112233", "ES"))
        seen.error(raised.value)
        if harness.can_find_by_key:
            with pytest.raises(Unavailable) as raised:
                self.by_key(harness, connector, "1")
            seen.error(raised.value)

    def test_an_outage_while_it_is_open_is_not_nothing_found(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        assert len(self.by_phone(harness, connector, parse("600112233", "ES"))) == 1
        harness.go_away()
        if harness.away_once_open:
            with pytest.raises(Unavailable) as raised:
                self.by_phone(harness, connector, parse("600112233", "ES"))
            seen.error(raised.value)
        else:
            assert len(self.by_phone(harness, connector, parse("600112233", "ES"))) == 1

    def test_it_serves_again_when_the_crm_is_back(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        harness.go_away()
        connector = opened()
        with pytest.raises(Unavailable) as raised:
            self.by_phone(harness, connector, parse("600112233", "ES"))
        seen.error(raised.value)
        harness.come_back()

        def served() -> bool:
            with contextlib.suppress(Unavailable):
                return len(self.by_phone(harness, connector, parse("600112233", "ES"))) == 1
            return False

        eventually(served, "an answer after the outage")

    def test_the_deadline_is_kept_when_the_crm_hangs(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        if not harness.can_hang:
            pytest.skip("nothing to wait for here")
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        harness.hang()
        begun = time.monotonic()
        with pytest.raises(TimedOut) as raised:
            connector.find(LookupQuery(harness.contact, phone=parse("600112233", "ES")), Deadline.after(0.5))
        seen.error(raised.value)
        assert time.monotonic() - begun < GENEROUS  # the CRM itself hangs for longer than that

    def test_one_that_is_cooperative_lets_others_compute_while_the_crm_hangs(
        self, harness: Harness, tmp_path: Path, seen: Seen
    ) -> None:
        if not (harness.can_hang and harness.connector.cooperative):
            pytest.skip("it does not claim to be")
        harness.load([Contact("Ana", "600112233")])
        harness.hang()
        permit, given_back, ended = threading.Lock(), threading.Event(), []

        @contextlib.contextmanager
        def waiting() -> Iterator[None]:
            mine = threading.current_thread() is asking
            if mine:
                permit.release()
                given_back.set()
            try:
                yield
            finally:
                if mine:
                    permit.acquire()

        def ask() -> None:
            with permit, contextlib.closing(open_connector(harness, tmp_path, seen, waiting)) as connector:
                with contextlib.suppress(TimedOut):
                    connector.find(LookupQuery(harness.contact, phone=parse("600112233", "ES")), Deadline.after(2.0))
                ended.append(True)

        asking = threading.Thread(target=ask)
        asking.start()
        assert given_back.wait(GENEROUS)
        with permit:
            before_it_ended = not ended
        asking.join()
        assert before_it_ended

    def test_nothing_is_begun_after_the_deadline(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        if connector.immediate:
            pytest.skip("it answers from memory")
        with pytest.raises(TimedOut) as raised:
            connector.find(LookupQuery(harness.contact, phone=parse("600112233", "ES")), Deadline.after(-1))
        seen.error(raised.value)
