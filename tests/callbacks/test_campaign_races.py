"""A person pauses a campaign while others are at it: on PostgreSQL, where nobody waits for all others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import text

from bridge.callbacks import CallbackService
from bridge.callbacks.campaigns import Campaigns
from bridge.callbacks.parts import Parts
from bridge.callbacks.reports import Reports
from bridge.callbacks.rowfile import RowFile
from bridge.callbacks.turns import LineScheduler
from bridge.config.load import load
from bridge.queue import queue_for
from bridge.store import campaigns as store
from bridge.store.callbacks import CallbackState
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.callbacks.world import LINE, MONDAY
from tests.waiting import until

CONFIG = """
database: {database}
language: en
lines: [{{number: "912345678", password: "3956"}}]
callbacks: [{{name: web, token: 0123456789abcdefghijklmnop, line: "912345678", rule_group: callbacks, hours: always}}]
"""


def clock() -> datetime:
    return MONDAY


def nothing_serves() -> NoReturn:
    raise AssertionError("giving turns needs no connector")


class Bridge:
    def __init__(self, database: Database, folder: Path, url: str) -> None:
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(database=url), encoding="utf-8")
        configuration = load(config).configuration
        queue = queue_for(database)
        desk = CallbackService(database, queue, lambda: configuration, clock)
        parts = Parts(
            database, queue, nothing_serves, desk.book, Reports(database, queue, clock), clock, lambda: 0.5
        )  # fmt: skip
        self.database, self.file = database, folder / "spring.csv"
        self.file.write_text("phone\n600111201\n", encoding="utf-8")
        self.turns, self.campaigns = LineScheduler(parts), Campaigns(database, queue, desk, clock)
        self.begun = self.campaigns.begin("spring", "web", str(self.file))

    def take(self) -> None:
        rows = RowFile(self.file, self.campaigns.rules("web"), "spring/", "en", MONDAY)
        self.campaigns.take(self.begun, rows, lambda _row: None, lambda _count: None)

    def paused_while(self, work: Callable[[], object]) -> dict[str, int]:
        """Pause the campaign, but let `work` begin before that is on disk; how many each gate keeps back then."""
        thread = threading.Thread(target=work)
        with self.database.write() as connection:
            store.get(connection, "spring", lock=True)
            store.save(self.database, connection, replace(self.begun, paused=True))
            thread.start()
            until(lambda: self._somebody_waits() or not thread.is_alive())
        thread.join()
        return self.campaigns.progress("spring").gates

    def _somebody_waits(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with self.database.read() as connection:
            return bool(connection.execute(text(query)).scalar())


@pytest.fixture
def bridge(postgres_url: str, tmp_path: Path) -> Iterator[Bridge]:
    database = connect(postgres_url)
    yield Bridge(database, tmp_path, postgres_url)
    database.close()


def test_nothing_of_a_campaign_gets_its_turn_in_the_moment_of_its_pause(bridge: Bridge) -> None:
    bridge.take()
    assert bridge.paused_while(lambda: bridge.turns.look(LINE)) == {"campaign": 1}


def test_rows_that_come_in_the_moment_of_a_pause_are_kept_back(bridge: Bridge) -> None:
    assert bridge.paused_while(bridge.take) == {"campaign": 1}


def test_a_large_campaign_is_stopped_and_goes_on_in_lots_as_long_as_nobody_decides_otherwise(bridge: Bridge) -> None:
    count = 2 * store.LOT + 300
    bridge.file.write_text("phone\n" + "".join(f"{600_200_000 + n}\n" for n in range(count)), encoding="utf-8")
    bridge.take()
    assert bridge.campaigns.pause("spring") == count
    assert bridge.campaigns.progress("spring").gates == {"campaign": count}
    assert bridge.campaigns.pause("spring") == 0
    assert bridge.campaigns.resume("spring") == count
    assert bridge.campaigns.progress("spring").gates == {"": count}

    lots: list[bool] = []

    def pause_and_cancel() -> None:
        """Somebody cancels it as soon as a part of it is paused."""
        until(lambda: bridge.campaigns.progress("spring").gates.get("campaign", 0) > 0)
        lots.append(bridge.campaigns.cancel("spring") > 0)

    thread = threading.Thread(target=pause_and_cancel)
    thread.start()
    bridge.campaigns.pause("spring")
    thread.join()
    assert lots == [True]
    assert bridge.campaigns.progress("spring").states == {CallbackState.CANCELLED: count}


def test_what_a_killed_command_left_of_a_campaign_waiting_gets_no_turn(bridge: Bridge) -> None:
    bridge.take()
    with bridge.database.write() as connection:  # all that it did
        store.save(bridge.database, connection, replace(bridge.begun, paused=True))
    bridge.turns.look(LINE)
    assert bridge.campaigns.progress("spring").gates == {"campaign": 1}
