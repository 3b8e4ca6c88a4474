"""Commercial calls in their life: an opposition that comes at any moment, and the evidence of what went out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bridge.callbacks import Callback
from bridge.callbacks.gates import OF_COMMERCIAL, Facts, candidate
from bridge.callbacks.grounds import of_emission
from bridge.callbacks.listcheck import take_back
from bridge.callbacks.numberfile import NumberFile
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.script import Reaction
from bridge.store import evidence, oppositions
from bridge.store.evidence import EvidenceRow
from bridge.store.oppositions import NewOpposition, new_reference
from bridge.store.spool import Item, Spool
from tests.callbacks.world import World

SOURCES = """hours: always
  - name: people
    line: "912345678"
    rule_group: callbacks
    purpose: commercial
    hours: {days: mon-fri, from: "09:00", to: "20:00"}
    consent: {basis: "{{ task.basis }}", date: "{{ task.since }}"}
  - name: service
    line: "912345678"
    rule_group: callbacks
    purpose: service
    hours: always"""
ANA = "+34600111222"
CONSENT = {"basis": "consent", "since": "2026-01-02", "proof": "form 7"}


@pytest.fixture
def platform() -> Iterator[EmissionPlatform]:
    with EmissionPlatform({"912345678": "3956"}) as platform:
        yield platform


@pytest.fixture
def world(tmp_path: Path, platform: EmissionPlatform) -> Iterator[World]:
    world = World(tmp_path, platform, SOURCES)
    yield world
    world.close()


def opposes(world: World, number: str = ANA) -> str:
    with world.database.write() as connection:
        new = NewOpposition(number, new_reference(), world.now, "test")
        return oppositions.add(world.database, connection, [new])[number]


def proofs(world: World) -> list[EvidenceRow]:
    return list(evidence.each(world.database, None, None))


def asked(world: World, id_: str = "T1", source: str = "people", **fields: str) -> Callback:
    return world.accept(id_, source=source, **{**CONSENT, **fields})


def test_whoever_opposed_is_not_called_for_business(world: World, platform: EmissionPlatform) -> None:
    opposes(world)
    callback = asked(world)
    world.work()
    callback = world.callback(callback.id)
    assert (callback.state.value, callback.gate) == ("rejected", "opposed")
    assert platform.ledger.rung == []
    assert proofs(world) == []


def test_who_opposes_while_the_call_waits_for_its_turn_is_not_rung(world: World, platform: EmissionPlatform) -> None:
    callback = asked(world)
    opposes(world)
    world.work()
    assert world.callback(callback.id).gate == "opposed"
    assert platform.ledger.rung == []


def test_who_opposed_while_the_database_was_away_is_not_rung_before_it_has_heard_of_that(
    world: World, platform: EmissionPlatform
) -> None:
    callback = asked(world)
    spool = Spool(world.state / "spool.db")
    spool.append([NewOpposition(ANA, new_reference(), world.now, "query BAJA")])
    world.work()
    callback = world.callback(callback.id)
    assert (callback.state.value, callback.gate, platform.ledger.rung) == ("waiting", "opposed", [])

    def take_over(items: Sequence[Item]) -> list[str]:
        with world.database.write() as connection:
            oppositions.add(world.database, connection, [item for item in items if isinstance(item, NewOpposition)])
        return [""] * len(items)

    spool.move(take_over)
    spool.close()
    world.later(seconds=5)
    callback = world.callback(callback.id)
    assert (callback.state.value, callback.gate, platform.ledger.rung) == ("rejected", "opposed", [])


def test_where_the_spool_cant_be_looked_into_nobody_is_sold_to(world: World, platform: EmissionPlatform) -> None:
    (world.state / "spool.db").write_bytes(b"no database at all, but a file that was damaged" * 50)
    callback = asked(world)
    world.work()
    assert (world.callback(callback.id).gate, platform.ledger.rung) == ("opposed", [])
    (world.state / "spool.db").unlink()
    world.later(seconds=5)
    assert len(platform.ledger.rung) == 1


def test_who_opposes_is_still_called_about_a_contract(world: World, platform: EmissionPlatform) -> None:
    opposes(world)
    asked(world, source="service")
    world.work()
    assert len(platform.ledger.rung) == 1
    [row] = proofs(world)
    assert row.grounds is not None
    assert (row.purpose, row.grounds.basis, row.grounds.gates) == (
        "service", "", ["number", "caller_number", "hours", "per_number"]
    )  # fmt: skip


def test_of_each_call_there_is_evidence_of_what_allowed_it(world: World, platform: EmissionPlatform) -> None:
    callback = asked(world)
    world.work()
    assert len(platform.ledger.rung) == 1
    [row] = proofs(world)
    grounds = row.grounds
    assert grounds is not None
    assert (grounds.number, grounds.callback, grounds.emission, grounds.source) == (ANA, callback.id, 1, "people")
    assert (grounds.basis, grounds.consent_date, grounds.consent_proof) == ("consent", "2026-01-02", "form 7")
    assert grounds.rules.startswith("es-")
    assert {"consent", "opposed", "exclusion_list", "commercial_hours"} <= set(grounds.gates)
    assert grounds.lists == {"opposed": False, "permitted_on": None, "checks": []}
    [chain] = evidence.verify(world.database)
    assert (chain.rows, chain.faults) == (1, [])


@pytest.mark.parametrize(("source", "gates"), [("people", {"opposed"}), ("service", set())])
def test_where_no_rules_of_a_country_are_known_no_evidence_says_that_they_were_kept(
    world: World, source: str, gates: set[str]
) -> None:
    callback, spain = asked(world, source=source), world.desk.book().rules[source]
    rules = replace(spain, line=spain.line.model_copy(update={"country": "PT"}))
    facts = Facts(rules=rules, now=world.now)
    with world.database.read() as connection:
        grounds = of_emission(connection, callback, candidate(rules, callback), facts, world.now)
    assert grounds is not None
    assert (set(grounds.gates) & set(OF_COMMERCIAL), grounds.rules) == (gates, "")


def test_a_source_without_a_purpose_leaves_no_evidence(world: World, platform: EmissionPlatform) -> None:
    world.accept("T9")
    world.work()
    assert len(platform.ledger.rung) == 1
    assert proofs(world) == []


def test_what_certainly_rang_nobody_is_annulled_and_the_next_try_has_its_own(
    world: World, platform: EmissionPlatform
) -> None:
    platform.script.next(Reaction(result=-100))
    asked(world)
    world.work()
    world.later(hours=1)
    assert [row.annulled for row in proofs(world)] == [True, False]
    with world.database.read() as connection:
        assert [row.grounds.emission for row in evidence.of_number(connection, ANA) if row.grounds] == [2]


def test_a_check_that_permits_somebody_has_the_call_made(
    world: World, platform: EmissionPlatform, tmp_path: Path
) -> None:
    callback = asked(world, basis="legitimate_interest", since="2026-10-01")
    world.work()
    assert world.callback(callback.id).gate == "exclusion_list"
    file = tmp_path / "back.csv"
    file.write_text("600111222\n600111223\n", encoding="utf-8")
    back = take_back(
        world.database, world.queue, world.desk.book(), NumberFile(file, "ES"), date(2026, 11, 20), None, world.now,
        lambda _count: None,
    )  # fmt: skip
    assert (back.permitted, back.listed) == (2, 0)
    world.work()
    assert len(platform.ledger.rung) == 1
    [row] = proofs(world)
    assert row.grounds is not None
    assert row.grounds.lists == {"opposed": False, "permitted_on": "2026-11-20", "checks": [back.check]}


def test_a_check_for_another_source_permits_nothing_here(
    world: World, platform: EmissionPlatform, tmp_path: Path
) -> None:
    asked(world, basis="legitimate_interest", since="2026-10-01")
    file = tmp_path / "back.csv"
    file.write_text("600111222\n", encoding="utf-8")
    take_back(
        world.database, world.queue, world.desk.book(), NumberFile(file, "ES"), date(2026, 11, 20), "service",
        world.now, lambda _count: None,
    )  # fmt: skip
    world.work()
    assert platform.ledger.rung == []
