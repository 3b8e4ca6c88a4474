"""What a caller hears while a CRM hangs, dies or comes back, and what the others notice of it: nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from bridge.simulator.calls import Exchange, Platform, SimulatedCall, Target, new_sequence
from tests.acceptance.crm import Crm
from tests.acceptance.processes import Bridge, wait_until_ready
from tests.fakes.rest_crm.signin import CLIENT_ID, CLIENT_SECRET
from tests.ports import free_port
from tests.waiting import until

DEFAULT = "910000000"
AT_ONCE = 40
CONFIG = """
server: {{port: {port}, workers: {workers}, threads: 128}}
lines: [{{number: "912345678", password: "3956"}}]
connectors:
  shop:
    type: rest
    base_url: {crm}
    auth: {auth}
    timeout: 10s
    breaker: {{failures: 5, open: 300ms}}
    records:
      contact:
        search: {{path: /customers, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        fields: {{id: id, name: full_name}}
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
    activities: {{file: calls.csv}}
queries:
  QUIEN:
    find: {{contact: {{in: shop, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}", DESTINO: "911000001"}}
    not_found: {{NOMBRE: nadie}}
    ambiguous: {{NOMBRE: varios}}
    on_timeout: {{DESTINO: "910000000", result: 0}}
    cache: none
    deadline: {deadline}
  CONOCIDO:
    find: {{contact: {{in: shop, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
    on_timeout: {{DESTINO: "910000000"}}
    cache: {{fresh: 10ms, stale: 24h}}
    deadline: {deadline}
  AGENDA:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
activities: [{{in: agenda}}]
"""


class World:
    """A bridge before a CRM, and the platform that asks it."""

    def __init__(self, folder: Path, crm: Crm, platform: Platform) -> None:
        self.folder, self.crm, self.platform = folder, crm, platform

    def ask(self, caller: str, query: str = "QUIEN") -> Exchange:
        return self.platform.query(SimulatedCall(caller, new_sequence()), query)

    def ask_all(self, callers: Sequence[str], query: str = "QUIEN") -> list[Exchange]:
        """All at once."""
        with ThreadPoolExecutor(len(callers)) as pool:
            return list(pool.map(lambda caller: self.ask(caller, query), callers))

    def knows(self, caller: str, name: str) -> bool:
        return self.ask(caller).variables.get("NOMBRE") == name

    def reaches_agent(self, caller: str) -> bool:
        """Whether this caller is put through to who looks after them: the CRM was asked, and in time."""
        return self.ask(caller).variables.get("DESTINO") == "911000001"

    def calls(self) -> list[str]:
        """The callers of the calls that the address book's file has."""
        file = self.folder / "calls.csv"
        if not file.exists():
            return []
        with file.open(encoding="utf-8-sig", newline="") as text:
            return [row["caller"] for row in csv.DictReader(text)]


@contextmanager
def world(
    folder: Path, *options: str, workers: int = 2, auth: str = "{type: none}", deadline: str = "700ms"
) -> Iterator[World]:
    port = free_port()
    with Crm(*options) as crm:
        (folder / "contacts.csv").write_text("id,phone,name\nC1,600111222,Ana\n", encoding="utf-8")
        config = folder / "config.yaml"
        auth = auth.replace("CRM", crm.url)
        text = CONFIG.format(port=port, crm=crm.url, workers=workers, auth=auth, deadline=deadline)
        config.write_text(text, encoding="utf-8")
        bridge = Bridge(config)
        bridge.start()
        try:
            wait_until_ready(port, [bridge])
            with Platform(Target(f"http://127.0.0.1:{port}", "912345678", "3956", timeout=30)) as platform:
                yield World(folder, crm, platform)
            assert bridge.stop() == 0
        finally:
            bridge.kill()


def numbers(start: int, count: int = AT_ONCE) -> list[str]:
    return [f"{600_000_000 + start + one}" for one in range(count)]


def got_the_default(answers: Sequence[Exchange]) -> bool:
    return all(one.status == 200 and one.result == "0" and one.variables == {"DESTINO": DEFAULT} for one in answers)


def others_are_well(world: World, caller: str) -> None:
    """Another connector's Query is answered, and a call's events become its activity."""
    until(lambda: world.ask("600111222", "AGENDA").variables == {"NOMBRE": "Ana"}, 60)
    call = SimulatedCall(caller, new_sequence(), diverted="911000001")
    assert [world.platform.event(call, "inicio").status, *(one.status for one in world.platform.events(call))] == [
        200
    ] * 3
    until(lambda: f"+34{caller}" in world.calls(), 60)


def not_asked(world: World, start: int) -> bool:
    """Whether the CRM is asked for none of these callers, who get the default. Each serving process has to meet a few
    failures of its own first, and which process meets whom the machine decides."""
    callers = numbers(start)
    assert got_the_default(world.ask_all(callers))
    return not set(callers) & set(world.crm.asked())


@pytest.mark.timeout(720)
def test_while_a_crm_hangs_callers_get_the_default_and_others_notice_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as bridge:
        until(lambda: bridge.knows("600000001", "Customer 1"), 60)
        bridge.crm.tell("fault hang /customers")
        waited = numbers(100)
        assert got_the_default(bridge.ask_all(waited))  # a hung request is never answered: nobody waited for it
        assert set(waited) & set(bridge.crm.asked()), "at first it is asked"
        assert any(not_asked(bridge, start) for start in range(200, 700, 100)), "after a few failures it is not asked"
        others_are_well(bridge, "600111222")
        bridge.crm.tell("clear")
        until(lambda: bridge.knows("600000800", "Customer 800"), 60)
        for caller in numbers(900, 5):
            until(lambda caller=caller: bridge.reaches_agent(caller), 60)  # type: ignore[misc]  # mypy can't type it


@pytest.mark.timeout(720)
def test_a_crm_that_is_killed_is_found_again_when_it_is_back(tmp_path: Path) -> None:
    with world(tmp_path) as bridge:
        until(lambda: bridge.knows("600000001", "Customer 1"), 60)
        bridge.crm.kill()
        for start in (100, 200):
            assert got_the_default(bridge.ask_all(numbers(start)))
        others_are_well(bridge, "600111222")
        bridge.crm.start()
        for caller in numbers(300, 5):
            until(lambda caller=caller: bridge.reaches_agent(caller), 60)  # type: ignore[misc]  # mypy can't type it


@pytest.mark.timeout(720)
@pytest.mark.parametrize("outage", ["hang", "kill"])
def test_who_called_before_is_known_in_an_outage_too(outage: str, tmp_path: Path) -> None:
    with world(tmp_path, workers=1) as bridge:
        until(lambda: bridge.ask("600000001", "CONOCIDO").variables == {"NOMBRE": "Customer 1"}, 60)
        if outage == "hang":
            bridge.crm.tell("fault hang /customers")
        else:
            bridge.crm.kill()
        assert all(
            one.variables == {"NOMBRE": "Customer 1"} for one in bridge.ask_all(["600000001"] * AT_ONCE, "CONOCIDO")
        )
        assert bridge.ask("600000002", "CONOCIDO").variables == {"DESTINO": DEFAULT}


@pytest.mark.timeout(720)
def test_a_fuzzy_search_never_makes_a_caller_somebody_else(tmp_path: Path) -> None:
    with world(tmp_path, "--fuzzy", deadline="15s") as bridge:
        strangers = [f"6{n % 9 + 1}1110{n:03}" for n in range(AT_ONCE)]
        alike = requests.get(f"{bridge.crm.url}/customers", params={"q": strangers[7]}, timeout=30).json()["data"]
        assert alike, "the search has to return others"
        assert [one.variables for one in bridge.ask_all(strangers)] == [{"NOMBRE": "nadie"}] * AT_ONCE
        known = [one.variables["NOMBRE"] for one in bridge.ask_all(numbers(0))]
        assert known == [f"Customer {n}" for n in range(AT_ONCE)]


@pytest.mark.timeout(720)
def test_a_hundred_callers_at_once_take_one_token(tmp_path: Path) -> None:
    auth = f"{{type: oauth2, token_url: CRM/token, client_id: {CLIENT_ID}, client_secret: {CLIENT_SECRET}}}"
    with world(tmp_path, "--auth", "oauth2", "--delay", "0.1", workers=1, auth=auth, deadline="15s") as bridge:
        answers = bridge.ask_all(numbers(0, 100))
        assert [one.variables.get("NOMBRE") for one in answers] == [f"Customer {n}" for n in range(100)]
        assert bridge.crm.tell("signed in") == "1"
