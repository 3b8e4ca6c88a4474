"""Who opposes: one reference for each number, known also when the number is gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.store import oppositions, privacy
from bridge.store.database import Database, in_turn
from bridge.store.oppositions import NewOpposition, new_reference, read_reference
from bridge.store.schema import connect
from bridge.store.spool import Spool
from bridge.store.tables import meta
from tests.store.made import NOW, SOMEONE

OTHER = "+34600999888"


def opposes(database: Database, *numbers: str, reference: str = "", announced: bool = False) -> dict[str, str]:
    new = [NewOpposition(number, reference or new_reference(), NOW, "test", announced) for number in numbers]
    with database.write() as connection:
        return oppositions.add(database, connection, new)


def known(database: Database, *numbers: str) -> dict[str, str]:
    with database.read() as connection:
        return oppositions.opposed(connection, numbers)


def test_a_number_has_one_reference_however_often_it_opposes(database: Database) -> None:
    first = opposes(database, SOMEONE)
    assert opposes(database, SOMEONE, OTHER)[SOMEONE] == first[SOMEONE]
    assert known(database, SOMEONE, "+34600000000") == first
    with database.read() as connection:
        rows = oppositions.latest(connection, 10)
        assert [row.number for row in rows] == [OTHER, SOMEONE]
        assert oppositions.latest(connection, 10, rows[0].id) == rows[1:]
        assert oppositions.by_reference(connection, first[SOMEONE]) == rows[1]
        assert oppositions.by_reference(connection, "1234567890") is None


def test_before_anybody_opposed_nobody_does(database: Database) -> None:
    assert known(database, SOMEONE) == {}
    with database.read() as connection:
        assert oppositions.of_number(connection, SOMEONE) == []


def test_a_forgotten_person_still_opposes_under_the_same_reference(database: Database) -> None:
    [reference] = opposes(database, SOMEONE).values()
    erased = privacy.forget(database, SOMEONE)
    assert (erased.opposed, erased.total) == (1, 0)
    assert known(database, SOMEONE) == {SOMEONE: reference}
    assert opposes(database, SOMEONE) == {SOMEONE: reference}
    [row] = oppositions.each(database)
    assert (row.number, row.reference) == ("", reference)
    with database.read() as connection:
        assert oppositions.of_number(connection, SOMEONE) == [row]


def test_nothing_in_sqlites_file_tells_the_number_of_a_forgotten_person(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path}/bridge.db")
    opposes(database, SOMEONE)
    held = [path for path in tmp_path.iterdir() if SOMEONE.encode() in path.read_bytes()]
    assert held
    assert privacy.forget(database, SOMEONE).scrubbed
    assert [path for path in tmp_path.iterdir() if SOMEONE.encode() in path.read_bytes()] == []
    database.close()


def test_what_is_withdrawn_is_kept_and_a_later_opposition_is_a_new_one(database: Database) -> None:
    [first] = opposes(database, SOMEONE).values()
    with database.write() as connection:
        assert oppositions.withdraw(connection, first, NOW + timedelta(days=1))
        assert not oppositions.withdraw(connection, first, NOW + timedelta(days=2))
        assert not oppositions.withdraw(connection, "1234567890", NOW)
    assert known(database, SOMEONE) == {}
    [second] = opposes(database, SOMEONE).values()
    assert second != first
    assert known(database, SOMEONE) == {SOMEONE: second}
    assert [row.reference for row in oppositions.each(database, 1)] == [first, second]


def test_a_reference_that_somebody_else_has_is_replaced(database: Database) -> None:
    [reference] = opposes(database, SOMEONE).values()
    [other] = opposes(database, OTHER, reference=reference).values()
    assert other != reference
    assert read_reference(other) == other


def test_what_somebody_was_told_while_the_database_was_away_holds_besides(database: Database) -> None:
    [first] = opposes(database, SOMEONE).values()
    told = new_reference()
    for _ in range(2):  # a spool may bring it twice
        assert opposes(database, SOMEONE, reference=told, announced=True) == {SOMEONE: first}
    with database.write() as connection:
        assert [row.reference for row in oppositions.of_number(connection, SOMEONE)] == [first, told]
        assert oppositions.withdraw(connection, told, NOW)
    assert known(database, SOMEONE) == {}


def test_a_spool_keeps_an_opposition_and_forgetting_its_person_does_not_lose_it(
    database: Database, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool.db")
    new = NewOpposition(SOMEONE, new_reference(), NOW, "query BAJA")
    spool.append([new, NewOpposition(OTHER, new_reference(), NOW, "query BAJA")])
    assert [(kept.reference, kept.announced) for kept in spool.oppositions_of(SOMEONE)] == [(new.reference, True)]
    erased = privacy.forget(database, SOMEONE, spool)
    assert (erased.spooled, erased.opposed) == (1, 1)
    assert known(database, SOMEONE, OTHER) == {SOMEONE: new.reference}
    assert (spool.oppositions_of(SOMEONE), spool.count()) == ([], 1)
    spool.close()


def test_references_can_be_read_out_and_a_slip_shows() -> None:
    for _ in range(200):
        reference = new_reference()
        assert len(reference) == 10
        assert reference.isdigit()
        assert reference[0] != "0"
        assert read_reference(f"{reference[:3]} {reference[3:6]}-{reference[6:]}.") == reference
        for place in range(10):
            for digit in "0123456789".replace(reference[place], ""):
                assert read_reference(f"{reference[:place]}{digit}{reference[place + 1 :]}") == ""
        for place in range(9):
            swapped = f"{reference[:place]}{reference[place + 1]}{reference[place]}{reference[place + 2 :]}"
            assert swapped == reference or read_reference(swapped) == ""


@pytest.mark.parametrize("text", ["", "123", "abcdefghij", "12345678901", "١٢٣٤٥٦٧٨٩٠", "12345 6789"])
def test_what_is_no_reference_is_none(text: str) -> None:
    assert read_reference(text) == ""


def test_the_key_is_not_what_the_table_holds_and_is_made_once(database: Database) -> None:
    opposes(database, SOMEONE)
    opposes(database, OTHER)
    with database.read() as connection:
        keys = list(connection.execute(select(meta.c.value).where(meta.c.name == "opposition_key")).scalars())
    assert [len(key) for key in keys] == [64]


def test_whoever_is_about_to_ring_a_number_is_waited_for(database: Database) -> None:
    """On PostgreSQL, where there are several writers: once the opposition is kept, nobody can still be about to commit
    a call that did not see it."""
    if not database.postgresql:
        pytest.skip("there is one writer on SQLite")
    with ThreadPoolExecutor(1) as threads, database.write() as connection:
        in_turn(database, connection, f"number:{SOMEONE}")
        opposing = threads.submit(opposes, database, SOMEONE)
        with pytest.raises(TimeoutError):
            opposing.result(0.5)
        connection.commit()
        assert SOMEONE in opposing.result(60)
    assert SOMEONE in known(database, SOMEONE)
