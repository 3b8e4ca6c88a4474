"""Who answers a call has the caller's record opened by the CRM: a pretended Zendesk, asked over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.calls.folding import Folding, call_by_call
from bridge.calls.screenpops import ScreenPops
from bridge.config.model import Configuration
from bridge.intake.inbox import store
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.queue import queue_for
from bridge.store import screenpops
from bridge.store.database import Database
from bridge.store.events import Arrival
from bridge.store.schema import connect
from bridge.store.tables import screen_pops
from bridge.troubles import Troubles
from connectors.base import Context
from connectors.rest import RestConnector, RestOptions
from tests.fakes.exchange import LINE, Serving, arrival, document, final
from tests.fakes.presets.zendesk_support import ZendeskSupport
from tests.fakes.rest_crm import RestCrm

AGENT = "385473779372"
AGENTS = {"101": AGENT, "+34911000002": "7"}


class Desk:
    """What says whose screen shows whom, on a database, with the CRM behind it; time goes on by `later` alone."""

    def __init__(self, database: Database, crm: RestCrm, folder: Path, agents: dict[str, str]) -> None:
        self.now = datetime.now(UTC)
        self.database, self.queue, self.troubles = database, queue_for(database), Troubles()
        assert isinstance(crm.api, ZendeskSupport)
        section = {**crm.api.section(crm.url), "type": "rest", "preset": "zendesk-support", "rate": None}
        options = RestOptions.model_validate({**section, "pop": {"agents": agents}})
        self.source = ConnectorGateway(RestConnector("crm", options, Context(folder)))
        lines = [{"number": LINE, "password": "3956"}]
        configuration = Configuration.model_validate({"lines": lines, "connectors": {"crm": options}})
        self.serving = Serving(configuration, Lookups({"crm": self.source}, "ES"), {"crm": self.source})
        self.pops = ScreenPops(database, self.queue, self.use, lambda: self.now, self.troubles)
        self.folding = Folding(database, lambda: configuration, call_by_call(self.pops.plan), lambda: self.now)

    @contextmanager
    def use(self) -> Iterator[Serving]:
        yield self.serving

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def tell(self, *arrivals: Arrival) -> None:
        """The events are on disk and in their call."""
        with self.database.write() as connection:
            store(self.database, connection, self.queue, arrivals, self.now)
        for each in arrivals:
            self.folding.advance(each.line, each.call_sequence)

    def answered(self, extension: str, *, call: str = "7", **fields: Any) -> Arrival:
        """Somebody there answered, just now."""
        return arrival("desvio_correcto", document(call_sequence=call, **fields), self.now, diverted=extension)

    def waiting(self) -> list[str]:
        """The keys of what is noted and not begun."""
        query = select(screen_pops.c.id).where(screen_pops.c.begun_at.is_(None)).order_by(screen_pops.c.id)
        with self.database.read() as connection:
            return [str(id_) for id_ in connection.execute(query).scalars()]

    def work(self) -> None:
        """Begin whatever waits."""
        for key in self.waiting():
            self.pops(key)

    def told(self) -> list[str]:
        return [str(trouble.text) for trouble in self.troubles.all()]


@pytest.fixture
def zendesk() -> Iterator[RestCrm]:
    with RestCrm() as crm:
        crm.api = ZendeskSupport()
        yield crm


@pytest.fixture
def desk(database_url: str, zendesk: RestCrm, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(connect(database_url, tmp_path), zendesk, tmp_path, AGENTS)
    yield desk
    desk.source.close()
    desk.database.close()


def displayed(crm: RestCrm) -> list[tuple[str, str]]:
    assert isinstance(crm.api, ZendeskSupport)
    return crm.api.displayed


def ana(crm: RestCrm) -> str:
    assert isinstance(crm.api, ZendeskSupport)
    return crm.api.person("Ana", "600 111 222")


def asked_to_display(crm: RestCrm) -> int:
    return sum("display" in path for path in crm.paths())


def test_who_answers_sees_the_callers_profile_once(desk: Desk, zendesk: RestCrm) -> None:
    user = ana(zendesk)
    desk.tell(arrival("inicio", document(), desk.now))
    assert desk.waiting() == []
    desk.tell(desk.answered("101"))
    desk.work()
    assert displayed(zendesk) == [(AGENT, user)]
    request = zendesk.requests[-1]
    assert f"{request.method} {request.path}" == f"POST /api/v2/channels/voice/agents/{AGENT}/users/{user}/display.json"
    # the same said again, otherwise, and at the end of the call
    desk.tell(desk.answered("101", variables={"X": "1"}), arrival("fin", final(), desk.now))
    desk.work()
    assert displayed(zendesk) == [(AGENT, user)]
    desk.tell(desk.answered("101", call="8"))
    desk.work()
    assert displayed(zendesk) == [(AGENT, user)] * 2
    assert desk.told() == []


def test_however_many_begin_it_the_crm_is_asked_once(desk: Desk, zendesk: RestCrm) -> None:
    ana(zendesk)
    desk.tell(desk.answered("101"))
    (key,) = desk.waiting()
    together = threading.Barrier(6)

    def begin() -> None:
        together.wait()
        desk.pops(key)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked_to_display(zendesk) == 1


def test_each_who_answers_has_a_screen_of_their_own_however_the_number_is_written(desk: Desk, zendesk: RestCrm) -> None:
    user = ana(zendesk)
    assert isinstance(zendesk.api, ZendeskSupport)
    zendesk.api.agents.add("7")
    desk.tell(desk.answered("101"), desk.answered("911000002"), desk.answered("102"))
    desk.work()
    assert displayed(zendesk) == [(AGENT, user), ("7", user)]


@pytest.mark.parametrize("caller", ["600111222", "X", ""])
def test_whom_the_crm_does_not_know_nobody_is_shown(desk: Desk, zendesk: RestCrm, caller: str) -> None:
    desk.tell(desk.answered("101", caller_number=caller))
    desk.work()
    assert asked_to_display(zendesk) == 0
    assert desk.told() == []


def test_ten_seconds_after_the_answer_nothing_opens_any_more(desk: Desk, zendesk: RestCrm) -> None:
    ana(zendesk)
    late = desk.answered("101")
    desk.later(10.5)
    desk.tell(late)  # the spool was emptied, the worker was away
    assert desk.waiting() == []
    desk.tell(desk.answered("101", call="8"))
    desk.later(10)
    desk.work()
    assert (asked_to_display(zendesk), desk.waiting()) == (0, [])


@pytest.mark.parametrize("kind", ["down", "reset", "lose_answer", "too_many"])
def test_what_fails_is_a_trouble_and_not_tried_again(desk: Desk, zendesk: RestCrm, kind: str) -> None:
    ana(zendesk)
    zendesk.faults.add(kind, "/api/v2/channels")
    desk.tell(desk.answered("101"))
    desk.work()
    desk.work()
    assert asked_to_display(zendesk) == 1
    (sentence,) = desk.told()
    assert sentence.startswith("crm did not open the caller's record on the screen of who answered")
    assert "600111222" not in sentence
    zendesk.faults.clear()
    desk.tell(desk.answered("101", call="8"))
    desk.work()
    assert desk.told() == []


def test_a_crm_that_is_away_or_an_agent_that_it_lacks_is_a_trouble(desk: Desk, zendesk: RestCrm) -> None:
    ana(zendesk)
    assert isinstance(zendesk.api, ZendeskSupport)
    zendesk.api.agents.clear()
    desk.tell(desk.answered("101"))
    desk.work()
    assert "Not found" in desk.told()[0]
    zendesk.go_away()
    desk.tell(desk.answered("101", call="8"))
    desk.work()
    assert desk.told() != []


def test_what_is_old_is_let_go(desk: Desk) -> None:
    desk.tell(desk.answered("101"))
    with desk.database.write() as connection:
        assert screenpops.drop(connection, desk.now) == 0
        assert screenpops.drop(connection, desk.now + timedelta(seconds=1)) == 1
