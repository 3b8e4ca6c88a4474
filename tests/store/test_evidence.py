"""The evidence of what allowed calls: a chain that shows what was changed, removed or moved."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from bridge.store import evidence, privacy
from bridge.store.database import Database
from bridge.store.evidence import ChainFault, ChainHead, Grounds, Verified
from tests.store.made import LINE, NOW, SOMEONE

DAY = timedelta(days=1)
HOST, OTHER_HOST = "0123456789abcdef", "fedcba9876543210"
OTHER = "+34600999888"


def grounds(number: str = SOMEONE, purpose: str = "commercial", callback: int = 1) -> Grounds:
    return Grounds(
        number, number, LINE, "people", callback, 1, purpose, "consent", "2026-01-02", "form 7 ñ",
        gates=["consent", "opposed"], lists={"permitted_on": "2026-02-20"}, rules="es-2026-10",
    )  # fmt: skip


def wrote(database: Database, *all_grounds: Grounds, host: str = HOST, at: datetime = NOW) -> list[int]:
    numbers = []
    for number, each in enumerate(all_grounds):
        with database.write() as connection:
            numbers.append(evidence.add(database, connection, host, each, at + timedelta(seconds=number)))
    return numbers


def only(database: Database, *heads: ChainHead) -> Verified:
    [chain] = evidence.verify(database, heads)
    return chain


def changed(database: Database, statement: str) -> None:
    with database.write() as connection:
        assert connection.execute(text(statement)).rowcount > 0


def test_what_allowed_a_call_is_found_by_its_number(database: Database) -> None:
    assert wrote(database, grounds(), grounds(OTHER, callback=2)) == [1, 2]
    with database.read() as connection:
        [row] = evidence.of_number(connection, SOMEONE)
    assert row.grounds == grounds()
    assert (row.seq, row.at, row.purpose, row.annulled) == (1, NOW, "commercial", False)
    assert only(database) == Verified(HOST, evidence.ChainHead(HOST, 2, only(database).head.hash), rows=2)


def test_what_was_not_sent_is_no_call_and_stays_in_the_chain(database: Database) -> None:
    wrote(database, grounds(), grounds())
    evidence.annul(database, HOST, 1, "commercial", NOW + DAY)
    with database.read() as connection:
        assert [row.seq for row in evidence.of_number(connection, SOMEONE)] == [2]
    assert [(row.seq, row.annulled) for row in evidence.each(database, None, None)] == [(1, True), (2, False)]
    assert only(database).faults == []
    assert only(database).rows == 3


def test_an_empty_database_has_no_chain(database: Database) -> None:
    assert evidence.verify(database) == []


CHANGES = {
    "UPDATE evidence SET number = '+34600000000' WHERE seq = 3": ChainFault("changed", 3),
    "UPDATE evidence SET customer = '' WHERE seq = 3": ChainFault("changed", 3),
    "UPDATE evidence SET purpose = 'requested' WHERE seq = 3": ChainFault("changed", 3),
    "UPDATE evidence SET at = (SELECT at FROM evidence WHERE seq = 2) WHERE seq = 3": ChainFault("changed", 3),
    "UPDATE evidence SET content = replace(content, 'consent', 'assent!') WHERE seq = 3": ChainFault("changed", 3),
    "UPDATE evidence SET annuls = 2 WHERE seq = 3": ChainFault("changed", 3),
    "UPDATE evidence SET content = '', number = '', customer = '' WHERE seq = 3": ChainFault("erased", 3),
    "DELETE FROM evidence WHERE seq = 1": ChainFault("missing", 1, 1),
    "DELETE FROM evidence WHERE seq IN (3, 4)": ChainFault("missing", 3, 4),
    "DELETE FROM evidence WHERE seq >= 5": ChainFault("missing", 5, 6),
    "DELETE FROM evidence": ChainFault("missing", 1, 6),
}


@pytest.mark.parametrize("statement", CHANGES)
def test_what_was_changed_or_removed_shows(database: Database, statement: str) -> None:
    wrote(database, *[grounds(callback=number) for number in range(6)])
    changed(database, statement)
    assert only(database).faults == [CHANGES[statement]]


def test_rows_that_changed_places_show(database: Database) -> None:
    wrote(database, *[grounds(callback=number) for number in range(4)])
    for statement in ("seq = 99 WHERE seq = 2", "seq = 2 WHERE seq = 3", "seq = 3 WHERE seq = 99"):
        changed(database, f"UPDATE evidence SET {statement}")
    faults = only(database).faults
    assert {fault.what for fault in faults} == {"changed"}
    assert {2, 3} <= {fault.seq for fault in faults}


def test_a_row_that_was_put_there_shows(database: Database) -> None:
    wrote(database, grounds())
    changed(
        database,
        "INSERT INTO evidence (installation, seq, at, purpose, number, customer, content, digest, hash)"
        " SELECT installation, 2, at, purpose, number, customer, content, digest, hash FROM evidence",
    )
    assert ChainFault("surplus", 2) in only(database).faults


def test_a_chain_made_anew_shows_by_a_head_that_was_noted(database: Database) -> None:
    wrote(database, grounds(), grounds())
    noted = only(database).head
    assert ChainHead.parse(str(noted)) == noted
    wrote(database, grounds())
    assert only(database, noted).faults == []
    changed(database, "DELETE FROM evidence")
    changed(database, "DELETE FROM meta WHERE name LIKE 'evidence:%'")
    wrote(database, grounds(OTHER), grounds(), grounds())
    assert only(database).faults == []
    assert only(database, noted).faults == [ChainFault("moved", 2)]


@pytest.mark.parametrize("head", ["", "a:b", "a:b:c", "a:1:short", "a:1:2:3"])
def test_what_is_no_head_is_refused(head: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ChainHead.parse(head)


def test_old_rows_go_and_the_rest_stays_a_chain(database: Database) -> None:
    wrote(database, grounds(), grounds(), at=NOW - 10 * DAY)
    wrote(database, grounds(OTHER), host=OTHER_HOST, at=NOW - 10 * DAY)
    noted = only_of(database, HOST).head
    wrote(database, grounds(), grounds())
    assert evidence.purge(database, NOW - DAY) == 3
    chain = only_of(database, HOST)
    assert (chain.faults, chain.rows, chain.first) == ([], 2, 3)
    assert chain.purged_until == NOW - 10 * DAY + timedelta(seconds=1)
    assert [each.faults for each in evidence.verify(database, [noted])] == [[], []]
    assert evidence.purge(database, NOW + DAY) == 2
    wrote(database, grounds())
    chain = only_of(database, HOST)
    assert (chain.faults, chain.rows, chain.first) == ([], 1, 5)
    changed(database, "DELETE FROM evidence")
    assert only_of(database, HOST).faults == [ChainFault("missing", 5, 5)]


def only_of(database: Database, host: str) -> Verified:
    return next(chain for chain in evidence.verify(database) if chain.installation == host)


def test_a_clock_that_was_set_back_does_not_tear_the_chain(database: Database) -> None:
    wrote(database, grounds(), at=NOW)
    wrote(database, grounds(), at=NOW - 10 * DAY)
    assert evidence.purge(database, NOW - DAY) == 0
    assert evidence.purge(database, NOW + DAY) == 2
    assert only(database).faults == []


def test_hosts_write_at_the_same_time_each_in_its_chain(database: Database) -> None:
    hosts = [HOST, OTHER_HOST, HOST, OTHER_HOST]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda host: wrote(database, *[grounds()] * 10, host=host), hosts))
    chains = evidence.verify(database)
    assert [(chain.rows, chain.head.seq, chain.faults) for chain in chains] == [(20, 20, [])] * 2


def test_of_a_forgotten_person_the_evidence_of_commercial_calls_alone_is_kept(database: Database) -> None:
    wrote(database, grounds(), grounds(purpose="requested"), grounds(OTHER, purpose="service"))
    assert len(privacy.person(database, SOMEONE)["evidence"]) == 2
    erased = privacy.forget(database, SOMEONE)
    assert (erased.evidence, erased.blocked, erased.total) == (1, 1, 1)
    [kept] = privacy.person(database, SOMEONE)["evidence"]
    assert kept["purpose"] == "commercial"
    chain = only(database)
    assert (chain.faults, chain.erased, chain.rows) == ([], 1, 3)
    assert [row.grounds is None for row in evidence.each(database, None, None)] == [False, True, False]


def test_rows_are_exported_by_time(database: Database) -> None:
    wrote(database, grounds(), at=NOW - DAY)
    wrote(database, grounds(), at=NOW)
    assert [row.at for row in evidence.each(database, NOW, None)] == [NOW]
    assert [row.at for row in evidence.each(database, None, NOW)] == [NOW - DAY]


def test_a_row_that_somebody_made_unreadable_is_listed_without_its_content(database: Database) -> None:
    wrote(database, grounds())
    changed(database, "UPDATE evidence SET content = 'no JSON'")
    [row] = evidence.each(database, None, None)
    assert row.grounds is None
    assert only(database).faults == [ChainFault("changed", 1)]


def test_whatever_a_row_says_can_be_kept(database: Database) -> None:
    odd = Grounds(SOMEONE, SOMEONE, LINE, "ñ", 1, 1, "commercial", "\0\ud800", "", "'; --\n\"", rules="es")
    wrote(database, odd)
    assert only(database).faults == []
    with database.read() as connection:
        [row] = evidence.of_number(connection, SOMEONE)
    assert row.grounds is not None
    assert row.grounds.consent_proof == odd.consent_proof
    assert json.dumps(row.grounds.basis)
