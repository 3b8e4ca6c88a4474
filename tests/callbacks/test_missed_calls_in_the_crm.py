"""Missed calls and the CRM: whose customer it is, and the record that a task leaves there."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

from bridge.callbacks.preparing import CRM_AWAY
from bridge.config.load import load
from bridge.service.composition import Service
from connectors.base import Deadline, LookupQuery
from connectors.phone import parse
from tests.callbacks.missed_case import (
    ANA,
    EVA,
    WAITING,
    call,
    one,
    rung,
    source,
)
from tests.callbacks.world import World, world
from tests.waiting import until

OWNER = (
    "find: {previous: {in: calls, table: answered, phone: '{{ task.phone }}', optional: true}, "
    "contact: {in: %s, table: %s, phone: '{{ task.phone }}'%s}}",
    "variables: {AGENTE: '{{ (previous.answered_by or contact.agent or 100) | dial }}', CUANTAS: '{{ task.count }}'}",
)


def owned(connector: str, table: str, more: str = "") -> str:
    """A source that looks up who has the caller."""
    find, variables = OWNER
    return source(find % (connector, table, more), variables)


def agents(here: World) -> None:
    """The line has extensions, and the contacts their agents."""
    text = here.config.read_text().replace(
        'password: "3956"', 'password: "3956"\n    extensions: ["100", "101", "102"]', 1
    )
    here.config.write_text(text)
    (here.folder / "robinson.csv").write_text(f"phone,agent\n{EVA},102\n")
    here.current.replace(Service.open(load(here.config), background=True))

    def known() -> bool:
        with here.current.use() as service:
            query = LookupQuery("robinson", phone=parse(EVA, "ES"))
            return bool(service.sources["agenda"].connector.find(query, Deadline.after(5)))

    until(known)


def test_the_owner_goes_with_the_call(tmp_path: Path) -> None:
    with world(tmp_path, owned("agenda", "robinson")) as here:
        agents(here)
        call(here, "1", answered=True)
        here.now += timedelta(minutes=5)
        call(here, "2")
        call(here, "3", EVA)
        call(here, "4", "600555666")
        owners = {entry.number: entry.variables for entry in here.platform.ledger.rung}
        assert owners == {
            f"+34{ANA}": {"AGENTE": "101", "CUANTAS": "1"},
            f"+34{EVA}": {"AGENTE": "102", "CUANTAS": "1"},
            "+34600555666": {"AGENTE": "100", "CUANTAS": "1"},
        }


def test_a_crm_that_is_away_puts_the_call_off_unless_it_can_do_without(tmp_path: Path) -> None:
    with world(tmp_path, owned("away", "people")) as here:
        agents(here)
        call(here, "1")
        assert (one(here).state, one(here).gate, rung(here)) == (WAITING, CRM_AWAY, [])
    other = tmp_path / "other"
    other.mkdir()
    with world(other, owned("away", "people", ", optional: true")) as here:
        agents(here)
        call(here, "1")
        assert [entry.variables["AGENTE"] for entry in here.platform.ledger.rung] == ["100"]


RECORD = (
    "save: {in: agenda, table: recall, fields: {phone: '{{ task.phone }}', calls: '{{ task.count }}', state: open}, "
    "done: {state: closed, why: '{{ outcome.status }}: {{ outcome.text }}'}}"
)


def records(here: World) -> list[dict[str, str]]:
    with (here.folder / "recalls.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row.get(name) or "" for name in ("phone", "calls", "state", "why")} for row in rows]


def test_the_crm_has_the_task_as_a_record_which_is_closed_when_it_ends(tmp_path: Path) -> None:
    with world(tmp_path, source(RECORD, "dial: by_hand")) as here:
        call(here, "1")
        call(here, "2", EVA)
        assert records(here) == [
            {"phone": f"+34{ANA}", "calls": "1", "state": "open", "why": ""},
            {"phone": f"+34{EVA}", "calls": "1", "state": "open", "why": ""},
        ]
        here.now += timedelta(minutes=1)
        call(here, "3")
        assert [row["calls"] for row in records(here)] == ["2", "1"]
        here.now += timedelta(minutes=1)
        call(here, "4", answered=True, emitted=True)
        assert records(here)[0] == {
            "phone": f"+34{ANA}", "calls": "2", "state": "closed",
            "why": "cancelled: cancelled: somebody has spoken with the caller since",
        }  # fmt: skip
        assert records(here)[1]["state"] == "open"
        here.now += timedelta(minutes=1)
        call(here, "5")
        assert [row["state"] for row in records(here)] == ["closed", "open", "open"]


def test_a_record_is_closed_by_what_its_own_call_came_to(tmp_path: Path) -> None:
    with world(tmp_path, source(RECORD)) as here:
        call(here, "1")
        assert [row["state"] for row in records(here)] == ["open"]
        here.now += timedelta(seconds=20)
        call(here, "own", emitted=True, answered=True, idcall=here.platform.ledger.rung[0].idcall)
        assert [(row["state"], row["why"]) for row in records(here)] == [("closed", "answered: answered")]
